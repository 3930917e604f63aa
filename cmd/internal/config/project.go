package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/policyhost/policy/cmd/internal/project"
	"github.com/policyhost/policy/runtime/fault"
)

// readProject checks and keeps the defaults that a project has for settings.
func (l *loader) readProject() error {
	if l.project.File == "" {
		return nil
	}
	path := filepath.Join(l.project.Root, project.Name)
	l.sources.Places = append(l.sources.Places, Place{path, "used"})
	l.defaults = map[string]value{}
	for _, d := range l.project.Defaults {
		if err := projectDefault(d); err != nil {
			f := fault.Of(err)
			return l.project.Wrong(d.Line, f.Err).WithHint("%s", f.Hint)
		}
		l.defaults[d.Key] = value{d.Texts, fmt.Sprintf("%s:%d", path, d.Line)}
	}
	return nil
}

// projectDefault fails when a project must not set that, or not so.
func projectDefault(d project.Default) error {
	row, err := projectRow(d.Key)
	if err != nil {
		return err
	}
	if d.List != row.list {
		return fault.New(fault.Invalid, "", "defaults.%s: want a single value", d.Key)
	}
	var r result
	if err := row.set(&r, d.Texts); err != nil {
		return fault.New(fault.Invalid, "", "defaults.%s: %w", d.Key, err)
	}
	var most result
	if key, isLimit := strings.CutPrefix(d.Key, "limits."); isLimit && row.set(&most, []string{row.def}) == nil && !within(r, most) {
		return fault.New(fault.Invalid, "", "a project can lower %s and not raise it above %s", d.Key, row.def).
			WithHint("if you trust what it builds, say so yourself: --limit %s=%s", key, d.Texts[0])
	}
	return nil
}

// within reports whether the limit that is set is none above the other's.
func within(r, most result) bool {
	return r.Limits.Total <= most.Limits.Total && r.Limits.Ratio <= most.Limits.Ratio &&
		r.Limits.Entries <= most.Limits.Entries && r.Limits.NameLength <= most.Limits.NameLength
}

// projectRow is the setting of a key that a project may set.
func projectRow(key string) (setting, error) {
	var known []string
	refused := slices.Contains([]string{"registries", "token_defaults"}, strings.SplitN(key, ".", 2)[0])
	var flag string
	for _, s := range settings() {
		switch {
		case s.project && s.key == key:
			return s, nil
		case s.project:
			known = append(known, s.key)
		case s.key == key:
			refused, flag = true, " or --"+s.flag
		}
	}
	if refused {
		return setting{}, fault.New(fault.Invalid, "", "a project cannot set %s: its file comes with the sources, and this decides whom to trust, or where files and credentials are", key).
			WithHint("set it in your own configuration, ~/.policy/config.yaml%s", flag)
	}
	f := fault.New(fault.Invalid, "", "unknown key %q in defaults", key)
	if near := fault.Nearest(key, known); near != "" {
		return setting{}, f.WithHint("did you mean %q?", near)
	}
	return setting{}, f.WithHint("the keys in defaults are %s", strings.Join(known, ", "))
}
