package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// bundleManifest is a .manifest: what OPA knows of it, and the fields it does not know,
// which are kept.
type bundleManifest struct {
	bundle.Manifest
	typed   string
	unknown map[string]json.RawMessage
}

// readManifest reads the .manifest of an input, nil when it has none.
func readManifest(in *input) (*bundleManifest, error) {
	if in.manifest == nil {
		return nil, nil
	}
	typed := in.manifest.typed
	text, err := in.manifest.read()
	if err != nil {
		return nil, err
	}
	if err := artifact.ValidateJSON(bytes.NewReader(text)); err != nil {
		return nil, dataFault(typed, err)
	}
	m := &bundleManifest{typed: typed}
	if err := util.UnmarshalJSON(text, &m.unknown); err != nil {
		return nil, fault.New(fault.Invalid, typed, "not a manifest: %w", err)
	}
	if err := util.UnmarshalJSON(text, &m.Manifest); err != nil {
		return nil, fault.New(fault.Invalid, typed, "not a manifest: %w", err)
	}
	for field := range knownFields() {
		delete(m.unknown, field)
	}
	m.relative()
	return m, m.check()
}

// relative makes the names of files in the manifest fit a tar of relative names,
// which OPA compares as they are: modules of code without the leading slash,
// patterns in both spellings (in a folder the names OPA compares have the slash).
func (m *bundleManifest) relative() {
	for i, w := range m.WasmResolvers {
		m.WasmResolvers[i].Module = strings.TrimPrefix(w.Module, "/")
	}
	if len(m.FileRegoVersions) == 0 {
		return
	}
	both := map[string]int{}
	for pattern, v := range m.FileRegoVersions {
		bare := strings.TrimPrefix(pattern, "/")
		both[bare], both["/"+bare] = v, v
	}
	m.FileRegoVersions = both
}

func knownFields() map[string]bool {
	fields := map[string]bool{}
	t := reflect.TypeFor[bundle.Manifest]()
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" {
			fields[name] = true
		}
	}
	return fields
}

// check refuses roots that overlap and versions of Rego that do not exist.
func (m *bundleManifest) check() error {
	bad := func(format string, args ...any) error { return fault.New(fault.Invalid, m.typed, format, args...) }
	if m.Roots != nil {
		roots := *m.Roots
		for i := range roots {
			roots[i] = strings.Trim(roots[i], "/")
			for j := range i {
				if bundle.RootPathsOverlap(roots[i], roots[j]) {
					return bad("the roots %q and %q overlap", roots[j], roots[i])
				}
			}
		}
	}
	if v := m.RegoVersion; v != nil {
		if _, err := ast.RegoVersionFromIntStrict(*v); err != nil {
			return bad("%w", err)
		}
	}
	for _, pattern := range slices.Sorted(maps.Keys(m.FileRegoVersions)) {
		if _, err := ast.RegoVersionFromIntStrict(m.FileRegoVersions[pattern]); err != nil {
			return bad("%s: %w", pattern, err)
		}
	}
	return nil
}

// versionOf is the version of Rego of a module of the input whose manifest this is (nil: none).
func (m *bundleManifest) versionOf(name string, flag ast.RegoVersion) (ast.RegoVersion, error) {
	if m == nil {
		return flag, nil
	}
	v, err := m.RegoVersionForFile("/" + name)
	if err != nil {
		return 0, fault.New(fault.Invalid, m.typed, "%w", err)
	}
	if v == ast.RegoUndefined || v == ast.RegoV0 && flag == ast.RegoV0CompatV1 {
		return flag, nil // the manifest has one number for both
	}
	return v, nil
}

// mergeManifests makes the manifest of the result. Roots are the union of those
// declared; an input without manifest declares none, and the whole is the root
// when nobody does.
func mergeManifests(all []*bundleManifest, revision string, flag ast.RegoVersion) (*bundleManifest, error) {
	out := &bundleManifest{typed: manifestName, unknown: map[string]json.RawMessage{}}
	var given []*bundleManifest
	for _, m := range all {
		if m != nil {
			given = append(given, m)
		}
	}
	if len(given) == 1 {
		one := *given[0]
		out = &one
	} else {
		for _, m := range given {
			if err := out.merge(m); err != nil {
				return nil, err
			}
		}
	}
	if out.Roots == nil {
		out.Roots = &[]string{""}
	}
	if revision != "" {
		out.Revision = revision
	}
	version := flag
	if len(given) == 1 && out.RegoVersion != nil {
		v, err := given[0].versionOf("", flag)
		if err != nil {
			return nil, err
		}
		version = v
	}
	out.SetRegoVersion(version)
	return out, nil
}

func (m *bundleManifest) merge(other *bundleManifest) error {
	clash := func(what string) error {
		return fault.New(fault.Invalid, other.typed, "another %s than in %s", what, m.typed)
	}
	if m.typed == manifestName && m.Roots == nil {
		m.Revision = other.Revision
	} else if m.Revision != other.Revision {
		m.Revision = "" // as OPA: the whole has none, unless the user gives one
	}
	roots := []string{""}
	if other.Roots != nil {
		roots = *other.Roots
	}
	if m.Roots == nil {
		m.Roots = &[]string{}
	}
	union := unite(*m.Roots, roots)
	m.Roots = &union
	if m.Metadata == nil {
		m.Metadata = map[string]any{}
	}
	for _, key := range slices.Sorted(maps.Keys(other.Metadata)) {
		value := other.Metadata[key]
		old, ok := m.Metadata[key]
		if key == "required_builtins" && ok {
			var err error
			if value, err = joinBuiltins(old, value); err != nil {
				return fault.New(fault.Invalid, other.typed, "metadata.required_builtins: %w", err)
			}
		} else if ok && !reflect.DeepEqual(old, value) {
			return clash("metadata." + key)
		}
		m.Metadata[key] = value
	}
	for key, value := range other.unknown {
		if old, ok := m.unknown[key]; ok && !bytes.Equal(old, value) {
			return clash(key)
		}
		m.unknown[key] = value
	}
	m.WasmResolvers = append(m.WasmResolvers, other.WasmResolvers...)
	m.typed = other.typed
	return nil
}

// unite adds roots; one that contains another swallows it.
func unite(a, b []string) []string {
	var out []string
	all := slices.Concat(a, b)
	slices.Sort(all)
	for _, root := range all {
		if !bundle.RootPathsContain(out, root) {
			out = append(out, root)
		}
	}
	if slices.Contains(all, "") {
		return []string{""}
	}
	return out
}

func joinBuiltins(a, b any) (any, error) {
	x, okX := a.(map[string]any)
	y, okY := b.(map[string]any)
	if !okX || !okY {
		return nil, errors.New("not an object")
	}
	out := maps.Clone(x)
	for group, list := range y {
		l, ok := list.([]any)
		old, had := out[group]
		o, okOld := old.([]any)
		if !ok || had && !okOld {
			return nil, fmt.Errorf("%s is not a list", group)
		}
		out[group] = slices.Concat(o, l)
	}
	return out, nil
}

// text is the .manifest as it goes into the bundle: on one line, keys in order.
func (m *bundleManifest) text() ([]byte, error) {
	raw, err := json.Marshal(m.Manifest)
	if err != nil {
		return nil, err
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, err
	}
	maps.Copy(fields, m.unknown)
	return encodeJSON(fields)
}
