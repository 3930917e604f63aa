package artifact_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

func TestValidateJSON(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)
	for _, tt := range []struct{ in, want string }{
		{`{}`, ""},
		{` [ ] `, ""},
		{"\t{\r\n\"a\" : 1 , \"b\":[1,-0,0.5,1e9,-1.25E-7, true ,false,null,\"\"]}\n", ""},
		{`"\u00e9\ud83d\ude00\n\/"`, ""},
		{`12`, ""},
		{`{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}`, ""},
		{"\"żółw\"", ""},
		{deep, ""},
		{"", "line 1, column 1: the document is empty"},
		{"  \n ", "line 2, column 2: the document is empty"},
		{"[" + deep + "]", "line 1, column 10001: nested deeper than 10000"},
		{`{"a":1,"a":2}`, `line 1, column 8: the key "a" is there twice`},
		{"{\"a\":1,\n \"b\":{},\n \"\\u0061\":2}", `line 3, column 2: the key "a" is there twice`},
		{`{"a":{"b":[{"c":1,"d":2,"c":3}]}}`, `line 1, column 25: the key "c" is there twice`},
		{`{"\ud800":1,"\udc00":2}`, `line 1, column 13: the key "�" is there twice`},
		{`{"\ud83d\ude00":1,"😀":2}`, `line 1, column 19: the key "😀" is there twice`},
		{`{"\ud800x":1,"\ufffdx":2}`, `line 1, column 14: the key "�x" is there twice`},
		{`{"":1,"":2}`, `line 1, column 7: the key "" is there twice`},
		{`{"a":1,}`, `line 1, column 8: '}' where a key should be`},
		{`{"a" 1}`, `line 1, column 6: '1' where a colon should be`},
		{`{a:1}`, `line 1, column 2: 'a' where a key should be`},
		{`[1 2]`, `line 1, column 4: '2' where a comma or ] should be`},
		{`{"a":1]`, `line 1, column 7: ']' where a comma or } should be`},
		{`[1,]`, `line 1, column 4: ']' where a value should be`},
		{`[01]`, `line 1, column 3: a number with a leading zero`},
		{`[1.]`, `line 1, column 4: ']' where a digit should be`},
		{`[.5]`, `line 1, column 2: '.' where a value should be`},
		{`[-]`, `line 1, column 3: ']' where a digit should be`},
		{`[1e]`, `line 1, column 4: ']' where a digit should be`},
		{`[1e+]`, `line 1, column 5: ']' where a digit should be`},
		{`[tru]`, `line 1, column 5: ']' where true, false or null should be`},
		{`{"a":1} {}`, `line 1, column 9: '{' after the end of the document`},
		{`{"a":1`, "line 1, column 7: the document ends too early"},
		{`"abc`, "line 1, column 5: the document ends too early"},
		{`-`, "line 1, column 2: the document ends too early"},
		{"\"a\nb\"", "line 1, column 3: control character 0x0a in a string"},
		{"\"a\x1b[0m\"", "line 1, column 3: control character 0x1b in a string"},
		{`"\x"`, `line 1, column 3: unknown escape \x`},
		{`"\u12g4"`, `line 1, column 6: 'g' where a hexadecimal digit should be`},
		{"\"\xff\"", "line 1, column 2: a string that is not UTF-8"},
		{"\"\xe2\x82\"", "line 1, column 2: a string that is not UTF-8"},
		{"\"\xed\xa0\x80\"", "line 1, column 2: a string that is not UTF-8"},
		{"\xef\xbb\xbf{}", "line 1, column 1: byte 0xef where a value should be"},
	} {
		err := artifact.ValidateJSON(strings.NewReader(tt.in))
		if got := message(err); got != tt.want {
			t.Errorf("%.60q: got %q, want %q", tt.in, got, tt.want)
		}
		if err != nil && !errors.Is(err, fault.Invalid) {
			t.Errorf("%.60q: %v is not Invalid", tt.in, err)
		}
		// One byte at a time: the same verdict, since pieces end anywhere.
		again := artifact.ValidateJSON(iotest.OneByteReader(strings.NewReader(tt.in)))
		if (again == nil) != (err == nil) {
			t.Errorf("%.60q: %v in one piece, %v byte by byte", tt.in, err, again)
		}
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestValidateJSONManyKeys(t *testing.T) {
	t.Parallel()
	for _, n := range []int{7, 8, 9, 10, 100, 10_000} {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"k%d":{"x":%d}`, i, i)
		}
		object := "{" + b.String()[1:]
		if err := artifact.ValidateJSON(strings.NewReader("[" + object + "}," + object + "}]")); err != nil {
			t.Errorf("%d different keys: %v", n, err)
		}
		for _, again := range []int{0, n / 2, n - 1} {
			var je *artifact.JSONError
			err := artifact.ValidateJSON(strings.NewReader(fmt.Sprintf(`%s,"k%d":1}`, object, again)))
			if !errors.As(err, &je) || je.Key != fmt.Sprintf("k%d", again) {
				t.Errorf("%d keys, k%d again: %v", n, again, err)
			}
		}
	}
}

func TestJSONScannerVisit(t *testing.T) {
	t.Parallel()
	const doc = `{"a":{"b":{"c":1,"d":[{"no":1}]},"x":"s"},"e":[],"f":{"no":{"no":1}},"g":null,"h":{},"i":-1}`
	var got []string
	s := artifact.NewJSONScanner(func(path []string, kind byte) (bool, error) {
		got = append(got, fmt.Sprintf("%s %c", strings.Join(path, "/"), kind))
		return len(path) == 0 || path[len(path)-1] != "f", nil
	})
	if _, err := io.Copy(s, iotest.OneByteReader(strings.NewReader(doc))); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	const want = " {|a {|a/b {|a/b/c 1|a/b/d [|a/x \"|e [|f {|g n|h {|i -"
	if strings.Join(got, "|") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "|"), want)
	}

	stop := errors.New("not here")
	s = artifact.NewJSONScanner(func(path []string, _ byte) (bool, error) {
		if len(path) == 2 {
			return false, stop
		}
		return true, nil
	})
	_, err := s.Write([]byte("{\n\"a\":{\"b\":1}}"))
	if !errors.Is(err, stop) || err.Error() != "line 2, column 10: not here" {
		t.Errorf("got %v", err)
	}
	if _, again := s.Write([]byte("x")); !errors.Is(again, err) {
		t.Errorf("a second write gave %v", again)
	}
}

// reference says the same as ValidateJSON, from what the standard library offers.
func reference(data []byte) bool {
	if !json.Valid(data) || !utf8.Valid(data) {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var value func() bool
	value = func() bool {
		tok, err := d.Token()
		if err != nil {
			return false
		}
		switch tok {
		case json.Delim('{'):
			seen := map[string]bool{}
			for d.More() {
				key, err := d.Token()
				if err != nil || seen[key.(string)] {
					return false
				}
				seen[key.(string)] = true
				if !value() {
					return false
				}
			}
			_, err = d.Token()
		case json.Delim('['):
			for d.More() {
				if !value() {
					return false
				}
			}
			_, err = d.Token()
		}
		return err == nil
	}
	return value()
}

func FuzzValidateJSON(f *testing.F) {
	for _, seed := range []string{
		`{"a":1,"b":[true,null,"\u00e9"],"c":{"a":-1.5e+3}}`, `{"a":1,"\u0061":2}`, `[[[[]]]]`, `"\ud800\udc00\ud800"`,
		`{"\ud800\u0041":1,"\ufffdA":2}`, "{\"ż\":1, \"ó\" : 2}", `1`, `-0.0`, ` `, `{"a":1}x`, "\"\xff\"", `{"abcdefghijkl\"mnop":0}`,
		`{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"a":1}`,
	} {
		f.Add([]byte(seed), uint8(3))
	}
	f.Fuzz(func(t *testing.T, data []byte, piece uint8) {
		want := reference(data)
		if got := artifact.ValidateJSON(bytes.NewReader(data)) == nil; got != want {
			t.Fatalf("%q: valid = %v, the standard library says %v", data, got, want)
		}
		s := artifact.NewJSONScanner(nil)
		var err error
		for rest := data; err == nil && len(rest) > 0; {
			n := min(len(rest), int(piece)+1)
			_, err = s.Write(rest[:n])
			rest = rest[n:]
		}
		if err == nil {
			err = s.Close()
		}
		if (err == nil) != want {
			t.Fatalf("%q in pieces of %d: %v, want valid = %v", data, int(piece)+1, err, want)
		}
	})
}

// users is JSON as policies have it: many small objects.
func users(size int) []byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	b.WriteString(`{"users":{`)
	for i := 0; b.Len() < size; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"user-%06d":{"name":"User %d","email":"user%d@example.com","roles":["reader","r%d"],"active":%t,"age":%d,"scores":[%f,%f]}`,
			i, i, i, rnd.IntN(50), i%3 == 0, rnd.IntN(80), rnd.Float64(), rnd.Float64())
	}
	b.WriteString("}}")
	return b.Bytes()
}

func BenchmarkValidateJSON(b *testing.B) {
	data := users(23 << 20)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := artifact.ValidateJSON(bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkJSONValid(b *testing.B) {
	data := users(23 << 20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if !json.Valid(data) {
			b.Fatal("not valid")
		}
	}
}
