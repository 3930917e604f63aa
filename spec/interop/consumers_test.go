package interop

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// served is a user whose embedded registry is served, with an image in it.
func served(t *testing.T) (u *user, addr, ref, digest string) {
	t.Helper()
	u = newUser(t)
	addr = freeAddr(t)
	token := u.policy("build", "./policy", "-t", "registry.localhost/acme/authz:1.0.0")
	u.policy("push", "registry.localhost/acme/authz:1.0.0")
	u.serve(http.DefaultClient, "http://"+addr+"/v2/", filepath.Join(bin, "policy"), "serve", "--addr", addr)
	return u, addr, addr + "/acme/authz:1.0.0", digestOf(token)
}

// TestOPA lets OPA download the policy from "policy serve" and from the
// reference registry, and decide as we do.
func TestOPA(t *testing.T) {
	t.Parallel()
	opa := tool(t, "opa")
	decide := func(u *user, addr, ref string) {
		u.Helper()
		config := u.write("opa.yaml", fmt.Sprintf(`services: {reg: {url: "http://%s", type: oci}}
bundles: {authz: {service: reg, resource: %q}}
persistence_directory: %s/opa
`, addr, ref, u.home))
		for file, want := range map[string]bool{"input.json": true, "other.json": false} {
			var answer struct {
				Result []struct{ Result bool }
			}
			u.json(u.run(opa, "exec", "-c", config, "--decision", "authz/allow", file), &answer)
			if len(answer.Result) != 1 || answer.Result[0].Result != want {
				u.Errorf("OPA decides %v for %s, want %v", answer, file, want)
			}
			u.equal(u.policy("eval", ref, "data.authz.allow", "-i", file), fmt.Sprint(want))
		}
	}
	t.Run("serve", func(t *testing.T) {
		u, addr, ref, _ := served(t)
		decide(u, addr, ref)
	})
	t.Run("distribution", func(t *testing.T) {
		registry := tool(t, "registry")
		u := newUser(t)
		addr := freeAddr(t)
		u.serve(http.DefaultClient, "http://"+addr+"/v2/", registry, "serve", u.write("registry.yml", fmt.Sprintf(plainConfig, u.home+"/data", addr)))
		u.policy("build", "./policy", "-t", addr+"/acme/authz:1.0.0")
		u.policy("push", addr+"/acme/authz:1.0.0")
		decide(u, addr, addr+"/acme/authz:1.0.0")
	})
	t.Run("bundle", func(t *testing.T) {
		u := newUser(t)
		u.policy("build", "./policy", "-t", "authz:1")
		u.policy("save", "authz:1", "-f", "bundle.tar.gz")
		u.equal(u.run(opa, "eval", "-b", "bundle.tar.gz", "-i", "input.json", "-f", "raw", "data.authz.allow"), "true")
	})
}

// TestConftest pulls the image with conftest and tests inputs with it.
func TestConftest(t *testing.T) {
	t.Parallel()
	conftest := tool(t, "conftest")
	u, _, ref, _ := served(t)
	u.run(conftest, "pull", "--policy", "pulled", "oci://"+ref)
	u.run(conftest, "test", "--policy", "pulled", "--namespace", "authz", "input.json")
	out, _, err := u.try(conftest, "test", "--policy", "pulled", "--namespace", "authz", "other.json")
	if exitCode(err) != 1 {
		u.Errorf("conftest passes what the policy denies: %v", err)
	}
	u.contains(out, "only alice may")
}

// TestCrane reads and copies the image with crane.
func TestCrane(t *testing.T) {
	t.Parallel()
	crane := tool(t, "crane")
	u, addr, ref, digest := served(t)
	u.equal(u.run(crane, "digest", ref), digest)
	u.equal(u.run(crane, "ls", addr+"/acme/authz"), "1.0.0")
	u.contains(u.run(crane, "catalog", addr), "acme/authz")
	var manifest struct{ Layers []struct{ MediaType string } }
	u.json(u.run(crane, "manifest", ref), &manifest)
	if len(manifest.Layers) != 1 || manifest.Layers[0].MediaType != "application/vnd.oci.image.layer.v1.tar+gzip" {
		u.Errorf("crane sees %v", manifest)
	}
	u.run(crane, "copy", ref, addr+"/copied/authz:1.0.0")
	u.equal(u.policy("digest", addr+"/copied/authz:1.0.0"), digest)
	u.equal(u.policy("eval", addr+"/copied/authz:1.0.0", "data.authz.allow", "-i", "input.json"), "true")
}

// TestRegctl reads a layout that copy wrote, and our registry.
func TestRegctl(t *testing.T) {
	t.Parallel()
	regctl := tool(t, "regctl")
	u, addr, ref, digest := served(t)
	u.run(regctl, "registry", "set", addr, "--tls", "disabled")
	u.equal(u.run(regctl, "image", "digest", ref), digest)
	u.equal(digestOf(u.policy("copy", "registry.localhost/acme/authz:1.0.0", "ocidir://layout:1.0.0")), digest)
	u.equal(u.run(regctl, "image", "digest", "ocidir://layout:1.0.0"), digest)
	u.run(regctl, "image", "copy", "ocidir://layout:1.0.0", addr+"/back/authz:1.0.0")
	u.equal(u.policy("digest", addr+"/back/authz:1.0.0"), digest)
	u.run(regctl, "image", "copy", ref, "ocidir://theirs:1.0.0")
	u.equal(digestOf(u.policy("copy", "ocidir://theirs:1.0.0", addr+"/theirs/authz:1.0.0")), digest)
	u.contains(strings.Join(strings.Fields(u.run(regctl, "tag", "ls", addr+"/acme/authz")), " "), "1.0.0")
}
