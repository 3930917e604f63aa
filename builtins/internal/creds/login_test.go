package creds_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/policyhost/policy/builtins/internal/creds"
	"github.com/policyhost/policy/runtime/fault"
)

func TestPutInFile(t *testing.T) {
	t.Parallel()
	us := creds.Credential{Username: "us", Password: "pw"}
	cases := []struct {
		name, before, host string
		put                creds.Credential
		after              string
	}{
		{"first", ``, "ghcr.io", us, "{\n\t\"auths\": {\n\t\t\"ghcr.io\": {\n\t\t\t\"auth\": \"dXM6cHc=\"\n\t\t}\n\t}\n}\n"},
		{"as typed", `{}`, "https://GHCR.io/", us, `{"auths":{"ghcr.io":{"auth":"dXM6cHc="}}}`},
		{"all else kept, in order", `{"z": 1.50, "auths": {"b": {"auth": "eDp5", "email": ""}, "a": {}}, "HttpHeaders": {"x": "<&>"}, "big": 12345678901234567890}`, "ghcr.io", us,
			`{"z":1.50,"auths":{"b":{"auth":"eDp5","email":""},"a":{},"ghcr.io":{"auth":"dXM6cHc="}},"HttpHeaders":{"x":"<&>"},"big":12345678901234567890}`},
		{"in its place", `{"auths": {"a": {}, "ghcr.io": {"auth": "eDp5", "email": "x"}, "b": {}}}`, "ghcr.io", us,
			`{"auths":{"a":{},"ghcr.io":{"auth":"dXM6cHc="},"b":{}}}`},
		{"other spellings go", `{"auths": {"docker.io": {"auth": "eDp5"}, "index.docker.io": {"auth": "eDp5"}, "docker.io/team": {"auth": "eDp5"}}}`, "registry-1.docker.io", us,
			`{"auths":{"https://index.docker.io/v1/":{"auth":"dXM6cHc="},"docker.io/team":{"auth":"eDp5"}}}`},
		{"path", `{"auths": {"quay.io": {}}}`, "quay.io/team", us, `{"auths":{"quay.io":{},"quay.io/team":{"auth":"dXM6cHc="}}}`},
		{"identity token", `{}`, "a.azurecr.io", creds.Credential{Username: "us", IdentityToken: "t"}, `{"auths":{"a.azurecr.io":{"auth":"dXM6","identitytoken":"t"}}}`},
		{"registry token", `{}`, "a.io", creds.Credential{RegistryToken: "t"}, `{"auths":{"a.io":{"registrytoken":"t"}}}`},
		{"user with colon", `{}`, "a.io", creds.Credential{Username: "a:b", Password: "p"}, `{"auths":{"a.io":{"username":"a:b","password":"p"}}}`},
		{"misspelt key kept", `{"auths": {}, "credStore": ""}`, "ghcr.io", us, `{"auths":{"ghcr.io":{"auth":"dXM6cHc="}},"credStore":""}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k, path := keyring(t, creds.Options{}, nil, c.before)
			where, err := k.Put(t.Context(), c.host, c.put)
			if err != nil || where != "file" {
				t.Fatalf("got %q, %v", where, err)
			}
			got := readFile(t, path)
			if !strings.Contains(c.after, "\n") { // cases without layout
				got = strings.NewReplacer("\n", "", "\t", "", ": ", ":").Replace(got)
			}
			if got != c.after {
				t.Errorf("the file is\n%s\nwant\n%s", got, c.after)
			}
			if back, err := k.Get(t.Context(), c.host, ""); err != nil || back != c.put {
				t.Errorf("Get gives %s, %v", plain(back), err)
			}
			if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 2 {
				t.Errorf("more than the file and its lock: %v, %v", entries, err)
			}
		})
	}
}

// A multi-line key (Google's _json_key) comes back as it was.
func TestPutManyLines(t *testing.T) {
	t.Parallel()
	want := creds.Credential{Username: "_json_key", Password: "{\n  \"private_key\": \"-----BEGIN\\n\"\n}\n\n"}
	k, _ := keyring(t, creds.Options{}, nil, "")
	if _, err := k.Put(t.Context(), "gcr.io", want); err != nil {
		t.Fatal(err)
	}
	if got, err := k.Get(t.Context(), "gcr.io", "x/y"); err != nil || got != want {
		t.Errorf("got %q, %v", plain(got), err)
	}
}

func TestPutRefuses(t *testing.T) {
	t.Parallel()
	bin := helpers(t, "fake")
	k, _ := keyring(t, creds.Options{}, map[string]string{"PATH": bin}, `{"credHelpers": {"a.io": "fake", "b.io": "absent"}}`)
	_, err := k.Put(t.Context(), "ghcr.io", creds.Credential{Username: "u"})
	wantFault(t, err, fault.Usage, "no password or token")
	_, err = k.Put(t.Context(), "a.io", creds.Credential{RegistryToken: canary})
	wantFault(t, err, fault.Usage, "docker-credential-fake cannot keep a registry token")
	_, err = k.Put(t.Context(), "b.io", creds.Credential{Username: "u", Password: canary})
	wantFault(t, err, fault.Denied, "docker-credential-absent, named by")
	_, err = creds.New(creds.Options{Getenv: func(string) string { return "" }}).Put(t.Context(), "a.io", creds.Credential{Username: "u", Password: canary})
	wantFault(t, err, fault.Usage, "no folder to keep credentials in")
}

// What a helper keeps, the file does not.
func TestPutWithHelper(t *testing.T) {
	t.Parallel()
	for _, want := range []creds.Credential{{Username: "u", Password: canary}, {IdentityToken: canary}} {
		bin := helpers(t, "fake")
		k, path := keyring(t, creds.Options{}, map[string]string{"PATH": bin},
			`{"credStore": "fake", "auths": {"https://ghcr.io": {"auth": "dXM6cHc="}}}`)
		if got, err := k.Get(t.Context(), "ghcr.io", "a"); err != nil || got.Username != "us" {
			t.Fatalf("before: %s, %v", plain(got), err)
		}
		where, err := k.Put(t.Context(), "ghcr.io", want)
		if err != nil || where != "fake" {
			t.Fatalf("got %q, %v", where, err)
		}
		file := strings.NewReplacer("\n", "", "\t", "").Replace(readFile(t, path))
		if file != `{"credStore": "fake","auths": {"ghcr.io": {}}}` {
			t.Errorf("the file is %s", file)
		}
		if got, err := k.Get(t.Context(), "ghcr.io", "a"); err != nil || got != want {
			t.Errorf("after: %s, %v", plain(got), err)
		}
		if where, err := k.Erase(t.Context(), "ghcr.io"); err != nil || where != "fake" {
			t.Errorf("erase: %q, %v", where, err)
		}
		if vault := readFile(t, filepath.Join(bin, "vault.json")); vault != "{}" {
			t.Errorf("the helper still keeps %s", vault)
		}
		if strings.Contains(readFile(t, path), "ghcr.io") {
			t.Errorf("the mark of the login is still there")
		}
		_, err = k.Erase(t.Context(), "ghcr.io")
		wantFault(t, err, fault.NotFound, "ghcr.io: not logged in")
	}
}

func TestErase(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	docker := filepath.Join(home, ".docker", "config.json")
	writeFile(t, docker, `{"auths": {"quay.io": {"auth": "dXM6cHc="}, "ghcr.io": {"auth": "dXM6cHc="}}}`)
	k, path := keyring(t, creds.Options{Home: home}, nil,
		`{"auths": {"https://index.docker.io/v1/": {"auth": "dXM6cHc="}, "docker.io": {"auth": "dXM6cHc="}, "ghcr.io": {"auth": "dXM6cHc="}}, "x": 1}`)
	for _, host := range []string{"docker.io", "ghcr.io"} {
		if where, err := k.Erase(t.Context(), host); err != nil || where != "file" {
			t.Fatalf("got %q, %v", where, err)
		}
	}
	if got := strings.NewReplacer("\n", "", "\t", "").Replace(readFile(t, path)); got != `{"auths": {},"x": 1}` {
		t.Errorf("the file is %s", got)
	}
	_, err := k.Erase(t.Context(), "quay.io")
	wantFault(t, err, fault.NotFound, "not logged in")
	if hint := fault.Of(err).Hint; !strings.Contains(hint, docker) || !strings.Contains(hint, "docker logout quay.io") {
		t.Errorf("hint %q", hint)
	}
	_, err = k.Erase(t.Context(), "never.io")
	wantFault(t, err, fault.NotFound, "not logged in")
}

func TestList(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	docker := filepath.Join(home, ".docker", "config.json")
	writeFile(t, docker, `{"auths": {"ghcr.io": {"auth": "eDp5"}, "only.docker": {"auth": "dXM6cHc="}}}`)
	bin := helpers(t, "fake", "exit1")
	writeFile(t, filepath.Join(bin, "vault.json"), `{
		"https://index.docker.io/v1/": {"Username": "hub", "Secret": "h"},
		"tok.io": {"Username": "<token>", "Secret": "h"}}`)
	var warned []string
	k, path := keyring(t, creds.Options{Home: home, Warn: func(m string) { warned = append(warned, m) }}, map[string]string{"PATH": bin}, `{
		"credsStore": "fake", "credHelpers": {"locked.io": "exit1"},
		"auths": {"ghcr.io": {"auth": "dXM6cHc="}, "gone.io": {}, "quay.io/team": {"identitytoken": "t"}, "docker.io": {}, "locked.io": {}}}`)
	got, err := k.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []creds.Login{
		{Server: "docker.io", Username: "hub", Store: "fake", File: path},
		{Server: "ghcr.io", Username: "us", Store: "file", File: path},
		{Server: "locked.io", Store: "exit1", File: path},
		{Server: "only.docker", Username: "us", Store: "file", File: docker},
		{Server: "quay.io/team", Store: "file", File: path},
		{Server: "tok.io", Store: "fake", File: path},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	if len(warned) != 1 || !strings.Contains(warned[0], "docker-credential-exit1 list: exit status 1") {
		t.Errorf("warned %q", warned)
	}
}

// Logins at the same time, from several Keyrings, are all kept.
func TestPutTogether(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	const n = 24
	done := make(chan error)
	for i := range n {
		go func() {
			k := creds.New(creds.Options{Root: root, Getenv: func(string) string { return "" }})
			_, err := k.Put(t.Context(), fmt.Sprintf("r%d.io", i), creds.Credential{Username: "u", Password: "p"})
			done <- err
		}()
	}
	for range n {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	k := creds.New(creds.Options{Root: root, Getenv: func(string) string { return "" }})
	if all, err := k.List(t.Context()); err != nil || len(all) != n {
		t.Errorf("%d of %d logins kept, %v", len(all), n, err)
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("modes mean nothing on Windows")
	}
	root := filepath.Join(t.TempDir(), "new")
	k := creds.New(creds.Options{Root: root, Getenv: func(string) string { return "" }})
	path := filepath.Join(root, "config.json")
	put := func() {
		t.Helper()
		if _, err := k.Put(t.Context(), "ghcr.io", creds.Credential{Username: "u", Password: "p"}); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]os.FileMode{root: 0o700 | os.ModeDir, path: 0o600} {
			if info, err := os.Stat(name); err != nil || info.Mode() != want {
				t.Errorf("%s: %v, %v", name, info.Mode(), err)
			}
		}
	}
	put()
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	put() // nothing else to change

	// What a killed login left behind is no obstacle, and a link is not written through.
	victim := filepath.Join(t.TempDir(), "victim")
	writeFile(t, victim, "kept")
	if err := os.Symlink(victim, path+".tmp"); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Put(t.Context(), "quay.io", creds.Credential{Username: "u", Password: "p"}); err != nil || readFile(t, victim) != "kept" {
		t.Errorf("got %v, victim %q", err, readFile(t, victim))
	}

	// A config.json that is a link stays one.
	elsewhere := filepath.Join(t.TempDir(), "dotfiles.json")
	if err := os.Rename(path, elsewhere); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, path); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Put(t.Context(), "a.io", creds.Credential{Username: "u", Password: "p"}); err != nil || !strings.Contains(readFile(t, elsewhere), "a.io") {
		t.Errorf("got %v, %s", err, readFile(t, elsewhere))
	}
	if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v", err)
	}
}

func TestLegacy(t *testing.T) {
	t.Parallel()
	k, path := keyring(t, creds.Options{}, nil, `{"auths": {"newer.io": {"auth": "dXM6cHc="}}}`)
	if all, err := k.Legacy(); err != nil || len(all) != 0 {
		t.Fatalf("got %v, %v", all, err)
	}
	old := filepath.Join(filepath.Dir(path), "policy-registries.yaml")
	writeFile(t, old, `ghcr.io:
  type: ghcr
  username: joe
  password: 'it''s: # 1'
  default: true
localhost:5000:
  type: docker
  username: "a\tb"
  password: |-
    {
      "k": 1

    }
  default: false
newer.io:
  username: old
  password: old
empty.io:
  type: docker
  username: ""
  password: ""
  default: false
`)
	all, err := k.Legacy()
	if err != nil {
		t.Fatal(err)
	}
	want := []creds.Login{
		{Server: "ghcr.io", Username: "joe", Store: "file", File: old, Default: true},
		{Server: "localhost:5000", Username: "a\tb", Store: "file", File: old},
		{Server: "newer.io", Username: "old", Store: "file", File: old},
	}
	if !reflect.DeepEqual(all, want) {
		t.Errorf("got %+v", all)
	}
	moved, err := k.Migrate(t.Context())
	if err != nil || len(moved) != 2 {
		t.Fatalf("moved %v, %v", moved, err)
	}
	for host, want := range map[string]creds.Credential{
		"ghcr.io":        {Username: "joe", Password: "it's: # 1"},
		"localhost:5000": {Username: "a\tb", Password: "{\n  \"k\": 1\n\n}"},
		"newer.io":       {Username: "us", Password: "pw"},
	} {
		if got, err := k.Get(t.Context(), host, ""); err != nil || got != want {
			t.Errorf("%s: %q, %v", host, plain(got), err)
		}
	}
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("the old file is still there: %v", err)
	}
	if moved, err := k.Migrate(t.Context()); err != nil || len(moved) != 0 {
		t.Errorf("again: %v, %v", moved, err)
	}
	writeFile(t, old, "ghcr.io:\n  username: x\n  password: *"+canary+"\n")
	_, err = k.Migrate(t.Context())
	wantFault(t, err, fault.Invalid, "line 3: a value that starts with '*'")
}
