package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policyhost/policy/builtins/internal/engine"
	"github.com/policyhost/policy/runtime/fault"
)

const sessionPolicy = `package authz

default allow := false

allow if input.user in data.users

count_users := count(data.users)
`

func session(t *testing.T, files map[string]string, o engine.OpenOptions) *engine.Session {
	t.Helper()
	s := open(t, files, o).NewSession()
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// say executes lines and gives what each statement answered: a result, "undefined",
// "rule" with its package and name, or the error's kind.
func say(t *testing.T, s *engine.Session, lines ...string) []string {
	t.Helper()
	var said []string
	for _, line := range lines {
		outcomes, err := s.Do(t.Context(), line, engine.Query{})
		for _, o := range outcomes {
			switch {
			case o.Decision == nil:
				said = append(said, strings.Join(strings.Fields("rule "+o.Package+" "+o.Defined), " "))
			case !o.Decision.Defined:
				said = append(said, strings.TrimSpace("undefined "+o.Nearest))
			default:
				said = append(said, string(o.Decision.Result))
			}
		}
		if err != nil {
			said = append(said, fault.Of(err).Kind.String()+": "+err.Error())
		}
	}
	return said
}

func TestSession(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"authz.rego": sessionPolicy,
		"data.json":  `{"users": ["eve", "jo"]}`,
	}
	for name, tt := range map[string]struct {
		lines []string
		want  []string
	}{
		"queries":         {[]string{"data.authz.allow", "data.authz.nope", "1 + 1", "data.users[i]"}, []string{"false", "undefined", "2", `["eve","jo"]`}},
		"comment":         {[]string{"# nothing", ""}, nil},
		"two at once":     {[]string{"1\n2"}, []string{"1", "2"}},
		"input":           {[]string{`input := {"user": "jo"}`, "data.authz.allow", "input.user", `input = {"user": data.users[0]}`, "input"}, []string{"rule input", "true", `"jo"`, "rule input", `{"user":"eve"}`}},
		"input compared":  {[]string{`input := 1`, "input == 2", "input"}, []string{"rule input", "false", "1"}},
		"input undefined": {[]string{`input := data.nope`, "input"}, []string{"usage: the right side is undefined: the input stays as it is", "undefined"}},
		"input unknown":   {[]string{"input = x", "input := {nope}"}, []string{"usage: 1:9: rego_unsafe_var_error: var x is unsafe", "usage: 1:10: rego_unsafe_var_error: var nope is unsafe"}},
		"input package":   {[]string{"package repl.input", `user := "jo"`, "package z", "data.authz.allow"}, []string{"rule data.repl.input user", "true"}},
		"rule":            {[]string{"x := 1", "x", "y = x + 1", "y", "y = 3", "x := 5", "y"}, []string{"rule data.repl x", "1", "rule data.repl y", "2", "undefined", "rule data.repl x", "6"}},
		"operators":       {[]string{"x := 3", "x+1", " x-1", "x*2", "x==3", "x!=3", "x<4"}, []string{"rule data.repl x", "4", "2", "6", "true", "false", "true"}},
		"rule heads":      {[]string{"big if input > 3", "input := 4", "big", `s contains 1`, `s contains 2`, "s", "f(a) := a * 2", "f(4)"}, []string{"rule data.repl big", "rule input", "true", "rule data.repl s", "rule data.repl s", "[1,2]", "rule data.repl f", "8"}},
		"default":         {[]string{"default ok := false", "ok", "ok if true", "ok"}, []string{"rule data.repl ok", "false", "rule data.repl ok", "true"}},
		"rule by ref":     {[]string{`user["role"] := "admin"`, `user.mail := "m"`, "user", `user.role := "none"`, "user"}, []string{"rule data.repl user.role", "rule data.repl user.mail", `{"mail":"m","role":"admin"}`, "rule data.repl user.role", `{"mail":"m","role":"none"}`}},
		"query of two":    {[]string{"x := 1; x > 0"}, []string{"true"}},
		"data is asked":   {[]string{"data.users = x", "data.authz.count_users = 2"}, []string{"true", "true"}},
		"package":         {[]string{"package authz", "allow", "count_users = 2", "count_users = 3", "more := count_users + 1", "more", "data.authz.more"}, []string{"false", "true", "undefined", "rule data.authz more", "3", "3"}},
		"import":          {[]string{"import data.authz", "authz.allow", "import data.users as people", "people"}, []string{"false", `["eve","jo"]`}},
		"syntax":          {[]string{"data.x]"}, []string{"usage: 1:7: rego_parse_error: unexpected ] token\n    data.x]\n          ^"}},
		"unsafe":          {[]string{"nope", "1"}, []string{"usage: 1:1: rego_unsafe_var_error: var nope is unsafe", "1"}},
		"wrong rule":      {[]string{"x := nope(1)", "x := 1", "x"}, []string{"usage: 1:6: rego_type_error: undefined function nope", "rule data.repl x", "1"}},
		"misspelt":        {[]string{"data.authz.alow", "dat.authz.allow", "authz.allow", "package authz", "alow", "data.user[_]"}, []string{"undefined data.authz.allow", "usage: 1:1: rego_unsafe_var_error: var dat is unsafe", "usage: 1:1: rego_unsafe_var_error: var authz is unsafe", "usage: 1:1: rego_unsafe_var_error: var alow is unsafe", "undefined data.users"}},
		"conflict":        {[]string{"a := 1 if true", "a := 2 if true", "a"}, []string{"rule data.repl a", "rule data.repl a", "2"}},
		"recursion":       {[]string{"r := r + 1", "1"}, []string{"usage: 1:1: rego_recursion_error: rule data.repl.r is recursive: data.repl.r -> data.repl.r", "1"}},
		"the time":        {[]string{"time.now_ns()"}, []string{"0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := say(t, session(t, files, engine.OpenOptions{}), tt.lines...)
			if name == "the time" && len(got) == 1 && len(got[0]) == 19 {
				return
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("\ngot  %q\nwant %q", got, tt.want)
			}
		})
	}
}

// TestSessionAnyBundle holds that a conversation can be had with bundles of every
// make.
func TestSessionAnyBundle(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		files map[string]string
		o     engine.OpenOptions
		lines []string
		want  []string
	}{
		"data only": {map[string]string{"data.json": `{"a": 1}`}, engine.OpenOptions{}, []string{"data", "x := data.a", "x"}, []string{`{"a":1}`, "rule data.repl x", "1"}},
		"required builtins": {map[string]string{
			".manifest": `{"roots": ["p"], "metadata": {"required_builtins": {"builtin1": [{"name": "ds.user", "decl": {"type": "function", "args": [{"type": "string"}], "result": {"type": "any"}}}]}}}`,
			"p.rego":    "package p\n\nx := ds.user(\"jo\")\n\ny := 1\n",
		}, engine.OpenOptions{}, []string{"data.p.y", "z := data.p.y", "z", "data.p.x"}, []string{"1", "rule data.repl z", "1", "invalid: bundle.tar.gz: p.rego:3:6: eval_builtin_error: ds.user: ds.user: the manifest requires this function (required_builtins), and this program does not have it"}},
		"v0": {map[string]string{"p.rego": "package p\n\nallow { input.x }\n"}, engine.OpenOptions{RegoVersion: "rego.v0"},
			[]string{"input := {\"x\": 1}", "data.p.allow", "ok { data.p.allow }", "ok", "import rego.v1", "fine if ok", "fine"},
			[]string{"rule input", "true", "rule data.repl ok", "true", "rule data.repl fine", "true"}},
		"does not compile": {map[string]string{"p.rego": "package p\n\nx := nope(1)\n"}, engine.OpenOptions{}, []string{"1", "x := 1"},
			[]string{"invalid: bundle.tar.gz: p.rego:3:6: rego_type_error: undefined function nope", "invalid: bundle.tar.gz: p.rego:3:6: rego_type_error: undefined function nope"}},
		"repl in the bundle": {map[string]string{"p.rego": "package repl\n\nx := 1\n"}, engine.OpenOptions{}, []string{"data.repl.x", "y := x", "y"}, []string{"1", "rule data.repl y", "1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := say(t, session(t, tt.files, tt.o), tt.lines...)
			if !slices.Equal(got, tt.want) {
				t.Errorf("\ngot  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestSessionUnfinished(t *testing.T) {
	t.Parallel()
	s := session(t, map[string]string{"p.rego": "package p\n"}, engine.OpenOptions{})
	for text, want := range map[string]bool{
		"1":                           false,
		"":                            false,
		"data.x[":                     true,
		"data.x]":                     false,
		"allow if {":                  true,
		"allow if {\n\tinput.x":       true,
		"allow if {\n\tinput.x\n}":    false,
		"allow if {\n# a comment  \n": true,
		"x :=":                        true,
		"x+":                          true,
		"x := `raw":                   true,
		"x := `raw\ntext`":            false,
		`"quoted`:                     false,
		"f(1":                         true,
		"    1 $ 2":                   false,
		"1 $ 2":                       false,
	} {
		if got := s.Unfinished(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

func TestSessionEdit(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := session(t, map[string]string{"p.rego": "package p\n\nx := 1\n"}, engine.OpenOptions{})
	if text, err := s.Show(); text != "" || err != nil {
		t.Errorf("of nothing it shows %q, %v", text, err)
	}
	say(t, s, "x := 1", "import data.p", "y if {p.x == x}", "input := 1")
	const want = "package repl\n\nimport data.p\n\nx := 1\n\ny if p.x == x\n"
	if text, err := s.Show(); text != want || err != nil {
		t.Errorf("it shows %q, %v", text, err)
	}
	if err := s.Unset(ctx, "x"); !errors.Is(err, fault.Usage) {
		t.Errorf("y needs x, and yet: %v", err)
	}
	for _, name := range []string{"y", "x", "input"} {
		if err := s.Unset(ctx, name); err != nil {
			t.Error(err)
		}
	}
	if got := say(t, s, "x", "input"); len(got) != 2 || !strings.HasPrefix(got[0], "usage: ") || got[1] != "undefined" {
		t.Errorf("afterwards %q", got)
	}
	for name, kind := range map[string]fault.Kind{"x": fault.NotFound, "1": fault.Usage, "a[": fault.Usage, "a[i]": fault.Usage, "p.x": fault.NotFound} {
		if err := s.Unset(ctx, name); !errors.Is(err, kind) {
			t.Errorf("unset %s: %v", name, err)
		}
	}
	say(t, s, "package p", "z := 2")
	if err := s.UnsetPackage(ctx, "p"); err != nil {
		t.Error(err)
	}
	if got := say(t, s, "data.p"); !slices.Equal(got, []string{`{"x":1}`}) {
		t.Errorf("data.p is %q", got)
	}
	for name, kind := range map[string]fault.Kind{"p": fault.NotFound, "1": fault.Usage} {
		if err := s.UnsetPackage(ctx, name); !errors.Is(err, kind) {
			t.Errorf("unset-package %s: %v", name, err)
		}
	}
}

func TestSessionComplete(t *testing.T) {
	t.Parallel()
	s := session(t, map[string]string{
		"authz.rego": sessionPolicy,
		"deep.rego":  "package authz.deep\n\nx.y.z := 1\n",
		"data.json":  `{"users": ["eve"], "used": {"a": 1, "not a name": 2}}`,
	}, engine.OpenOptions{})
	for word, want := range map[string]string{
		"":                   "data input",
		"d":                  "data",
		"data.":              "data.authz data.used data.users",
		"data.us":            "data.used data.users",
		"data.used.":         "data.used.a",
		"data.authz.":        "data.authz.allow data.authz.count_users data.authz.deep",
		"data.authz.deep.":   "data.authz.deep.x",
		"data.authz.deep.x.": "data.authz.deep.x.y",
		"data.nope.":         "",
		"nope.x":             "",
	} {
		if got := strings.Join(s.Complete(word), " "); got != want {
			t.Errorf("%q: %s", word, got)
		}
	}
	say(t, s, "mine := 1")
	if got := s.Complete("m"); !slices.Equal(got, []string{"mine"}) {
		t.Errorf("m: %s", got)
	}
}

// TestSessionCanceled holds that a query ends with its context, and the
// conversation goes on.
func TestSessionCanceled(t *testing.T) {
	t.Parallel()
	s := session(t, map[string]string{"p.rego": "package p\n"}, engine.OpenOptions{})
	ctx, cancel := context.WithCancelCause(t.Context())
	timer := time.AfterFunc(50*time.Millisecond, func() { cancel(fault.New(fault.Canceled, "", "enough")) })
	defer timer.Stop()
	begun := time.Now()
	_, err := s.Do(ctx, "count([1 | some a in numbers.range(1, 100000); some b in numbers.range(1, 100000); a == b])", engine.Query{})
	if !errors.Is(err, fault.Canceled) || time.Since(begun) > time.Second {
		t.Errorf("%v after %s", err, time.Since(begun))
	}
	if got := say(t, s, "x := 1", "x"); !slices.Equal(got, []string{"rule data.repl x", "1"}) {
		t.Errorf("afterwards %q", got)
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	b := open(t, map[string]string{"authz.rego": sessionPolicy, "data.json": `{"users": ["eve"]}`}, engine.OpenOptions{})
	for query, want := range map[string]string{
		"data.authz.alow":     "data.authz.allow",
		"data.auhtz.allow":    "data.authz.allow",
		"data.authz.zebra":    "",
		"data.authz.allow.x":  "",
		"dat.authz.allow":     "data.authz.allow",
		"dta.auhtz.alow":      "data.auhtz.alow",
		"inptu.user":          "input.user",
		"input.usr":           "",
		"authz.allow":         "data.authz.allow",
		"count(data.user)":    "data.users",
		"x := 1; data.usres":  "data.users",
		"not data.authz.alow": "data.authz.allow",
		"data[x]":             "",
		"json.marshal(1)":     "",
		"][":                  "",
	} {
		if got := b.Nearest(query); got != want {
			t.Errorf("%s: %q", query, got)
		}
	}
	for query, want := range map[string]string{"dat.authz.allow": "did you mean data.authz.allow?", "zzz.y": "", "1 + q": ""} {
		_, err := b.Eval(t.Context(), engine.Query{Query: query})
		if f := fault.Of(err); f.Hint != want || strings.Contains(err.Error(), "var _") {
			t.Errorf("%s: %v, hint %q", query, err, f.Hint)
		}
	}
}

func TestMaxErrors(t *testing.T) {
	t.Parallel()
	files := map[string]string{"p.rego": "package p\n" + strings.Repeat("\nx := nope(1)\n", 20)}
	for limit, want := range map[int]int{0: 10, 3: 3, 15: 15, 100: 20} {
		s := session(t, files, engine.OpenOptions{MaxErrors: limit})
		_, err := s.Do(t.Context(), "1", engine.Query{})
		if got := strings.Count(err.Error(), "undefined function"); got != want {
			t.Errorf("at most %d: %d in %v", limit, got, err)
		}
	}
}

// FuzzSession holds that no text that is typed ends the conversation.
func FuzzSession(f *testing.F) {
	for _, text := range []string{"1", "x := 1", "input = x", "allow if {", "`", "default a := 1", "import data.p", "package q", "f(x) := x", "some i; data[i]", "data.p.y with input as 1", "# x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := session(t, map[string]string{"p.rego": "package p\n\ny := input\n"}, engine.OpenOptions{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s.Unfinished(text)
		if _, err := s.Do(ctx, text, engine.Query{}); errors.Is(err, fault.Internal) {
			t.Errorf("%q: %v", text, err)
		}
		s.Complete(text)
		_ = s.Unset(ctx, text)
		if _, err := s.Show(); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}
