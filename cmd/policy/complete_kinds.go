package main

import (
	"context"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/complete"
	"github.com/policyhost/policy/runtime"
)

// offer gives candidates for a value that begins with typed; more than those
// does no harm.
type offer func(ctx context.Context, place complete.Place, typed string) complete.Answer

// kinds are what a value can be, by the names that the tag complete:"…" uses.
// Other words in it, separated by commas, are values themselves.
func (c *completer) kinds() map[string]offer {
	return map[string]offer{
		"file":       paths(complete.Paths{Files: true}),
		"folder":     paths(complete.Paths{}),
		"image":      c.suggest(builtins.SuggestImages),
		"pinned":     c.pinned,
		"pipeline":   c.pipeline,
		"policy":     policyNames,
		"repository": c.suggest(builtins.SuggestRepositories),
		"server":     c.suggest(builtins.SuggestServers),
		"template":   templates,
		"verb":       verbs,
	}
}

// kindsOf are the kinds of a value: those of its tag, else that of its type.
func kindsOf(v *kong.Value) []string {
	if tag := v.Tag.Get("complete"); tag != "" {
		return strings.Split(tag, ",")
	}
	t := v.Target.Type()
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[builtins.Ref]():
		return []string{"image"}
	case reflect.TypeFor[builtins.Document]():
		return []string{"file"}
	case reflect.TypeFor[bool]():
		return []string{"true", "false"}
	}
	return nil
}

// paths leaves files and folders to the shell.
func paths(p complete.Paths) offer {
	return func(context.Context, complete.Place, string) complete.Answer { return complete.Answer{Paths: &p} }
}

func verbs(context.Context, complete.Place, string) (a complete.Answer) {
	for _, v := range builtins.Table() {
		about, _, _ := strings.Cut(v.Doc, "\n")
		a.Candidates = append(a.Candidates, complete.Candidate{Word: v.Name, About: about})
	}
	for _, f := range runtime.Control() {
		a.Candidates = append(a.Candidates, complete.Candidate{Word: f.Name, About: f.Summary})
	}
	for _, m := range modules() {
		a.Candidates = append(a.Candidates, complete.Candidate{Word: m, About: "of the standard library"})
	}
	return a
}

func policyNames(context.Context, complete.Place, string) (a complete.Answer) {
	p, err := loadProject(".")
	if err != nil {
		return a
	}
	for _, policy := range p.Policies {
		a.Candidates = append(a.Candidates, complete.Candidate{Word: policy.Name, About: policy.Path})
	}
	return a
}

func templates(context.Context, complete.Place, string) (a complete.Answer) {
	for _, t := range builtins.ListTemplates() {
		a.Candidates = append(a.Candidates, complete.Candidate{Word: t.Name, About: t.Description})
	}
	return a
}

// suggest asks for words that only an Env knows. What fails offers nothing.
func (c *completer) suggest(words func(context.Context, *builtins.Env, string) ([]builtins.Suggestion, error)) offer {
	return func(ctx context.Context, _ complete.Place, typed string) (a complete.Answer) {
		env, err := c.env()
		if err != nil {
			return a
		}
		defer env.Close()
		all, _ := words(ctx, env, typed)
		for _, w := range all {
			a.Candidates = append(a.Candidates, complete.Candidate(w))
		}
		return a
	}
}
