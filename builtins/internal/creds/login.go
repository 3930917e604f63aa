package creds

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/policyhost/policy/runtime/fault"
)

// inFile is where Put and Erase say a credential is kept when no helper is
// configured: in clear, readable by every program of the user.
const inFile = "file"

// Put keeps c for host, with the helper that our config.json names for it or
// else in that file, and returns the helper's name or "file". When a helper
// keeps it, the file keeps no copy. It fails with Usage when there is nothing
// to keep or no helper could keep it, and with Denied when the helper refuses;
// the file is then as it was.
func (k *Keyring) Put(ctx context.Context, host string, c Credential) (where string, err error) {
	s, err := parseServer(host)
	if err != nil {
		return "", err
	}
	if c = c.normal(); c == (Credential{}) {
		return "", fault.New(fault.Usage, strconv.Quote(host), "no password or token to keep").
			WithHint("policy login -s %s -u USER --password-stdin", s)
	}
	if k.o.Root == "" {
		return "", fault.New(fault.Usage, strconv.Quote(host), "there is no folder to keep credentials in").
			WithHint("set POLICY_FILE_STORE_ROOT")
	}
	file, err := k.read(k.ours())
	if err != nil {
		return "", err
	}
	h, err := file.helper(s)
	if err != nil {
		return "", err
	}
	where, entry := inFile, c.entry()
	if h.name != "" {
		if c.RegistryToken != "" {
			return "", fault.New(fault.Usage, strconv.Quote(host), "%s cannot keep a registry token", h.program()).
				WithHint("log in with a user and a password, or take %q out of %s", h.key, h.where)
		}
		if err := k.put(ctx, h, s, c); err != nil {
			return "", err
		}
		where, entry = h.name, json.RawMessage("{}") // Docker's mark of a login that a helper keeps
	}
	k.forget()
	return where, k.edit(ctx, func(auths object) object {
		kept := false
		out := object{}
		for _, m := range auths {
			switch {
			case readKey(m.key) != s:
				out = append(out, m)
			case !kept: // other spellings go: an old password must not outlive the login
				out, kept = append(out, member{key: s.key(), raw: entry}), true
			}
		}
		if !kept {
			out = append(out, member{key: s.key(), raw: entry})
		}
		return out
	})
}

// Erase forgets what our config.json, and the helper it names, keep for host,
// and returns the helper's name or "file". It fails with NotFound when they
// keep nothing. Files of other tools are never changed.
func (k *Keyring) Erase(ctx context.Context, host string) (where string, err error) {
	s, err := parseServer(host)
	if err != nil {
		return "", err
	}
	if k.o.Root == "" {
		return "", k.unknown(ctx, s)
	}
	file, err := k.read(k.ours())
	if err != nil {
		return "", err
	}
	h, err := file.helper(s)
	if err != nil {
		return "", err
	}
	if h.name != "" {
		k.forget()
		known, err := k.get(ctx, h, s)
		if err != nil {
			return "", err
		}
		if known != (Credential{}) {
			if where, err = h.name, k.eraseAll(ctx, h, s); err != nil {
				return "", err
			}
		}
		k.forget()
	}
	auths, err := file.section("auths")
	if err != nil {
		return "", err
	}
	mine := func(m member) bool { return readKey(m.key) == s }
	if len(auths.without(mine)) == len(auths) {
		if where == "" {
			return "", k.unknown(ctx, s)
		}
		return where, nil
	}
	if where == "" {
		where = inFile
	}
	return where, k.edit(ctx, func(auths object) object { return auths.without(mine) })
}

// eraseAll has a helper forget every name that get would have found s under.
func (k *Keyring) eraseAll(ctx context.Context, h helper, s server) error {
	if err := k.erase(ctx, h, s.key()); err != nil {
		return err
	}
	if s != (server{host: hub}) {
		return nil
	}
	c, err := k.ask(ctx, h, hub)
	if err != nil || c == (Credential{}) {
		return err
	}
	return k.erase(ctx, h, hub)
}

// unknown says that nothing of ours is known for s, and whose it is otherwise.
func (k *Keyring) unknown(ctx context.Context, s server) error {
	f := fault.New(fault.NotFound, s.String(), "not logged in")
	if file := k.legacyFor(s); file != "" {
		return f.WithHint("opcr policy v0.1 left a login for it in %s: policy logins --migrate takes it over", file)
	}
	for _, from := range k.sources() {
		if from.ours {
			continue
		}
		c, err := k.read(from)
		if err != nil {
			continue
		}
		if found, err := k.find(ctx, from, c, s); err != nil || found == (Credential{}) {
			continue
		}
		if from.path == "" {
			return f.WithHint("credentials for it come from %s: unset it", from.name)
		}
		return f.WithHint("credentials for it are in %s, which is read only here: docker logout %s", from.name, s)
	}
	return f.WithHint("policy logins shows where you are logged in")
}

// entry is c as Docker writes it.
func (c Credential) entry() json.RawMessage {
	var o object
	add := func(name, value string) {
		if value != "" {
			o = append(o, member{key: name, raw: quote(value)})
		}
	}
	if c.Username != "" && !strings.Contains(c.Username, ":") {
		add("auth", base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Password)))
	} else { // "auth" has no way to write such a user
		add("username", c.Username)
		add("password", c.Password)
	}
	add("identitytoken", c.IdentityToken)
	add("registrytoken", c.RegistryToken)
	return o.encode()
}
