package config

import (
	"slices"
	"strings"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/runtime/fault"
)

// hosts puts the registries' own settings together: those of the file, and over
// them those of --registry-option.
func (l *loader) hosts() error {
	all := map[string]map[string]value{}
	if l.file != nil {
		all = l.file.hosts
	}
	if err := l.typedHosts(all); err != nil {
		return err
	}
	for _, host := range sorted(all) {
		h := new(builtins.HostSettings)
		for _, s := range hostSettings() {
			v, ok := all[host][s.key]
			if !ok {
				continue
			}
			if err := s.set(h, v.texts); err != nil {
				return fault.New(fault.Usage, v.from, "%s: %w", s.key, err)
			}
			l.note("registries."+host+"."+s.key, v)
		}
		if (h.ClientCert == "") != (h.ClientKey == "") {
			return fault.New(fault.Usage, "registries."+host, "a client certificate needs its key, and the key its certificate").
				WithHint("set both client_cert and client_key")
		}
		if l.result.Hosts == nil {
			l.result.Hosts = map[string]builtins.HostSettings{}
		}
		l.result.Hosts[host] = *h
	}
	return nil
}

// typedHosts reads --registry-option HOST,KEY=VALUE[,KEY=VALUE…] into all.
func (l *loader) typedHosts(all map[string]map[string]value) error {
	const flag = "--registry-option"
	bad := func(format string, args ...any) error {
		return fault.New(fault.Usage, flag, format, args...).WithHint("it looks like this: %s ghcr.io,plain_http=true", flag)
	}
	known := hostKeys()
	for _, option := range l.flags.RegistryOption {
		typed, rest, ok := strings.Cut(option, ",")
		host, err := registryHost(typed)
		if err != nil {
			return bad("%w", err)
		}
		if !ok {
			return bad("%q sets nothing", option)
		}
		if all[host] == nil {
			all[host] = map[string]value{}
		}
		fresh := map[string]value{}
		for pair := range strings.SplitSeq(rest, ",") {
			key, text, ok := strings.Cut(pair, "=")
			if !ok {
				return bad("%q is not KEY=VALUE", pair)
			}
			if !slices.Contains(known, key) {
				return unknownKey(flag, key, "", known)
			}
			fresh[key] = value{append(fresh[key].texts, text), flag}
		}
		for key, v := range fresh {
			all[host][key] = v
		}
	}
	return nil
}

func hostKeys() []string {
	var keys []string
	for _, s := range hostSettings() {
		keys = append(keys, s.key)
	}
	return keys
}
