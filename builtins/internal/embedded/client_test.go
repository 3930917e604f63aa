package embedded_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regclient/regclient"
	"github.com/regclient/regclient/config"
	"github.com/regclient/regclient/types/descriptor"
	"github.com/regclient/regclient/types/errs"
	"github.com/regclient/regclient/types/manifest"
	"github.com/regclient/regclient/types/ref"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/embedded"
	"github.com/policyhost/policy/builtins/internal/store"
)

// A client of others works with the registry as with any: over a socket, behind
// a password, in one request and in chunks.
func TestRegclient(t *testing.T) {
	t.Parallel()
	users := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(users, []byte(line(t, "joe", "secret")), 0o600); err != nil {
		t.Fatal(err)
	}
	guard, err := embedded.Htpasswd(users)
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(t.TempDir(), store.Options{})
	srv := httptest.NewServer(guard(embedded.New(s, embedded.Options{})))
	t.Cleanup(srv.Close)
	host := strings.TrimPrefix(srv.URL, "http://")
	parse := func(name string) ref.Ref {
		t.Helper()
		r, err := ref.New(host + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	nobody := regclient.New(regclient.WithConfigHost(config.Host{Name: host, TLS: config.TLSDisabled}))
	if _, err := nobody.TagList(t.Context(), parse("acme/authz")); !errors.Is(err, errs.ErrHTTPUnauthorized) {
		t.Errorf("without a password: %v", err)
	}

	content := make([]byte, 3<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content)
	for name, host := range map[string]config.Host{
		"whole":  {Name: host, TLS: config.TLSDisabled, User: "joe", Pass: "secret"},
		"chunks": {Name: host, TLS: config.TLSDisabled, User: "joe", Pass: "secret", BlobMax: 1, BlobChunk: 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			rc := regclient.New(regclient.WithConfigHost(host))
			from := parse("acme/" + name + ":1.0")
			defer func() { _ = rc.Close(ctx, from) }()
			blob := append([]byte(name), content...)
			var parts []string
			for mediaType, b := range map[string][]byte{artifact.MediaTypeConfig: []byte("{}"), artifact.MediaTypeLayer: blob} {
				d, err := rc.BlobPut(ctx, from, descriptor.Descriptor{Digest: artifact.Digest(digestOf(string(b))), Size: int64(len(b))}, bytes.NewReader(b))
				if err != nil {
					t.Fatal(err)
				}
				d.MediaType = mediaType
				j, err := json.Marshal(d)
				if err != nil {
					t.Fatal(err)
				}
				if mediaType == artifact.MediaTypeLayer {
					j = fmt.Appendf(nil, "[%s]", j)
				}
				parts = append(parts, map[string]string{artifact.MediaTypeConfig: `"config":`, artifact.MediaTypeLayer: `"layers":`}[mediaType]+string(j))
			}
			raw := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,%s}`, artifact.MediaTypeManifest, strings.Join(parts, ","))
			m, err := manifest.New(manifest.WithRaw([]byte(raw)), manifest.WithRef(from))
			if err != nil {
				t.Fatal(err)
			}
			if err := rc.ManifestPut(ctx, from, m); err != nil {
				t.Fatal(err)
			}

			to := parse("copies/" + name + ":2.0")
			if err := rc.ImageCopy(ctx, from, to); err != nil {
				t.Fatal(err)
			}
			back, err := rc.BlobGet(ctx, to, descriptor.Descriptor{Digest: artifact.Digest(digestOf(string(blob))), Size: int64(len(blob))})
			if err != nil {
				t.Fatal(err)
			}
			defer back.Close()
			if got, err := io.ReadAll(back); err != nil || !bytes.Equal(got, blob) {
				t.Errorf("%d bytes came back, %v", len(got), err)
			}

			list, err := rc.TagList(ctx, to)
			if err != nil || strings.Join(list.Tags, " ") != "2.0" {
				t.Errorf("tags %v, %v", list, err)
			}
			repos, err := rc.RepoList(ctx, host.Name)
			if err != nil || !strings.Contains(strings.Join(repos.Repositories, " "), "copies/"+name) {
				t.Errorf("repositories %v, %v", repos, err)
			}
			rawReferrer := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"artifactType":"x/sig","config":%s,"layers":[],"subject":%s}`,
				artifact.MediaTypeManifest, descriptorJSON(artifact.MediaTypeConfig, "{}"), descriptorJSON(artifact.MediaTypeManifest, raw))
			referrer, err := manifest.New(manifest.WithRaw([]byte(rawReferrer)))
			if err != nil {
				t.Fatal(err)
			}
			if err := rc.ManifestPut(ctx, from.SetDigest(digestOf(rawReferrer)), referrer); err != nil {
				t.Fatal(err)
			}
			if referrers, err := rc.ReferrerList(ctx, from); err != nil || len(referrers.Descriptors) != 1 || referrers.Descriptors[0].ArtifactType != "x/sig" {
				t.Errorf("referrers %+v, %v", referrers, err)
			}

			if err := rc.TagDelete(ctx, to); err != nil {
				t.Error(err)
			}
			if _, err := rc.ManifestGet(ctx, to); !errors.Is(err, errs.ErrNotFound) {
				t.Errorf("after TagDelete: %v", err)
			}
			byDigest := to.SetDigest(digestOf(raw))
			if err := rc.ManifestDelete(ctx, byDigest); err != nil {
				t.Error(err)
			}
			if _, err := rc.ManifestGet(ctx, byDigest); !errors.Is(err, errs.ErrNotFound) {
				t.Errorf("after ManifestDelete: %v", err)
			}
			if _, err := rc.ManifestGet(ctx, from); err != nil {
				t.Errorf("the one it was copied from: %v", err)
			}
		})
	}
}
