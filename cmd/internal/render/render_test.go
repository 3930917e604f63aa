package render_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/runtime/fault"
)

// noon is when everything here happens.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// printer gives a Printer for a pipe, and what it wrote.
func printer(format render.Format) (p *render.Printer, out, err *bytes.Buffer) {
	out, err = new(bytes.Buffer), new(bytes.Buffer)
	return &render.Printer{Out: out, Err: err, Format: format, Now: func() time.Time { return noon }}, out, err
}

func terminal(width int) (p *render.Printer, out, err *bytes.Buffer) {
	p, out, err = printer(render.Text)
	p.OutTerminal, p.ErrTerminal, p.Width = true, true, width
	return p, out, err
}

func image(repository, tag string, ago time.Duration, size int64) *builtins.Image {
	created := noon.Add(-ago)
	return &builtins.Image{
		Ref: repository + ":" + tag, Repository: repository, Tag: tag,
		Digest: builtins.ManifestDigest("sha256:9c1f20aa4b1e" + strings.Repeat("0", 52)),
		Size:   &size, Created: &created, Annotations: map[string]string{},
	}
}

const token = "ghcr.io/acme/authz:1.0@sha256:9c1f20aa4b1e0000000000000000000000000000000000000000000000000000\n"

// host stands for what the script host returns for a struct of a script.
type host struct{ raw string }

func (h host) MarshalJSON() ([]byte, error) { return []byte(h.raw), nil }

func TestText(t *testing.T) {
	t.Parallel()
	authz := image("ghcr.io/acme/authz", "1.0", 3*time.Hour, 12_345_678)
	untagged := &builtins.Image{Repository: "ghcr.io/acme/authz", Digest: "sha256:ab"}
	tests := []struct {
		name string
		v    any
		want string
	}{
		{"nothing", nil, ""},
		{"nothing of a type", (*builtins.Image)(nil), ""},
		{"a string", "hello", "hello\n"},
		{"lines", "a\tb\r\nc\n", "a\tb\nc\n"},
		{"a hostile string", "a\x1b[2J\u202e\x9b", `a\x1b[2J\u202e\x9b` + "\n"},
		{"true", true, "true\n"},
		{"a number", 42, "42\n"},
		{"a float", 1.5, "1.5\n"},
		{"an exact number", json.Number("12345678901234567890.10"), "12345678901234567890.10\n"},
		{"a time", noon, "2026-11-22T12:00:00Z\n"},
		{"a duration", 90 * time.Second, "1m30s\n"},
		{"tags", []string{"1.0", "latest"}, "1.0\nlatest\n"},
		{"a list with a gap", []any{"a", nil}, "[\n  \"a\",\n  null\n]\n"},
		{"a secret", builtins.NewSecret("hunter2"), "***\n"},
		{"an image", authz, token},
		{"an image without a tag", untagged, "ghcr.io/acme/authz@sha256:ab\n"},
		{"images, one failed", builtins.Images{authz, nil, authz}, token + token},
		{"no images", builtins.Images{}, ""},
		{"a script's images", []any{authz, authz}, token + token},
		{"a script's values", []any{"a", 1, true}, "a\n1\ntrue\n"},
		{"a script's mixture", []any{"a", map[string]any{"b": 1}}, "[\n  \"a\",\n  {\n    \"b\": 1\n  }\n]\n"},
		{"a script's struct", host{`{"b":1,"a":[]}`}, "{\n  \"b\": 1,\n  \"a\": []\n}\n"},
		{"undefined", &builtins.Decision{Query: "data.x"}, ""},
		{"a decision", &builtins.Decision{Defined: true, Result: json.RawMessage(`true`)}, "true\n"},
		{"a decision's document", &builtins.Decision{Defined: true, Result: json.RawMessage(`{"b":1.0,"a":"<\u001b>"}`)},
			"{\n  \"b\": 1.0,\n  \"a\": \"<\\u001b>\"\n}\n"},
		{"bindings", &builtins.Decision{Defined: true, Bindings: []json.RawMessage{[]byte(`{"x":1}`)}}, "[\n  {\n    \"x\": 1\n  }\n]\n"},
		{"explained", &builtins.Decision{Defined: true, Result: json.RawMessage(`1`), Explain: "enter\nexit\n"}, "enter\nexit\n1\n"},
		{"a listing", builtins.Listing{authz, untagged},
			"REPOSITORY\tTAG\tIMAGE ID\tCREATED\tSIZE\n" +
				"ghcr.io/acme/authz\t1.0\t9c1f20aa4b1e\t2026-11-22T09:00:00Z\t12345678\n" +
				"ghcr.io/acme/authz\t-\tab\t-\t-\n"},
		{"an empty listing", builtins.Listing{}, "REPOSITORY\tTAG\tIMAGE ID\tCREATED\tSIZE\n"},
		{"a report", &builtins.Login{Server: "ghcr.io", Username: "jo\x1b", Store: "file"},
			"server: ghcr.io\nusername: jo\\x1b\nstore: file\ndefault: false\n"},
		{"no reports", builtins.Logins{}, ""},
		{"reports", builtins.Logins{{Server: "ghcr.io", Username: "jo", Store: "file"}, {Server: "quay.io", Store: "pass"}},
			"SERVER\tUSERNAME\tSTORE\tDEFAULT\nghcr.io\tjo\tfile\tfalse\nquay.io\t-\tpass\tfalse\n"},
		{"reports, the first with a gap", builtins.Logins{{Server: "quay.io", Store: "pass"}, {Server: "ghcr.io", Username: "jo", Store: "file"}},
			"SERVER\tUSERNAME\tSTORE\tDEFAULT\nquay.io\t-\tpass\tfalse\nghcr.io\tjo\tfile\tfalse\n"},
		{"a removal", builtins.Removed{{Ref: "a:1", Digest: "sha256:ab", BytesFreed: 2048}},
			"REF\tDIGEST\tREMOTE\tBYTES FREED\na:1\tsha256:ab\tfalse\t2048\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p, out, _ := printer("")
			if err := p.Answer(test.v); err != nil {
				t.Fatal(err)
			}
			if out.String() != test.want {
				t.Errorf("got\n%s\nwant\n%s", out, test.want)
			}
		})
	}
}

func TestTerminal(t *testing.T) {
	t.Parallel()
	list := builtins.Listing{
		image("ghcr.io/acme/authz", "1.0", 3*time.Hour, 12_345_678),
		image("docker.io/library/政策", "v2", 90*24*time.Hour, 999),
		image("registry.localhost/a", "x", 0, 1_000_000),
		image("registry.localhost/b", "in-the-future", -time.Hour, 5),
	}
	tests := []struct {
		name  string
		width int
		v     any
		want  string
	}{
		{"aligned by what is seen", 100, list, `
REPOSITORY               TAG             IMAGE ID       CREATED                SIZE
ghcr.io/acme/authz       1.0             9c1f20aa4b1e   3 hours ago            12.3 MB
docker.io/library/政策   v2              9c1f20aa4b1e   3 months ago           999 B
registry.localhost/a     x               9c1f20aa4b1e   just now               1.0 MB
registry.localhost/b     in-the-future   9c1f20aa4b1e   2026-11-22T13:00:00Z   5 B
`},
		{"room for a narrow gap only", 66, list[:2], `
REPOSITORY              TAG  IMAGE ID      CREATED       SIZE
ghcr.io/acme/authz      1.0  9c1f20aa4b1e  3 hours ago   12.3 MB
docker.io/library/政策  v2   9c1f20aa4b1e  3 months ago  999 B
`},
		{"too narrow for a table", 30, list[:2], `
REPOSITORY  ghcr.io/acme/authz
TAG         1.0
IMAGE ID    9c1f20aa4b1e
CREATED     3 hours ago
SIZE        12.3 MB

REPOSITORY  docker.io/library/政策
TAG         v2
IMAGE ID    9c1f20aa4b1e
CREATED     3 months ago
SIZE        999 B
`},
		{"a report", 80, &builtins.Saved{Ref: "a:1", Path: "bundle.tar.gz", Size: 4096}, `
ref:  a:1
path: bundle.tar.gz
size: 4.1 KB
`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p, out, _ := terminal(test.width)
			if err := p.Answer(test.v); err != nil {
				t.Fatal(err)
			}
			if want := test.want[1:]; out.String() != want {
				t.Errorf("got\n%s\nwant\n%s", out, want)
			}
		})
	}
}

func TestTableFormat(t *testing.T) {
	t.Parallel()
	p, out, _ := printer(render.Table)
	if err := p.Answer(image("ghcr.io/acme/authz", "1.0", 26*time.Hour, 1)); err != nil {
		t.Fatal(err)
	}
	const want = "REPOSITORY           TAG   IMAGE ID       CREATED        SIZE\n" +
		"ghcr.io/acme/authz   1.0   9c1f20aa4b1e   26 hours ago   1 B\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

func TestInspection(t *testing.T) {
	t.Parallel()
	var inspection builtins.Inspection
	inspection.Image = *image("ghcr.io/acme/authz", "1.0", time.Hour, 10)
	inspection.Annotations = map[string]string{"rego.version": "rego.v1\x07"}
	if err := json.Unmarshal([]byte(`{"roots":[""],"revision":"","packages":["authz","roles"],"files":[{"path":"a_b.rego","size":2000}]}`), &inspection.Bundle); err != nil {
		t.Fatal(err)
	}
	inspection.Layers = []artifact.Descriptor{{MediaType: artifact.MediaTypeLayer, Digest: "sha256:ab", Size: 3}}
	p, out, _ := printer(render.Text)
	if err := p.Answer(&inspection); err != nil {
		t.Fatal(err)
	}
	const want = "ref: ghcr.io/acme/authz:1.0\n" +
		"digest: sha256:9c1f20aa4b1e0000000000000000000000000000000000000000000000000000\n" +
		"size: 10\ncreated: 2026-11-22T11:00:00Z\nannotations:\n  rego.version: rego.v1\\x07\n" +
		"layers:\n  MEDIA TYPE\tDIGEST\tSIZE\n  application/vnd.oci.image.layer.v1.tar+gzip\tsha256:ab\t3\n" +
		"bundle:\n  roots: \"\"\n  packages: authz, roles\n  files:\n    PATH\tSIZE\n    a_b.rego\t2000\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		v    any
		want string
	}{
		{"one is an object", &builtins.Logout{Server: "ghcr.io", Store: "file"}, "{\n  \"server\": \"ghcr.io\",\n  \"store\": \"file\"\n}\n"},
		{"several are a list", builtins.Logins{}, "[]\n"},
		{"none are a list, too", builtins.Images(nil), "[]\n"},
		{"characters a terminal obeys", "<\x1b\u202e\u009b\U000e0001\x7f&>", `"<\u001b\u202e\u009b\udb40\udc01\u007f&>"` + "\n"},
		{"the emperor's new bytes", json.RawMessage("\"a\xff\""), "\"a\ufffd\"\n"},
		{"numbers as they are", json.RawMessage(`[1.0,1e400,12345678901234567890]`), "[\n  1.0,\n  1e400,\n  12345678901234567890\n]\n"},
		{"addresses", json.RawMessage(`["a\u0026b\u003C\\u003c"]`), "[\n  \"a&b<\\\\u003c\"\n]\n"},
		{"undefined", &builtins.Decision{Query: "data.x"}, "{\n  \"result\": null,\n  \"defined\": false,\n  \"query\": \"data.x\"\n}\n"},
		{"nothing", nil, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p, out, _ := printer(render.JSON)
			if err := p.Answer(test.v); err != nil {
				t.Fatal(err)
			}
			if out.String() != test.want {
				t.Errorf("got\n%s\nwant\n%s", out, test.want)
			}
			if test.want != "" && !json.Valid(out.Bytes()) {
				t.Errorf("not JSON: %s", out)
			}
		})
	}
}

func TestYAML(t *testing.T) {
	t.Parallel()
	v := json.RawMessage(`{"b":1.0,"a":["yes","1","x: y","","a\nb","\u001b\u202e\ud83d\ude00"],"no":null,"e":{},"l":[]}`)
	p, out, _ := printer(render.YAML)
	if err := p.Answer(v); err != nil {
		t.Fatal(err)
	}
	const want = `b: 1.0
a:
  - "yes"
  - "1"
  - 'x: y'
  - ""
  - |-
    a
    b
  - "\e\u202e\U0001F600"
"no": null
e: {}
l: []
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

func TestAnswerThatCannotBeShown(t *testing.T) {
	t.Parallel()
	p, out, _ := printer(render.JSON)
	if err := p.Answer([]any{builtins.NewSecret("hunter2")}); !errors.Is(err, fault.Script) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
	if out.Len() > 0 {
		t.Errorf("wrote %q", out)
	}
	p.Out = full{}
	if err := p.Answer("x"); !errors.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestScrub(t *testing.T) {
	t.Parallel()
	p, out, stderr := printer(render.Text)
	p.Scrub = func(s string) string { return strings.ReplaceAll(s, "hunter2", "***") }
	_ = p.Answer("it is hunter2")
	p.Fault(errors.New("hunter2 is wrong"))
	send, _ := p.Progress()
	send(builtins.Event{State: builtins.Warning, Message: "hunter2"})
	p.Print("hunter2")
	if all := out.String() + stderr.String(); strings.Contains(all, "hunter2") || strings.Count(all, "***") != 4 {
		t.Errorf("got %q", all)
	}
}

func TestTestReport(t *testing.T) {
	t.Parallel()
	var report builtins.TestReport
	const raw = `{"passed":2,"failed":2,"skipped":1,"duration":0.2,"results":[
		{"name":"data.a.test_one","file":"a_test.rego","line":3,"outcome":"pass"},
		{"name":"data.a.test_two","file":"a_test.rego","line":9,"outcome":"fail","message":"m","at":{"file":"a_test.rego","line":10},
			"expression":"colour == \"red\"","expected":"\"red\"","actual":"\"blue\u001b\"","vars":{"colour":"\"blue\"","b":"1"},"output":"hello\nthere\n"},
		{"name":"data.b.test_three","file":"b_test.rego","line":1,"outcome":"error","message":"took too long"},
		{"name":"data.b.todo_test_four","file":"b_test.rego","line":5,"outcome":"skip"}],
		"coverage":{"percent":66.66,"threshold":90,"below":true,"files":[
			{"file":"a.rego","percent":50,"missing":[{"first":3,"last":5},{"first":9,"last":9}]},
			{"file":"b.rego","percent":100,"missing":[]}]}}`
	if err := json.Unmarshal([]byte(raw), &report); err != nil {
		t.Fatal(err)
	}
	const want = `FAIL data.a.test_two (a_test.rego:9)
    colour == "red"
    expected: "red"
    actual:   "blue\x1b"
    with b = 1
    with colour = "blue"
    output:
      hello
      there
ERROR data.b.test_three (b_test.rego:1)
    took too long
SKIPPED data.b.todo_test_four (b_test.rego:5)
----------------------------------------
PASS: 2/5
FAIL: 2/5
SKIPPED: 1/5
coverage: 66.7% (at least 90.0% is wanted)
  a.rego: 50.0%, not reached: 3-5, 9
`
	p, out, _ := printer(render.Text)
	if err := p.Answer(&report); err != nil {
		t.Fatal(err)
	}
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
	p, out, _ = printer(render.Text)
	p.Verbosity = 1
	if err := p.Answer(&report); err != nil || !strings.HasPrefix(out.String(), "PASS data.a.test_one (a_test.rego:3)\n") {
		t.Errorf("verbose: %v\n%s", err, out)
	}
}

func TestComparison(t *testing.T) {
	t.Parallel()
	c := &builtins.Comparison{
		Policy: "./new", Against: "ghcr.io/acme/authz:1.0", Decisions: 30, Same: 26, Changed: 4, Percent: 40.0 / 3,
		Groups: []builtins.FlipGroup{
			{Query: "data.a.allow", Before: builtins.Allow, After: builtins.Deny, Count: 2, Examples: []builtins.Flip{{
				ID: "d\x1b[31m1", File: "log.jsonl", Number: 7,
				Diff: []builtins.Difference{{Change: "changed", Before: json.RawMessage("true"), After: json.RawMessage("false")}},
				Lost: []builtins.RuleFlip{{Rule: "data.a.owner", At: "a.rego:3", Edited: true}, {Rule: "data.a.allow", At: "a.rego:9"}}, Redacted: []string{"/input/x"},
			}}},
			{Query: "data.a.why", Before: builtins.Other, After: builtins.Other, Count: 1, Examples: []builtins.Flip{{
				File: "log.jsonl", Number: 9, Diff: []builtins.Difference{
					{Path: "*", Change: "removed", Before: json.RawMessage(`"old"`)}, {Path: "*", Change: "added", After: json.RawMessage(`"new"`)},
					{Path: "n", Change: "changed", Before: json.RawMessage("1"), After: json.RawMessage("2")},
				},
			}}},
			{Query: "data.a.why", Before: builtins.Allow, After: builtins.Erred, Count: 1, Examples: []builtins.Flip{{ID: "e", File: "log.jsonl", Number: 1, Error: "complete rules must not produce multiple outputs"}}},
		},
		By:      []builtins.ChangesBy{{Path: "input.user", Values: []builtins.ChangesValue{{Value: json.RawMessage(`"ada"`), Decisions: 10, Changed: 2, AllowToDeny: 2}}, Others: 5}},
		Doubts:  []builtins.Doubt{{About: "rand.intn", Why: "the record has no answer of it", Decisions: 3, Changed: 1}},
		LeftOut: []builtins.LeftOut{{Reason: "no record", Documents: 2, First: "log.jsonl:2"}},
	}
	p, out, _ := printer(render.Text)
	if err := p.Answer(c); err != nil {
		t.Fatal(err)
	}
	const want = `./new against ghcr.io/acme/authz:1.0: 4 of 30 decisions change (13.33%)

data.a.allow: allow → deny, 2
  d\x1b[31m1 (log.jsonl:7)
    no longer holds: data.a.owner (a.rego:3), edited
    and 1 more
    a mask took out: /input/x

data.a.why: value, another value, 1
  log.jsonl:9
    - *: "old"
    + *: "new"
    ~ n: 1 → 2

data.a.why: allow → error, 1
  e (log.jsonl:1)
    error: complete rules must not produce multiple outputs

` + "input.user\tDECISIONS\tCHANGED\tALLOW → DENY\tDENY → ALLOW\n\"ada\"\t10\t2\t2\t0\n" + `and 5 more

uncertain: rand.intn in 3 decisions, 1 of them changed: the record has no answer of it
left out: 2 documents, the first at log.jsonl:2: no record
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}
