package config

import (
	"fmt"
	"math"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/builtins/artifact"
)

// result is what settings are set on.
type result struct {
	builtins.Settings
	timeout time.Duration
	journal string
}

// setting is one row: where its text may come from and what it does.
type setting struct {
	key   string                  // in the file, dotted
	flag  string                  // without dashes
	env   string                  // empty: none
	typed func(f *Flags) []string // the flag's text; nil: not typed
	list  bool                    // several texts; one of the environment is split as PATH is
	path  bool                    // relative to the file it stands in
	def   string                  // shown when nothing sets it
	set   func(r *result, texts []string) error

	// project says that a project may set it, too: its file comes with sources,
	// maybe a stranger's, so no setting may be among these that says which files are
	// read, where credentials go and whom to believe.
	project bool
}

// settings is the table. The order is that of [Sources].
func settings() []setting {
	return []setting{
		{key: "file_store_root", flag: "file-store-root", env: "POLICY_FILE_STORE_ROOT", path: true,
			typed: func(f *Flags) []string { return text(f.FileStoreRoot) },
			set:   one(func(r *result, s string) error { r.Root = s; return nil })},
		{key: "default_domain", project: true, flag: "domain", env: "POLICY_DEFAULT_DOMAIN", def: artifact.DefaultDomain,
			typed: func(f *Flags) []string { return text(f.Domain) },
			set:   one(setDomain)},
		{key: "insecure", flag: "insecure", env: "POLICY_INSECURE", def: "false",
			typed: func(f *Flags) []string { return textOf(f.Insecure) },
			set:   one(func(r *result, s string) (err error) { r.Insecure, err = boolean(s); return })},
		{key: "plaintext", flag: "plaintext", env: "POLICY_PLAINTEXT", def: "false",
			typed: func(f *Flags) []string { return textOf(f.Plaintext) },
			set:   one(func(r *result, s string) (err error) { r.Plaintext, err = boolean(s); return })},
		{key: "ca", flag: "ca", env: "POLICY_CA", list: true, path: true,
			typed: func(f *Flags) []string { return f.CA },
			set:   func(r *result, texts []string) error { r.CA = texts; return nil }},
		{key: "lock_timeout", project: true, flag: "lock-timeout", env: "POLICY_LOCK_TIMEOUT", def: noTime,
			typed: func(f *Flags) []string { return textOf(f.LockTimeout) },
			set:   one(func(r *result, s string) (err error) { r.LockTimeout, err = duration(s); return })},
		{key: "timeout", project: true, flag: "timeout", env: "POLICY_TIMEOUT", def: noTime,
			typed: (*Flags).timeout,
			set:   one(func(r *result, s string) (err error) { r.timeout, err = duration(s); return })},
		{key: "journal", flag: "journal", env: "POLICY_JOURNAL", path: true,
			typed: func(f *Flags) []string { return text(f.Journal) },
			set:   one(func(r *result, s string) error { r.journal = s; return nil })},
		{key: "concurrency", project: true, flag: "concurrency", env: "POLICY_CONCURRENCY", def: strconv.Itoa(defaultConcurrency),
			typed: func(f *Flags) []string { return textOf(f.Concurrency) },
			set:   one(func(r *result, s string) (err error) { r.Concurrency, err = positive(s); return })},
		{key: "logging.log_level", project: true, flag: "log-level", env: "POLICY_LOG_LEVEL", def: "off",
			typed: (*Flags).logLevel,
			set:   one(func(r *result, s string) (err error) { r.LogLevel, err = logLevel(s); return })},
		limit("total", artifact.DefaultLimits.Total, func(r *result, s string) (err error) { r.Limits.Total, err = size(s); return }),
		limit("ratio", artifact.DefaultLimits.Ratio, func(r *result, s string) error {
			n, err := positive(s)
			r.Limits.Ratio = int64(n)
			return err
		}),
		limit("entries", int64(artifact.DefaultLimits.Entries), func(r *result, s string) (err error) { r.Limits.Entries, err = positive(s); return }),
		limit("name_length", int64(artifact.DefaultLimits.NameLength), func(r *result, s string) (err error) { r.Limits.NameLength, err = positive(s); return }),
	}
}

// limit is the row of one of artifact.Limits, which share a flag.
func limit(name string, def int64, set func(r *result, s string) error) setting {
	return setting{
		key: "limits." + name, project: true, flag: "limit " + name, env: "POLICY_LIMIT_" + strings.ToUpper(name), def: strconv.FormatInt(def, 10),
		typed: func(f *Flags) []string { return text(f.Limit[name]) },
		set:   one(set),
	}
}

const defaultConcurrency = 4

// hostSetting is one key below registries: HOST.
type hostSetting struct {
	key  string
	list bool
	path bool
	set  func(h *builtins.HostSettings, texts []string) error
}

func hostSettings() []hostSetting {
	file := func(field func(*builtins.HostSettings) *string) func(*builtins.HostSettings, []string) error {
		return one(func(h *builtins.HostSettings, s string) error { *field(h) = s; return nil })
	}
	flag := func(field func(*builtins.HostSettings) **bool) func(*builtins.HostSettings, []string) error {
		return one(func(h *builtins.HostSettings, s string) error {
			b, err := boolean(s)
			*field(h) = &b
			return err
		})
	}
	return []hostSetting{
		{key: "plain_http", set: flag(func(h *builtins.HostSettings) **bool { return &h.PlainHTTP })},
		{key: "insecure", set: flag(func(h *builtins.HostSettings) **bool { return &h.Insecure })},
		{key: "ca", path: true, set: file(func(h *builtins.HostSettings) *string { return &h.CA })},
		{key: "client_cert", path: true, set: file(func(h *builtins.HostSettings) *string { return &h.ClientCert })},
		{key: "client_key", path: true, set: file(func(h *builtins.HostSettings) *string { return &h.ClientKey })},
		{key: "proxy", set: one(setProxy)},
		{key: "mirror", set: one(func(h *builtins.HostSettings, s string) (err error) { h.Mirror, err = registryHost(s); return })},
		{key: "upload_hosts", list: true, set: setHosts(func(h *builtins.HostSettings) *[]string { return &h.UploadHosts })},
		{key: "token_hosts", list: true, set: setHosts(func(h *builtins.HostSettings) *[]string { return &h.TokenHosts })},
		{key: "vendor", set: one(setVendor)},
		{key: "api", set: one(setAPI)},
		{key: "requests_per_second", set: one(setRate)},
		{key: "concurrency", set: one(func(h *builtins.HostSettings, s string) (err error) { h.Concurrency, err = positive(s); return })},
	}
}

// one makes a setter of texts from one of a single text.
func one[T any](set func(*T, string) error) func(*T, []string) error {
	return func(t *T, texts []string) error {
		if len(texts) != 1 {
			return fmt.Errorf("takes one value, not %d", len(texts))
		}
		return set(t, texts[0])
	}
}

func setDomain(r *result, s string) (err error) {
	r.DefaultDomain, err = registryHost(s)
	return err
}

// registryHost checks a host as references have it, and folds its spelling.
func registryHost(s string) (string, error) {
	name, err := artifact.ParseName("x", s)
	if err != nil {
		return "", fmt.Errorf("%q is not a registry host such as ghcr.io or localhost:5000", artifact.WithoutPassword(s))
	}
	return name.Registry, nil
}

func setProxy(h *builtins.HostSettings, s string) error {
	if s == "none" {
		h.Proxy = s
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
		return fmt.Errorf("not the address of a proxy such as http://proxy.example:3128, nor none")
	}
	h.Proxy = s
	return nil
}

func setVendor(h *builtins.HostSettings, s string) error {
	if !slices.Contains(builtins.Vendors(), s) {
		return fmt.Errorf("%q is none of %s", s, strings.Join(builtins.Vendors(), ", "))
	}
	h.Vendor = s
	return nil
}

// setAPI takes an address that credentials may be sent to: https, or this machine.
func setAPI(h *builtins.HostSettings, s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("not the address of an API such as https://gitlab.example.com/api/v4")
	case u.Scheme != "https" && (u.Scheme != "http" || !builtins.IsLoopback(u.Host)):
		return fmt.Errorf("an API gets credentials: its address begins with https://")
	}
	h.API = s
	return nil
}

// setHosts makes a setter of a list of hosts.
func setHosts(field func(*builtins.HostSettings) *[]string) func(*builtins.HostSettings, []string) error {
	return func(h *builtins.HostSettings, texts []string) error {
		var hosts []string
		for _, s := range texts {
			host, err := registryHost(s)
			if err != nil {
				return err
			}
			hosts = append(hosts, host)
		}
		*field(h) = hosts
		return nil
	}
}

func setRate(h *builtins.HostSettings, s string) error {
	rate, err := strconv.ParseFloat(s, 64)
	if err != nil || rate <= 0 || math.IsInf(rate, 0) || math.IsNaN(rate) {
		return fmt.Errorf("%q is not a number above 0", s)
	}
	h.RequestsPerSecond = rate
	return nil
}

// noTime is a time without an end.
const noTime = "none"

func duration(s string) (time.Duration, error) {
	if s == noTime {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not a time such as 30s or 5m", s)
	}
	return d, nil
}

func positive(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is not a number from 1", s)
	}
	return n, nil
}

// size reads bytes: 1048576, 1MiB, 500 MB.
func size(s string) (int64, error) {
	digits := strings.TrimRight(s, "KMGTiB ")
	unit, ok := map[string]int64{
		"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
	}[strings.TrimSpace(s[len(digits):])]
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || n < 1 || n > math.MaxInt64/unit {
		return 0, fmt.Errorf("%q is not a size such as 500MB or 1GiB", s)
	}
	return n * unit, nil
}

// logLevel folds the levels opcr policy knows into ours.
func logLevel(s string) (string, error) {
	switch strings.ToLower(s) {
	case "debug", "trace":
		return "debug", nil
	case "info":
		return "info", nil
	case "warn", "warning":
		return "warn", nil
	case "error", "fatal", "panic":
		return "error", nil
	case "off", "disabled", "":
		return "off", nil
	}
	return "", fmt.Errorf("%q is none of debug, info, warn, error, off", s)
}

// absolute resolves a path typed in a file: ~ is the home folder, and a relative
// one starts at the file.
func absolute(path, home, folder string) string {
	if path == "~" || strings.HasPrefix(path, "~/") {
		return filepath.Join(home, path[1:])
	}
	if path == "" || filepath.IsAbs(path) || folder == "" {
		return path
	}
	return filepath.Join(folder, path)
}
