package builtins

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/creds"
)

// Suggestion is a word that a person may be typing.
type Suggestion struct {
	Word  string
	About string // what it is, one line; from outside, not made safe
}

// SuggestImages gives the images whose reference begins with typed: the local
// ones, newest first, then, once a repository and a colon are typed, its tags in a
// registry that credentials are known for. The default domain is left out unless
// it is typed. With what it has it gives the first error that kept more away.
// It sends credentials to that registry; make e with NoHelpers to ask nobody.
func SuggestImages(ctx context.Context, e *Env, typed string) ([]Suggestion, error) {
	images, err := e.beginning(ctx, typed)
	var all []Suggestion
	for _, image := range images {
		digest := strings.TrimPrefix(string(image.Digest), "sha256:")
		all = append(all, Suggestion{e.spelledAs(image.Ref, typed), digest[:min(12, len(digest))]})
	}
	remote, remoteErr := e.suggestTags(ctx, typed)
	return append(all, remote...), errors.Join(err, remoteErr)
}

// beginning lists the local images whose reference begins with typed, in either
// spelling. Most are left out by their name, before it costs anything.
func (e *Env) beginning(ctx context.Context, typed string) (Listing, error) {
	entries, err := e.Store.List(ctx)
	var images Listing
	for _, entry := range entries {
		if strings.HasPrefix(e.spelledAs(entry.Name, typed), typed) {
			images = append(images, e.listed(entry))
		}
	}
	slices.SortStableFunc(images, newestFirst)
	return images, err
}

// spelledAs is a name without the default domain, unless only the whole of it
// begins with typed.
func (e *Env) spelledAs(name, typed string) string {
	if short := e.withoutDomain(name); strings.HasPrefix(short, typed) {
		return short
	}
	return name
}

// withoutDomain is a reference without what the default domain adds to it.
func (e *Env) withoutDomain(ref string) string {
	if rest, ok := strings.CutPrefix(ref, e.Settings.DefaultDomain+"/"); ok {
		return strings.TrimPrefix(rest, "library/")
	}
	return ref
}

// mostTags bounds what a registry is asked for.
const mostTags = 1000

// errEnough ends a reading before its end.
var errEnough = errors.New("enough")

func (e *Env) suggestTags(ctx context.Context, typed string) ([]Suggestion, error) {
	at := strings.LastIndexByte(typed, ':')
	if at <= 0 || strings.ContainsAny(typed[at:], "/@") || !strings.Contains(typed[:at], "/") {
		return nil, nil
	}
	repository, err := artifact.ParseName(typed[:at], e.Settings.DefaultDomain)
	if err != nil {
		return nil, err
	}
	if repository.Registry != EmbeddedHost {
		known, err := e.Keys.Get(ctx, repository.Registry, repository.Repository)
		if err != nil || known == (creds.Credential{}) {
			return nil, err
		}
	}
	var all []Suggestion
	err = e.Remote.Tags(ctx, repository.Registry, repository.Repository, func(page []string) error {
		for _, tag := range page {
			if strings.HasPrefix(tag, typed[at+1:]) {
				all = append(all, Suggestion{typed[:at+1] + tag, "in the registry"})
			}
		}
		if len(all) >= mostTags {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return all, err
}

// SuggestServers gives the registries that credentials are known for, whatever is
// typed.
func SuggestServers(ctx context.Context, e *Env, _ string) ([]Suggestion, error) {
	logins, err := ListLogins(ctx, e, &LoginsArgs{})
	var all []Suggestion
	for _, l := range logins {
		all = append(all, Suggestion{l.Server, l.Username})
	}
	return all, err
}

// SuggestRepositories gives the repositories of the local images, newest first.
func SuggestRepositories(ctx context.Context, e *Env, typed string) ([]Suggestion, error) {
	images, err := e.beginning(ctx, typed)
	var all []Suggestion
	for _, image := range images {
		all = append(all, Suggestion{Word: e.spelledAs(image.Repository, typed)})
	}
	return all, err
}
