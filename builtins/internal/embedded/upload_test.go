package embedded_test

import (
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/policyhost/policy/builtins/internal/embedded"
	"github.com/policyhost/policy/builtins/internal/store"
)

func TestUploadInChunks(t *testing.T) {
	t.Parallel()
	g := newRegistry(t, embedded.Options{})
	a := g.want(g.do("POST", "/v2/a/blobs/uploads/", ""), 202, "")
	at := a.header.Get("Location")
	if !strings.HasPrefix(at, "/v2/a/blobs/uploads/") || a.header.Get("Docker-Upload-UUID") == "" {
		t.Fatalf("POST answers %v", a.header)
	}
	status := func(want string) {
		t.Helper()
		a := g.want(g.do("GET", at, ""), 204, "")
		if a.header.Get("Range") != want || a.header.Get("Location") != at {
			t.Fatalf("status %v, want %s", a.header, want)
		}
	}
	status("0-0")
	g.want(g.do("PATCH", at, "0123", "Content-Range", "4-7"), 416, "BLOB_UPLOAD_INVALID")
	if a := g.want(g.do("PATCH", at, "0123", "Content-Range", "0-3"), 202, ""); a.header.Get("Range") != "0-3" {
		t.Errorf("PATCH answers %v", a.header)
	}
	a = g.want(g.do("PATCH", at, "0123", "Content-Range", "0-3"), 416, "BLOB_UPLOAD_INVALID")
	if a.header.Get("Range") != "0-3" || a.header.Get("Location") != at {
		t.Errorf("416 does not say where to go on: %v", a.header)
	}
	g.want(g.do("PATCH", at, "456", "Content-Range", "4-7"), 400, "SIZE_INVALID")
	g.want(g.do("PATCH", at, "456", "Content-Range", "four"), 400, "BLOB_UPLOAD_INVALID")
	g.want(g.do("PATCH", at, "456", "Content-Range", "7-4"), 416, "BLOB_UPLOAD_INVALID")
	g.want(g.do("PATCH", at, "456", "Content-Range", "99999999999999999999-4"), 400, "BLOB_UPLOAD_INVALID")
	g.want(g.do("PATCH", at, "45"), 202, "") // a stream, without a range
	status("0-5")
	g.want(g.do("PUT", at+"?digest="+digestOf("0123456789"), "789", "Content-Range", "7-9"), 416, "BLOB_UPLOAD_INVALID")
	g.want(g.do("PUT", at+"?digest=nonsense", "6789"), 400, "DIGEST_INVALID")
	g.want(g.do("PUT", at, "6789"), 400, "DIGEST_INVALID")
	status("0-5")
	g.want(g.do("GET", strings.Replace(at, "/a/", "/b/", 1), ""), 404, "BLOB_UPLOAD_UNKNOWN")
	a = g.want(g.do("PUT", at+"?digest="+digestOf("0123456789"), "6789", "Content-Range", "6-9"), 201, "")
	if a.header.Get("Location") != "/v2/a/blobs/"+digestOf("0123456789") || a.header.Get("Docker-Content-Digest") != digestOf("0123456789") || a.header.Get("Range") != "" {
		t.Errorf("PUT answers %v", a.header)
	}
	if a := g.want(g.do("GET", a.header.Get("Location"), ""), 200, ""); a.body != "0123456789" {
		t.Errorf("got %q", a.body)
	}
	g.want(g.do("GET", at, ""), 404, "BLOB_UPLOAD_UNKNOWN")
}

func TestUploadWays(t *testing.T) {
	t.Parallel()
	g := newRegistry(t, embedded.Options{})
	post := func() string {
		t.Helper()
		return g.want(g.do("POST", "/v2/a/blobs/uploads/", ""), 202, "").header.Get("Location")
	}
	at := post()
	g.want(g.do("PUT", at+"?digest="+digestOf("whole"), "whole"), 201, "")
	at = post()
	g.want(g.do("PATCH", at, "streamed"), 202, "")
	g.want(g.do("PUT", at+"?digest="+digestOf("streamed"), ""), 201, "")
	at = post()
	g.want(g.do("PUT", at+"?digest="+digestOf(""), ""), 201, "")
	g.want(g.do("POST", "/v2/a/blobs/uploads/?digest="+digestOf("in one"), "in one"), 201, "")
	g.want(g.do("POST", "/v2/a/blobs/uploads/?digest="+digestOf("in one"), "in one"), 201, "") // again
	for _, content := range []string{"whole", "streamed", "", "in one"} {
		if a := g.want(g.do("GET", "/v2/a/blobs/"+digestOf(content), ""), 200, ""); a.body != content {
			t.Errorf("got %q, want %q", a.body, content)
		}
	}

	a := g.want(g.do("POST", "/v2/b/blobs/uploads/?from=a&mount="+digestOf("whole"), ""), 201, "")
	if a.header.Get("Location") != "/v2/b/blobs/"+digestOf("whole") || a.header.Get("Docker-Content-Digest") != digestOf("whole") {
		t.Errorf("mount answers %v", a.header)
	}
	a = g.want(g.do("POST", "/v2/b/blobs/uploads/?from=a&mount="+digestOf("absent"), ""), 202, "")
	if !strings.HasPrefix(a.header.Get("Location"), "/v2/b/blobs/uploads/") {
		t.Errorf("a mount that fails answers %v", a.header)
	}
	g.want(g.do("POST", "/v2/b/blobs/uploads/?from=a&mount=x", ""), 400, "DIGEST_INVALID")
	g.want(g.do("POST", "/v2/b/blobs/uploads/?digest=", "x"), 400, "DIGEST_INVALID")

	at = post()
	g.want(g.do("PATCH", at, "given up"), 202, "")
	g.want(g.do("DELETE", at, ""), 204, "")
	g.want(g.do("DELETE", at, ""), 404, "BLOB_UPLOAD_UNKNOWN")
}

// Wrong bytes are refused and not kept, whichever way they came.
func TestWrongDigest(t *testing.T) {
	t.Parallel()
	g := newRegistry(t, embedded.Options{})
	g.want(g.do("POST", "/v2/a/blobs/uploads/?digest="+digestOf("right"), "wrong"), 400, "DIGEST_INVALID")
	for _, first := range []string{"", "wr"} {
		at := g.want(g.do("POST", "/v2/a/blobs/uploads/", ""), 202, "").header.Get("Location")
		if first != "" {
			g.want(g.do("PATCH", at, first), 202, "")
		}
		g.want(g.do("PUT", at+"?digest="+digestOf("right"), "wrong"[len(first):]), 400, "DIGEST_INVALID")
		g.want(g.do("GET", at, ""), 404, "BLOB_UPLOAD_UNKNOWN")
	}
	if files := g.files(); len(files) != 0 {
		t.Errorf("left: %v", files)
	}
}

// A client that breaks off goes on from where it was.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	g := newRegistry(t, embedded.Options{})
	at := g.want(g.do("POST", "/v2/a/blobs/uploads/", ""), 202, "").header.Get("Location")
	r := httptest.NewRequestWithContext(t.Context(), "PATCH", at, io.MultiReader(strings.NewReader("0123"), iotest.ErrReader(errors.New("reset"))))
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if w.Code != 400 {
		t.Fatalf("got %d", w.Code)
	}
	if a := g.want(g.do("GET", at, ""), 204, ""); a.header.Get("Range") != "0-3" {
		t.Fatalf("range %q", a.header.Get("Range"))
	}
	r = httptest.NewRequestWithContext(t.Context(), "PATCH", at, io.MultiReader(strings.NewReader("45")))
	r.ContentLength = 4 // and then the connection closes
	w = httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if w.Code != 400 {
		t.Fatalf("got %d", w.Code)
	}
	g.want(g.do("PUT", at+"?digest="+digestOf("0123456789"), "6789", "Content-Range", "6-9"), 201, "")

	r = httptest.NewRequestWithContext(t.Context(), "POST", "/v2/a/blobs/uploads/?digest="+digestOf("x"), iotest.ErrReader(errors.New("reset")))
	w = httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if w.Code != 400 {
		t.Fatalf("got %d", w.Code)
	}
	for path := range g.files() {
		if strings.HasPrefix(path, "ingest/") {
			t.Errorf("%s is left", path)
		}
	}
}

// An upload that nobody goes on with is dropped, and its bytes with it.
func TestAbandoned(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		g := &registry{t, dir, embedded.New(store.New(dir, store.Options{}), embedded.Options{UploadTTL: time.Minute})}
		at := g.want(g.do("POST", "/v2/a/blobs/uploads/", ""), 202, "").header.Get("Location")
		g.want(g.do("PATCH", at, "0123"), 202, "")
		time.Sleep(50 * time.Second) // of the bubble's clock
		g.want(g.do("PATCH", at, "4567"), 202, "")
		time.Sleep(50 * time.Second)
		g.want(g.do("GET", at, ""), 204, "")
		if len(g.files()) != 1 {
			t.Fatalf("files: %v", g.files())
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		g.want(g.do("GET", at, ""), 404, "BLOB_UPLOAD_UNKNOWN")
		if files := g.files(); len(files) != 0 {
			t.Errorf("left: %v", files)
		}
	})
}

func TestTooManyUploads(t *testing.T) {
	t.Parallel()
	g := newRegistry(t, embedded.Options{})
	first := g.want(g.do("POST", "/v2/a/blobs/uploads/", ""), 202, "").header.Get("Location")
	for range 999 {
		g.want(g.do("POST", "/v2/a/blobs/uploads/", ""), 202, "")
	}
	g.want(g.do("POST", "/v2/a/blobs/uploads/", ""), 429, "TOOMANYREQUESTS")
	g.want(g.do("DELETE", first, ""), 204, "")
	g.want(g.do("POST", "/v2/a/blobs/uploads/", ""), 202, "")
}

// Forty pushes at once, from handlers that know nothing of each other, leave
// forty tags.
func TestPushTogether(t *testing.T) {
	t.Parallel()
	g := newRegistry(t, embedded.Options{})
	const n = 40
	done := make(chan string, n)
	for i := range n {
		go func() {
			h := embedded.New(store.New(g.dir, store.Options{}), embedded.Options{})
			send := func(method, path, body, mediaType string) int {
				r := httptest.NewRequest(method, path, strings.NewReader(body))
				r.Header.Set("Content-Type", mediaType)
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				return w.Code
			}
			layer := fmt.Sprint("layer ", i)
			if got := send("POST", "/v2/a/blobs/uploads/?digest="+digestOf(layer), layer, ""); got != 201 {
				done <- fmt.Sprint("blob ", got)
				return
			}
			m := fmt.Sprintf(`{"schemaVersion":2,"layers":[%s]}`, descriptorJSON("x/y", layer))
			if got := send("PUT", fmt.Sprintf("/v2/a/manifests/t%02d", i), m, "application/vnd.oci.image.manifest.v1+json"); got != 201 {
				done <- fmt.Sprint("manifest ", got)
				return
			}
			done <- ""
		}()
	}
	for range n {
		if failed := <-done; failed != "" {
			t.Error(failed)
		}
	}
	a := g.want(g.do("GET", "/v2/a/tags/list", ""), 200, "")
	if got := strings.Count(a.body, `"t`) - 1; got != n { // "tags" starts so, too
		t.Errorf("%d of %d tags: %s", got, n, a.body)
	}
	for i := range n {
		g.want(g.do("GET", fmt.Sprintf("/v2/a/manifests/t%02d", i), ""), 200, "")
	}
	report, err := store.New(g.dir, store.Options{}).Check(t.Context())
	if err != nil {
		t.Errorf("%+v, %v", report, err)
	}
}
