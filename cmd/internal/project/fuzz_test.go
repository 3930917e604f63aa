package project_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/policyhost/policy/cmd/internal/project"
	"github.com/policyhost/policy/runtime/fault"
)

// FuzzParse: a text is refused with a line, or is a project that a recipe can be
// added to and taken from without anything else of it changing.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		whole, "", "recipes = {}", "recipes.a = 'oci://h.io/a:1'", "recipes = { a = 'oci://h.io/a:1', }", "[recipes]\r\n",
		"[[policy]]\nname='a'\npath='a'\n[[policy]]", "[defaults]\na=[[1],{b=2}]", "[[recipe.needs]]", "policy = [{name='a', path='b'}]",
		"[recipe]\nname='a'\nversion='1.0.0'\n[recipe.needs]\nread=[\n'a*b/c']", "a.1.\"b.c\" = nan", "\ufeff[recipes]",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := project.Parse(text, "1.0.0")
		if err != nil {
			if !errors.Is(err, fault.Invalid) {
				t.Fatalf("%v is not Invalid", err)
			}
			return
		}
		if _, taken := p.Recipes["new"]; taken {
			return
		}
		added := project.With(text, "new", newRef)
		with, err := project.Parse(added, "1.0.0")
		if err != nil || with.Recipes["new"] != newRef || len(with.Recipes) != len(p.Recipes)+1 {
			t.Fatalf("adding gives %q: %v, %v", added, with, err)
		}
		removed := project.Without(added, "new")
		without, err := project.Parse(removed, "1.0.0")
		if err != nil {
			t.Fatalf("removing gives %q: %v", removed, err)
		}
		if p.Recipes == nil && len(without.Recipes) == 0 {
			without.Recipes = nil
		}
		for i := range without.Defaults { // their lines may have moved
			without.Defaults[i].Line = p.Defaults[i].Line
		}
		if !reflect.DeepEqual(p, without) {
			t.Fatalf("%+v became %+v", p, without)
		}
	})
}
