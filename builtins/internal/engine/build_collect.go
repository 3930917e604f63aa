package engine

import (
	"context"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyhost/policy/runtime/fault"
)

// collect sorts the files of all inputs into modules, data and the rest.
func (b *build) collect(inputs []*input) error {
	var manifests []*bundleManifest
	total := 0
	for _, in := range inputs {
		m, err := readManifest(in)
		if err != nil {
			return err
		}
		manifests = append(manifests, m)
		if n := len(in.files); n > 0 {
			total += n
		}
	}
	if total == 0 {
		return b.nothing(inputs)
	}
	var err error
	if b.manifest, err = mergeManifests(manifests, b.o.Revision, b.version); err != nil {
		return err
	}
	stubs, err := requiredBuiltins(&b.manifest.Manifest)
	if err != nil {
		return fault.New(fault.Invalid, b.manifest.typed, "%w", err)
	}
	b.caps.stub(stubs)
	if b.modules, err = moduleSet(inputs, manifests, b.version); err != nil {
		return err
	}
	b.fileVersions()
	return b.collectFiles(inputs)
}

// nothing says why there is nothing to build.
func (b *build) nothing(inputs []*input) error {
	var names, skipped []string
	for _, in := range inputs {
		names = append(names, in.path.Typed)
		skipped = append(skipped, in.skipped...)
	}
	f := fault.New(fault.NotFound, strings.Join(names, ", "), "no .rego and no data in it")
	if len(skipped) > 0 {
		return f.WithHint("in a folder, data is read from data.json and data.yaml only; there is %s", skipped[0])
	}
	return f.WithHint("hidden files and *_test.rego do not count, unless --include-hidden or --include-tests is given")
}

// fileVersions notes the modules whose version is not that of the whole.
func (b *build) fileVersions() {
	if len(b.manifest.FileRegoVersions) > 0 {
		return // the only manifest there is says it with its own patterns
	}
	for _, m := range b.modules {
		if n := m.version.Int(); n != *b.manifest.RegoVersion {
			if b.manifest.FileRegoVersions == nil {
				b.manifest.FileRegoVersions = map[string]int{}
			}
			b.manifest.FileRegoVersions[m.name] = n
			b.manifest.FileRegoVersions["/"+m.name] = n // for when it is unpacked
		}
	}
}

func (b *build) regoName() string {
	if *b.manifest.RegoVersion == 0 {
		if b.version == ast.RegoV0CompatV1 {
			return versionName(ast.RegoV0CompatV1)
		}
		return versionName(ast.RegoV0)
	}
	return versionName(ast.RegoV1)
}

// collectFiles merges data files that would have one name in the bundle, and
// refuses other files that would.
func (b *build) collectFiles(inputs []*input) error {
	byName := map[string][]*source{}
	for _, in := range inputs {
		for _, s := range in.files {
			if !s.isRego() {
				byName[s.name] = append(byName[s.name], s)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		same := byName[name]
		switch {
		case path.Base(name) != "data.json":
			if len(same) > 1 {
				return fault.New(fault.Invalid, same[1].typed, "%s is %s in the bundle already", same[0].typed, name)
			}
			b.others = append(b.others, same[0])
		case len(same) == 1:
			b.data = append(b.data, same[0])
		default:
			one, err := mergeFiles(name, same)
			if err != nil {
				return err
			}
			b.data = append(b.data, one)
		}
	}
	return nil
}

func mergeFiles(name string, same []*source) (*source, error) {
	// Each is checked on its own: after the merge nobody could say where it was wrong.
	for _, s := range same {
		if err := newDataCheck([]*source{s}, nil, []string{""}).run(context.Background()); err != nil {
			return nil, err
		}
	}
	all, err := loadData(same)
	if err != nil {
		return nil, err
	}
	var v any = all
	for _, step := range dataMount(name) {
		v = v.(map[string]any)[step]
	}
	text, err := encodeJSON(v)
	if err != nil {
		return nil, err
	}
	var typed []string
	for _, s := range same {
		typed = append(typed, s.typed)
	}
	return &source{name: name, typed: strings.Join(typed, " + "), size: int64(len(text)), text: text}, nil
}
