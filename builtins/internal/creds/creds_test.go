package creds_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policyhost/policy/builtins/internal/creds"
	"github.com/policyhost/policy/runtime/fault"
)

// keyring makes one over a store root with this config.json ("" for none), and
// with these variables as its whole environment.
func keyring(t *testing.T, o creds.Options, env map[string]string, config string) (k *creds.Keyring, path string) {
	t.Helper()
	o.Root = t.TempDir()
	path = filepath.Join(o.Root, "config.json")
	if config != "" {
		writeFile(t, path, config)
	}
	o.Getenv = func(name string) string { return env[name] }
	return creds.New(o), path
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func contextWithTimeout(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

// plain shows a Credential to the reader of a failed test.
func plain(c creds.Credential) string {
	return strings.Join([]string{c.Username, c.Password, c.IdentityToken, c.RegistryToken}, "|")
}

func wantFault(t *testing.T, err error, kind fault.Kind, text string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if fault.Of(err).Kind != kind || !strings.Contains(err.Error(), text) {
		t.Fatalf("got %s %q, want %s with %q", fault.Of(err).Kind, err, kind, text)
	}
	if said := err.Error() + fault.Of(err).Hint; strings.Contains(said, canary) {
		t.Fatalf("the secret is in %q", said)
	}
}

// dXM6cHc= is us:pw.
func TestGetFromFile(t *testing.T) {
	t.Parallel()
	us := creds.Credential{Username: "us", Password: "pw"}
	cases := []struct {
		name, file, host, repository string
		want                         creds.Credential
	}{
		{"no file", ``, "ghcr.io", "a/b", creds.Credential{}},
		{"blank file", " \n", "ghcr.io", "a/b", creds.Credential{}},
		{"null", `{"auths": null, "credHelpers": null, "credsStore": ""}`, "ghcr.io", "a/b", creds.Credential{}},
		{"auth", `{"auths": {"ghcr.io": {"auth": "dXM6cHc="}}}`, "ghcr.io", "a/b", us},
		{"byte order mark", "\xef\xbb\xbf" + `{"auths": {"ghcr.io": {"auth": "dXM6cHc="}}}`, "ghcr.io", "a/b", us},
		{"other host", `{"auths": {"ghcr.io": {"auth": "dXM6cHc="}}}`, "quay.io", "a/b", creds.Credential{}},
		{"port counts", `{"auths": {"reg:5000": {"auth": "dXM6cHc="}}}`, "reg:5001", "a", creds.Credential{}},
		{"host of another", `{"auths": {"ghcr.io.evil.com": {"auth": "dXM6cHc="}}}`, "ghcr.io", "a", creds.Credential{}},
		{"no padding", `{"auths": {"ghcr.io": {"auth": "dXM6cHc"}}}`, "ghcr.io", "a/b", us},
		{"newline", `{"auths": {"ghcr.io": {"auth": "dXM6\ncHc=\n"}}}`, "ghcr.io", "a/b", us},
		{"password with colon", `{"auths": {"ghcr.io": {"auth": "dTphOmI="}}}`, "ghcr.io", "", creds.Credential{Username: "u", Password: "a:b"}},
		{"username, password", `{"auths": {"ghcr.io": {"username": "us", "password": "pw"}}}`, "ghcr.io", "a/b", us},
		{"auth before them", `{"auths": {"ghcr.io": {"username": "x", "password": "y", "auth": "dXM6cHc="}}}`, "ghcr.io", "a/b", us},
		{"identity token", `{"auths": {"ghcr.io": {"auth": "dXM6", "identitytoken": "tok"}}}`, "ghcr.io", "a", creds.Credential{Username: "us", IdentityToken: "tok"}},
		{"<token> as user", `{"auths": {"ghcr.io": {"username": "<token>", "password": "tok"}}}`, "ghcr.io", "a", creds.Credential{IdentityToken: "tok"}},
		{"registry token", `{"auths": {"ghcr.io": {"registrytoken": "bear"}}}`, "ghcr.io", "a", creds.Credential{RegistryToken: "bear"}},
		{"scheme and slash", `{"auths": {"https://ghcr.io/": {"auth": "dXM6cHc="}}}`, "ghcr.io", "a/b", us},
		{"upper case", `{"auths": {"GHCR.io": {"auth": "dXM6cHc="}}}`, "ghcr.IO", "a/b", us},
		{"old /v1/", `{"auths": {"https://reg.example.com/v1/": {"auth": "dXM6cHc="}}}`, "reg.example.com", "a/b", us},
		{"hub", `{"auths": {"https://index.docker.io/v1/": {"auth": "dXM6cHc="}}}`, "docker.io", "library/x", us},
		{"hub short", `{"auths": {"docker.io": {"auth": "dXM6cHc="}}}`, "docker.io", "library/x", us},
		{"hub asked by another name", `{"auths": {"https://index.docker.io/v1/": {"auth": "dXM6cHc="}}}`, "registry-1.docker.io", "library/x", us},
		{"hub, Docker's spelling first", `{"auths": {"https://index.docker.io/v1/": {"auth": "dXM6cHc="}, "docker.io": {"auth": "eDp5"}}}`, "docker.io", "a", us},
		{"hub, marker skipped", `{"auths": {"https://index.docker.io/v1/": {}, "docker.io": {"auth": "dXM6cHc="}}}`, "docker.io", "a", us},
		{"path", `{"auths": {"quay.io": {"auth": "eDp5"}, "quay.io/team": {"auth": "dXM6cHc="}}}`, "quay.io", "team/a", us},
		{"longest path", `{"auths": {"quay.io/team/a": {"auth": "dXM6cHc="}, "quay.io/team": {"auth": "eDp5"}}}`, "quay.io", "team/a", us},
		{"path of another", `{"auths": {"quay.io/team": {"auth": "eDp5"}}}`, "quay.io", "teams/a", creds.Credential{}},
		{"path for the host itself", `{"auths": {"quay.io/team": {"auth": "eDp5"}}}`, "quay.io", "", creds.Credential{}},
		{"path marker skipped", `{"auths": {"quay.io/team": {}, "quay.io": {"auth": "dXM6cHc="}}}`, "quay.io", "team/a", us},
		{"last of two", `{"auths": {"ghcr.io": {"auth": "eDp5"}, "ghcr.io": {"auth": "dXM6cHc="}}}`, "ghcr.io", "a", us},
		{"another's mistake", `{"auths": {"quay.io": {"auth": "%"}, "ghcr.io": {"auth": "dXM6cHc="}}}`, "ghcr.io", "a", us},
		{"no helper for this host", `{"credsStore": "absent", "credHelpers": {"ghcr.io": ""}, "auths": {"ghcr.io": {"auth": "dXM6cHc="}}}`, "ghcr.io", "a", us},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k, _ := keyring(t, creds.Options{}, nil, c.file)
			got, err := k.Get(t.Context(), c.host, c.repository)
			if err != nil || got != c.want {
				t.Errorf("got %s, %v, want %s", plain(got), err, plain(c.want))
			}
		})
	}
}

func TestGetInvalid(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, file, text string }{
		{"cut off", "{\n\"auths\": {\n", "line 3: not JSON: unexpected end"},
		{"a comment", "{\n// no\n}", "line 2: not JSON"},
		{"a list", `[]`, "line 1: want an object"},
		{"a string", `"` + canary + `"`, "line 1: want an object"},
		{"auths a list", "{\n\n\"auths\": []}", `line 3: "auths": want an object`},
		{"entry a string", "{\"auths\": {\n\"ghcr.io\": \"" + canary + "\"}}", `line 2: "ghcr.io": want an object`},
		{"helpers a string", `{"credHelpers": "pass"}`, `line 1: "credHelpers": want an object`},
		{"no base64", "{\"auths\": {\"ghcr.io\": {\n\"auth\": \"" + canary + "%\"}}}", `line 2: "ghcr.io": "auth" is not the base64`},
		{"no colon", `{"auths": {"ghcr.io": {"auth": "dXNlcg=="}}}`, `"auth" is not the base64`},
		{"deep", strings.Repeat("[", 20000), "not JSON"},
		{"binary", "\x00\xff\xfe", "line 1: not JSON"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k, path := keyring(t, creds.Options{}, nil, c.file)
			_, err := k.Get(t.Context(), "ghcr.io", "a")
			wantFault(t, err, fault.Invalid, "reading "+path+": line ")
			wantFault(t, err, fault.Invalid, c.text)
			for name, do := range map[string]func() error{
				"put": func() error {
					_, err := k.Put(t.Context(), "quay.io", creds.Credential{Username: "u", Password: "p"})
					return err
				},
				"erase": func() error { _, err := k.Erase(t.Context(), "ghcr.io"); return err },
			} {
				if err := do(); c.name != "entry a string" && c.name != "no base64" && c.name != "no colon" {
					wantFault(t, err, fault.Invalid, c.text)
					if readFile(t, path) != c.file {
						t.Errorf("%s changed the file", name)
					}
				}
			}
		})
	}
}

// The files are asked in order, and the first that knows answers.
func TestSources(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	entry := func(user string) string {
		return fmt.Sprintf(`{"auths": {"ghcr.io": {"username": %q, "password": "p"}}}`, user)
	}
	env := map[string]string{
		"HOME": home, "USERPROFILE": home,
		"REGISTRY_AUTH_FILE": filepath.Join(home, "podman.json"),
		"DOCKER_AUTH_CONFIG": entry("variable"),
		"DOCKER_CONFIG":      filepath.Join(home, "elsewhere"),
	}
	writeFile(t, env["REGISTRY_AUTH_FILE"], entry("podman"))
	writeFile(t, filepath.Join(home, "elsewhere", "config.json"), entry("docker"))
	writeFile(t, filepath.Join(home, ".docker", "config.json"), entry("home"))
	k, path := keyring(t, creds.Options{}, env, entry("ours"))
	get := func() string {
		t.Helper()
		c, err := k.Get(t.Context(), "ghcr.io", "a")
		if err != nil {
			t.Fatal(err)
		}
		return c.Username
	}
	var got []string
	got = append(got, get())
	writeFile(t, path, `{"auths": {"ghcr.io": {}}}`)
	got = append(got, get())
	delete(env, "REGISTRY_AUTH_FILE")
	got = append(got, get())
	delete(env, "DOCKER_AUTH_CONFIG")
	got = append(got, get())
	env["DOCKER_CONFIG"] = ""
	got = append(got, get())
	if want := []string{"ours", "podman", "variable", "docker", "home"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}

	env["DOCKER_AUTH_CONFIG"] = canary
	_, err := k.Get(t.Context(), "ghcr.io", "a")
	wantFault(t, err, fault.Invalid, "reading $DOCKER_AUTH_CONFIG: line 1: not JSON")
}

func TestHelpersBeforeAuths(t *testing.T) {
	t.Parallel()
	bin := helpers(t, "fake", "token", "empty")
	writeFile(t, filepath.Join(bin, "vault.json"), `{
		"ghcr.io": {"Username": "vault", "Secret": "v"},
		"https://index.docker.io/v1/": {"Username": "hub", "Secret": "h"}}`)
	auths := `"auths": {"ghcr.io": {"auth": "dXM6cHc="}, "quay.io": {"auth": "dXM6cHc="}}`
	cases := []struct {
		name, file, host string
		want             creds.Credential
	}{
		{"store", `{"credsStore": "fake", ` + auths + `}`, "ghcr.io", creds.Credential{Username: "vault", Password: "v"}},
		{"usual misspelling", `{"credStore": "fake", ` + auths + `}`, "ghcr.io", creds.Credential{Username: "vault", Password: "v"}},
		{"host's own", `{"credsStore": "fake", "credHelpers": {"ghcr.io": "token"}, ` + auths + `}`, "ghcr.io", creds.Credential{IdentityToken: canary}},
		{"host's own knows nothing", `{"credsStore": "fake", "credHelpers": {"ghcr.io": "empty"}, ` + auths + `}`, "ghcr.io", creds.Credential{Username: "us", Password: "pw"}},
		{"not in the store", `{"credsStore": "fake", ` + auths + `}`, "quay.io", creds.Credential{Username: "us", Password: "pw"}},
		{"hub", `{"credsStore": "fake"}`, "docker.io", creds.Credential{Username: "hub", Password: "h"}},
		{"hub's own", `{"credHelpers": {"docker.io": "fake"}}`, "docker.io", creds.Credential{Username: "hub", Password: "h"}},
		{"hub's own, long", `{"credHelpers": {"https://index.docker.io/v1/": "fake"}}`, "index.docker.io", creds.Credential{Username: "hub", Password: "h"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var warned []string
			k, path := keyring(t, creds.Options{Warn: func(m string) { warned = append(warned, m) }}, map[string]string{"PATH": bin}, c.file)
			for range 2 {
				got, err := k.Get(t.Context(), c.host, "a/b")
				if err != nil || got != c.want {
					t.Fatalf("got %s, %v, want %s", plain(got), err, plain(c.want))
				}
			}
			var want []string
			if strings.Contains(c.file, "credStore") {
				want = []string{path + `: "credStore" works, the usual spelling is "credsStore"`}
			}
			if !slices.Equal(warned, want) {
				t.Errorf("warned %q, want %q", warned, want)
			}
		})
	}
}

func TestHostTyped(t *testing.T) {
	t.Parallel()
	k, _ := keyring(t, creds.Options{}, nil, "")
	for _, host := range []string{"", "https://", "a b", "user@ghcr.io", "ghcr.io\n", "-u\x00"} {
		_, err := k.Get(t.Context(), host, "a")
		wantFault(t, err, fault.Usage, "not the name of a registry")
		_, err = k.Put(t.Context(), host, creds.Credential{Username: "u", Password: "p"})
		wantFault(t, err, fault.Usage, "not the name of a registry")
		_, err = k.Erase(t.Context(), host)
		wantFault(t, err, fault.Usage, "not the name of a registry")
	}
}

func TestUnreadable(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" || os.Getuid() == 0 {
		t.Skip("modes do not keep this user from reading a file")
	}
	home := t.TempDir()
	docker := filepath.Join(home, ".docker", "config.json")
	writeFile(t, docker, `{}`)
	if err := os.Chmod(docker, 0); err != nil {
		t.Fatal(err)
	}
	var warned []string
	k, path := keyring(t, creds.Options{Home: home, Warn: func(m string) { warned = append(warned, m) }}, nil, `{}`)
	if c, err := k.Get(t.Context(), "ghcr.io", ""); err != nil || c != (creds.Credential{}) || len(warned) != 1 {
		t.Errorf("got %s, %v, warned %q", plain(c), err, warned)
	}
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	_, err := k.Get(t.Context(), "ghcr.io", "")
	wantFault(t, err, fault.Denied, "reading "+path)
}

func TestOpenFileIsWarnedAboutOnce(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("modes mean nothing on Windows")
	}
	var warned []string
	k, path := keyring(t, creds.Options{Warn: func(m string) { warned = append(warned, m) }}, nil, `{}`)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := k.Get(t.Context(), "ghcr.io", ""); err != nil {
			t.Fatal(err)
		}
	}
	if len(warned) != 1 || !strings.Contains(warned[0], "chmod 600 "+path) {
		t.Errorf("warned %q", warned)
	}
}

// A folder, a file in place of a folder: refused, in words.
func TestWrongKindOfFile(t *testing.T) {
	t.Parallel()
	k, path := keyring(t, creds.Options{}, nil, "")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Get(t.Context(), "ghcr.io", ""); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	root := filepath.Join(t.TempDir(), "file")
	writeFile(t, root, "")
	k = creds.New(creds.Options{Root: root, Getenv: func(string) string { return "" }})
	if _, err := k.Put(t.Context(), "ghcr.io", creds.Credential{Username: "u", Password: "p"}); err == nil || !strings.Contains(err.Error(), root) {
		t.Errorf("got %v", err)
	}
}

// No way of printing a credential shows it.
func TestNeverPrinted(t *testing.T) {
	t.Parallel()
	c := creds.Credential{Username: "u", Password: canary, IdentityToken: canary, RegistryToken: canary}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "credential", c, "pointer", &c)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "in", map[string]any{"a": c})
	asJSON, err := json.Marshal(map[string]any{"a": c, "b": &c})
	if err != nil {
		t.Fatal(err)
	}
	said := []string{c.String(), c.GoString(), log.String(), string(asJSON)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		said = append(said, fmt.Sprintf(verb, c), fmt.Sprintf(verb, &c), fmt.Sprintf(verb, []any{c}), fmt.Sprintf(verb, struct{ C creds.Credential }{c}))
	}
	for _, s := range said {
		if strings.Contains(s, "anary") || strings.Contains(s, "63616e617279") || !strings.Contains(s, "***") {
			t.Errorf("printed %q", s)
		}
	}
}
