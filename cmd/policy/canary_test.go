package main

import (
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/policyhost/policy/builtins"
)

// The password has everything in it that has another spelling somewhere.
const canaryPassword = "c4n4ry+ /=&<\"\u00e9\nof two lines"

// spellings are the forms a password may leak in.
func spellings(user, password string) []string {
	quoted, _ := json.Marshal(password)
	all := []string{password, strings.Trim(string(quoted), `"`), url.QueryEscape(password), url.PathEscape(password), "c4n4ry", "of two lines", "canary-token"}
	for _, text := range []string{password, user + ":" + password} {
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			all = append(all, e.EncodeToString([]byte(text)))
		}
	}
	return all
}

// TestCanary holds that a password is nowhere but where it is kept: not in what
// commands say at their loudest, nor in any file they leave. Spec C6.5.
func TestCanary(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		uses   int
		helper bool
	}{
		"basic":               {0, false},
		"tokens":              {60, false},
		"basic and a helper":  {0, true},
		"tokens and a helper": {60, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tt.helper && runtime.GOOS == "windows" {
				t.Skip("the helper is a shell script")
			}
			server := &secured{user: "jo", password: canaryPassword, uses: tt.uses}
			host := server.serve(t)
			w := newWorkshop(t)
			home := t.TempDir()
			w.env = append(w.env, "TMPDIR="+home, "TMP="+home, "TEMP="+home)
			kept := filepath.Join(w.root(), "config.json")
			if tt.helper {
				kept = w.helper(t, "fake")
				w.leave(t, "config.json", `{"credHelpers": {"`+host+`": "fake"}}`)
			}
			ref := host + "/acme/door:1"
			quiet := func(want int, in string, args ...string) {
				t.Helper()
				said, code := w.say(t, in, append(args, "-vvv")...)
				if code != want {
					t.Errorf("policy %s: exit code %d, want %d\n%s", strings.Join(args, " "), code, want, said)
				}
				for _, s := range spellings("jo", canaryPassword) {
					if strings.Contains(said, s) {
						t.Errorf("policy %s says %q:\n%s", strings.Join(args, " "), s, said)
					}
				}
			}
			quiet(0, "", "build", w.sources, "-t", ref)
			quiet(5, "", "push", ref)
			quiet(5, canaryPassword+"\n", "login", "-s", host, "-u", "ann", "--password-stdin")
			quiet(5, canaryPassword+"\n", "login", "-s", host, "-u", "ann", "--password-stdin", "--output", "json")
			quiet(7, canaryPassword+"\n", "login", "-s", "127.0.0.1:1", "-u", "jo", "--password-stdin")
			quiet(5, "", "run", "-e", `login("`+host+`", username = "ann", password = secret("PASSWORD"))`)
			quiet(0, canaryPassword+"\n", "login", "-s", host, "-u", "jo", "--password-stdin", "-d")
			quiet(0, "", "logins")
			quiet(0, "", "push", ref)
			quiet(0, "", "rm", "-f", ref)
			quiet(0, "", "pull", ref)
			quiet(0, "", "tags", host+"/acme/door")
			quiet(4, "", "pull", host+"/acme/nothing:1")
			quiet(3, "", "run", "-e", `login("`+host+`", username = "jo", password = secret("PASSWORD")) + 1`)
			if tt.helper {
				quiet(5, canaryPassword+"\n", "login", "-s", host, "-u", "echo", "--password-stdin")
			}
			for _, dir := range []string{home, w.root(), filepath.Dir(w.root())} {
				w.search(t, dir, kept)
			}
			quiet(0, "", "logout", "-s", host)
			w.search(t, filepath.Dir(w.root()), "")
			if tt.uses > 0 && len(server.issued) == 0 {
				t.Error("no token was used")
			}
		})
	}
}

// say runs a command and gives all it printed. The password is in its environment.
func (w *workshop) say(t *testing.T, in string, args ...string) (said string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "policy", args...)
	cmd.Env = append(slices.Clone(w.env), "PASSWORD="+canaryPassword)
	cmd.Stdin = strings.NewReader(in)
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}

// search looks for the password in every file below dir but one.
func (w *workshop) search(t *testing.T, dir, kept string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path == kept {
			return err
		}
		data, err := os.ReadFile(path)
		for _, s := range spellings("jo", canaryPassword) {
			if strings.Contains(string(data), s) {
				t.Errorf("%s has %q in it", path, s)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// helper puts a credential helper on PATH, and gives the file it keeps a
// credential in. Who logs in as echo is told the secret.
func (w *workshop) helper(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	kept := filepath.Join(dir, "kept")
	script := `#!/bin/sh
case $1 in
store) cat > '` + kept + `.new'
	if grep -q '"echo"' '` + kept + `.new'; then echo "cannot keep:"; cat '` + kept + `.new'; rm '` + kept + `.new'; exit 1; fi
	mv '` + kept + `.new' '` + kept + `' ;;
get) if [ -f '` + kept + `' ]; then cat '` + kept + `'; else echo "credentials not found in native keychain"; exit 1; fi ;;
erase) rm -f '` + kept + `' ;;
list) echo '{}' ;;
esac
`
	if err := os.WriteFile(filepath.Join(dir, "docker-credential-"+name), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	for i, v := range w.env {
		if rest, ok := strings.CutPrefix(v, "PATH="); ok {
			w.env = slices.Clone(w.env)
			w.env[i] = "PATH=" + dir + string(filepath.ListSeparator) + rest
		}
	}
	return kept
}

// TestPanicShowsNoSecret holds that a defect does not print what the run has read.
func TestPanicShowsNoSecret(t *testing.T) {
	t.Parallel()
	for _, verbosity := range []int{0, 3} {
		path := filepath.Join(t.TempDir(), "stderr")
		stderr, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		a := newApp(nil, nil, stderr, stderr, func(string) (string, bool) { return "", false })
		a.printer.Verbosity = verbosity
		a.secrets.Add(canaryPassword)
		code := 0
		func() {
			defer a.recover(&code)
			panic(map[string]any{"kept": builtins.NewSecret(canaryPassword), "plain": canaryPassword})
		}()
		_ = stderr.Close()
		said, err := os.ReadFile(path)
		if err != nil || code != 70 || !strings.Contains(string(said), "panic: map[") {
			t.Errorf("exit code %d, %v: %s", code, err, said)
		}
		for _, s := range spellings("jo", canaryPassword) {
			if strings.Contains(string(said), s) {
				t.Errorf("%q is in: %s", s, said)
			}
		}
	}
}
