package runtime_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/policyhost/policy/runtime"
)

// FuzzDraft types into scripts: whatever comes of it is served, and no answer
// names a place outside of the text.
func FuzzDraft(f *testing.F) {
	whole := fmt.Sprintf(pipeline, "x = deploy(target, stage = \"prod\")")
	for i, typed := range []string{".", "(", "\"", "'''", "[", "{", "}", ")", "\n", "\r", "\t", ":", "=", "def ", "load(\"", "\\", "#", "\x00", "é𝄞", "\xff", "lambda x: ", "if ", "x.y.z(", "-> ", ": list["} {
		f.Add(whole, uint(i*17), uint(i%4), typed)
	}
	f.Add("load(\"a\", \"b\")#", uint(12), uint(0), "\x94\x94\x94")
	f.Add("\uFEFFload(\"", uint(9), uint(0), "x")
	host := &runtime.Host{
		Predeclared: func(runtime.Module) []runtime.Builtin { return fixtures() },
		Files:       fstest.MapFS{"lib/util.star": {Data: []byte("def twice(n: int):\n    return n\n")}},
	}
	f.Fuzz(func(t *testing.T, text string, at, cut uint, typed string) {
		if len(text) > 1<<11 {
			t.Skip("long")
		}
		from := int(at % uint(len(text)+1))
		to := min(len(text), from+int(cut%8))
		text = text[:from] + typed + text[to:]
		d := host.Draft(runtime.Source{Name: "main.star", Text: []byte(text)})
		off := from + len(typed)
		within := func(what string, start, end, size int) {
			if start < 0 || end < start || end > size {
				t.Errorf("%s at %d of %q: from %d to %d", what, off, text, start, end)
			}
		}
		done := d.Complete(t.Context(), off)
		within("completion", done.Start, done.End, len(text))
		for _, c := range done.Candidates {
			if strings.HasSuffix(c.Text, "__policy__") || strings.HasSuffix(c.Text, "*") {
				t.Errorf("%q at %d of %q is no name that anybody writes", c.Text, off, text)
			}
		}
		if found, ok := d.Describe(t.Context(), off); ok {
			within("description", found.Start, found.End, len(text))
		}
		if place, ok := d.Define(t.Context(), off); ok {
			within("definition", place.Start, place.End, len(place.Text))
		}
		if call, ok := d.Signature(t.Context(), off); ok && call.Active >= len(call.Function.Params) {
			t.Errorf("parameter %d of %s", call.Active, call.Function.Signature())
		}
		for _, s := range d.Symbols(t.Context()) {
			if s.Start < 0 || s.At < 0 || s.End > len(text) || s.AtEnd > len(text) || s.End < s.Start || s.AtEnd < s.At {
				t.Errorf("symbol %+v of %q", s, text)
			}
		}
		host.Check(t.Context(), runtime.Source{Name: "main.star", Text: []byte(text)})
	})
}

// BenchmarkDraftComplete is what an editor waits for in a file of 1,000 lines:
// the attributes of a result, in a line that does not parse.
func BenchmarkDraftComplete(b *testing.B) {
	var text strings.Builder
	text.WriteString("load(\"//lib/util.star\", \"twice\")\n\n")
	for i := 0; strings.Count(text.String(), "\n") < 990; i++ {
		fmt.Fprintf(&text, "def step_%d(name: str, *, count: int = 1) -> str:\n    \"\"\"Does step %d.\n\n    Args:\n      name: of what\n      count: how often\n    \"\"\"\n    text = name + str(twice(count))\n    if not text:\n        fail(\"nothing\")\n    return text\n\n", i, i)
	}
	text.WriteString("def last(name: str):\n    text = step_1(name)\n    return text.")
	at := text.Len()
	text.WriteString("\n\ndef main():\n    return last(\"x\")\n")
	host := &runtime.Host{
		Predeclared: func(runtime.Module) []runtime.Builtin { return fixtures() },
		Files:       fstest.MapFS{"lib/util.star": {Data: []byte("def twice(n: int) -> int:\n    return n\n")}},
	}
	for name, at := range map[string]int{"attribute": at, "name": at - len("text.") + 2} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				d := host.Draft(runtime.Source{Name: "main.star", Text: []byte(text.String())})
				if got := d.Complete(b.Context(), at); len(got.Candidates) < 5 {
					b.Fatalf("got %v", got)
				}
			}
		})
	}
}
