package runtime_test

import (
	"bytes"
	"errors"
	"io/fs"
	"testing"

	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
	"github.com/policyhost/policy/stdlib"
)

func TestFormat(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":      "",
		"x=1\n": "x = 1\n",
		"def f(a:int,*,b:list[str]|None=None)->dict[str,int]:\n  return {'a':1}\n":                 "def f(a: int, *, b: list[str] | None = None) -> dict[str, int]:\n    return {\"a\": 1}\n",
		"while  True :\n  x=b'a'+rb\"\\x\"\n":                                                      "while True:\n    x = b\"a\" + rb\"\\x\"\n",
		"x = b\"\"\"a\"\"\"\n# while b'x'\ny = \"while\"\n":                                        "x = b\"\"\"a\"\"\"\n\n# while b'x'\ny = \"while\"\n",
		"def f():\n    if x:\n        pass\n    else:\n        while a or b:\n            break\n": "def f():\n    if x:\n        pass\n    else:\n        while a or b:\n            break\n",
		"T=record(a=str|None,b=list[ int ])\n":                                                     "T = record(a = str | None, b = list[int])\n",
		"load(\":b.star\",'z','a')\nload(\":a.star\", \"x\")\n":                                    "load(\":b.star\", \"z\", \"a\")\nload(\":a.star\", \"x\")\n",
		"x = 12345678901234567890123 # why\n":                                                      "x = 12345678901234567890123  # why\n",
	} {
		got, err := runtime.Format("f.star", []byte(text))
		if err != nil || string(got) != want {
			t.Errorf("%q: %v\ngot  %q\nwant %q", text, err, got, want)
		}
	}
	for text, want := range map[string]string{
		"def f(:\n":                           "f.star:1:8: got ':', want ')'",
		"def f(a):\n\tx = 1\n        y = 2\n": "f.star: cannot be formatted: line 2: syntax error near x",
		"def f(a: ): pass\n":                  "f.star:1:10: in an annotation: got ')', want a type",
		"x = record(1)\ny = 1 1\n":            "f.star:2:8: got int literal, want newline",
	} {
		if got, err := runtime.Format("f.star", []byte(text)); !errors.Is(err, fault.Script) || err.Error() != want {
			t.Errorf("%q: got %q %v, want %q", text, got, err, want)
		}
	}
}

// TestFormatLibrary holds that the standard library is formatted.
func TestFormatLibrary(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(stdlib.FS, "*.star")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		text, err := fs.ReadFile(stdlib.FS, file)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := runtime.Format(file, text); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s is not formatted: %v", file, err)
		}
	}
}

// FuzzFormat holds that formatting keeps the meaning, and that doing it twice is
// doing it once.
func FuzzFormat(f *testing.F) {
	for _, seed := range []string{
		"def f(a:int,*,b:list[str]|None=None)->dict[str,int]:\n  return {'a':1}\n", "while  True :\n  x=b'a'+rb\"\\x\"\n",
		"x=[1,\n2] # c\ny = (a if b\n  else c)\n", "load('a','b',c='d')\nfor x,y in z: pass\n", "s = 'it\\'s \\u1234 \\x00'\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		once, err := runtime.Format("f.star", text)
		if err != nil {
			if errors.Is(err, fault.Internal) {
				t.Skip(err) // refused: nothing is lost
			}
			return
		}
		if twice, err := runtime.Format("f.star", once); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%q became %q, and %q then: %v", text, once, twice, err)
		}
	})
}
