package builtins

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/policyhost/policy/runtime/fault"
)

// GitArgs are the arguments of [Git].
type GitArgs struct {
	Default Value `help:"What to give outside a git repository, instead of failing."`
}

// Git says what the project's git repository is at. It reads with the user's
// git, which runs no hook, filter or monitor that the repository configures and
// fetches nothing. It fails with NotFound outside a repository, before the first
// commit, or without git; with Unavailable when git takes longer than ten seconds.
func Git(ctx context.Context, e *Env, args *GitArgs) (any, error) {
	state, err := e.gitState(ctx)
	if args.Default.given && errors.Is(err, fault.NotFound) {
		return args.Default.value, nil
	}
	if err != nil {
		return nil, err
	}
	return state, nil
}

// gitTime is more than git needs for what is asked of it.
const gitTime = 10 * time.Second

func (e *Env) gitState(ctx context.Context) (*GitState, error) {
	dir, err := really(e.Files, ".")
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return nil, err
	}
	if !inRepository(dir) {
		return nil, fault.New(fault.NotFound, dir, "not in a git repository").
			WithHint("run it in a clone, or give a default: git(default = None)")
	}
	path, err := exec.LookPath("git")
	if err != nil {
		return nil, fault.New(fault.NotFound, "git", "not installed, or not on PATH").
			WithHint("install git, or give a default: git(default = None)")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, gitTime,
		fault.New(fault.Unavailable, dir, "git gave no answer after %s", gitTime).WithHint("see what it does: git status"))
	defer cancel()
	g := &git{ctx: ctx, path: path, dir: dir}
	return g.state()
}

// inRepository looks for .git as git does, without running it.
func inRepository(dir string) bool {
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Lstat(filepath.Join(at, ".git")); !errors.Is(err, fs.ErrNotExist) {
			return true
		}
		if at == filepath.Dir(at) {
			return false
		}
	}
}

// git runs git in a folder with arguments that only read.
type git struct {
	ctx       context.Context // of one call of the verb
	path, dir string
	unset     []string // configuration of the repository that would run programs
}

func (g *git) state() (*GitState, error) {
	if err := g.disarm(); err != nil {
		return nil, err
	}
	head, err := g.run("log", "-1", "--no-show-signature", "--format=%H %ct")
	if err != nil {
		if _, none := g.run("rev-parse", "--verify", "--quiet", "HEAD"); none != nil && g.ctx.Err() == nil {
			return nil, fault.New(fault.NotFound, g.dir, "no commit yet: %w", err).WithHint("commit first, or give a default: git(default = None)")
		}
		return nil, err
	}
	commit, seconds, _ := strings.Cut(head, " ")
	at, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return nil, fault.New(fault.Invalid, g.dir, "git gave no time of its commit: %w", err)
	}
	state := &GitState{Commit: commit, Time: time.Unix(at, 0).UTC()}
	state.Branch, err = g.run("symbolic-ref", "--short", "--quiet", "HEAD")
	if _, detached := errors.AsType[*exec.ExitError](err); err != nil && !detached {
		return nil, err
	}
	tags, err := g.run("for-each-ref", "--points-at=HEAD", "--sort=-version:refname", "--format=%(refname:strip=2)", "refs/tags")
	if err != nil {
		return nil, err
	}
	state.Tag, _, _ = strings.Cut(tags, "\n")
	changed, err := g.run("status", "--porcelain", "--ignore-submodules=dirty", "--no-renames")
	state.Dirty = changed != ""
	return state, err
}

// disarm finds the filters that the repository itself configures. Git would run
// them to see whether a file changed.
func (g *git) disarm() error {
	names, err := g.run("config", "--list", "--show-scope", "--name-only", "-z")
	if err != nil {
		return err
	}
	words := strings.Split(names, "\x00") // scope, key, scope, key
	for i := 0; i+1 < len(words); i += 2 {
		key := words[i+1]
		own := words[i] == "local" || words[i] == "worktree"
		if own && strings.HasPrefix(strings.ToLower(key), "filter.") && !strings.Contains(key, "=") {
			g.unset = append(g.unset, key)
		}
	}
	return nil
}

// run gives what git writes, without the line end.
func (g *git) run(args ...string) (string, error) {
	fixed := []string{"--no-pager", "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=" + os.DevNull,
		"-c", "protocol.allow=never", "-c", "status.submoduleSummary=false"}
	for _, key := range g.unset {
		value := ""
		if strings.HasSuffix(strings.ToLower(key), ".required") {
			value = "false"
		}
		fixed = append(fixed, "-c", key+"="+value)
	}
	cmd := exec.CommandContext(g.ctx, g.path, append(fixed, args...)...)
	cmd.Dir, cmd.Env = g.dir, gitEnvironment()
	cmd.WaitDelay = 500 * time.Millisecond
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if g.ctx.Err() != nil {
		return "", context.Cause(g.ctx)
	}
	if err != nil {
		reason, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n")
		return "", fault.New(fault.Denied, g.dir, "git %s: %w: %s", args[0], err, reason).WithHint("see what it says: git status")
	}
	return strings.TrimSuffix(string(out), "\n"), nil
}

// gitEnvironment is ours without what directs git elsewhere.
func gitEnvironment() []string {
	var all []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(strings.ToUpper(v), "GIT_") {
			all = append(all, v)
		}
	}
	return append(all, "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=none", "LC_ALL=C")
}
