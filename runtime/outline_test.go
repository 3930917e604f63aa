package runtime_test

import (
	"encoding/json"
	"testing"

	"github.com/policyhost/policy/runtime"
)

const outlined = `"""A pipeline."""
load("nowhere.star", "absent")

LIMIT = absent(1)

def main(version = "1.0.0", retries = 3, ratio = 0.5, latest = True, tags = [], labels = {}, stage = LIMIT):
    """Release the policy.

    Args:
      version: what to publish
    """
    fail("never run")

def check(image, strict = False, *, where, deep = False):
    pass

def many(first, *rest, **options):
    pass

def _hidden():
    pass
`

func TestOutlineTasks(t *testing.T) {
	t.Parallel()
	tasks := runtime.OutlineTasks([]byte(`
def build():
    """Build it."""
    task("inner", build)

task("build", build)
task(NAME, build)
task("push", lambda: 3, deps = ["build"])
push("x", build)
task("late", name = "x")
`))
	if names(tasks) != "build push late" || tasks[0].Summary != "Build it." || tasks[1].Pos.Line != 8 {
		t.Errorf("got %+v", tasks)
	}
	if tasks := runtime.OutlineTasks([]byte("task('build', build")); tasks != nil {
		t.Errorf("got %+v", tasks)
	}
}

// TestOutline holds that what the syntax says of functions needs nothing that the
// file loads, and is what a loaded program says.
func TestOutline(t *testing.T) {
	t.Parallel()
	functions := runtime.Outline([]byte(outlined))
	var got []string
	for _, f := range functions {
		line := f.Name + ":"
		for _, p := range f.Params {
			line += " " + p.Name + "/" + p.Kind
			for mark, is := range map[string]bool{"!": p.Required, "=": p.KeywordOnly, "*": p.Variadic, "**": p.Extra} {
				if is && (!p.Required || mark != "=") {
					line += mark
				}
			}
		}
		got = append(got, line)
	}
	want := []string{
		"main: version/string retries/int ratio/float latest/bool tags/list labels/dict stage/any",
		"check: image/string! strict/bool where/string! deep/bool=",
		"many: first/string! rest/string* options/string**",
	}
	a, _ := json.Marshal(got)
	b, _ := json.Marshal(want)
	if string(a) != string(b) {
		t.Errorf("got  %s\nwant %s", a, b)
	}
	if m := functions[0]; m.Summary != "Release the policy." || m.Params[0].Help != "what to publish" || m.Params[3].Default != true {
		t.Errorf("got %+v", m)
	}
}

// TestOutlineSame compares with the functions of a program that is loaded.
func TestOutlineSame(t *testing.T) {
	t.Parallel()
	const text = `
Stage = enum("staging", "prod")

def typed(a: str, b: int, c: Stage = "prod", d: bool | None = None, *rest: int, e: list[Stage], f: dict[str, int] = {}, g: list[list[str]] = [], h: int | str = 1, **more: str) -> str:
    return a

def main(version = "1.0.0", retries = 3, ratio = 0.5, latest = True, tags = ["a"], labels = {}):
    """Release.

    More.

    Args:
      version: what to publish
    """

def check(image, strict = False, *rest, where, **options):
    pass
`
	program, err := (&runtime.Host{}).Load(t.Context(), runtime.Source{Name: "x.star", Text: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	loaded, outline := program.Functions(), runtime.Outline([]byte(text))
	if len(loaded) != 3 || len(outline) != 3 {
		t.Fatalf("%d loaded, %d outlined", len(loaded), len(outline))
	}
	for i := range loaded {
		for _, f := range []*runtime.Function{&loaded[i], &outline[i]} {
			f.Pos = runtime.Position{}
			for j := range f.Params {
				f.Params[j].Default = nil // the outline has literals only
			}
		}
		a, _ := json.Marshal(loaded[i])
		b, _ := json.Marshal(outline[i])
		if string(a) != string(b) {
			t.Errorf("loaded   %s\noutlined %s", a, b)
		}
	}
}

func FuzzOutline(f *testing.F) {
	for _, seed := range []string{outlined, "", "def f(", "def f(*, a): pass", "def f(a=b=c): pass", "\xff\ufeffdef x(): 1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(_ *testing.T, text []byte) { runtime.Outline(text) })
}
