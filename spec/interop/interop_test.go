// Package interop shows that other people's tools agree with policy: registries
// take and give its images, OPA and conftest judge with them, crane and regctl
// read them. Every server is on loopback, on a free port.
package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// ran counts the tools that could be had.
var ran atomic.Int32

// bin is where policy and the tools of this module are built.
var bin string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "policy-interop")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		bin = dir
		build := func(dir string, what ...string) error {
			cmd := exec.Command("go", append([]string{"build", "-C", dir, "-o", bin + "/"}, what...)...)
			cmd.Stderr = os.Stderr
			return cmd.Run()
		}
		if err := build("../..", "./cmd/policy"); err != nil {
			fmt.Fprintln(os.Stderr, "building policy:", err)
			return 1
		}
		if err := build(".", "tool"); err != nil {
			fmt.Fprintln(os.Stderr, "building the tools (those that are missing will be skipped):", err)
		}
		code := m.Run()
		if ran.Load() == 0 && code == 0 {
			fmt.Fprintln(os.Stderr, "no other tool could be had: nothing was shown")
			return 1
		}
		return code
	}())
}

// tool finds a tool of this module, or one that the system has, and skips the
// test with the reason when there is none.
func tool(t *testing.T, name string) string {
	t.Helper()
	if path := filepath.Join(bin, name); exists(path) {
		ran.Add(1)
		return path
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s could not be built, and is not installed: %v", name, err)
	}
	ran.Add(1)
	return path
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// user is a person with a home, a store and a small policy.
type user struct {
	*testing.T
	home string
	env  []string // besides the usual
}

func (u *user) environ() []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + u.home, "TMPDIR=" + u.home, "OTEL_TRACES_EXPORTER=none",
		"POLICY_FILE_STORE_ROOT=" + filepath.Join(u.home, ".policy")}, u.env...)
}

const policySource = `package authz

default allow := false

allow if input.user == "alice"

deny contains "only alice may" if input.user != "alice"
`

func newUser(t *testing.T) *user {
	t.Helper()
	u := &user{T: t, home: t.TempDir()}
	u.write("policy/authz.rego", policySource)
	u.write("input.json", `{"user": "alice"}`)
	u.write("other.json", `{"user": "bob"}`)
	return u
}

func (u *user) write(name, content string) string {
	u.Helper()
	path := filepath.Join(u.home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		u.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		u.Fatal(err)
	}
	return path
}

// try runs a program in the user's home and gives what it printed.
func (u *user) try(program string, args ...string) (stdout, stderr string, err error) {
	u.Helper()
	cmd := exec.CommandContext(u.Context(), program, args...)
	cmd.Dir = u.home
	cmd.Env = u.environ()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// run is try, and fails the test when the program does.
func (u *user) run(program string, args ...string) string {
	u.Helper()
	out, errs, err := u.try(program, args...)
	if err != nil {
		u.Fatalf("%s %s: %v\n%s%s", filepath.Base(program), strings.Join(args, " "), err, out, errs)
	}
	return strings.TrimSpace(out)
}

func (u *user) policy(args ...string) string {
	u.Helper()
	return u.run(filepath.Join(bin, "policy"), args...)
}

// exit runs policy, expects the exit code, and gives what it said.
func (u *user) exit(code int, args ...string) string {
	u.Helper()
	_, errs, err := u.try(filepath.Join(bin, "policy"), args...)
	if got := exitCode(err); got != code {
		u.Errorf("policy %s: exit %d, want %d: %s", strings.Join(args, " "), got, code, errs)
	}
	return errs
}

func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if exit, ok := err.(*exec.ExitError); ok {
		return exit.ExitCode()
	}
	return -1
}

func (u *user) equal(got, want string) {
	u.Helper()
	if got != want {
		u.Errorf("got %q, want %q", got, want)
	}
}

func (u *user) contains(text, part string) {
	u.Helper()
	if !strings.Contains(text, part) {
		u.Errorf("%q is not in:\n%s", part, text)
	}
}

// freeAddr is a loopback address that was free a moment ago.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// serve starts a server and waits until it answers; the test's end stops it.
func (u *user) serve(client *http.Client, url, program string, args ...string) {
	u.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = u.home
	cmd.Env = u.environ()
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		cancel()
		u.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	u.Cleanup(func() { cancel(); <-ended })
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if answer, err := client.Get(url); err == nil {
			_ = answer.Body.Close()
			return
		}
		select {
		case err := <-ended:
			ended <- err
			u.Fatalf("%s ended: %v\n%s", filepath.Base(program), err, log.String())
		default:
		}
		if time.Now().After(deadline) {
			u.Fatalf("%s does not answer at %s", filepath.Base(program), url)
		}
	}
}

// digestOf is the digest in the token that a verb printed.
func digestOf(token string) string { return token[strings.LastIndexByte(token, '@')+1:] }

func (u *user) json(text string, into any) {
	u.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		u.Fatalf("%v: %s", err, text)
	}
}
