package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/policyhost/policy/builtins/internal/engine"
)

// sameFiles is a bundle with all the ways in which one document can need another.
var sameFiles = map[string]string{
	".manifest":                `{"revision":"7","roots":[""]}`,
	"data.json":                `{"users":{"alice":{"roles":["admin","dev"],"age":31,"big":12345678901234567890,"f":1.50},"bob":{"roles":["dev"],"age":0}},"list":[10,[20,21],{"k":"v"}],"esc\u0061ped":{"q\"uote":1,"ünï":2},"0":"zero","empty":{},"nul":null,"flag":false,"mixed":{"base":1,"deep":{"x":1}}}`,
	"nested/place/data.json":   `{"here":[1,2,3],"there":{"a":{"b":{"c":"deep"}}}}`,
	"nested/data.json":         `{"sibling":true,"place":{"extra":1}}`,
	"yaml/data.yaml":           "name: yaml\nlist:\n  - 1\n  - two\n",
	"arr/data.json":            `[{"id":1,"tags":["x"]},{"id":2,"tags":["y","z"]}]`,
	"authz.rego":               "package authz\n\nimport data.lib.strs\nimport data.lib.nums as n\nimport data.users\n\ndefault allow := false\n\nallow if strs.is_admin(input.user)\n\nallow if {\n\tinput.path == \"/public\"\n\tn.positive(input.n)\n}\n\nreasons contains r if {\n\tnot allow\n\tr := sprintf(\"%v denied\", [input.user])\n}\n\nages[name] := u.age if some name, u in users\n\nwho := \"adult\" if users[input.user].age > 17\n\nelse := \"minor\" if users[input.user]\n\nelse := \"nobody\"\n",
	"authz_more.rego":          "package authz\n\nextra if helper(1)\n\nhelper(x) := y if y := x + data.conf.step\n",
	"lib/strs.rego":            "package lib.strs\n\nis_admin(u) if \"admin\" in data.users[u].roles\n\nshout(s) := upper(s)\n",
	"lib/nums.rego":            "package lib.nums\n\npositive(x) if x > 0\n\nfact := {1: 1, 2: 2, 3: 6}\n",
	"conf.rego":                "package conf\n\nstep := 41\n\nsettings.a.b := 1\n\nsettings.a.c := 2\n\nsettings.list contains 3\n",
	"mixed.rego":               "package mixed\n\nrule := 2\n\ndeep2.y := data.mixed.deep.x + 1\n",
	"mixed/deeper.rego":        "package mixed.deeper\n\nz := data.mixed.base\n",
	"dynamic.rego":             "package dynamic\n\npick := data.conf[input.what]\n\nnames := {k | data.users[k]}\n\nall_flags contains p if walk(data.nested, [p, true])\n",
	"meta.rego":                "# METADATA\n# title: Meta\n# scope: package\n# custom:\n#   level: 3\npackage meta\n\n# METADATA\n# title: The rule\nrule := m.title if m := rego.metadata.rule()\n\nchain := [a.annotations.title | some a in rego.metadata.chain()]\n",
	"loop/a.rego":              "package loop.a\n\nx := data.loop.b.y\n",
	"loop/b.rego":              "package loop.b\n\ny := data.loop.c.z\n\nw := 1\n",
	"loop/c.rego":              "package loop.c\n\nz := 5\n\nv := data.loop.b.w\n",
	"mock.rego":                "package mock\n\nreal := data.lib.strs.is_admin(\"bob\")\n\nreplaced if real with data.users as {\"bob\": {\"roles\": [\"admin\"]}}\n\nfn := x if x := data.lib.strs.shout(\"a\") with data.lib.strs.shout as low\n\nlow(s) := concat(\"\", [s, \"!\"])\n",
	"odd.rego":                 "package odd[\"na-me\"].x\n\nv := 1\n",
	"comments.rego":            "# first\n\n  # second\npackage   commented # third\n\nv := 1\n",
	"err.rego":                 "package err\n\nratio := 1 / data.users.bob.age\n\nafter if not ratio\n",
	"every.rego":               "package ev\n\nall_dev if every u in data.users { \"dev\" in u.roles }\n\nstr := sprintf(\"%d %s\", [3, json.marshal(data.list)])\n\nobj := object.union(data.mixed, {\"m\": 1})\n\nc := count(data.users)\n",
	"system_like/data.json":    `{"system":1}`,
	"schema/data.json":         `{"one":{"two":{"three":[{"four":4}]}}}`,
	"unused/broken_input.rego": "package unused.deep.down\n\nv := data.never.there\n",
}

var sameQueries = []string{
	"data.authz.allow", "data.authz", "data.authz.reasons", "data.authz.ages", "data.authz.ages.alice", "data.authz.ages[k]",
	"data.authz.who", "data.authz.extra", "data.authz.helper(1)", "data.authz.nothing", "data.authz.allow == true", "not data.authz.allow",
	"data.lib.strs.shout(\"x\")", "data.lib", "data.lib.nums.fact", "data.lib.nums.fact[2]", "data.lib.nums.fact[x]",
	"data.conf", "data.conf.settings", "data.conf.settings.a", "data.conf.settings.a.b", "data.conf.settings[x]", "data.conf.settings.list[3]",
	"data.mixed", "data.mixed.base", "data.mixed.rule", "data.mixed.deep", "data.mixed.deep2.y", "data.mixed.deeper.z", "data.mixed[k]",
	"data.dynamic.pick", "data.dynamic.names", "data.dynamic.all_flags", "data.meta.rule", "data.meta.chain", "data.meta",
	"data.loop.a.x", "data.loop.b", "data.loop", "data.loop.c.v", "data.mock.real", "data.mock.replaced", "data.mock.fn",
	`data.odd["na-me"].x.v`, `data.odd["na-me"]`, "data.odd", "data.commented.v", "data.err.ratio", "data.err.after", "data.ev", "data.ev.obj", "data.ev.c",
	"data.users", "data.users.alice", "data.users.alice.roles", "data.users.alice.roles[_]", "data.users[u].roles[i]", "data.users.alice.big", "data.users.alice.big + 1", "data.users.alice.f",
	"data.users[input.user].age", "data.list", "data.list[1]", "data.list[1][0]", "data.list[2].k", "data.list[9]", "data.list[-1]", "data.list.x", `data.list["1"]`,
	"data.escaped", `data.escaped["q\"uote"]`, `data.escaped["ünï"]`, `data["0"]`, "data[0]", "data.empty", "data.empty.x", "data.nul", "data.nul.x", "data.flag", "data.flag.x",
	"data.nested", "data.nested.place", "data.nested.place.here[1]", "data.nested.place.extra", "data.nested.place.there.a.b.c", "data.nested.sibling", "data.yaml", "data.yaml.list[1]",
	"data.arr", "data.arr[_].tags[_]", "data.arr[1].id", "data.schema.one.two.three[0].four", "data.schema.one.two.three[0].five", "data.unused.deep", "data.unused.deep.down.v",
	"data.system_like", "count(data)", "data", "data[x].alice", "[k | data[k]]", "walk(data.nested.place, [p, v])", "some x in data.list; x == 10",
	"x := data.users.alice; x.roles", "data.users.alice = x", "x = data.users[_].age; x > 5", "data.users.alice.age > 30", "data.users.bob.age > 30", "input", "input.user", "input.none",
	"every x in data.list { is_array(x) }", "sum([a | a := data.users[_].age])", "data.users with data.users as 1", "data.authz.allow with input as {\"user\": \"alice\"}",
	"data.mixed.deep.x; data.mixed.rule", "data.authz.ages[\"alice\"] < data.conf.step", "json.marshal(data.users)", "{x: y | some x, y in data.authz.ages}", "object.get(data.users, [\"alice\", \"age\"], 0)",
	"to_number(\"1.0\")", "1.0", "1e3", "[1, 1.0] == [1.0, 1]", "{1, 2, 1}", "\"a\\u0000b\"", "rego.metadata.rule()",
}

// A decision is what OPA says, however little of the bundle we looked at.
func TestSameAsOPA(t *testing.T) {
	t.Parallel()
	raw := tarball(t, sameFiles)
	loaded, err := bundle.NewReader(bytes.NewReader(raw)).WithProcessAnnotations(true).WithSkipBundleVerification(true).Read()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := opaEval(t.Context(), &loaded, "1", "", time.Time{}); err != nil {
		t.Fatalf("the fixture is wrong: %v", err)
	}
	inputs := []string{``, `{"user":"alice","path":"/public","n":1}`, `{"user":"carol","where":"users","what":"bob","n":0}`, `{"user":"bob","where":"conf","what":"step"}`}
	now := time.Unix(1700000000, 0)
	all, err := engine.OpenBundle(t.Context(), bytes.NewReader(raw), engine.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = all.Close() }()
	for _, query := range sameQueries {
		for _, input := range inputs {
			want, wantErr := opaEval(t.Context(), &loaded, query, input, now)
			q := engine.Query{Query: query, Time: now}
			if input != "" {
				q.Input = []byte(input)
			}
			lazy, err := engine.OpenBundle(t.Context(), bytes.NewReader(raw), engine.OpenOptions{Trusted: true})
			if err != nil {
				t.Fatal(err)
			}
			for name, b := range map[string]*engine.Bundle{"lazy": lazy, "whole": all} {
				d, err := b.Eval(t.Context(), q)
				if (err != nil) != (wantErr != nil) {
					t.Errorf("%s %s with %s: error %v, OPA's %v", name, query, input, err, wantErr)
					continue
				}
				if err != nil {
					continue
				}
				compare(t, name+" "+query+" with "+input, d, want)
			}
			_ = lazy.Close()
		}
	}
}

func compare(t *testing.T, name string, d *engine.Decision, want rego.ResultSet) {
	t.Helper()
	if d.Defined != (len(want) > 0) {
		t.Errorf("%s: defined %v, OPA has %d results", name, d.Defined, len(want))
		return
	}
	var values []any
	var bindings []any
	for _, r := range want {
		values = append(values, r.Expressions[len(r.Expressions)-1].Value)
		if len(r.Bindings) > 0 {
			bindings = append(bindings, map[string]any(r.Bindings))
		}
	}
	var got any
	if d.Defined {
		got = plain(t, []byte(d.Result))
		single := len(values) == 1 && reflect.DeepEqual(got, plain(t, values[0]))
		if !single && !reflect.DeepEqual(got, plain(t, values)) {
			t.Errorf("%s: got %s, OPA %v", name, d.Result, values)
		}
	}
	if len(bindings)+len(d.Bindings) > 0 && !reflect.DeepEqual(plain(t, d.Bindings), plain(t, bindings)) {
		t.Errorf("%s: bindings %s, OPA %v", name, d.Bindings, bindings)
	}
}

// plain is v as encoding/json sees it, numbers exact.
func plain(t *testing.T, v any) any {
	t.Helper()
	raw, ok := v.([]byte)
	if !ok {
		var err error
		if raw, err = json.Marshal(v); err != nil {
			t.Fatal(err)
		}
	}
	var out any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&out); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return out
}

// opaEval is the evaluation as OPA's own command does it.
func opaEval(ctx context.Context, b *bundle.Bundle, query, input string, now time.Time) (rego.ResultSet, error) {
	caps := ast.CapabilitiesForThisVersion()
	cp := b.Copy()
	opts := []func(*rego.Rego){rego.Query(query), rego.ParsedBundle("b", &cp), rego.Capabilities(caps), rego.SkipBundleVerification(true)}
	pq, err := rego.New(opts...).PrepareForEval(ctx)
	if err != nil {
		return nil, err
	}
	eval := []rego.EvalOption{rego.EvalTime(now), rego.EvalSortSets(true)}
	if input != "" {
		v, err := ast.ValueFromReader(strings.NewReader(input))
		if err != nil {
			return nil, err
		}
		eval = append(eval, rego.EvalParsedInput(v))
	}
	return pq.Eval(ctx, eval...)
}
