package embedded_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/embedded"
	"github.com/policyhost/policy/builtins/internal/store"
)

// registry is one over a new store, asked in-process.
type registry struct {
	t   *testing.T
	dir string
	http.Handler
}

func newRegistry(t *testing.T, o embedded.Options) *registry {
	t.Helper()
	dir := t.TempDir()
	return &registry{t, dir, embedded.New(store.New(dir, store.Options{}), o)}
}

// answer is what came back, whole.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request. headers are pairs.
func (g *registry) do(method, path, body string, headers ...string) answer {
	g.t.Helper()
	r := httptest.NewRequestWithContext(g.t.Context(), method, path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.String()}
}

// want fails the test for another status or, when code is not "", another code.
func (g *registry) want(a answer, status int, code string) answer {
	g.t.Helper()
	if a.status != status {
		g.t.Fatalf("got %d %s, want %d", a.status, a.body, status)
	}
	if code != "" {
		var said struct {
			Errors []struct{ Code, Message string }
		}
		if err := json.Unmarshal([]byte(a.body), &said); err != nil || len(said.Errors) != 1 || said.Errors[0].Code != code || said.Errors[0].Message == "" {
			g.t.Fatalf("got %s, want the code %s", a.body, code)
		}
	}
	return a
}

func digestOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// pushBlob puts a blob in one request and returns its descriptor in JSON.
func (g *registry) pushBlob(repository, mediaType, content string) string {
	g.t.Helper()
	g.want(g.do("POST", "/v2/"+repository+"/blobs/uploads/?digest="+digestOf(content), content), 201, "")
	return descriptorJSON(mediaType, content)
}

func descriptorJSON(mediaType, content string) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mediaType, digestOf(content), len(content))
}

// image returns a manifest of pushed parts, with more members when extra says so.
func (g *registry) image(repository, content, extra string) string {
	g.t.Helper()
	config := g.pushBlob(repository, artifact.MediaTypeConfig, "{}")
	layer := g.pushBlob(repository, artifact.MediaTypeLayer, content)
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]%s}`, artifact.MediaTypeManifest, config, layer, extra)
}

func (g *registry) put(repository, ref, manifest string) answer {
	g.t.Helper()
	return g.do("PUT", "/v2/"+repository+"/manifests/"+ref, manifest, "Content-Type", artifact.MediaTypeManifest)
}

// files are all files of the store but its locks, by path.
func (g *registry) files() map[string]int64 {
	g.t.Helper()
	all := map[string]int64{}
	err := filepath.WalkDir(g.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".lock") {
			return err
		}
		info, err := d.Info()
		rel, _ := filepath.Rel(g.dir, path)
		all[filepath.ToSlash(rel)] = info.Size()
		return err
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return all
}

func TestBase(t *testing.T) {
	t.Parallel()
	g := newRegistry(t, embedded.Options{})
	for _, path := range []string{"/v2", "/v2/"} {
		a := g.want(g.do("GET", path, ""), 200, "")
		if a.header.Get("Docker-Distribution-Api-Version") != "registry/2.0" || a.body != "{}" {
			t.Errorf("got %v %s", a.header, a.body)
		}
	}
	if len(g.files()) != 0 {
		t.Errorf("reading made files: %v", g.files())
	}
}

// The flow of the specification's conformance suite: pull, push, discover, manage.
func TestImage(t *testing.T) {
	t.Parallel()
	g := newRegistry(t, embedded.Options{})
	m := g.image("acme/authz", "layer", "")
	d := digestOf(m)

	a := g.want(g.put("acme/authz", "1.0", m), 201, "")
	if a.header.Get("Location") != "/v2/acme/authz/manifests/"+d || a.header.Get("Docker-Content-Digest") != d {
		t.Errorf("put answers %v", a.header)
	}
	for _, ref := range []string{"1.0", d} {
		for _, method := range []string{"GET", "HEAD"} {
			a := g.want(g.do(method, "/v2/acme/authz/manifests/"+ref, "", "Accept", "application/vnd.docker.distribution.manifest.v2+json"), 200, "")
			want := map[string]string{"GET": m}[method]
			if a.body != want || a.header.Get("Docker-Content-Digest") != d || a.header.Get("Content-Type") != artifact.MediaTypeManifest || a.header.Get("Content-Length") != fmt.Sprint(len(m)) {
				t.Errorf("%s %s: %v %q", method, ref, a.header, a.body)
			}
		}
	}
	a = g.want(g.do("GET", "/v2/acme/authz/blobs/"+digestOf("layer"), ""), 200, "")
	if a.body != "layer" || a.header.Get("Docker-Content-Digest") != digestOf("layer") {
		t.Errorf("blob: %v %q", a.header, a.body)
	}
	a = g.want(g.do("HEAD", "/v2/acme/authz/blobs/"+digestOf("layer"), ""), 200, "")
	if a.body != "" || a.header.Get("Content-Length") != "5" {
		t.Errorf("HEAD blob: %v %q", a.header, a.body)
	}

	// A manifest stays when its tag moves on, and is not served elsewhere.
	m2 := g.image("acme/authz", "another layer", "")
	g.want(g.put("acme/authz", "1.0", m2), 201, "")
	g.want(g.do("GET", "/v2/acme/authz/manifests/"+d, ""), 200, "")
	g.want(g.do("GET", "/v2/acme/other/manifests/"+d, ""), 404, "MANIFEST_UNKNOWN")
	g.want(g.do("GET", "/v2/acme/authz/manifests/2.0", ""), 404, "MANIFEST_UNKNOWN")
	g.want(g.do("GET", "/v2/acme/authz/manifests/.INVALID", ""), 404, "MANIFEST_UNKNOWN")
	g.want(g.do("GET", "/v2/acme/authz/blobs/"+digestOf("absent"), ""), 404, "BLOB_UNKNOWN")

	// By tag only the tag goes, by digest the manifest and all its tags.
	g.want(g.put("acme/authz", "2.0", m2), 201, "")
	g.want(g.put("acme/authz", "latest", m2), 201, "")
	g.want(g.do("DELETE", "/v2/acme/authz/manifests/2.0", ""), 202, "")
	g.want(g.do("DELETE", "/v2/acme/authz/manifests/2.0", ""), 404, "MANIFEST_UNKNOWN")
	g.want(g.do("GET", "/v2/acme/authz/manifests/1.0", ""), 200, "")
	g.want(g.do("DELETE", "/v2/acme/authz/manifests/"+digestOf(m2), ""), 202, "")
	for _, ref := range []string{"1.0", "latest", digestOf(m2)} {
		g.want(g.do("GET", "/v2/acme/authz/manifests/"+ref, ""), 404, "MANIFEST_UNKNOWN")
	}
	g.want(g.do("DELETE", "/v2/acme/authz/manifests/"+digestOf(m2), ""), 404, "MANIFEST_UNKNOWN")
	if a := g.want(g.do("GET", "/v2/acme/authz/tags/list", ""), 200, ""); a.body != `{"name":"acme/authz","tags":[]}` {
		t.Errorf("tags: %s", a.body)
	}
	g.want(g.do("GET", "/v2/acme/authz/blobs/"+digestOf("another layer"), ""), 404, "BLOB_UNKNOWN")

	// A blob goes when no manifest needs it.
	g.want(g.do("DELETE", "/v2/acme/authz/blobs/"+digestOf("layer"), ""), 405, "UNSUPPORTED")
	g.want(g.do("DELETE", "/v2/acme/authz/manifests/"+d, ""), 202, "")
	g.pushBlob("acme/authz", "", "alone")
	g.want(g.do("DELETE", "/v2/acme/authz/blobs/"+digestOf("alone"), ""), 202, "")
	g.want(g.do("GET", "/v2/acme/authz/blobs/"+digestOf("alone"), ""), 404, "BLOB_UNKNOWN")
	g.want(g.do("DELETE", "/v2/acme/authz/blobs/"+digestOf("alone"), ""), 404, "BLOB_UNKNOWN")
	for path := range g.files() {
		if strings.HasPrefix(path, "blobs/") || strings.HasPrefix(path, "ingest/") {
			t.Errorf("%s is left", path)
		}
	}
}

func TestRange(t *testing.T) {
	t.Parallel()
	g := newRegistry(t, embedded.Options{})
	g.pushBlob("a", "", "0123456789")
	cases := []struct {
		asked, contentRange, body string
		status                    int
	}{
		{"bytes=0-3", "bytes 0-3/10", "0123", 206},
		{"bytes=7-", "bytes 7-9/10", "789", 206},
		{"bytes=-2", "bytes 8-9/10", "89", 206},
		{"bytes=10-", "bytes */10", "", 416},
		{"nonsense", "", "", 416},
	}
	for _, c := range cases {
		a := g.do("GET", "/v2/a/blobs/"+digestOf("0123456789"), "", "Range", c.asked)
		if a.status != c.status || a.header.Get("Content-Range") != c.contentRange || c.status == 206 && a.body != c.body {
			t.Errorf("%s: %d %v %q", c.asked, a.status, a.header, a.body)
		}
	}
}

// What a manifest names must be here, and it must be what it is called.
func TestPutManifestRefuses(t *testing.T) {
	t.Parallel()
	g := newRegistry(t, embedded.Options{MaxManifest: 2000})
	good := g.image("a", "layer", "")
	config := descriptorJSON(artifact.MediaTypeConfig, "{}")
	g.want(g.put("b", "inb", good), 201, "")
	manifest := func(members string) string {
		return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,%s}`, artifact.MediaTypeManifest, members)
	}
	cases := []struct {
		name, ref, contentType, body string
		status                       int
		code                         string
	}{
		{"empty", "x", artifact.MediaTypeManifest, ``, 400, "MANIFEST_INVALID"},
		{"not JSON", "x", artifact.MediaTypeManifest, `{`, 400, "MANIFEST_INVALID"},
		{"a list", "x", artifact.MediaTypeManifest, `[]`, 400, "MANIFEST_INVALID"},
		{"another type", "x", artifact.MediaTypeIndex, good, 400, "MANIFEST_INVALID"},
		{"no type", "x", "", `{"schemaVersion":2}`, 400, "MANIFEST_INVALID"},
		{"a type that is none", "x", "a b/;", good, 400, "MANIFEST_INVALID"},
		{"a tag that is none", ".x", artifact.MediaTypeManifest, good, 400, "MANIFEST_INVALID"},
		{"a long tag", strings.Repeat("x", 129), artifact.MediaTypeManifest, good, 400, "MANIFEST_INVALID"},
		{"digest of another", digestOf("x"), artifact.MediaTypeManifest, good, 400, "DIGEST_INVALID"},
		{"a digest that is none", "sha256:x", artifact.MediaTypeManifest, good, 400, "DIGEST_INVALID"},
		{"md5", "md5:d41d8cd98f00b204e9800998ecf8427e", artifact.MediaTypeManifest, good, 400, "DIGEST_INVALID"},
		{"no config", "x", artifact.MediaTypeManifest, manifest(`"config":` + descriptorJSON("", "nothing")), 400, "MANIFEST_BLOB_UNKNOWN"},
		{"no layer", "x", artifact.MediaTypeManifest, manifest(`"config":` + config + `,"layers":[` + descriptorJSON("", "nothing") + `]`), 400, "MANIFEST_BLOB_UNKNOWN"},
		{"another size", "x", artifact.MediaTypeManifest, manifest(`"config":` + strings.Replace(config, `"size":2`, `"size":3`, 1)), 400, "MANIFEST_BLOB_UNKNOWN"},
		{"no size", "x", artifact.MediaTypeManifest, manifest(`"config":` + strings.Replace(config, `"size":2`, `"size":-1`, 1)), 400, "MANIFEST_INVALID"},
		{"a path for a digest", "x", artifact.MediaTypeManifest, manifest(`"config":{"digest":"../../etc/passwd","size":1}`), 400, "MANIFEST_INVALID"},
		{"a subject that is none", "x", artifact.MediaTypeManifest, manifest(`"subject":{"digest":"sha256:1","size":1}`), 400, "MANIFEST_INVALID"},
		{"a child of another repository", "x", artifact.MediaTypeIndex, fmt.Sprintf(`{"schemaVersion":2,"manifests":[%s]}`, descriptorJSON(artifact.MediaTypeManifest, good)), 400, "MANIFEST_BLOB_UNKNOWN"},
		{"too large", "x", artifact.MediaTypeManifest, good + strings.Repeat(" ", 2000), 413, "MANIFEST_INVALID"},
	}
	before := g.files()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := &registry{t, g.dir, g.Handler}
			h.want(h.do("PUT", "/v2/a/manifests/"+c.ref, c.body, "Content-Type", c.contentType), c.status, c.code)
		})
	}
	// Without a length the end is found by reading.
	r := httptest.NewRequestWithContext(t.Context(), "PUT", "/v2/a/manifests/x", io.MultiReader(strings.NewReader(good), strings.NewReader(strings.Repeat(" ", 2000))))
	r.Header.Set("Content-Type", artifact.MediaTypeManifest)
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if w.Code != 413 {
		t.Errorf("got %d for a large manifest without a length", w.Code)
	}
	if after := g.files(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("a refused manifest left something:\n%v\n%v", before, after)
	}
}

// Any kind of manifest comes back as it was pushed, and prune leaves its parts.
func TestAnyManifest(t *testing.T) {
	t.Parallel()
	g := newRegistry(t, embedded.Options{})
	child := g.image("a", "layer", "")
	g.want(g.put("a", digestOf(child), child), 201, "")
	layer := g.pushBlob("a", "", "only here")
	cases := []struct{ name, mediaType, body string }{
		{"index", artifact.MediaTypeIndex, fmt.Sprintf(`{"schemaVersion":2,"manifests":[%s]}`, descriptorJSON(artifact.MediaTypeManifest, child))},
		{"docker", "application/vnd.docker.distribution.manifest.v2+json", `{"schemaVersion":2,"config":` + layer + `}`},
		{"artifact", "application/vnd.oci.artifact.manifest.v1+json", `{"mediaType":"application/vnd.oci.artifact.manifest.v1+json","blobs":[` + layer + `]}`},
		{"unknown", "application/vnd.acme.thing+json", `{"layers":[` + layer + `]}`},
		{"foreign", artifact.MediaTypeManifest, `{"schemaVersion":2,"layers":[{"mediaType":"application/vnd.oci.image.layer.nondistributable.v1.tar","digest":"` + digestOf("away") + `","size":4,"urls":["https://example.com"]}]}`},
	}
	for _, c := range cases {
		g.want(g.do("PUT", "/v2/a/manifests/"+c.name, c.body, "Content-Type", c.mediaType+"; charset=utf-8"), 201, "")
	}
	for _, keep := range []string{"unknown", "docker", "artifact"} { // each alone keeps the layer
		for _, c := range cases {
			if c.name == keep {
				continue
			}
			g.do("DELETE", "/v2/a/manifests/"+digestOf(c.body), "")
		}
		if _, err := store.New(g.dir, store.Options{}).Prune(t.Context(), -1); err != nil {
			t.Fatal(err)
		}
		if a := g.want(g.do("GET", "/v2/a/blobs/"+digestOf("only here"), ""), 200, ""); a.body != "only here" {
			t.Errorf("%s: %q", keep, a.body)
		}
		for _, c := range cases {
			g.want(g.do("PUT", "/v2/a/manifests/"+c.name, c.body, "Content-Type", c.mediaType), 201, "")
			a := g.want(g.do("GET", "/v2/a/manifests/"+c.name, ""), 200, "")
			if a.header.Get("Content-Type") != c.mediaType || a.body != c.body {
				t.Errorf("%s: %s %s", c.name, a.header.Get("Content-Type"), a.body)
			}
		}
	}
}

// A manifest and a blob under sha512 are found under sha512.
func TestOtherDigests(t *testing.T) {
	t.Parallel()
	g := newRegistry(t, embedded.Options{})
	sum := func(s string) string {
		b := sha512.Sum512([]byte(s))
		return "sha512:" + hex.EncodeToString(b[:])
	}
	g.want(g.do("POST", "/v2/a/blobs/uploads/?digest="+sum("layer"), "layer"), 201, "")
	m := fmt.Sprintf(`{"schemaVersion":2,"layers":[{"mediaType":"x/y","digest":%q,"size":5}]}`, sum("layer"))
	g.want(g.put("a", sum(m), m), 201, "")
	g.want(g.do("GET", "/v2/a/manifests/"+sum(m), ""), 200, "")
	g.want(g.do("GET", "/v2/a/blobs/"+sum("layer"), ""), 200, "")
	g.want(g.do("POST", "/v2/a/blobs/uploads/?digest="+sum("other"), "layer"), 400, "DIGEST_INVALID")
	at := g.want(g.do("POST", "/v2/a/blobs/uploads/", ""), 202, "").header.Get("Location")
	g.want(g.do("PATCH", at, "lay"), 202, "")
	g.want(g.do("PUT", at+"?digest="+sum("layer"), "er"), 400, "DIGEST_INVALID")
}

func TestPathsAndMethods(t *testing.T) {
	t.Parallel()
	g := newRegistry(t, embedded.Options{})
	long := strings.Repeat("a/", 200) + "a"
	cases := []struct {
		method, path string
		status       int
		code         string
	}{
		{"GET", "/", 404, "UNSUPPORTED"},
		{"GET", "/v1/", 404, "UNSUPPORTED"},
		{"GET", "/v2", 200, ""},
		{"GET", "/v2x/manifests/x", 404, "UNSUPPORTED"},
		{"GET", "/v2/manifests/x", 404, "UNSUPPORTED"},
		{"GET", "/v2//manifests/x", 404, "UNSUPPORTED"},
		{"GET", "/v2/a/b/c", 404, "UNSUPPORTED"},
		{"GET", "/v2/A/manifests/x", 400, "NAME_INVALID"},
		{"GET", "/v2/../manifests/x", 400, "NAME_INVALID"},
		{"GET", "/v2/a/../b/manifests/x", 400, "NAME_INVALID"},
		{"GET", "/v2/a/%2e%2e/b/manifests/x", 400, "NAME_INVALID"},
		{"GET", "/v2/a%2fb/manifests/x", 404, "MANIFEST_UNKNOWN"},
		{"GET", "/v2/a%00/manifests/x", 400, "NAME_INVALID"},
		{"GET", "/v2/a:b/manifests/x", 400, "NAME_INVALID"},
		{"GET", "/v2/a@b/manifests/x", 400, "NAME_INVALID"},
		{"GET", "/v2/" + long + "/manifests/x", 400, "NAME_INVALID"},
		{"GET", "/v2/manifests/manifests/x", 404, "MANIFEST_UNKNOWN"},
		{"GET", "/v2/blobs/uploads/manifests/x", 404, "MANIFEST_UNKNOWN"},
		{"GET", "/v2/a/manifests/" + strings.Repeat("x", 10000), 404, "MANIFEST_UNKNOWN"},
		{"GET", "/v2/a/manifests/sha256:short", 400, "DIGEST_INVALID"},
		{"GET", "/v2/a/blobs/nothing", 400, "DIGEST_INVALID"},
		{"GET", "/v2/a/blobs/sha256:..%2f..%2findex.json", 404, "UNSUPPORTED"},
		{"DELETE", "/v2/a/blobs/sha256:x", 400, "DIGEST_INVALID"},
		{"GET", "/v2/a/tags/list", 404, "NAME_UNKNOWN"},
		{"GET", "/v2/a/referrers/x", 400, "DIGEST_INVALID"},
		{"POST", "/v2/", 405, "UNSUPPORTED"},
		{"PATCH", "/v2/a/manifests/x", 405, "UNSUPPORTED"},
		{"PUT", "/v2/a/tags/list", 405, "UNSUPPORTED"},
		{"GET", "/v2/a/blobs/uploads/", 405, "UNSUPPORTED"},
		{"GET", "/v2/a/blobs/uploads/none", 404, "BLOB_UPLOAD_UNKNOWN"},
		{"POST", "/v2/a/blobs/uploads", 202, ""},
		{"POST", "/v2/A/blobs/uploads/", 400, "NAME_INVALID"},
	}
	for _, c := range cases {
		t.Run(c.method+c.path[:min(40, len(c.path))], func(t *testing.T) {
			h := &registry{t, g.dir, g.Handler}
			a := h.want(h.do(c.method, c.path, ""), c.status, c.code)
			if (a.header.Get("Allow") != "") != (c.status == 405) {
				t.Errorf("Allow: %q", a.header.Get("Allow"))
			}
		})
	}
	if a := g.do("HEAD", "/v2/a/manifests/x", ""); a.status != 404 || a.body != "" {
		t.Errorf("HEAD answers %d %q", a.status, a.body)
	}
}

// A page in a browser cannot push to a registry on loopback behind the user's back.
func TestOtherSite(t *testing.T) {
	t.Parallel()
	g := newRegistry(t, embedded.Options{})
	g.want(g.do("POST", "/v2/a/blobs/uploads/", "", "Origin", "https://evil.example"), 403, "DENIED")
	g.want(g.do("POST", "/v2/a/blobs/uploads/?digest="+digestOf("x"), "x", "Sec-Fetch-Site", "cross-site"), 403, "DENIED")
	g.want(g.do("GET", "/v2/_catalog", "", "Origin", "https://evil.example"), 200, "")
	g.want(g.do("POST", "/v2/a/blobs/uploads/", "", "Sec-Fetch-Site", "same-origin"), 202, "")
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	g := newRegistry(t, embedded.Options{})
	m := g.image("a", "layer", "")
	g.want(g.put("a", "x", m), 201, "")
	g.Handler = embedded.New(store.New(g.dir, store.Options{}), embedded.Options{ReadOnly: true})
	before := g.files()
	for _, c := range [][2]string{
		{"PUT", "/v2/a/manifests/y"}, {"DELETE", "/v2/a/manifests/x"}, {"DELETE", "/v2/a/blobs/" + digestOf("layer")},
		{"POST", "/v2/a/blobs/uploads/"}, {"PATCH", "/v2/a/blobs/uploads/x"}, {"PUT", "/v2/a/blobs/uploads/x"}, {"DELETE", "/v2/a/blobs/uploads/x"},
	} {
		a := g.want(g.do(c[0], c[1], m, "Content-Type", artifact.MediaTypeManifest), 405, "UNSUPPORTED")
		if allow := a.header.Get("Allow"); strings.Contains(allow, "P") || strings.Contains(allow, "DEL") {
			t.Errorf("Allow: %q", allow)
		}
	}
	g.want(g.do("GET", "/v2/a/manifests/x", ""), 200, "")
	if after := g.files(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the store changed:\n%v\n%v", before, after)
	}
}

// What is damaged on disk is not served as a manifest, and said to be ours.
func TestDamaged(t *testing.T) {
	t.Parallel()
	g := newRegistry(t, embedded.Options{})
	m := g.image("a", "layer", "")
	g.want(g.put("a", "x", m), 201, "")
	path := filepath.Join(g.dir, "blobs", "sha256", strings.TrimPrefix(digestOf(m), "sha256:"))
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.ToUpper([]byte(m)), 0o644); err != nil {
		t.Fatal(err)
	}
	g.want(g.do("GET", "/v2/a/manifests/x", ""), 500, "UNKNOWN")
	if err := os.WriteFile(filepath.Join(g.dir, "index.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	g.want(g.do("GET", "/v2/a/manifests/x", ""), 500, "UNKNOWN")
	g.want(g.do("GET", "/v2/_catalog", ""), 500, "UNKNOWN")
}
