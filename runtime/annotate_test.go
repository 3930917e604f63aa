package runtime_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"go.starlark.net/syntax"

	"github.com/policyhost/policy/runtime"
)

// TestAnnotate reads annotations where they may stand and blanks nothing else.
func TestAnnotate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, plain, found string }{
		{"x = 1\n", "x = 1\n", ""},
		{"def f(a, b = 1, *c, d, **e): pass\n", "def f(a, b = 1, *c, d, **e): pass\n", ""},
		{"def f(a: int): pass\n", "def f(a     ): pass\n", "1:1 a 1:10 int"},
		{"def f(a:int=3)->str:pass\n", "def f(a    =3)     :pass\n", "1:1 -> 1:17 str; 1:1 a 1:9 int"},
		{
			"def f(a: list[str] | None, *b: int, c: dict[str, list[int],] = {}, **d: any) -> (int): pass\n",
			"def f(a                  , *b     , c                        = {}, **d     )         : pass\n",
			"1:1 -> 1:82 int; 1:1 a 1:10 list[str] | None; 1:1 b 1:32 int; 1:1 c 1:40 dict[str, list[int]]; 1:1 d 1:73 any",
		},
		{"def f(*, a: x.Y): pass\n", "def f(*, a     ): pass\n", "1:1 a 1:13 x.Y"},
		{"def f(a: callable[[int, str], None]): pass\n", "def f(a                            ): pass\n", "1:1 a 1:10 callable[[int, str], None]"},
		{"def f(a: tuple[int, ...]): pass\n", "def f(a                 ): pass\n", "1:1 a 1:10 tuple[int, ...]"},
		{"def f(\n  a: int, # : str\n  b # c\n  : str,\n): pass\n", "def f(\n  a     , # : str\n  b # c\n       ,\n): pass\n", "1:1 a 2:6 int; 1:1 b 4:5 str"},
		{"def f(a: dict[\n str, # key\n int]): pass\n", "def f(a       \n           \n     ): pass\n", "1:1 a 1:10 dict[str, int]"},
		{"def f() -> dict[ \n str,\r\n int]: pass\n", "def f()         \\\n    \\\r\n     : pass\n", "1:1 -> 1:12 dict[str, int]"},
		{"def f(a = lambda x, y: x, b: int = {1: 2}[1], c = \"d: int\"): pass\n", "def f(a = lambda x, y: x, b      = {1: 2}[1], c = \"d: int\"): pass\n", "1:1 b 1:30 int"},
		{"def f(a = (lambda x = [lambda: 1]: x, 2), b: int = 1): pass\n", "def f(a = (lambda x = [lambda: 1]: x, 2), b      = 1): pass\n", "1:1 b 1:46 int"},
		{"s = 'def f(a: int)'\n# def f(a: int)\nt = '''\ndef f(a: int): pass'''\n", "s = 'def f(a: int)'\n# def f(a: int)\nt = '''\ndef f(a: int): pass'''\n", ""},
		{"s = r'\\'\ndef f(a: int): pass\n", "s = r'\\'\ndef f(a     ): pass\n", "2:1 a 2:10 int"},
		{"if 1:\n  def f(a: int):\n    def g(b: str): pass\n", "if 1:\n  def f(a     ):\n    def g(b     ): pass\n", "2:3 a 2:12 int; 3:5 b 3:14 str"},
		{"x = 'é'; y = 2\ndef f(a: Größe, b: int): pass\n", "x = 'é'; y = 2\ndef f(a       , b     ): pass\n", "2:1 a 2:10 Größe; 2:1 b 2:20 int"},
		{"a.defx = {1: 2}\ndef_ = {1: 2}\n", "a.defx = {1: 2}\ndef_ = {1: 2}\n", ""},
		{"def f(a: int): return x[1:2] + {1: b}\n", "def f(a     ): return x[1:2] + {1: b}\n", "1:1 a 1:10 int"},
		{"while True:\n  x = b'é'\ndef f(a: int): pass\n", "while True:\n  x = b'é'\ndef f(a     ): pass\n", "3:1 a 3:10 int"},
	} {
		plain, found, err := runtime.Annotate("f.star", []byte(tt.text))
		if err != nil || string(plain) != tt.plain {
			t.Errorf("%q: %v\ngot  %q\nwant %q", tt.text, err, plain, tt.plain)
		}
		if got := describe(found); got != tt.found {
			t.Errorf("%q:\ngot  %s\nwant %s", tt.text, got, tt.found)
		}
	}
}

func describe(found []runtime.Annotation) string {
	var all []string
	for _, a := range found {
		all = append(all, fmt.Sprintf("%d:%d %s %d:%d %s", a.Def.Line, a.Def.Col, a.Param, a.Pos.Line, a.Pos.Col, a.Text))
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

func TestAnnotateErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"def f(a: ): pass\n":               `f.star:1:10: in an annotation: got ')', want a type`,
		"def f(a: 3): pass\n":              `f.star:1:10: in an annotation: got '3', want a type`,
		"def f(a: 'int'): pass\n":          `f.star:1:10: in an annotation: got '\'', want a type`,
		"def f(a: list[int): pass\n":       `f.star:1:18: in an annotation: got ')', want a comma or a bracket that closes`,
		"def f(a: int |): pass\n":          `f.star:1:15: in an annotation: got ')', want a type`,
		"def f(a: int b): pass\n":          `f.star:1:14: in an annotation: got 'b', want a comma`,
		"def f(a: (int): pass\n":           `f.star:1:15: in an annotation: got ':', want a comma`,
		"def f(a: x.): pass\n":             `f.star:1:12: in an annotation: got ')', want a name`,
		"def f() -> : pass\n":              `f.star:1:12: in an annotation: got ':', want a type`,
		"def f() ->\n int: pass\n":         `f.star:1:11: in an annotation: got the end of the line, want a type`,
		"def f() -> int\n":                 `f.star:1:15: in an annotation: got the end of the line, want a colon`,
		"def f() -> list[\n\nint]: pass\n": `f.star:2:1: the type of a result cannot have an empty line in it`,
		"def f(a: int":                     `f.star:1:13: in an annotation: got the end of the file, want a comma`,
		"def f(a: " + strings.Repeat("list[", 60) + "int" + strings.Repeat("]", 60) + "): pass\n": `f.star:1:260: a type is nested more than 50 deep`,
	} {
		_, _, err := runtime.Annotate("f.star", []byte(text))
		if err == nil || err.Error() != want {
			t.Errorf("%q:\ngot  %v\nwant %s", text, err, want)
		}
	}
}

// FuzzAnnotate holds that blanking changes nothing but annotations: lines and
// columns stay, a text that Starlark can read stays the same text, and a blanked
// text has nothing left to blank.
func FuzzAnnotate(f *testing.F) {
	for _, seed := range []string{
		"def f(a: int = 3, *b: str, **c: any) -> list[str]:\n    return a\n",
		"def f(\n  a: dict[str, # x\n int] | None = lambda x, y: {1: 2},\n) -> (\n int): pass\n",
		"s = 'def f(a: int)'\r\nt = r'''\\''' + b\"x\"\nwhile 1: pass\n",
		"def f() -> dict[ \r\n str, \\\n int]: pass\n", "x = {1: 2}\ndéf = 1\n\xff\xfe def f(a: Größe): pass",
	} {
		f.Add([]byte(seed))
	}
	options := syntax.FileOptions{Set: true, While: true, TopLevelControl: true}
	f.Fuzz(func(t *testing.T, text []byte) {
		plain, found, err := runtime.Annotate("f.star", text)
		if err != nil {
			if bad, ok := err.(syntax.Error); !ok || !bad.Pos.IsValid() || bad.Pos.Line < 1 || bad.Pos.Col < 1 { //nolint:errorlint // it is never wrapped
				t.Errorf("%q: %v", text, err)
			}
			if _, err := options.Parse("f.star", text, 0); err == nil {
				t.Errorf("%q is Starlark and was refused", text)
			}
			return
		}
		if utf8.RuneCount(plain) != utf8.RuneCount(text) {
			t.Fatalf("%q became %q", text, plain)
		}
		if len(found) == 0 {
			if !bytes.Equal(plain, text) {
				t.Fatalf("%q became %q", text, plain)
			}
			return
		}
		if _, err := options.Parse("f.star", text, 0); err == nil {
			t.Errorf("%q is Starlark already, and became %q", text, plain)
		}
		rest := text
		for _, p := range string(plain) {
			r, size := utf8.DecodeRune(rest)
			rest = rest[size:]
			blanked := p == ' ' || p == '\\'
			if r != p && (!blanked || r == '\n' || r == '\r') {
				t.Fatalf("%q became %q", text, plain)
			}
		}
		if again, found, err := runtime.Annotate("f.star", plain); err != nil || len(found) > 0 || !bytes.Equal(again, plain) {
			t.Errorf("%q became %q, and %q then: %v", text, plain, again, err)
		}
	})
}
