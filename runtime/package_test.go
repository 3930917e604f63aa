package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

// shelf is a host's packages: their files by ID, and what each name means to whom.
type shelf struct {
	files map[string]map[string]string // by ID
	names map[string]string            // "FROM NAME" to ID
	mu    sync.Mutex
	asked []string
}

func (s *shelf) open(_ context.Context, from runtime.Module, name string) (*runtime.Package, error) {
	s.mu.Lock()
	key := from.Recipe + " " + name
	s.asked = append(s.asked, key)
	s.mu.Unlock()
	id, ok := s.names[key]
	if !ok {
		return nil, fault.New(fault.NotFound, name, "no such recipe").WithHint("policy recipe add %s", name)
	}
	tree := fstest.MapFS{}
	for name, text := range s.files[id] {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return &runtime.Package{ID: id, Name: "oci://" + id, Files: tree}, nil
}

func (s *shelf) host(t *testing.T) *runtime.Host {
	return &runtime.Host{Package: s.open, Root: t.TempDir(), Predeclared: func(m runtime.Module) []runtime.Builtin {
		return []runtime.Builtin{{Name: "whose", Pure: true, Call: func(_ context.Context, c runtime.Call) (any, error) {
			return c.Module.Recipe + "|" + c.Module.Name, nil
		}}}
	}}
}

func TestPackages(t *testing.T) {
	t.Parallel()
	s := &shelf{
		files: map[string]map[string]string{
			"gates:v1@1": {
				"gates.star":     "load(':lib/words.star', 'word')\nload('@base//base.star', 'base')\ndef gate(f = None):\n    return [word(), base(), whose(), f() if f else '']",
				"lib/words.star": "load('//top.star', 'top')\ndef word():\n    return top",
				"top.star":       "top = 'top of gates'",
			},
			"base:v1@1": {"base.star": "def base():\n    return whose()"},
			"base:v2@2": {"base.star": "def base():\n    return whose() + ' two'"},
		},
		names: map[string]string{
			" @acme": "gates:v1@1", " oci://gates:v1": "gates:v1@1", " @base": "base:v2@2", "gates:v1@1 @base": "base:v1@1",
		},
	}
	got, err := s.host(t).Eval(t.Context(), runtime.Source{Name: "-e", Text: []byte(`load("@acme//gates.star", "gate")
load("oci://gates:v1//gates.star", same = "gate")
load("@base//base.star", "base")
[gate(lambda: whose()), gate == same, base()]`)})
	if err != nil {
		t.Fatal(err)
	}
	want := []any{
		[]any{"top of gates", "base:v1@1|oci://base:v1@1//base.star", "gates:v1@1|oci://gates:v1@1//gates.star", "|-e"},
		true,
		"base:v2@2|oci://base:v2@2//base.star two",
	}
	if text := sprint(got); text != sprint(want) {
		t.Errorf("got %s\nwant %s", text, sprint(want))
	}
	slices.Sort(s.asked)
	if asked := strings.Join(s.asked, ", "); asked != " @acme,  @base,  oci://gates:v1, gates:v1@1 @base" {
		t.Errorf("asked for %s", asked)
	}
}

func sprint(v any) string {
	text, err := runtime.Map{{Key: "v", Value: v}}.MarshalJSON()
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func TestPackagesRefused(t *testing.T) {
	t.Parallel()
	s := &shelf{
		files: map[string]map[string]string{"a@1": {
			"out.star": "load(':../../secret.star', 'x')", "project.star": "load('//release.star', 'x')", "typo.star": "def f():\n    return undefind",
			"a.star": "load(':b.star', 'b')\na = 1", "b.star": "load(':a.star', 'a')\nb = 1", "acts.star": "x = whose()",
		}},
		names: map[string]string{" @a": "a@1"},
	}
	for name, tt := range map[string]struct {
		load, want string
		kind       error
	}{
		"unknown":     {"@b//x.star", `load @b: no such recipe`, fault.NotFound},
		"its alias":   {"@a", "names no file of the recipe", fault.Script},
		"scheme":      {"https://x/y//z.star", "not by https://", fault.Script},
		"no file":     {"@a//", "names no file of the recipe", fault.Script},
		"missing":     {"@a//nothing.star", "there is no oci://a@1//nothing.star", fault.NotFound},
		"climbs":      {"@a//../x.star", "outside of the folder", fault.Denied},
		"climbs out":  {"@a//out.star", "outside of the folder", fault.Denied},
		"the project": {"@a//project.star", "there is no oci://a@1//release.star", fault.NotFound},
		"mistake":     {"@a//typo.star", "undefined: undefind", fault.Script},
		"cycle":       {"@a//a.star", "cycle: ", fault.Script},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := s.host(t).Eval(t.Context(), runtime.Source{Name: "-e", Text: []byte("load('" + tt.load + "', 'x')\nx")})
			if !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %v: …%s…", err, tt.kind, tt.want)
			}
		})
	}
}

func TestPackagesNotOffered(t *testing.T) {
	t.Parallel()
	_, err := new(runtime.Host).Eval(t.Context(), runtime.Source{Name: "-e", Text: []byte("load('@a//x.star', 'x')")})
	if !errors.Is(err, fault.Script) || !strings.Contains(err.Error(), "recipes cannot be loaded here") {
		t.Error(err)
	}
}

// A file of a package can be run itself.
func TestPackageMain(t *testing.T) {
	t.Parallel()
	s := &shelf{
		files: map[string]map[string]string{"a@1": {"b.star": "b = 'beside'"}},
		names: map[string]string{"a@1 @a": "a@1"},
	}
	pkg, err := (&shelf{files: s.files, names: map[string]string{" @a": "a@1"}}).open(t.Context(), runtime.Module{}, "@a")
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.host(t).Load(t.Context(), runtime.Source{
		Name: "sub/main.star", Package: pkg,
		Text: []byte("load('//b.star', 'b')\nload('@a//b.star', again = 'b')\ndef main():\n    return [b, again, whose()]"),
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Call(t.Context(), "main", nil, nil)
	if want := `{"v":["beside","beside","a@1|oci://a@1//sub/main.star"]}`; err != nil || sprint(got) != want {
		t.Errorf("got %s, %v, want %s", sprint(got), err, want)
	}
}

// What is wrong with a load statement is found before anything runs, where it is.
func TestPackagesChecked(t *testing.T) {
	t.Parallel()
	s := &shelf{
		files: map[string]map[string]string{"a@1": {"a.star": "def f(x: int):\n    pass"}},
		names: map[string]string{" @a": "a@1"},
	}
	var found []string
	for _, f := range s.host(t).Check(t.Context(), runtime.Source{Name: "x.star", Text: []byte("load('@a//a.star', 'f', 'g')\nload('@b//b.star', 'h')\nf(y = 1)\nh()\ng()")}) {
		found = append(found, f.Pos.String()+" "+f.Code)
	}
	if got, want := strings.Join(found, "; "), "x.star:1:26 load; x.star:2:6 load; x.star:3:1 missing-argument; x.star:3:3 unknown-keyword"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What was passed to a package is told to its builtins.
func TestPassed(t *testing.T) {
	t.Parallel()
	type thing struct {
		Name string `json:"name"`
	}
	s := &shelf{
		files: map[string]map[string]string{"a@1": {"a.star": "def f(x):\n    return show(x)"}},
		names: map[string]string{" @a": "a@1"},
	}
	h := s.host(t)
	var seen []any
	h.Predeclared = func(runtime.Module) []runtime.Builtin {
		return []runtime.Builtin{
			{Name: "make", Call: func(context.Context, runtime.Call) (any, error) { return &thing{"made"}, nil }},
			{
				Name: "show", Args: func() any {
					return new(struct {
						Things []*thing `arg:"" optional:""`
					})
				},
				Call: func(_ context.Context, c runtime.Call) (any, error) {
					seen = append(seen, c.Passed...)
					return nil, nil
				},
			},
		}
	}
	_, err := h.Eval(t.Context(), runtime.Source{Name: "-e", Text: []byte("load('@a//a.star', 'f')\nthing = make()\nshow(thing)\nf([thing])\nf(thing)")})
	if err != nil || len(seen) != 2 || seen[0].(*thing).Name != "made" {
		t.Errorf("got %v, %v", seen, err)
	}
}

// What a package loads of the standard library may do what the package may, and
// no more; its types are those of everybody.
func TestPackageStandardLibrary(t *testing.T) {
	t.Parallel()
	s := &shelf{
		files: map[string]map[string]string{
			"a@1": {"a.star": "load('@std//acts.star', 'acts', 'make', 'Thing')\ndef f():\n    return acts()\ndef g() -> Thing:\n    return make()"},
		},
		names: map[string]string{" @a": "a@1"},
	}
	h := s.host(t)
	h.Std = fstest.MapFS{
		"acts.star":   {Data: []byte("load(':deeper.star', 'deeper')\nThing = record(name = str)\ndef acts():\n    return [whose(), deeper()]\ndef make() -> Thing:\n    return Thing(name = 'x')\ndef take(t: Thing) -> str:\n    return t.name")},
		"deeper.star": {Data: []byte("def deeper():\n    return whose()")},
	}
	got, err := h.Eval(t.Context(), runtime.Source{Name: "-e", Text: []byte(`load("@a//a.star", "f", "g")
load("@std//acts.star", "acts", "make", "take")
[f(), acts(), take(g()), g() == make()]`)})
	want := `{"v":[["a@1|@std//acts.star","a@1|@std//deeper.star"],["|@std//acts.star","|@std//deeper.star"],"x",true]}`
	if err != nil || sprint(got) != want {
		t.Errorf("got %s, %v, want %s", sprint(got), err, want)
	}
}

// A script that wants too many packages is refused before any of them is opened.
func TestPackagesLimit(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	var text strings.Builder
	for i := range 300 {
		fmt.Fprintf(&text, "load('@p%d//a.star', a%d = 'a')\n", i, i)
	}
	_, err := s.host(t).Eval(t.Context(), runtime.Source{Name: "-e", Text: []byte(text.String())})
	if !errors.Is(err, fault.Limit) || !strings.Contains(err.Error(), "more than 256 recipes") {
		t.Errorf("got %v, want Limit", err)
	}
	if len(s.asked) > 0 {
		t.Errorf("%d packages were asked for", len(s.asked))
	}
}
