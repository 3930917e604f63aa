package render_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/runtime/fault"
)

// placed is a cause that knows where it is.
type placed []fault.Place

func (placed) Error() string           { return "2 errors" }
func (p placed) Places() []fault.Place { return p }

func TestAnnotations(t *testing.T) {
	t.Parallel()
	workspace := t.TempDir()
	project := filepath.Join(workspace, "a,b:c%")
	if err := os.MkdirAll(filepath.Join(project, "lib"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"x.rego", "lib/x.star"} {
		if err := os.WriteFile(filepath.Join(project, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	trace := []fault.Frame{
		{Func: "main", File: filepath.Join(project, "x.rego"), Line: 3, Col: 5},
		{Func: "publish", File: "lib/x.star", Line: 12, Col: 9},
		{Func: "next", File: "@std//release.star", Line: 80, Col: 2},
		{Func: "push", File: "<builtin>"},
	}
	const file = "a%2Cb%3Ac%25/x.rego"
	several := fault.Join(missing, fault.New(fault.Denied, "ghcr.io/y:2", "401"))
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"without a place", missing, "::error::push ghcr.io/x:1: not in the local store%0Ahint: build it first: policy build . -t ghcr.io/x:1\n"},
		{"several", several, "::error::push ghcr.io/x:1: not in the local store%0Ahint: build it first: policy build . -t ghcr.io/x:1\n" +
			"::error::ghcr.io/y:2: 401\n"},
		{"places", &fault.Error{Kind: fault.Invalid, Trace: trace, Err: placed{{File: "x.rego", Line: 3, Col: 5, Message: "100 %\nof it"}, {File: "none", Line: 1, Message: "m"}}},
			"::error file=" + file + ",line=3,col=5::100 %25%0Aof it\n::error::m\n"},
		{"a script's line", &fault.Error{Kind: fault.Rejected, Trace: trace, Err: errors.New("no")}, "::error file=a%2Cb%3Ac%25/lib/x.star,line=12,col=9::no\n"},
		{"control characters", fault.New(fault.Invalid, "", "a\x1b[2J\r\x00"), `::error::a\x1b[2J\x0d\x00` + "\n"},
		{"interrupted", fault.New(fault.Canceled, "", "interrupted"), ""},
		{"too many", &fault.Error{Kind: fault.Invalid, Err: make(placed, 99)}, strings.Repeat("::error::\n", 10)},
	} {
		var out bytes.Buffer
		p := &render.Printer{Err: &out, Actions: &render.Actions{Workspace: workspace, Folders: []string{""}}}
		p.Actions.AddFolder(project)
		p.Fault(tt.err)
		_, got, _ := strings.Cut("\n"+out.String(), "\n::")
		if got != "" {
			got = "::" + got
		}
		if got != tt.want {
			t.Errorf("%s: got\n%swant\n%s", tt.name, got, tt.want)
		}
	}
}

func TestNoCommandsOfOthers(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := &render.Printer{Err: &out, Actions: &render.Actions{}}
	p.Fault(fault.New(fault.Unavailable, "ghcr.io", "it answered:\n  ::stop-commands::x\n::error::y\nand ##[group]z"))
	got, _, _ := strings.Cut(out.String(), "\n::error::")
	want := "policy: ghcr.io: it answered:\n    \\x3a:stop-commands::x\n  \\x3a:error::y\n  and #\\x23[group]z"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	out.Reset()
	p = &render.Printer{Err: &out, Actions: &render.Actions{}, Format: render.JSON}
	p.Fault(missing)
	if strings.Contains(out.String(), "::error") {
		t.Errorf("JSON is followed by something else:\n%s", out.String())
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	p := &render.Printer{Scrub: func(text string) string { return strings.ReplaceAll(text, "hunter2", "***") }}
	got := p.Summary(render.Run{
		Name: "a|`b`.star main",
		Images: []render.RunImage{
			{Verb: "build", Image: &builtins.Image{Ref: "ghcr.io/x:1", Digest: "sha256:12"}},
			{Verb: "push", Image: &builtins.Image{Ref: "ghcr.io/x:1", Digest: "sha256:12", Unchanged: true}},
		},
		Tests: []*builtins.TestReport{{Passed: 2, Failed: 1, Skipped: 1}},
		Err:   fault.Join(fault.New(fault.Rejected, "", "<b>hunter2</b> & more"), missing),
	})
	const want = "### `policy run a\\|'b'.star main` failed\n\n" +
		"| verb | image | digest |\n| --- | --- | --- |\n" +
		"| build | `ghcr.io/x:1` | `sha256:12` |\n| push (unchanged) | `ghcr.io/x:1` | `sha256:12` |\n\n" +
		"2 of 3 tests passed, 1 skipped\n\n" +
		"<pre>&lt;b&gt;***&lt;/b&gt; &amp; more\npush ghcr.io/x:1: not in the local store</pre>\n\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	many := render.Run{Images: make([]render.RunImage, 1000)}
	for i := range many.Images {
		many.Images[i] = render.RunImage{Verb: "tag", Image: new(builtins.Image)}
	}
	if got := p.Summary(many); strings.Count(got, "\n| tag") != 200 || !strings.Contains(got, "and 800 more") {
		t.Errorf("a thousand images give\n%s", got)
	}
}
