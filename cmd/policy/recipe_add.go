package main

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/lockfile"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/runtime/fault"
)

type recipeAdd struct {
	output
	Recipe string   `arg:"" complete:"pinned" help:"Recipe to pin: oci://HOST/ORG/NAME:TAG, or the @alias of one that policy.toml has."`
	Alias  string   `placeholder:"NAME" help:"Let the project load it as @NAME: the alias is written into policy.toml."`
	Grant  []string `sep:"none" placeholder:"NEED" complete:"needs,none,read:,write:,delete:,files:,env:" help:"Grant this instead of all that it says it needs; to one that is pinned, in addition: read:HOST/ORG/*, write:HOST/ORG/NAME, delete:…, files:FOLDER, files:FOLDER:rw, env:NAME; needs is all that it says, none takes back what was granted."`
}

func (*recipeAdd) Help() string {
	return `The tag is resolved now and the digest written into policy.lock; from then on that
content is loaded, wherever the tag goes. What the code of the recipe may touch
besides its own files is part of the line, and is shown.

Examples:

    policy recipe add oci://ghcr.io/acme/recipes:v1 --alias acme
    policy recipe add @acme --grant files:cases --grant read:ghcr.io/acme/*`
}

func (c *recipeAdd) run(ctx context.Context, a *app, flags *config.Flags) error {
	return a.onShelf(ctx, flags, c.output, c.add)
}

func (c *recipeAdd) add(ctx context.Context, s *session, r *recipes) (any, error) {
	n, err := r.nameOf(c.Recipe)
	if err != nil {
		return nil, err
	}
	alias := c.Alias
	if called, ok := strings.CutPrefix(c.Recipe, "@"); ok && alias == "" {
		alias = called
	}
	pin, found := r.lock.Find(lockKey(n))
	var recipe *builtins.Recipe
	if found {
		n.Digest = pin.Digest
		recipe, err = r.shelf.Open(ctx, n)
	} else if recipe, pin, err = r.resolve(ctx, n); err == nil && len(c.Grant) > 0 {
		pin.Needs = artifact.Needs{}
	}
	if err != nil {
		return nil, err
	}
	n.Digest = pin.Digest
	if _, err := r.closure(ctx, []artifact.Name{n}); err != nil { // what it depends on is part of it
		return nil, err
	}
	if pin.Needs, err = granting(pin.Needs, c.Grant, recipe.Config.Needs); err != nil {
		return nil, err
	}
	if c.Alias != "" {
		if err := r.project.AddRecipe(c.Alias, pin.Ref); err != nil {
			return nil, err
		}
	}
	if err := r.project.ChangeLock(func(l *lockfile.Lock) { l.Set(pin) }); err != nil {
		return nil, err
	}
	if found && len(c.Grant) == 0 {
		s.say("pinned before, and not changed; whether its tag has moved: policy recipe update %s", pin.Ref)
	}
	s.introduce(recipe, pin, alias)
	r.remindVendor(ctx, pin)
	return describePin(recipe, pin, alias), nil
}

// remindVendor says when a project that keeps its recipes does not keep a new one
// yet.
func (r *recipes) remindVendor(ctx context.Context, pin lockfile.Entry) {
	if _, err := os.Stat(r.project.Vendor()); err == nil && r.shelf.Where(ctx, pin.Digest) != builtins.Vendored {
		r.say("the project's vendor folder does not have it yet: policy recipe vendor")
	}
}

// introduce tells the person what was pinned, what it may do, and how it is used.
func (a *app) introduce(r *builtins.Recipe, pin lockfile.Entry, alias string) {
	a.say("%s", strings.TrimSuffix(strings.TrimSpace(r.Config.Name+" "+r.Config.Version+": "+r.Config.Description), ":"))
	for need := range pin.Needs.All() {
		a.say("  may %s %s", mays[need.Kind], need.Value)
	}
	for need := range r.Config.Needs.Without(pin.Needs).All() {
		a.say("  needs %s as well, which was not granted", need)
	}
	from := pin.Ref
	if alias != "" {
		from = "@" + alias
	}
	for _, export := range r.Config.Exports {
		file, function, _ := strings.Cut(export, " ")
		name, _, _ := strings.Cut(function, "(")
		name, _, _ = strings.Cut(name, ".")
		a.say("  load(%q, %q)", from+"//"+file, name)
		break
	}
}

// mays say what each kind of need allows.
var mays = map[string]string{"read": "read from", "write": "write to", "delete": "delete from", "files": "use the project's", "env": "see the variable"}

// granting adds what was asked for to what was granted.
func granting(granted artifact.Needs, asked []string, declared artifact.Needs) (artifact.Needs, error) {
	for _, text := range asked {
		more, err := artifact.ParseNeeds(text)
		switch text {
		case "none":
			granted, more, err = artifact.Needs{}, artifact.Needs{}, nil
		case "needs":
			more, err = declared, nil
		}
		if err != nil {
			return granted, err
		}
		var errs []error
		for need := range more.All() {
			errs = append(errs, granted.Add(need))
		}
		if err := errors.Join(errs...); err != nil {
			return granted, fault.In("", text, err)
		}
	}
	return granted, nil
}
