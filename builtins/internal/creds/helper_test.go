package creds_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/policyhost/policy/builtins/internal/creds"
	"github.com/policyhost/policy/runtime/fault"
)

// canary must not be in anything but the places made for secrets.
const canary = "canary-s3cret+/=&"

// TestMain makes the test binary a credential helper when it is called by the
// name of one; what it does is in the name.
func TestMain(m *testing.M) {
	base := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	if name, ok := strings.CutPrefix(base, "docker-credential-"); ok {
		os.Exit(actAs(name, os.Args[1]))
	}
	os.Exit(m.Run())
}

func actAs(name, action string) int {
	in, _ := io.ReadAll(os.Stdin)
	calls := filepath.Join(filepath.Dir(os.Args[0]), "calls")
	if f, err := os.OpenFile(calls, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		fmt.Fprintln(f, name, action)
		f.Close()
	}
	switch name {
	case "fake":
		return vault(action, in)
	case "hang":
		time.Sleep(time.Minute)
	case "nap": // for the child that orphan leaves behind
		time.Sleep(3 * time.Second)
	case "orphan":
		nap := filepath.Join(filepath.Dir(os.Args[0]), "docker-credential-nap"+suffix)
		cmd := exec.Command(nap, action)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if cmd.Start() != nil {
			return 3
		}
		fmt.Print(`{"Username":"u","Secret":"fine"}`)
	case "flood":
		chunk := bytes.Repeat([]byte("x"), 1<<16)
		for range 160 {
			_, _ = os.Stdout.Write(chunk)
		}
	case "exit1":
		fmt.Println("the keychain\x1b[31m is locked")
		return 1
	case "stderr":
		fmt.Fprintln(os.Stderr, "gpg: decryption failed")
		return 2
	case "echo":
		fmt.Printf("cannot %s: %s\n", action, in)
		if action == "get" {
			fmt.Printf(`{"Username":"u","Secret":%q}`, canary)
		}
		return 1
	case "empty":
		fmt.Print(`{"ServerURL":"","Username":"","Secret":""}`)
	case "garbage":
		fmt.Print(canary)
	case "token":
		fmt.Printf(`{"Username":"<token>","Secret":%q}`, canary)
	}
	return 0
}

// vault is a helper that works: it keeps what it is given in a file.
func vault(action string, in []byte) int {
	type kept struct{ ServerURL, Username, Secret string }
	path := filepath.Join(filepath.Dir(os.Args[0]), "vault.json")
	all := map[string]kept{}
	if data, err := os.ReadFile(path); err == nil {
		if json.Unmarshal(data, &all) != nil {
			return 3
		}
	}
	switch action {
	case "get":
		c, ok := all[string(in)]
		if !ok {
			fmt.Println("credentials not found in native keychain")
			return 1
		}
		_ = json.NewEncoder(os.Stdout).Encode(c)
		return 0
	case "list":
		users := map[string]string{"https://index.docker.io/v1/access-token": "desktop"}
		for key, c := range all {
			users[key] = c.Username
		}
		_ = json.NewEncoder(os.Stdout).Encode(users)
		return 0
	case "store":
		var c kept
		if json.Unmarshal(in, &c) != nil {
			return 3
		}
		all[c.ServerURL] = c
	case "erase":
		if _, ok := all[string(in)]; !ok {
			fmt.Println("credentials not found in native keychain")
			return 1
		}
		delete(all, string(in))
	}
	data, _ := json.Marshal(all)
	if os.WriteFile(path, data, 0o600) != nil {
		return 3
	}
	return 0
}

var suffix = map[bool]string{true: ".exe"}[runtime.GOOS == "windows"]

// helpers makes a folder with the helpers of these names, to stand in PATH.
func helpers(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		path := filepath.Join(dir, "docker-credential-"+name+suffix)
		if runtime.GOOS == "windows" {
			data, err := os.ReadFile(self)
			if err == nil {
				err = os.WriteFile(path, data, 0o755)
			}
			if err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.Symlink(self, path); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func calls(t *testing.T, bin string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(bin, "calls"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(data)
}

func TestHelperGet(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		want creds.Credential
		kind fault.Kind // when it fails
		text string
	}{
		{name: "empty"},
		{name: "token", want: creds.Credential{IdentityToken: canary}},
		{name: "orphan", want: creds.Credential{Username: "u", Password: "fine"}},
		{name: "hang", kind: fault.Unavailable, text: "docker-credential-hang get: no answer after"},
		{name: "flood", kind: fault.Invalid, text: "docker-credential-flood get: more than 1024 KiB"},
		{name: "exit1", kind: fault.Denied, text: "docker-credential-exit1 get: exit status 1: the keychain [31m is locked"},
		{name: "stderr", kind: fault.Denied, text: "docker-credential-stderr get: exit status 2: gpg: decryption failed"},
		{name: "echo", kind: fault.Denied, text: "docker-credential-echo get: exit status 1"},
		{name: "garbage", kind: fault.Invalid, text: "docker-credential-garbage get: its answer"},
		{name: "absent", kind: fault.Denied, text: `docker-credential-absent, named by "credHelpers" in `},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bin := helpers(t, "nap", "empty", "token", "orphan", "hang", "flood", "exit1", "stderr", "echo", "garbage")
			timeout := 30 * time.Second
			if c.name == "hang" {
				timeout = 300 * time.Millisecond
			}
			k, _ := keyring(t, creds.Options{HelperTimeout: timeout}, map[string]string{"PATH": bin},
				`{"credHelpers": {"ghcr.io": "`+c.name+`"}}`)
			got, err := k.Get(t.Context(), "ghcr.io", "acme/authz")
			if c.text == "" {
				if err != nil || got != c.want {
					t.Fatalf("got %+v, %v", plain(got), err)
				}
				return
			}
			wantFault(t, err, c.kind, c.text)
			if fault.Of(err).Hint == "" {
				t.Error("no hint")
			}
			if strings.ContainsRune(err.Error(), '\x1b') {
				t.Errorf("a control byte in %q", err)
			}
		})
	}
}

// An error that repeats what the helper was given must not repeat the secret.
func TestHelperEchoesSecret(t *testing.T) {
	t.Parallel()
	secrets := []string{canary, "-----BEGIN KEY-----\nline-two-of-the-key\nline-three-of-it\n-----END KEY-----\n", `quote"back\slash<html>`}
	for _, secret := range secrets {
		k, path := keyring(t, creds.Options{}, map[string]string{"PATH": helpers(t, "echo")}, `{"credsStore": "echo"}`)
		_, err := k.Put(t.Context(), "ghcr.io", creds.Credential{Username: "u", Password: secret})
		wantFault(t, err, fault.Denied, "cannot store")
		for line := range strings.Lines(secret) {
			if strings.Contains(err.Error(), strings.TrimSpace(line)) {
				t.Errorf("%q is in %q", line, err)
			}
		}
		if got := readFile(t, path); got != `{"credsStore": "echo"}` {
			t.Errorf("the file changed: %s", got)
		}
	}
}

func TestHelperCanceled(t *testing.T) {
	t.Parallel()
	k, _ := keyring(t, creds.Options{}, map[string]string{"PATH": helpers(t, "hang")}, `{"credsStore": "hang"}`)
	ctx, cancel := contextWithTimeout(t, 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := k.Get(ctx, "ghcr.io", "a")
	if fault.Of(err).Kind != fault.Limit || time.Since(start) > 5*time.Second {
		t.Fatalf("after %s: %v", time.Since(start), err)
	}
}

// One run asks a helper once for a host, however many repositories it has.
func TestHelperAskedOnce(t *testing.T) {
	t.Parallel()
	bin := helpers(t, "token")
	k, _ := keyring(t, creds.Options{}, map[string]string{"PATH": bin}, `{"credsStore": "token"}`)
	done := make(chan error)
	for i := range 8 {
		go func() {
			_, err := k.Get(t.Context(), "ghcr.io", fmt.Sprint("acme/", i))
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got := calls(t, bin); got != "token get\n" {
		t.Errorf("calls:\n%s", got)
	}
}

// The name of a helper becomes the name of a program: it must not be a path.
func TestHelperName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"../evil", "/bin/sh", `a\b`, "a b", "..", "ä", "a\x00"} {
		quoted, err := json.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{`{"credsStore": %s}`, "{\n\"credHelpers\": {\"ghcr.io\": %s}}", `{"credsStore": [%s]}`} {
			k, _ := keyring(t, creds.Options{}, nil, fmt.Sprintf(file, quoted))
			_, err := k.Get(t.Context(), "ghcr.io", "a")
			wantFault(t, err, fault.Invalid, "not the name of a helper")
		}
	}
}

// Docker's own file often names a helper that only a desktop has.
func TestMissingHelperOfDocker(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, ".docker"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".docker", "config.json"), []byte(`{"credsStore": "desktop"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var warned []string
	k := creds.New(creds.Options{Root: t.TempDir(), Home: home, Getenv: func(string) string { return "" }, Warn: func(m string) { warned = append(warned, m) }})
	c, err := k.Get(t.Context(), "ghcr.io", "acme/authz")
	if err != nil || c != (creds.Credential{}) {
		t.Errorf("got %v, %v, want to go on without credentials", c, err)
	}
	if len(warned) != 1 || !strings.Contains(warned[0], "docker-credential-desktop") {
		t.Errorf("warned of %q", warned)
	}
}
