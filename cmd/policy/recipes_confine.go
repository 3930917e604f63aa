package main

import (
	"fmt"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

// confined gives each module the Env that it may use: the whole one to the
// project's, a narrowed one to each recipe's.
type confined struct {
	whole   *builtins.Env
	recipes *recipes

	mu   sync.Mutex
	envs map[string]*builtins.Env // by the ID of the recipe's package
}

func (r *recipes) confine(whole *builtins.Env) *confined {
	return &confined{whole: whole, recipes: r, envs: map[string]*builtins.Env{}}
}

// env is the one for a call.
func (c *confined) env(call runtime.Call) *builtins.Env {
	id := call.Module.Recipe
	if id == "" {
		return c.whole
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	narrow := c.envs[id]
	if narrow == nil {
		c.recipes.mu.Lock()
		u := c.recipes.used[id]
		c.recipes.mu.Unlock()
		narrow = c.whole.Grant(builtins.Grants{Who: u.Ref, Needs: u.grants(), Except: c.recipes.denied, Package: u.Files, Hint: c.recipes.hinting(u)})
		c.envs[id] = narrow
	}
	return narrow.Show(call.Passed)
}

// Close ends the narrowed ones, not the whole one.
func (c *confined) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, e := range c.envs {
		errs = append(errs, e.Close())
	}
	return fault.Join(errs...)
}

// root is the recipe that the project loads, itself or through others.
func (u *usedRecipe) root() *usedRecipe {
	for u.loader != nil {
		u = u.loader
	}
	return u
}

// asks is what a recipe that another loads needs, as far as each that loads it on
// the way from the root's says so of itself: none gets through another what it has
// not asked for.
func (u *usedRecipe) asks() artifact.Needs {
	if u.loader == nil || u.loader.loader == nil {
		return u.Config.Needs
	}
	return u.Config.Needs.Within(u.loader.asks())
}

// grants are what a recipe may touch: what was granted to it, or what it asks for as
// far as that was granted to its root.
func (u *usedRecipe) grants() artifact.Needs {
	if u.loader == nil {
		return u.Granted
	}
	return u.asks().Within(u.root().Granted)
}

// hinting says what to do about something that was not granted to a recipe.
func (r *recipes) hinting(u *usedRecipe) func(artifact.Need) string {
	return func(need artifact.Need) string {
		if r.denied.Allows(need) {
			return "this run denies it: see --deny"
		}
		return u.hint(need)
	}
}

func (u *usedRecipe) hint(need artifact.Need) string {
	switch {
	case u.loader == nil || !u.root().Granted.Allows(need):
		return fmt.Sprintf("if it shall be: %s %s", u.ask, oneWord(need.String()))
	case u.Config.Needs.Allows(need):
		return "it is loaded by a recipe that does not say that it needs this: its author has to add it to [recipe.needs]"
	}
	return "it does not say that it needs this: its author has to add it to [recipe.needs]"
}

// oneWord is a text as it is typed in a shell. The code of a recipe chooses the
// names that it asks for: a hint must not make a command of one.
func oneWord(text string) string {
	special := func(r rune) bool {
		return (r >= utf8.RuneSelf || !unicode.IsLetter(r) && !unicode.IsDigit(r)) && !strings.ContainsRune("_./:*@%+=,-", r)
	}
	if !strings.ContainsFunc(text, special) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
