package builtins

import (
	"context"
	"errors"
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
	images, err := List(ctx, e, &ListArgs{})
	var all []Suggestion
	for _, image := range images {
		for _, spelling := range []string{e.withoutDomain(image.Ref), image.Ref} {
			if strings.HasPrefix(spelling, typed) {
				digest := strings.TrimPrefix(string(image.Digest), "sha256:")
				all = append(all, Suggestion{spelling, digest[:min(12, len(digest))]})
				break
			}
		}
	}
	remote, remoteErr := e.suggestTags(ctx, typed)
	return append(all, remote...), errors.Join(err, remoteErr)
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

var errEnough = errors.New("enough tags")

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
	images, err := List(ctx, e, &ListArgs{})
	var all []Suggestion
	for _, image := range images {
		word := e.withoutDomain(image.Repository)
		if !strings.HasPrefix(word, typed) {
			word = image.Repository
		}
		all = append(all, Suggestion{Word: word})
	}
	return all, err
}
