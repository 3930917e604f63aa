package store_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/store"
)

// FuzzIndex: what is cut is JSON, what is not JSON is refused, and writing it
// again keeps every entry.
func FuzzIndex(f *testing.F) {
	for _, seed := range []string{
		`{"schemaVersion":2,"manifests":[]}`, `{}`, ` { "a" : [ ] } `, `{"manifests":null}`, `{"manifests":{}}`, `[]`, ``, `null`,
		`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"m","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2,"annotations":{"org.opencontainers.image.ref.name":"x/y:1"}},{"a":1.5e-7}],"x":[true,false,null,-0,"\u00e9\n"]}`,
		`{"manifests":[{}],"manifests":[{}]}`, `{"manifests":[{}`, `{"manifests":[1]}`, `{"a":01}`, `{"a":"` + "\t" + `"}`, `{"a":"\x"}`, `{"a":1}}`,
		`{"a":[[[[[[[[[[]]]]]]]]]],"manifests":[{"b":{"c":{}}} , {} ]}`, `{"":"\\\"","manifests" :[ ] , "z":"` + "\xff" + `"}`, `{"aaaaaaa\"":"bbbbbbbb"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, whole, err := store.ParseIndex(b)
		if err != nil {
			if json.Valid(b) {
				// Valid but not an index: no object, a list of something else, too deep.
				var top map[string]json.RawMessage
				var list []map[string]json.RawMessage
				deep := bytes.Count(b, []byte("[")) + bytes.Count(b, []byte("{"))
				if json.Unmarshal(b, &top) == nil && json.Unmarshal(top["manifests"], &list) == nil && deep < 90 &&
					bytes.Count(b, []byte("manifests")) == 1 && !bytes.Contains(b, []byte("null")) {
					t.Fatalf("refused: %v", err)
				}
			}
			return
		}
		if !json.Valid(b) {
			t.Fatalf("taken, but not JSON: %q", b)
		}
		if !json.Valid(whole) {
			t.Fatalf("written, but not JSON: %q", whole)
		}
		again, _, err := store.ParseIndex(whole)
		if err != nil || len(again) != len(entries) {
			t.Fatalf("%d entries, then %d, %v", len(entries), len(again), err)
		}
		for i := range entries {
			if !bytes.Equal(entries[i], again[i]) {
				t.Fatalf("%q became %q", entries[i], again[i])
			}
		}
	})
}

// FuzzEntry: our short way of reading an entry agrees with encoding/json.
func FuzzEntry(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"digest":"d","size":12,"mediaType":"m","annotations":{"a":"b","org.opencontainers.image.ref.name":"n"}}`,
		`{"size":1.5}`, `{"size":1e3}`, `{"size":null,"annotations":null,"digest":null}`, `{"Digest":"x"}`, `{"digest":7}`,
		`{"annotations":{"a":null}}`, `{"annotations":{"a":1}}`, `{"annotations":[]}`, `{"data":"aGk=","urls":["u"],"platform":{"os":"linux"}}`,
		`{"digest":"a","digest":"b","annotations":{"a":"1"},"annotations":{"b":"2"}}`, `{"size":99999999999999999999}`, `{"x":"\u0000"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if entries, _, err := store.ParseIndex([]byte(`{"manifests":[` + string(b) + `]}`)); err != nil || len(entries) != 1 {
			return // no entry ever looks so
		}
		got, err := store.DecodeEntry(bytes.TrimSpace(b))
		var d artifact.Descriptor
		if jsonErr := json.Unmarshal(b, &d); (jsonErr == nil) != (err == nil) {
			t.Fatalf("%v, encoding/json: %v", err, jsonErr)
		}
		if err != nil {
			return
		}
		name := d.Annotations[artifact.AnnotationRefName]
		if got.Name != name || got.Digest != d.Digest || got.Size != d.Size || got.MediaType != d.MediaType {
			t.Fatalf("got %+v, want %+v", got, d)
		}
		for k, v := range d.Annotations {
			if k != artifact.AnnotationRefName && got.Annotations[k] != v {
				t.Fatalf("annotation %q: got %q, want %q", k, got.Annotations[k], v)
			}
		}
		raw, err := store.EncodeEntry(got)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := store.DecodeEntry(raw); err != nil || again.Name != got.Name || again.Digest != got.Digest || again.Size != got.Size {
			t.Fatalf("%+v became %+v, %v", got, again, err)
		}
	})
}
