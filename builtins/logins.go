package builtins

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/creds"
)

// LoginsArgs are the arguments of [ListLogins].
type LoginsArgs struct {
	Migrate bool `star:"-" help:"First move the logins that opcr policy v0.1 left in clear text (policy-registries.yaml) to where logins are kept now."`
}

// ListLogins gives the registries that credentials are known for, the user, and
// where each secret lives. It never gives a secret.
func ListLogins(ctx context.Context, e *Env, args *LoginsArgs) (Logins, error) {
	standard := e.Settings.loginDomain()
	if args.Migrate {
		var err error
		if standard, err = e.migrate(ctx); err != nil {
			return nil, err
		}
	}
	known, err := e.Keys.List(ctx)
	if err != nil {
		return nil, err
	}
	logins := Logins{}
	for _, k := range known {
		logins = append(logins, &Login{
			Server:   k.Server,
			Username: k.Username,
			Store:    k.Store,
			Default:  k.Server == standard,
		})
	}
	return logins, nil
}

// migrate moves the logins of opcr policy v0.1, and its default domain where none
// was chosen since, and says what it did. It gives the default domain from now on.
// The old file goes when all is kept.
func (e *Env) migrate(ctx context.Context) (domain string, err error) {
	domain = e.Settings.loginDomain()
	old, err := e.Keys.Legacy()
	if err != nil || len(old) == 0 {
		return domain, err
	}
	ctx, end := e.Begin(ctx, Step{Verb: "logins", Effect: Write, Delta: Delta{Subject: old[0].File, Where: InCredentials}})
	defer func() { end(nil, err) }()
	for _, l := range old {
		if l.Default && domain == artifact.DefaultDomain && !e.Settings.hasSavedDomain() {
			if err := e.saveDefaultDomain(l.Server); err != nil {
				return domain, err
			}
			domain = l.Server
			e.note("%s stays the registry of references that name none", l.Server)
		}
	}
	moved, err := e.Keys.Migrate(ctx)
	newer := map[string]bool{}
	for _, l := range old {
		newer[l.Server] = true
	}
	for _, l := range moved {
		delete(newer, l.Server)
		e.note("the login for %s is kept in %s now", l.Server, where(l))
	}
	if err != nil {
		return domain, err
	}
	for _, l := range old {
		if newer[l.Server] {
			e.note("the login for %s is newer than the old one, which is forgotten", l.Server)
		}
	}
	e.note("%s is removed", old[0].File)
	return domain, nil
}

// where says in words where a secret lives.
func where(l creds.Login) string {
	if l.Store == "file" {
		return l.File
	}
	return "docker-credential-" + l.Store
}

// hasSavedDomain reports whether a login has chosen the default domain.
func (s Settings) hasSavedDomain() bool {
	_, err := os.Stat(filepath.Join(s.Root, DefaultDomainFile))
	return !errors.Is(err, os.ErrNotExist)
}

// note tells what was done besides what was asked for.
func (e *Env) note(format string, args ...any) {
	e.Events.send(Event{State: Noted, Message: fmt.Sprintf(format, args...)})
}

// Offers gives what is left to do after a login: to make its registry the
// default domain, and to move the logins of opcr policy v0.1.
func (args *LoginArgs) Offers(e *Env, result any) []Offer {
	login, ok := result.(*Login)
	if !ok || login == nil {
		return nil
	}
	var all []Offer
	if !login.Default && login.Server != e.Settings.loginDomain() {
		all = append(all, Offer{
			Question: "Logged in. Make " + login.Server + " the registry of references that name none?",
			Take: func(ctx context.Context) error {
				_, end := e.Begin(ctx, Step{Verb: "login", Effect: Write, Delta: Delta{Subject: login.Server, Where: InCredentials}})
				err := e.saveDefaultDomain(login.Server)
				login.Default = err == nil
				end(nil, err)
				return err
			},
		})
	}
	old, err := e.Keys.Legacy()
	if err != nil {
		e.Events.send(Event{State: Warning, Message: err.Error()})
	}
	if len(old) > 0 {
		var servers []string
		for _, l := range old {
			servers = append(servers, l.Server)
		}
		kept := fmt.Sprintf("%s has the logins for %s in clear text", old[0].File, strings.Join(servers, ", "))
		all = append(all, Offer{
			Question: kept + ". Move them to where logins are kept now?",
			Unasked:  kept + ": policy logins --migrate moves them to where logins are kept now",
			Take:     func(ctx context.Context) error { _, err := e.migrate(ctx); return err },
		})
	}
	return all
}
