package embedded_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/policyhost/policy/builtins/internal/embedded"
	"github.com/policyhost/policy/builtins/internal/store"
)

// BenchmarkBlob moves 64 MiB over loopback. Allocations stay flat: blobs stream.
func BenchmarkBlob(b *testing.B) {
	const size = 64 << 20
	content := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	d := digestOf(string(content))
	b.Run("push", func(b *testing.B) {
		b.SetBytes(size)
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			srv := httptest.NewServer(embedded.New(store.New(b.TempDir(), store.Options{}), embedded.Options{}))
			b.StartTimer()
			resp, err := http.Post(srv.URL+"/v2/a/blobs/uploads/?digest="+d, "", bytes.NewReader(content))
			if err != nil || resp.StatusCode != 201 {
				b.Fatal(resp, err)
			}
			resp.Body.Close()
			b.StopTimer()
			srv.Close()
			b.StartTimer()
		}
	})
	b.Run("pull", func(b *testing.B) {
		b.SetBytes(size)
		b.ReportAllocs()
		srv := httptest.NewServer(embedded.New(store.New(b.TempDir(), store.Options{}), embedded.Options{}))
		defer srv.Close()
		resp, err := http.Post(srv.URL+"/v2/a/blobs/uploads/?digest="+d, "", bytes.NewReader(content))
		if err != nil || resp.StatusCode != 201 {
			b.Fatal(resp, err)
		}
		resp.Body.Close()
		for b.Loop() {
			resp, err := http.Get(srv.URL + "/v2/a/blobs/" + d)
			if err != nil || resp.StatusCode != 200 {
				b.Fatal(resp, err)
			}
			if n, err := io.Copy(io.Discard, resp.Body); n != size || err != nil {
				b.Fatal(n, err)
			}
			resp.Body.Close()
		}
	})
}
