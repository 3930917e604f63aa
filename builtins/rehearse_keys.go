package builtins

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/policyhost/policy/builtins/internal/creds"
	"github.com/policyhost/policy/runtime/fault"
)

// rehearsedKeys are the credentials as they would be: a login holds for the rest
// of the run, and is stored nowhere.
type rehearsedKeys struct {
	Keys
	r *Rehearsal

	mu      sync.Mutex
	changed map[string]*credential // by host; nil: logged out
}

type (
	credential = creds.Credential
	login      = creds.Login
)

// inPlan stands where a login says where its secret is kept.
const inPlan = "plan"

// Get gives a planned credential, else what is stored.
func (k *rehearsedKeys) Get(ctx context.Context, host, repository string) (creds.Credential, error) {
	k.mu.Lock()
	c, changed := k.changed[host]
	k.mu.Unlock()
	switch {
	case !changed:
		return k.Keys.Get(ctx, host, repository)
	case c == nil:
		return creds.Credential{}, nil
	}
	return *c, nil
}

// Put plans a login.
func (k *rehearsedKeys) Put(_ context.Context, host string, c creds.Credential) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.changed[host] = &c
	k.r.note(Change{Action: SignIn, Where: InCredentials, Ref: host, Username: c.Username})
	return inPlan, nil
}

// Erase plans a logout.
func (k *rehearsedKeys) Erase(ctx context.Context, host string) (string, error) {
	logins, err := k.List(ctx)
	if err != nil {
		return "", err
	}
	at := slices.IndexFunc(logins, func(l creds.Login) bool { return l.Server == host })
	if at < 0 {
		return "", fault.New(fault.NotFound, host, "no credentials are stored").WithHint("policy logins lists them")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.changed[host] = nil
	k.r.note(Change{Action: SignOut, Where: InCredentials, Ref: host, Username: logins[at].Username})
	return logins[at].Store, nil
}

// List gives the logins as they would be.
func (k *rehearsedKeys) List(ctx context.Context) ([]creds.Login, error) {
	all, err := k.Keys.List(ctx)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for host, c := range k.changed {
		all = slices.DeleteFunc(all, func(l creds.Login) bool { return l.Server == host })
		if c != nil {
			all = append(all, creds.Login{Server: host, Username: c.Username, Store: inPlan})
		}
	}
	slices.SortFunc(all, func(a, b creds.Login) int { return strings.Compare(a.Server, b.Server) })
	return all, nil
}

// Migrate moves nothing.
func (k *rehearsedKeys) Migrate(context.Context) ([]creds.Login, error) {
	return nil, fault.New(fault.Usage, "", "old logins are not moved in a dry run").WithHint("policy logins --migrate")
}
