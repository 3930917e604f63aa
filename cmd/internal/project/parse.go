package project

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// parse reads the text of the file into p. The required version comes first: a
// file that is written for another one may hold what this one does not know.
func (p *Project) parse(text []byte, version string) error {
	d, err := parseDocument(p.File, text)
	if err != nil {
		return err
	}
	if v, ok := d.values["requires"]; ok {
		if err := d.text(&p.Requires, anyText)("requires", v); err != nil {
			return err
		}
		if err := satisfies(version, p.Requires); err != nil {
			f := d.fault("requires", "%w", err)
			f.Hint = fault.Of(err).Hint
			return f
		}
	}
	return d.table(map[string]take{
		"requires": d.text(&p.Requires, anyText),
		"recipes":  p.recipes(d),
		"policy":   p.policies(d),
		"defaults": p.defaults(d),
		"recipe":   p.recipe(d),
	})("", d.values)
}

func (p *Project) recipes(d *document) take {
	return func(at string, value any) error {
		table, ok := value.(map[string]any)
		if !ok {
			return d.wrongType(at, value, "a table")
		}
		p.Recipes = map[string]string{}
		return d.each(at, table, func(alias string, value any) error {
			at := below(at, alias)
			if err := checkAlias(alias); err != nil {
				return d.fault(at, "%w", err)
			}
			var ref string
			if err := d.text(&ref, checkRef)(at, value); err != nil {
				return err
			}
			p.Recipes[alias] = ref
			return nil
		})
	}
}

func (p *Project) policies(d *document) take {
	known, tags := map[string]bool{}, map[string]string{}
	return d.list("tables, each begun with [[policy]]", func(at string, value any) error {
		var one Policy
		err := d.table(map[string]take{
			"name":        d.text(&one.Name, CheckWord),
			"path":        d.text(&one.Path, checkPath),
			"tag":         d.text(&one.Tag, checkTag),
			"entrypoints": d.texts(&one.Entrypoints, lineOfText),
		})(at, value)
		switch {
		case err != nil:
			return err
		case one.Name == "":
			return d.fault(at, "a policy without a name").WithHint(`give it one: name = "authz"`)
		case one.Path == "":
			return d.fault(at, "the policy %q has no path", one.Name).WithHint(`say where it is: path = "policies/%s"`, one.Name)
		case known[one.Name]:
			return d.fault(below(at, "name"), "another policy is called %q, too", one.Name)
		}
		one.Path = path.Clean(one.Path)
		if one.Tag == "" {
			one.Tag = one.Name
		}
		tag, err := artifact.ParseName(one.Tag, artifact.DefaultDomain)
		if err != nil { // a name may be none of an image
			return d.fault(at, "the policy %q has no tag", one.Name).WithHint(`name its image: tag = "ghcr.io/acme/%s"`, strings.ToLower(one.Name))
		}
		if other, ok := tags[tag.Tagged()]; ok {
			return d.fault(at, "the policies %q and %q have one tag, %s", other, one.Name, one.Tag).
				WithHint("an image is one policy: give each a tag of its own")
		}
		known[one.Name], tags[tag.Tagged()] = true, one.Name
		p.Policies = append(p.Policies, one)
		return nil
	})
}

func (p *Project) recipe(d *document) take {
	return func(at string, value any) error {
		r := new(Recipe)
		err := d.table(map[string]take{
			"name":        d.text(&r.Name, CheckWord),
			"version":     d.text(&r.Version, checkVersion),
			"description": d.text(&r.Description, lineOfText),
			"source":      d.text(&r.Source, checkSource),
			"licenses":    d.text(&r.Licenses, lineOfText),
			"needs":       d.needs(&r.Needs),
		})(at, value)
		switch {
		case err != nil:
			return err
		case r.Name == "":
			return d.fault(at, "the recipe has no name").WithHint(`give it one: name = "gates"`)
		case r.Version == "":
			return d.fault(at, "the recipe has no version").WithHint(`give it one: version = "0.1.0"`)
		}
		p.Recipe = r
		return nil
	}
}

// needs takes what a recipe may touch.
func (d *document) needs(to *artifact.Needs) take {
	kinds := map[string]take{}
	for _, kind := range []string{"read", "write", "delete", "files", "env"} {
		var unused []string
		kinds[kind] = d.texts(&unused, func(s string) error { return to.Add(artifact.Need{Kind: kind, Value: s}) })
	}
	return d.table(kinds)
}

// defaults takes every value below as text, as flags and variables are.
func (p *Project) defaults(d *document) take {
	var walk func(prefix string) take
	walk = func(prefix string) take {
		return func(at string, value any) error {
			table, ok := value.(map[string]any)
			if !ok {
				return d.wrongType(at, value, "a table")
			}
			return d.each(at, table, func(key string, value any) error {
				at := below(at, key)
				if _, nested := value.(map[string]any); nested {
					return walk(prefix+key+".")(at, value)
				}
				v := Default{Key: prefix + key, Line: d.line(at)}
				items, list := value.([]any)
				if !list {
					items = []any{value}
				}
				v.List = list
				for _, item := range items {
					text, ok := textOf(item)
					if !ok {
						return d.wrongType(at, item, "a text, a number, true or false")
					}
					v.Texts = append(v.Texts, text)
				}
				p.Defaults = append(p.Defaults, v)
				return nil
			})
		}
	}
	return walk("")
}

func textOf(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

func anyText(string) error { return nil }

// lineOfText is a text for people, on one line.
func lineOfText(s string) error {
	if strings.TrimSpace(s) == "" {
		return fault.New(fault.Invalid, "", "is empty")
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fault.New(fault.Invalid, "", "must be one line of text")
	}
	return nil
}

// CheckWord takes what recipes, policies and aliases are called: letters, digits, _
// and -, a letter first, at most 64. It fails with Invalid for anything else.
func CheckWord(s string) error {
	for i, c := range []byte(s) {
		letter, later := 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9' || c == '_' || c == '-'
		if !letter && (i == 0 || !later) {
			return fault.New(fault.Invalid, "", "%q is not a word: letters, digits, _ and - only, a letter first", s)
		}
	}
	if s == "" || len(s) > 64 {
		return fault.New(fault.Invalid, "", "a word has 1 to 64 letters")
	}
	return nil
}

// checkAlias takes what may stand behind @ in load().
func checkAlias(s string) error {
	if s == "std" {
		return fault.New(fault.Invalid, "", "@std is the standard library: another alias is needed")
	}
	if CheckWord(s) != nil {
		return fault.New(fault.Invalid, "", "%q is no alias: letters, digits, _ and - only, a letter first, at most 64", s)
	}
	return nil
}

// checkRef takes the reference of a recipe, with everything that makes it mean
// the same everywhere.
func checkRef(s string) error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "", format, args...).WithHint("the reference of a recipe looks like oci://ghcr.io/org/recipes:v1")
	}
	name, ok := strings.CutPrefix(s, "oci://")
	if !ok {
		return bad("%q does not begin with oci://", artifact.WithoutPassword(s))
	}
	if strings.Contains(name, "//") {
		return bad("%q names a file in a recipe: the alias is for all of it", s)
	}
	if _, err := artifact.ParseName(name, artifact.DefaultDomain); err != nil {
		return bad("%w", err)
	}
	switch registry, tag := artifact.Typed(name); {
	case !registry:
		return bad("%q does not name its registry", s)
	case !tag:
		return bad("%q has neither tag nor digest", s)
	}
	return nil
}

// checkPath takes a file or folder below the root.
func checkPath(s string) error {
	switch {
	case s == "":
		return fault.New(fault.Invalid, "", "is empty")
	case path.IsAbs(s), strings.ContainsAny(s, "\\\x00"), len(s) > 1 && s[1] == ':', slices.Contains(strings.Split(s, "/"), ".."):
		return fault.New(fault.Invalid, "", "%q is not a path below the project's folder, with / between folders", s)
	}
	return nil
}

// checkTag takes the name of an image that is to be built.
func checkTag(s string) error {
	name, err := artifact.ParseName(s, artifact.DefaultDomain)
	if err == nil && name.Digest != "" {
		err = fault.New(fault.Invalid, "", "a digest cannot be chosen: it comes from the content")
	}
	return err
}

func checkVersion(s string) error {
	if v := "v" + s; !semver.IsValid(v) || semver.Canonical(v)+semver.Build(v) != v {
		return fault.New(fault.Invalid, "", "%q is not a semantic version such as 1.2.0", s)
	}
	return nil
}

func checkSource(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		return fault.New(fault.Invalid, "", "%w", fmt.Errorf("%q is not the address of a page, such as https://github.com/acme/recipes", artifact.WithoutPassword(s)))
	}
	return nil
}
