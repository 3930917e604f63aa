package runtime_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"go.starlark.net/starlark"

	"github.com/policyhost/policy/runtime"
)

// drafts are texts with the cursor at the bar.
func drafted(t *testing.T, text string) (*runtime.Draft, int) {
	t.Helper()
	before, after, ok := strings.Cut(text, "¦")
	if !ok {
		t.Fatalf("no cursor in %q", text)
	}
	files := fstest.MapFS{
		"lib/util.star": {Data: []byte("\"\"\"Useful things.\n\nMore.\n\"\"\"\n\nKind = enum(\"a\", \"b\")\n\ndef twice(n: int) -> int:\n    \"\"\"Gives n two times.\n\n    Args:\n      n: what to double\n    \"\"\"\n    return n * 2\n\ndef _hidden():\n    pass\n\ntools = struct(twice = twice)\n")},
		"main.star":     {Data: []byte("")},
		"beside.star":   {Data: []byte("beside = 1\n")},
	}
	host := &runtime.Host{
		Predeclared: func(runtime.Module) []runtime.Builtin { return fixtures() },
		Files:       files,
		Std:         fstest.MapFS{"semver.star": {Data: []byte("def valid(v: str) -> bool:\n    return True\n")}, "semver_test.star": {}},
	}
	return host.Draft(runtime.Source{Name: "main.star", Text: []byte(before + after)}), len(before)
}

const pipeline = `load("//lib/util.star", "Kind", "tools", "twice")

Stage = enum("staging", "prod")
Target = record(name = str, stage = Stage)

def deploy(target: Target, *, stage: Stage = "staging") -> str:
    """Deploy it.

    Args:
      target: where to
    """
    text = target.name
    %s
    return text

def after():
    return 1
`

func TestDraftComplete(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, line, want string }{
		{"a local", "x = te¦", "text:variable"},
		{"a parameter", "x = sta¦", "stage:parameter"},
		{"a function of the file behind", "x = aft¦", "after:function"},
		{"a loaded function", "x = twi¦", "twice:function"},
		{"a builtin", "x = tak¦", "take:function"},
		{"a function of the language", "x = sort¦", "sorted:function"},
		{"a keyword", "retu¦", "return:keyword"},
		{"a constant", "x = Tru¦", "True:constant"},
		{"fields of a record", "x = target.¦", "name:attribute stage:attribute"},
		{"in a condition that has no end", "if target.¦", "name:attribute stage:attribute"},
		{"in a call that has no end", "x = twice(target.¦", "name:attribute stage:attribute"},
		{"in a call with more behind", "x = twice(target.¦, 1)", "name:attribute stage:attribute"},
		{"over several lines", "x = [\n        target.¦\n", "name:attribute stage:attribute"},
		{"methods", "x = text.upp¦", "upper:method"},
		{"methods of a result", "x = text.upper().low¦", "lower:method"},
		{"methods of a literal", "x = \"\".jo¦", "join:method"},
		{"a module", "x = json.enc¦", "encode:function"},
		{"a struct of another file", "x = tools.¦", "twice:function"},
		{"members of an enum", "x = Stage.¦", "prod:value staging:value"},
		{"an argument", "deploy(¦", "target = :parameter"},
		{"an argument by name", "deploy(target, ¦)", "stage = :parameter"},
		{"an argument by name, not twice", "deploy(target, stage = Stage.prod, sta¦)", "!stage = :parameter"},
		{"a value of an enum", "deploy(target, stage = ¦)", "\"staging\":value"},
		{"in quotes", "deploy(target, stage = \"¦\")", "staging:value prod:value"},
		{"in quotes without an end", "deploy(target, stage = 'pro¦", "staging:value prod:value"},
		{"an enum called", "Kind(\"¦\")", "a:value b:value"},
		{"compared with", "if stage == \"¦\":", "staging:value prod:value"},
		{"in a comment", "# tar¦", ""},
		{"a number", "x = 1¦", ""},
		{"a new name", "for t¦", ""},
		{"in plain text", "x = \"tar¦\"", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, at := drafted(t, fmt.Sprintf(pipeline, c.line))
			var got []string
			for _, candidate := range d.Complete(t.Context(), at).Candidates {
				got = append(got, candidate.Text+":"+candidate.Kind)
			}
			unwanted, not := strings.CutPrefix(c.want, "!")
			switch {
			case not && slices.Contains(got, unwanted):
				t.Errorf("%s: got %q", c.line, got)
			case not:
			case c.want == "" && len(got) > 0:
				t.Errorf("%s: got %q, want nothing", c.line, got)
			case c.want != "" && !strings.Contains("|"+strings.Join(got, "|")+"|", "|"+strings.ReplaceAll(c.want, "e s", "e|s")+"|") && !containsAll(got, c.want):
				t.Errorf("%s: got %q, want %s", c.line, got, c.want)
			}
		})
	}
}

func containsAll(got []string, want string) bool {
	if slices.Contains(got, want) {
		return true
	}
	for word := range strings.FieldsSeq(want) {
		if !slices.Contains(got, word) {
			return false
		}
	}
	return true
}

func TestDraftFiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{`load("¦")`, ":beside.star @std//semver.star"},
		{`load("¦`, ":beside.star @std//semver.star"},
		{`load("//¦")`, "//beside.star //lib/"},
		{`load("//lib/u¦")`, "//lib/util.star"},
		{`load(":lib/¦")`, ":lib/util.star"},
		{`load("//lib/util.star", "¦")`, "Kind tools twice"},
		{`load("//lib/util.star", "Kind", "t¦`, "Kind tools twice"},
		{`load("//no.star", "¦")`, ""},
	} {
		t.Run(c.text, func(t *testing.T) {
			t.Parallel()
			d, at := drafted(t, c.text+"\n\ndef main():\n    return 1\n")
			var got []string
			for _, candidate := range d.Complete(t.Context(), at).Candidates {
				got = append(got, candidate.Text)
			}
			slices.Sort(got)
			want := strings.Fields(c.want)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestDraftDescribe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, title, doc string }{
		{"x = twi¦ce(1)", "twice(n: int) -> int", "Gives n two times."},
		{"x = tools.twi¦ce(1)", "tools.twice(n: int) -> int", "Gives n two times."},
		{"x = tar¦get", "target: Target", "where to"},
		{"x = te¦xt", "text: str", ""},
		{"x = target.na¦me", "Target.name: str", ""},
		{"x = text.upp¦er()", "str.upper() -> str", "In upper case."},
		{"x = json.enc¦ode(1)", "json.encode(x) -> str", "X as JSON in one line."},
		{"x = Sta¦ge", "Stage = enum(\"staging\", \"prod\")", "One of these texts."},
		{"x = Tar¦get(name = \"\", stage = \"prod\")", "Target(name: str, stage: Stage)", "A record."},
		{"x = deploy(target, sta¦ge = \"prod\")", "stage: Stage = \"staging\"", "One of \"staging\", \"prod\"."},
		{"x = deploy(tar¦get,", "target: Target", "where to"},
		{"x = le¦n(text)", "len(x) -> int", "How many items there are; of a string, how many bytes."},
		{"retu¦rn 1", "", ""},
		{"x = no¦thing", "", ""},
	} {
		t.Run(c.line, func(t *testing.T) {
			t.Parallel()
			d, at := drafted(t, fmt.Sprintf(pipeline, c.line))
			got, ok := d.Describe(t.Context(), at)
			if got.Title != c.title || got.Doc != c.doc || ok != (c.title != "") {
				t.Errorf("got %q %q %v", got.Title, got.Doc, ok)
			}
		})
	}
}

func TestDraftSignature(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line, function string
		active         int
	}{
		{"deploy(¦", "deploy", 0},
		{"deploy(target, ¦)", "deploy", -1},
		{"deploy(target, stage = ¦)", "deploy", 1},
		{"deploy(Target(name = ¦", "Target", 0},
		{"x = [twice(¦) for n in []]", "twice", 0},
		{"x = tools.twice(¦", "tools.twice", 0},
		{"x = text.split(\",\", ¦", "str.split", 1},
		{"x = (¦", "", 0},
		{"unknown(¦", "", 0},
	} {
		t.Run(c.line, func(t *testing.T) {
			t.Parallel()
			d, at := drafted(t, fmt.Sprintf(pipeline, c.line))
			got, ok := d.Signature(t.Context(), at)
			if ok != (c.function != "") || got.Function.Name != c.function || got.Active != c.active {
				t.Errorf("got %s %d %v", got.Function.Signature(), got.Active, ok)
			}
		})
	}
}

func TestDraftDefine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, path, line1 string }{
		{"x = twi¦ce(1)", "lib/util.star", "def twice(n: int) -> int:"},
		{"x = tools.twi¦ce(1)", "lib/util.star", "def twice(n: int) -> int:"},
		{"x = too¦ls", "lib/util.star", "tools = struct(twice = twice)"},
		{"x = Ki¦nd", "lib/util.star", "Kind = enum(\"a\", \"b\")"},
		{"x = Sta¦ge", "main.star", "Stage = enum(\"staging\", \"prod\")"},
		{"x = te¦xt", "main.star", "    text = target.name"},
		{"x = tar¦get", "main.star", "def deploy(target: Target, *, stage: Stage = \"staging\") -> str:"},
		{"x = aft¦er()", "main.star", "def after():"},
		{"x = aft¦er(", "main.star", "def after():"},
		{"x = le¦n(text)", "", ""},
	} {
		t.Run(c.line, func(t *testing.T) {
			t.Parallel()
			d, at := drafted(t, fmt.Sprintf(pipeline, c.line))
			got, ok := d.Define(t.Context(), at)
			line := ""
			if ok {
				text := string(got.Text)
				begin := strings.LastIndexByte(text[:got.Start], '\n') + 1
				line, _, _ = strings.Cut(text[begin:], "\n")
			}
			if got.Path != c.path || line != c.line1 {
				t.Errorf("got %s: %q", got.Path, line)
			}
		})
	}
	d, at := drafted(t, `load("//lib/ut¦il.star", "twice")`)
	if got, ok := d.Define(t.Context(), at); !ok || got.Path != "lib/util.star" || got.Start != 0 {
		t.Errorf("a file: got %+v", got)
	}
	d, at = drafted(t, `load("//lib/util.star", "twi¦ce")`)
	if got, ok := d.Define(t.Context(), at); !ok || !strings.HasPrefix(string(got.Text[got.Start:]), "twice(n") {
		t.Errorf("a name in a load statement: got %+v", got)
	}
}

func TestDraftSymbols(t *testing.T) {
	t.Parallel()
	d, _ := drafted(t, fmt.Sprintf(pipeline, "x = broken(¦")+"task(\"ship\", deploy)\n")
	var got []string
	for _, s := range d.Symbols(t.Context()) {
		got = append(got, s.Kind+" "+s.Name)
		for _, child := range s.Children {
			got = append(got, child.Kind+" "+child.Name)
		}
	}
	want := "enum Stage|member staging|member prod|record Target|field name|field stage|function deploy|function after|task ship"
	if strings.Join(got, "|") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "|"), want)
	}
}

// TestLanguageTable holds that each function, method and member that scripts see
// without a schema is documented.
func TestLanguageTable(t *testing.T) {
	t.Parallel()
	for _, expression := range []string{"\"\"", "[]", "{}", "set()", "b\"\"", "json", "math", "time"} {
		d, at := drafted(t, "x = "+expression+".¦")
		got := d.Complete(t.Context(), at).Candidates
		if len(got) == 0 {
			t.Errorf("%s has nothing", expression)
		}
		for _, c := range got {
			if c.Doc == "" && c.Kind != "constant" {
				t.Errorf("%s.%s has no documentation", expression, c.Text)
			}
		}
	}
	d, at := drafted(t, "x = ¦")
	for _, c := range d.Complete(t.Context(), at).Candidates {
		if _, universal := starlark.Universe[c.Text]; universal && c.Kind == "function" && c.Text != "list" && c.Doc == "" {
			t.Errorf("%s has no documentation", c.Text)
		}
	}
}

// TestDraftAnywhere asks at each place of a pipeline, and outside of it, with the
// rest of the text cut off.
func TestDraftAnywhere(t *testing.T) {
	t.Parallel()
	whole := fmt.Sprintf(pipeline, "x = deploy(target, stage = \"prod\")")
	for off := -1; off <= len(whole)+1; off++ {
		text := whole[:max(0, min(off, len(whole)))]
		d, _ := drafted(t, text+"¦")
		if done := d.Complete(t.Context(), off); done.Start < 0 || done.End > len(text) {
			t.Errorf("at %d: %d to %d", off, done.Start, done.End)
		}
		d.Describe(t.Context(), off)
		d.Define(t.Context(), off)
		d.Signature(t.Context(), off)
		d.Symbols(t.Context())
	}
}
