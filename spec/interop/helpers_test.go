package interop

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// The password has several lines and everything that somebody's quoting minds.
const helperPassword = "c4n4ry \"'\\$(x) \u00e9\n second line"

// TestPass keeps credentials in pass, encrypted by GPG, through Debian's helper.
func TestPass(t *testing.T) {
	t.Parallel()
	tool(t, "docker-credential-pass")
	u := newUser(t)
	gnupg, err := os.MkdirTemp("", "gpg") // the agent's socket needs a short name
	if err != nil {
		t.Fatal(err)
	}
	store := filepath.Join(u.home, "passwords")
	u.env = []string{"GNUPGHOME=" + gnupg, "PASSWORD_STORE_DIR=" + store}
	t.Cleanup(func() {
		stop := exec.Command("gpgconf", "--kill", "all")
		stop.Env = append(os.Environ(), "GNUPGHOME="+gnupg)
		_ = stop.Run()
		_ = os.RemoveAll(gnupg)
	})
	u.run(tool(t, "gpg"), "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", "policy@example.com", "future-default", "default", "never")
	u.run(tool(t, "pass"), "init", "policy@example.com")
	keeps(u, "pass", func() int {
		n := 0
		_ = filepath.WalkDir(store, func(path string, _ fs.DirEntry, _ error) error {
			if strings.HasSuffix(path, ".gpg") {
				n++
			}
			return nil
		})
		return n
	})
}

// TestSecretService keeps credentials in GNOME's keyring, over a D-Bus session of
// its own, through Debian's helper.
func TestSecretService(t *testing.T) {
	t.Parallel()
	tool(t, "docker-credential-secretservice")
	u := newUser(t)
	run, err := os.MkdirTemp("", "run")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(run) })
	u.env = []string{"XDG_RUNTIME_DIR=" + run}
	address, err := bufio.NewReader(u.daemon("", tool(t, "dbus-daemon"), "--session", "--nofork", "--nopidfile", "--print-address")).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	u.env = append(u.env, "DBUS_SESSION_BUS_ADDRESS="+strings.TrimSpace(address))
	u.daemon("keyring-password", tool(t, "gnome-keyring-daemon"), "--foreground", "--components=secrets", "--unlock")
	send := tool(t, "dbus-send")
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if strings.Contains(u.run(send, "--session", "--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"), "true") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the keyring does not answer")
		}
	}
	keeps(u, "secretservice", nil)
}

// daemon starts a program that runs until the test ends, and gives what it prints.
func (u *user) daemon(in, program string, args ...string) io.Reader {
	u.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Dir, cmd.Env, cmd.Stdin = u.home, u.environ(), strings.NewReader(in)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		u.Fatal(err)
	}
	u.Cleanup(func() { cancel(); _ = cmd.Wait() })
	return out
}

// keeps logs in, pushes and logs out with a helper that each of Docker's keys
// names in turn. count, if the helper's store can be looked at, is how many
// secrets it has.
func keeps(u *user, helper string, count func() int) {
	u.Helper()
	registry := tool(u.T, "registry")
	addr := freeAddr(u.T)
	hash, err := bcrypt.GenerateFromPassword([]byte(helperPassword), bcrypt.MinCost)
	if err != nil {
		u.Fatal(err)
	}
	u.serve(http.DefaultClient, "http://"+addr+"/v2/", registry, "serve", u.write("registry.yml", fmt.Sprintf(plainConfig+`auth: {htpasswd: {realm: test, path: %s}}
`, u.home+"/data", addr, u.write("htpasswd", "jo:"+string(hash)+"\n"))))
	u.write("key", helperPassword+"\n")
	stored := func(want int) {
		u.Helper()
		if count != nil && count() != want {
			u.Errorf("%s has %d secrets, want %d", helper, count(), want)
		}
	}
	for i, key := range []string{`"credHelpers": {"` + addr + `": "%s"}`, `"credsStore": "%s"`, `"auths": {}, "credStore": "%s"`} {
		config := u.write(".policy/config.json", "{"+fmt.Sprintf(key, helper)+"}\n")
		ref := fmt.Sprintf("%s/acme/authz:%d", addr, i)
		u.policy("build", "./policy", "-t", ref, "-a", fmt.Sprintf("n=%d", i))
		u.exit(5, "push", ref)
		stored(0)
		said := u.run("sh", "-c", filepath.Join(bin, "policy")+" login -s "+addr+" -u jo --password-stdin < key 2>&1")
		u.contains(said, "store: "+helper)
		stored(1)
		kept, err := os.ReadFile(config)
		if err != nil {
			u.Fatal(err)
		}
		for _, secret := range []string{"c4n4ry", "second line", "YzRuNHJ5", "jo:"} {
			if strings.Contains(string(kept)+said, secret) {
				u.Errorf("%q is in %s or in %s", secret, kept, said)
			}
		}
		u.contains(u.policy("logins"), addr+"\tjo\t"+helper+"\t")
		u.policy("push", ref)
		u.policy("rm", "-f", ref)
		u.policy("pull", ref)
		u.contains(u.policy("logout", "-s", addr), helper)
		stored(0)
		u.exit(4, "logout", "-s", addr)
		u.exit(5, "tags", addr+"/acme/authz")
	}
}
