package engine

import (
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// This file tests the decoder from inside: it has no door of its own.

func TestDecodeJSON(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`null`, `true`, ` false `, `0`, `-0`, `1.0`, `1e3`, `12345678901234567890123`, `0.1`, `-1.5E-7`,
		`""`, `"a"`, `"é"`, `"\u00e9"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ud83dx"`, `"a\n\t\"\\\/b"`, `"😀"`, "\"\xff\"", "\"a\xc3\"",
		`[]`, `[1,[2,[]],{}]`, `{}`, `{"a":1,"b":{"c":[true,null]}}`, "{\n\"a\" :\t1 , \"b\":2}", `{"\u0061":1}`, `{"":""}`,
	} {
		want, err := ast.ValueFromReader(strings.NewReader(text))
		if err != nil {
			t.Fatalf("%s: the library refuses it: %v", text, err)
		}
		got, err := decodeJSON(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got.String() != want.String() {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestDecodeJSONRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{``, "unexpected end"},
		{`{`, "unexpected end"},
		{`{"a"`, "unexpected end"},
		{`{"a":`, "unexpected end"},
		{`{"a":1`, "unexpected end"},
		{`{"a":1,}`, "a key is expected"},
		{`{a:1}`, "a key is expected"},
		{`{"a" 1}`, `":" is expected`},
		{`[1,]`, "a value is expected"},
		{`[1 2]`, `"," or "]" is expected`},
		{`"a`, "unexpected end"},
		{`"a\`, "unexpected end"},
		{`"\x"`, "not an escape"},
		{`"\u12"`, "four hex digits"},
		{"\"a\nb\"", "control character 0xa"},
		{"\"é\nb\"", "control character 0xa"},
		{"\"\\n\nb\"", "control character 0xa"},
		{`01`, "more than one"},
		{`1.`, "not a JSON number"},
		{`-`, "not a JSON number"},
		{`1e`, "not a JSON number"},
		{`1e999999999`, "invalid number"},
		{`tru`, "a value is expected"},
		{`1 2`, "more than one"},
		{"{\"a\":1,\n \"a\":2}", `line 2, column 7: duplicate key "a"`},
		{`{"a":1,"\u0061":2}`, `duplicate key "a"`},
		{`{"x":{"a":1,"b":2,"a":1}}`, `duplicate key "a"`},
		{`{` + keys(40) + `,"k7":1}`, `duplicate key "k7"`},
		{`{` + keys(2000) + `,"k7":1}`, `duplicate key "k7"`},
		{strings.Repeat("[", maxDepth+1), "nested deeper"},
		{strings.Repeat(`{"a":`, maxDepth+1), "nested deeper"},
	} {
		v, err := decodeJSON(c.text)
		if err == nil {
			t.Errorf("%.40q: accepted as %s", c.text, v)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40q: %v, want %q", c.text, err, c.want)
		}
	}
}

func keys(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"k` + strconv.Itoa(i) + `":` + strconv.Itoa(i))
	}
	return b.String()
}

// Whatever we accept, the library accepts and reads the same; whatever it
// accepts and we do not has a duplicate key or something after the document.
func FuzzDecodeJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5,"x\u00e9"],"b":null}`, `[[[]]]`, `"\ud83d\ude00"`, `{"a":1,"a":2}`, `1e5`, `{"a":{"b":{"c":true}}}`, "\"\xff\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := decodeJSON(text)
		want, wantErr := ast.ValueFromReader(strings.NewReader(text))
		if err == nil {
			if wantErr != nil {
				t.Fatalf("we accept %q, the library does not: %v", text, wantErr)
			}
			if got.String() != want.String() || got.Compare(want) != 0 || got.Hash() != want.Hash() {
				t.Fatalf("%q: got %s, want %s", text, got, want)
			}
			out, err := appendJSON(nil, got)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := decodeJSON(string(out)); err != nil || again.Compare(got) != 0 {
				t.Fatalf("%q: written as %s, read back as %v, %v", text, out, again, err)
			}
			return
		}
		if wantErr == nil && json.Valid([]byte(text)) && !strings.Contains(err.Error(), "duplicate key") {
			t.Fatalf("the library accepts %q, we do not: %v", text, err)
		}
	})
}

func BenchmarkDecode23MB(b *testing.B) {
	text := users(120_000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := decodeJSON(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode23MBLibrary(b *testing.B) {
	text := users(120_000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := ast.ValueFromReader(strings.NewReader(text)); err != nil {
			b.Fatal(err)
		}
	}
}

// users is data as real policies carry it: n users, about 190 bytes each.
func users(n int) string {
	rnd := rand.New(rand.NewPCG(1, 2))
	roles := []string{"admin", "editor", "viewer", "auditor"}
	var b strings.Builder
	b.WriteString(`{"users":{`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		id := strconv.Itoa(i)
		b.WriteString(`"user` + id + `":{"id":` + id + `,"name":"User Number ` + id + `","email":"user` + id +
			`@example.com","roles":["` + roles[rnd.IntN(4)] + `","` + roles[rnd.IntN(4)] + `"],"active":true,"score":` +
			strconv.Itoa(rnd.IntN(100000)) + `,"team":{"name":"team` + strconv.Itoa(i%50) + `","level":` + strconv.Itoa(i%9) + `}}`)
	}
	b.WriteString(`}}`)
	return b.String()
}
