package builtins_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// attempts are things that the code of a recipe may try, and what it has to be
// granted for it.
var attempts = []struct {
	name  string
	needs string // as policy.lock has them; empty: nothing, "never": no grant is enough
	try   func(context.Context, *testing.T, *builtins.Env) error
}{
	{"eval", "read:registry.localhost/a/door", func(ctx context.Context, t *testing.T, e *builtins.Env) error {
		_, err := builtins.Eval(ctx, e, &builtins.EvalArgs{Policy: "registry.localhost/a/door:1", Query: "data.door.open", Pull: "missing"})
		return err
	}},
	{"eval with network", "read:registry.localhost/a/door,read:evil.test/*", func(ctx context.Context, t *testing.T, e *builtins.Env) error {
		_, err := builtins.Eval(ctx, e, &builtins.EvalArgs{Policy: "registry.localhost/a/door:1", Query: "1", Pull: "missing", AllowNet: []string{"evil.test"}})
		return err
	}},
	{"eval own file", "", func(ctx context.Context, t *testing.T, e *builtins.Env) error {
		d, err := builtins.Eval(ctx, e, &builtins.EvalArgs{Policy: ":own.rego", Query: "data.own.x", RegoVersion: "rego.v1", Pull: "missing"})
		if err == nil && string(d.Result) != "7" {
			t.Errorf("got %s", d.Result)
		}
		return err
	}},
	{"digest", "read:registry.localhost/a/*", func(ctx context.Context, t *testing.T, e *builtins.Env) error {
		_, err := builtins.Digest(ctx, e, &builtins.RefArgs{Ref: ref(t, "registry.localhost/a/door:1")})
		return err
	}},
	{"digest of what is only remote", "read:registry.localhost/*", func(ctx context.Context, t *testing.T, e *builtins.Env) error {
		_, err := builtins.Digest(ctx, e, &builtins.RefArgs{Ref: ref(t, "registry.localhost/a/door:remote")})
		return err
	}},
	{"tags", "read:*", func(ctx context.Context, t *testing.T, e *builtins.Env) error {
		_, err := builtins.Tags(ctx, e, &builtins.TagsArgs{Repository: ref(t, "registry.localhost/a/door")})
		return err
	}},
	{"list remote", "read:registry.localhost/a/*", func(ctx context.Context, t *testing.T, e *builtins.Env) error {
		_, err := builtins.List(ctx, e, &builtins.ListArgs{Prefix: "registry.localhost/a", Remote: true})
		return err
	}},
	{"tag", "read:registry.localhost/a/door,write:registry.localhost/b/*", func(ctx context.Context, t *testing.T, e *builtins.Env) error {
		_, err := builtins.Tag(ctx, e, &builtins.TagArgs{Source: ref(t, "registry.localhost/a/door:1"), Target: ref(t, "registry.localhost/b/door:1"), Clobber: true})
		return err
	}},
	{"push", "read:registry.localhost/a/door,write:registry.localhost/a/door", func(ctx context.Context, t *testing.T, e *builtins.Env) error {
		_, err := builtins.Push(ctx, e, &builtins.PushArgs{Refs: []builtins.Ref{ref(t, "registry.localhost/a/door:1")}})
		return err
	}},
	{"copy between registries", "read:registry.localhost/a/door,write:registry.localhost/c/door", func(ctx context.Context, t *testing.T, e *builtins.Env) error {
		_, err := builtins.Copy(ctx, e, &builtins.CopyArgs{Source: "registry.localhost/a/door:remote", Target: "registry.localhost/c/door:1"})
		return err
	}},
	{"remove", "read:registry.localhost/a/other,delete:registry.localhost/a/other", func(ctx context.Context, t *testing.T, e *builtins.Env) error {
		_, err := builtins.Rm(ctx, e, &builtins.RmArgs{Refs: []builtins.Ref{ref(t, "registry.localhost/a/other:1")}, Force: true})
		return err
	}},
	{"build", "files:policies,write:registry.localhost/b/*", func(ctx context.Context, t *testing.T, e *builtins.Env) error {
		_, err := builtins.Build(ctx, e, &builtins.BuildArgs{Paths: []string{"policies"}, Tag: []builtins.Ref{ref(t, "registry.localhost/b/new:1")}, RegoVersion: "rego.v1", Target: "rego"})
		return err
	}},
	{"save", "read:registry.localhost/a/*,files:out:rw", func(ctx context.Context, t *testing.T, e *builtins.Env) error {
		_, err := builtins.Save(ctx, e, &builtins.SaveArgs{Ref: ref(t, "registry.localhost/a/door:1"), File: "out/bundle.tar.gz", Pull: "missing"})
		return err
	}},
	{"read", "files:cases", reads("cases/one.json")},
	{"read a spelling", "files:cases", reads("policies/../cases/one.json")},
	{"read a file", "files:cases/one.json", reads("cases/one.json")},
	{"read own", "", reads(":own.txt")},
	{"read below own", "", reads(":data/more.txt")},
	{"read over own", "never", reads(":../secret.txt")},
	{"read through a link", "files:cases,files:secret.txt", reads("cases/link.txt")},
	{"read outside", "never", reads("../outside.txt")},
	{"read absolute", "never", reads("/etc/passwd")},
	{"read /proc", "never", reads("/proc/self/environ")},
	{"write", "files:out:rw", writes("out/new.json")},
	{"write what may be read", "files:cases:rw", writes("cases/one.json")},
	{"write own", "never", writes(":own.txt")},
	{"write through a link", "files:out:rw,files:cases:rw", writes("out/linked/x.json")},
	{"git", "files:.", func(ctx context.Context, t *testing.T, e *builtins.Env) error {
		_, err := builtins.Git(ctx, e, &builtins.GitArgs{})
		if errors.Is(err, fault.NotFound) {
			return nil // no repository there
		}
		return err
	}},
	{"env", "env:CI_*", func(ctx context.Context, _ *testing.T, e *builtins.Env) error {
		_, err := builtins.Variable(ctx, e, &builtins.VariableArgs{Name: "CI_COMMIT"})
		return err
	}},
	{"secret", "env:TOKEN", func(ctx context.Context, _ *testing.T, e *builtins.Env) error {
		_, err := builtins.ReadSecret(ctx, e, &builtins.SecretArgs{Name: "TOKEN"})
		return err
	}},
	{"login", "never", func(ctx context.Context, _ *testing.T, e *builtins.Env) error {
		_, err := builtins.LogIn(ctx, e, &builtins.LoginArgs{Host: "registry.localhost", Username: "jo", Password: builtins.NewSecret("x")})
		return err
	}},
	{"logout", "never", func(ctx context.Context, _ *testing.T, e *builtins.Env) error {
		_, err := builtins.LogOut(ctx, e, &builtins.LogoutArgs{Host: "registry.localhost"})
		return err
	}},
	{"logins", "never", func(ctx context.Context, _ *testing.T, e *builtins.Env) error {
		_, err := builtins.ListLogins(ctx, e, &builtins.LoginsArgs{})
		return err
	}},
}

func reads(name string) func(context.Context, *testing.T, *builtins.Env) error {
	return func(ctx context.Context, _ *testing.T, e *builtins.Env) error {
		_, err := builtins.ReadText(ctx, e, &builtins.PathArgs{Path: name})
		return err
	}
}

func writes(name string) func(context.Context, *testing.T, *builtins.Env) error {
	return func(ctx context.Context, t *testing.T, e *builtins.Env) error {
		args := &builtins.WriteArgs{Path: name}
		if err := args.Content.SetValue("x"); err != nil {
			t.Fatal(err)
		}
		_, err := builtins.WriteFile(ctx, e, args)
		return err
	}
}

func project(t *testing.T) builtins.Under {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"root/cases/one.json": "{}", "root/secret.txt": "secret", "root/policies/p.rego": "package p\n\nx := 1\n", "root/out/keep": "", "outside.txt": "outside",
	} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"root/cases/link.txt": "../secret.txt", "root/out/linked": "../cases"} {
		if err := os.Symlink(filepath.FromSlash(target), filepath.Join(dir, filepath.FromSlash(link))); err != nil {
			t.Skipf("this machine makes no links: %v", err)
		}
	}
	return builtins.Under{Dir: filepath.Join(dir, "root")}
}

// What was not granted is refused, whichever verb tries and by whatever name, in a
// dry run as well; what was granted is done, each need being enough only with the
// others.
func TestGrants(t *testing.T) {
	t.Parallel()
	for _, dry := range []bool{false, true} {
		for _, a := range attempts {
			name := a.name
			if dry {
				name += ", dry"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				try := func(needs artifact.Needs) error {
					e := newEnv(t, t.TempDir(), project(t))
					built(t, newEnv(t, e.Settings.Root, nil), "registry.localhost/a/door:1", "registry.localhost/a/other:1", "registry.localhost/a/door:remote")
					if _, err := builtins.Rm(t.Context(), newEnv(t, e.Settings.Root, nil), &builtins.RmArgs{Refs: []builtins.Ref{ref(t, "registry.localhost/a/door:remote")}, Force: true}); err != nil {
						t.Fatal(err)
					}
					if dry {
						var err error
						if e, _, err = e.Rehearse(); err != nil {
							t.Fatal(err)
						}
						defer e.Close()
					}
					narrow := e.Grant(builtins.Grants{Who: "oci://ghcr.io/acme/r:v1", Needs: needs, Package: fstest.MapFS{
						"own.txt": {Data: []byte("own")}, "data/more.txt": {Data: []byte("more")}, "own.rego": {Data: []byte("package own\n\nx := 7\n")},
					}})
					defer narrow.Close()
					return a.try(t.Context(), t, narrow)
				}
				var all artifact.Needs
				if a.needs == "never" {
					for _, need := range []artifact.Need{{Kind: "read", Value: "*"}, {Kind: "write", Value: "*"}, {Kind: "delete", Value: "*"}, {Kind: "files", Value: ".:rw"}, {Kind: "env", Value: "*"}} {
						if err := all.Add(need); err != nil {
							t.Fatal(err)
						}
					}
					if err := try(all); !errors.Is(err, fault.Denied) {
						t.Errorf("with everything granted: got %v, want Denied", err)
					}
					return
				}
				all, err := artifact.ParseNeeds(a.needs)
				if err != nil {
					t.Fatal(err)
				}
				if err := try(all); err != nil {
					t.Errorf("with %s: %v", a.needs, err)
				}
				for missing := range all.All() {
					var rest artifact.Needs
					for need := range all.All() {
						if need != missing {
							if err := rest.Add(need); err != nil {
								t.Fatal(err)
							}
						}
					}
					if err := try(rest); !errors.Is(err, fault.Denied) {
						t.Errorf("without %s: got %v, want Denied", missing, err)
					}
				}
			})
		}
	}
}

// Who is handed an image may read it, and no other.
func TestGrantsShow(t *testing.T) {
	t.Parallel()
	e := newEnv(t, t.TempDir(), nil)
	image := built(t, e, "registry.localhost/a/door:1", "registry.localhost/a/door:2", "registry.localhost/b/door:1")
	narrow := e.Grant(builtins.Grants{Who: "oci://ghcr.io/acme/r:v1"})
	defer narrow.Close()
	ask := func(e *builtins.Env, policy string) error {
		_, err := builtins.Eval(t.Context(), e, &builtins.EvalArgs{Policy: policy, Query: "data.door.open", Pull: "missing"})
		return err
	}
	shown := narrow.Show([]any{image})
	if err := ask(shown, image.String()); err != nil {
		t.Error(err)
	}
	for _, other := range []string{"registry.localhost/a/door:2", "registry.localhost/b/door:1"} {
		if err := ask(shown, other); !errors.Is(err, fault.Denied) {
			t.Errorf("%s: got %v, want Denied", other, err)
		}
	}
	if err := ask(narrow, image.String()); !errors.Is(err, fault.Denied) {
		t.Errorf("in another call: got %v, want Denied", err)
	}
	if _, err := builtins.Push(t.Context(), shown, &builtins.PushArgs{Refs: []builtins.Ref{ref(t, image.Ref)}}); !errors.Is(err, fault.Denied) {
		t.Errorf("push: got %v, want Denied", err)
	}
	if e.Show([]any{image}) != e {
		t.Error("an Env that may do everything was changed")
	}
}

// Who may read an image may have it fetched to be judged, and nothing else changes here.
func TestGrantsFetch(t *testing.T) {
	t.Parallel()
	e := newEnv(t, t.TempDir(), nil)
	image := built(t, e, "registry.localhost/a/door:1")
	if _, err := builtins.Rm(t.Context(), e, &builtins.RmArgs{Refs: []builtins.Ref{ref(t, image.Ref)}, Force: true}); err != nil {
		t.Fatal(err)
	}
	reader := e.Grant(builtins.Grants{Who: "oci://ghcr.io/acme/r:v1", Needs: artifact.Needs{Read: []string{"registry.localhost/a/door"}}})
	defer reader.Close()
	stranger := e.Grant(builtins.Grants{Who: "oci://ghcr.io/acme/r:v1", Needs: artifact.Needs{Read: []string{"registry.localhost/b/*"}}})
	defer stranger.Close()
	ask := func(e *builtins.Env, pull string) error {
		_, err := builtins.Eval(t.Context(), e, &builtins.EvalArgs{Policy: image.Ref, Query: "data.door.open", Pull: pull})
		return err
	}
	if err := ask(stranger, "missing"); !errors.Is(err, fault.Denied) {
		t.Errorf("a stranger: got %v, want Denied", err)
	}
	if err := ask(reader, "always"); !errors.Is(err, fault.Denied) {
		t.Errorf("to replace what is here: got %v, want Denied", err)
	}
	if _, err := builtins.Pull(t.Context(), reader, &builtins.PullArgs{Refs: []builtins.Ref{ref(t, image.Ref)}}); !errors.Is(err, fault.Denied) {
		t.Errorf("pull: got %v, want Denied", err)
	}
	if err := ask(reader, "missing"); err != nil {
		t.Error(err)
	}
}

// An image that is fetched to be judged takes no name from another that is here.
func TestGrantsFetchBesideTag(t *testing.T) {
	t.Parallel()
	e := newEnv(t, t.TempDir(), nil)
	old := built(t, e, "registry.localhost/a/door:1")
	if _, err := builtins.Rm(t.Context(), e, &builtins.RmArgs{Refs: []builtins.Ref{ref(t, old.Ref)}, Force: true}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "p.rego"), []byte("package door\n\nopen := false\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fresh, err := builtins.Build(t.Context(), e, &builtins.BuildArgs{
		Paths: []string{dir}, Tag: []builtins.Ref{ref(t, old.Ref)}, RegoVersion: "rego.v1", Target: "rego",
	})
	if err != nil {
		t.Fatal(err)
	}
	reader := e.Grant(builtins.Grants{Who: "oci://ghcr.io/acme/r:v1", Needs: artifact.Needs{Read: []string{"registry.localhost/a/door"}}})
	defer reader.Close()
	d, err := builtins.Eval(t.Context(), reader, &builtins.EvalArgs{Policy: old.String(), Query: "data.door.open", Pull: "missing"})
	if err != nil || d.Image != string(old.Digest) {
		t.Errorf("judged by %+v, %v, want %s", d, err, old.Digest)
	}
	here, err := builtins.Digest(t.Context(), e, &builtins.RefArgs{Ref: ref(t, old.Ref)})
	if err != nil || here != string(fresh.Digest) {
		t.Errorf("%s is %v, %v here, want what was built, %s", old.Ref, here, err, fresh.Digest)
	}
}

// A name means the file that was asked for, whatever links are on its way.
func TestGrantsDotsAfterLink(t *testing.T) {
	t.Parallel()
	e := newEnv(t, t.TempDir(), project(t))
	narrow := e.Grant(builtins.Grants{Who: "oci://ghcr.io/acme/r:v1", Needs: artifact.Needs{Files: []string{"out"}}})
	defer narrow.Close()
	for _, name := range []string{"out/linked/../secret.txt", "out/./linked/../secret.txt"} {
		if text, err := builtins.ReadText(t.Context(), narrow, &builtins.PathArgs{Path: name}); !errors.Is(err, fault.NotFound) {
			t.Errorf("%s: got %q, %v, want NotFound: there is no out/secret.txt", name, text, err)
		}
	}
}

// An OCI layout may be among the files of a package; it is read, and not written.
func TestGrantsOwnLayout(t *testing.T) {
	t.Parallel()
	e, dir := newEnv(t, t.TempDir(), nil), t.TempDir()
	image := built(t, e, "registry.localhost/a/door:1")
	if _, err := builtins.Copy(t.Context(), e, &builtins.CopyArgs{Source: image.Ref, Target: "ocidir://" + filepath.ToSlash(dir) + "/layout:1"}); err != nil {
		t.Fatal(err)
	}
	narrow := e.Grant(builtins.Grants{
		Who: "oci://ghcr.io/acme/r:v1", Package: os.DirFS(dir),
		Needs: artifact.Needs{Read: []string{"*"}, Write: []string{"registry.localhost/b/*"}},
	})
	defer narrow.Close()
	got, err := builtins.Copy(t.Context(), narrow, &builtins.CopyArgs{Source: "ocidir://:layout:1", Target: "registry.localhost/b/door:1"})
	if err != nil || got.Digest != image.Digest {
		t.Errorf("got %v, %v, want %s", got, err, image.Digest)
	}
	if _, err := builtins.Copy(t.Context(), narrow, &builtins.CopyArgs{Source: image.Ref, Target: "ocidir://:layout:2"}); !errors.Is(err, fault.Denied) {
		t.Errorf("writing it: got %v, want Denied", err)
	}
}

// Who may write to one repository does not make a whole project public.
func TestGrantsVisibility(t *testing.T) {
	t.Parallel()
	e := builtins.NewEnv(builtins.Options{Home: t.TempDir(), NoHelpers: true, Settings: builtins.Settings{
		Root: t.TempDir(), Hosts: map[string]builtins.HostSettings{"gitlab.invalid": {Vendor: "gitlab"}},
	}})
	defer e.Close()
	for need, denied := range map[string]bool{"gitlab.invalid/acme/door": true, "gitlab.invalid/acme/*": false} {
		narrow := e.Grant(builtins.Grants{Who: "oci://ghcr.io/acme/r:v1", Needs: artifact.Needs{Write: []string{need}}})
		defer narrow.Close()
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // before anybody is asked
		_, err := builtins.SetPublic(ctx, narrow, &builtins.SetPublicArgs{Ref: ref(t, "gitlab.invalid/acme/door"), Public: true, Force: true})
		if errors.Is(err, fault.Denied) != denied {
			t.Errorf("with write:%s: got %v", need, err)
		}
	}
}

// Who knows the digest of an image here cannot read it by the name of another.
func TestGrantsDigest(t *testing.T) {
	t.Parallel()
	e := newEnv(t, t.TempDir(), nil)
	image := built(t, e, "registry.localhost/a/door:1")
	for repository, want := range map[string]error{"registry.localhost/a/door": nil, "registry.localhost/b/door": fault.NotFound} {
		narrow := e.Grant(builtins.Grants{Who: "oci://ghcr.io/acme/r:v1", Needs: artifact.Needs{Read: []string{repository}}})
		defer narrow.Close()
		_, err := builtins.Eval(t.Context(), narrow, &builtins.EvalArgs{
			Policy: repository + ":2@" + string(image.Digest), Query: "data.door.open", Pull: "never",
		})
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", repository, err, want)
		}
	}
}
