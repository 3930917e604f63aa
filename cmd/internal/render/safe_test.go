package render_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/policyhost/policy/cmd/internal/render"
)

func TestSafe(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, line, lines string }{
		{"plain", "plain", "plain"},
		{"grüße 政策 \U0001f469\u200d\U0001f52c", "grüße 政策 \U0001f469\u200d\U0001f52c", "grüße 政策 \U0001f469\u200d\U0001f52c"},
		{"\x1b[31mred\x1b]0;title\x07", `\x1b[31mred\x1b]0;title\x07`, `\x1b[31mred\x1b]0;title\x07`},
		{"a\r\nb\tc\rd", `a\x0d\x0ab\x09c\x0dd`, "a\nb\tc" + `\x0dd`},
		{"\u009b2J\x7f", `\x9b2J\x7f`, `\x9b2J\x7f`},
		{"\x9b\xff\xc3", `\x9b\xff\xc3`, `\x9b\xff\xc3`},
		{"\u202eevil\u2066\u061c\u200f", `\u202eevil\u2066\u061c\u200f`, `\u202eevil\u2066\u061c\u200f`},
		{"\u2028\u2029\ufeff\u200b\u00ad", `\u2028\u2029\ufeff\u200b\xad`, `\u2028\u2029\ufeff\u200b\xad`},
		{"\U000e0041", `\U000e0041`, `\U000e0041`},
		{"\ufffd", "\ufffd", "\ufffd"},
		{`already \x1b`, `already \x1b`, `already \x1b`},
	}
	for _, test := range tests {
		if got := render.Safe(test.in); got != test.line {
			t.Errorf("Safe(%q): got %q, want %q", test.in, got, test.line)
		}
		if got := render.SafeLines(test.in); got != test.lines {
			t.Errorf("SafeLines(%q): got %q, want %q", test.in, got, test.lines)
		}
	}
}

// obeyed reports whether a terminal might do something else than print r.
func obeyed(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

func FuzzSafe(f *testing.F) {
	for _, seed := range []string{"", "a\x1b[0m", "\u202e", "\x9b", "\xff\xfe", "a\r\nb\t", "\U000e0001", "\u200d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := render.Safe(s)
		if !utf8.ValidString(once) || strings.ContainsFunc(once, obeyed) {
			t.Errorf("Safe(%q) is %q", s, once)
		}
		if render.Safe(once) != once {
			t.Errorf("Safe is not stable for %q", s)
		}
		if !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) && once != s {
			t.Errorf("Safe changed %q", s)
		}
		lines := render.SafeLines(s)
		if !utf8.ValidString(lines) || strings.ContainsFunc(strings.NewReplacer("\n", "", "\t", "").Replace(lines), obeyed) {
			t.Errorf("SafeLines(%q) is %q", s, lines)
		}
	})
}

// FuzzFormats checks that what is safe to show still means the same.
func FuzzFormats(f *testing.F) {
	for _, seed := range []string{"", "yes", "a\x1b[0m", "\u202e: #", "\U000e0001", "a\n b\n\n", "- x", "~", "0x1f", "1e3", "\"'", "\u0085\u2028", "---\n...", " lead", "tab\t", "<<", "="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			t.Skip("JSON has no broken UTF-8")
		}
		v := map[string]any{"k" + s: []any{s}}
		p, out, _ := printer(render.JSON)
		if err := p.Answer(v); err != nil {
			t.Fatal(err)
		}
		check(t, s, out.String(), func(b []byte, v any) error { return json.Unmarshal(b, v) })
		p, out, _ = printer(render.YAML)
		if err := p.Answer(v); err != nil {
			t.Fatal(err)
		}
		check(t, s, out.String(), yaml.Unmarshal)
	})
}

func check(t *testing.T, s, text string, decode func([]byte, any) error) {
	t.Helper()
	if strings.ContainsFunc(strings.ReplaceAll(text, "\n", ""), obeyed) {
		t.Errorf("unsafe: %q", text)
	}
	var back map[string][]string
	if err := decode([]byte(text), &back); err != nil || len(back["k"+s]) != 1 || back["k"+s][0] != s {
		t.Errorf("%q came back as %q (%v) from\n%s", s, back, err, text)
	}
}
