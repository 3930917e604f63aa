package creds

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// Login is a server that credentials are known for. It holds no secret.
type Login struct {
	Server   string `json:"server"`   // "ghcr.io", "quay.io/team"
	Username string `json:"username"` // "" when there is none, or a helper could not say
	Store    string `json:"store"`    // "file", or the name of the helper
	File     string `json:"file"`     // the file that holds it or names the helper, or "$DOCKER_AUTH_CONFIG"
	Default  bool   `json:"default"`  // opcr policy v0.1 made it the default domain; see Legacy
}

// List returns every server that Get would find something for, with the place
// Get would take it from, sorted by server. A helper that cannot answer is
// warned about; the servers known to be its own are listed without a user.
func (k *Keyring) List(ctx context.Context) ([]Login, error) {
	seen := map[server]bool{}
	var all []Login
	for _, from := range k.sources() {
		c, err := k.read(from)
		if err != nil {
			return nil, err
		}
		here, err := k.logins(ctx, c)
		if err != nil {
			return nil, err
		}
		for _, l := range here {
			if s := readKey(l.Server); !seen[s] {
				seen[s] = true
				l.Server, l.File = s.String(), c.name
				all = append(all, l)
			}
		}
	}
	slices.SortFunc(all, func(a, b Login) int { return cmp.Compare(a.Server, b.Server) })
	return all, nil
}

// logins are those of one file: first what its helpers keep, then its own.
func (k *Keyring) logins(ctx context.Context, c *config) ([]Login, error) {
	auths, err := c.section("auths")
	if err != nil {
		return nil, err
	}
	hosts, err := c.section("credHelpers")
	if err != nil {
		return nil, err
	}
	ask := k.lister(c)
	var all []Login
	for _, m := range hosts {
		h, err := c.named("credHelpers", m)
		if err != nil {
			return nil, err
		}
		if h.name == "" {
			continue
		}
		users, err := ask(ctx, h)
		if err != nil {
			return nil, err
		}
		all = appendHelped(all, h, m.key, users)
	}
	for _, m := range auths {
		found, err := m.credential()
		if err != nil {
			return nil, c.invalid(fmt.Errorf("%q: %w", m.key, err))
		}
		h, err := c.helper(readKey(m.key))
		if err != nil {
			return nil, err
		}
		if h.name != "" {
			users, err := ask(ctx, h)
			if err != nil {
				return nil, err
			}
			all = appendHelped(all, h, m.key, users)
		}
		if found != (Credential{}) { // List drops it when a helper has come first
			all = append(all, Login{Server: m.key, Username: found.Username, Store: inFile})
		}
	}
	h, err := c.helper(server{})
	if err != nil || h.name == "" {
		return all, err
	}
	users, err := ask(ctx, h)
	if err != nil {
		return nil, err
	}
	for s := range users {
		all = appendHelped(all, h, s.String(), users)
	}
	return all, nil
}

// appendHelped adds a server that h keeps, or may keep when it could not say.
func appendHelped(all []Login, h helper, key string, users map[server]string) []Login {
	user, ok := users[readKey(key)]
	if !ok && users != nil {
		return all
	}
	if user == tokenUser {
		user = ""
	}
	return append(all, Login{Server: key, Username: user, Store: h.name})
}

// lister returns a function that asks each helper once for its servers and
// their users. It gives nil for a helper that could not say, after a warning.
func (k *Keyring) lister(c *config) func(context.Context, helper) (map[server]string, error) {
	asked := map[string]map[server]string{}
	return func(ctx context.Context, h helper) (map[server]string, error) {
		if users, ok := asked[h.name]; ok {
			return users, nil
		}
		listed, err := k.list(ctx, h)
		switch {
		case ctx.Err() != nil:
			return nil, err
		case err != nil:
			k.warn(fmt.Sprintf("%s: not all logins may be shown: %v", c.name, err))
			asked[h.name] = nil
			return nil, nil
		}
		users := map[server]string{}
		for key, user := range listed {
			if s := readKey(key); s.host != hub || s.path == "" { // Docker Desktop keeps tokens of its own below
				users[s] = user
			}
		}
		asked[h.name] = users
		return users, nil
	}
}
