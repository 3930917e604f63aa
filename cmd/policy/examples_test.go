package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// repository is the root of the source tree, seen from this package.
const repository = "../.."

// lastTask is the one that a pipeline made of tasks leads to.
var lastTask = regexp.MustCompile(`(?s)^.*\ntask\("([^"]+)"`)

// TestExamples runs every pipeline of examples/ that has a main or tasks, from an
// empty store and without a network.
func TestExamples(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(repository, "examples", "*", "*.star"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(text, []byte(`"""`)) {
			t.Errorf("%s does not start with what it shows", file)
		}
		task := lastTask.FindSubmatch(text)
		if task == nil && !bytes.Contains(text, []byte("\ndef main(")) {
			continue // loaded by others
		}
		name, err := filepath.Rel(repository, file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.ToSlash(name), func(t *testing.T) {
			t.Parallel()
			env := cleanEnv(t)
			command := "policy run " + name
			if task != nil {
				command += " " + string(task[1])
			}
			first := shell(t, env, command)
			again := shell(t, env, command)
			if first != again {
				t.Errorf("a second run answers differently:\n%s\n%s", first, again)
			}
		})
	}
}

// TestTests runs the tests of the examples and of the standard library, and holds
// how much of the library they reach.
func TestTests(t *testing.T) {
	t.Parallel()
	env := cleanEnv(t)
	shell(t, env, "policy test examples")
	shell(t, env, "policy test stdlib --coverage-threshold 90")
}

// TestQuickstart holds the first promise of the README: the image's token is the
// last line, and a second run uploads nothing.
func TestQuickstart(t *testing.T) {
	t.Parallel()
	env := cleanEnv(t)
	const command = "policy run examples/quickstart/release.star"
	token := regexp.MustCompile(`(?m)^registry\.localhost/acme/authz:\S+@sha256:[0-9a-f]{64}\n\z`)
	if out := shell(t, env, command); !token.MatchString(out) {
		t.Errorf("the last line is no image: %q", out)
	}
	if out := shell(t, env, command+" 2>&1"); !strings.Contains(out, "nothing to upload") {
		t.Errorf("the second run does not say that nothing was uploaded: %q", out)
	}
}

// TestOneLiners types the transcript of examples/one-liners.md.
func TestOneLiners(t *testing.T) {
	t.Parallel()
	if steps := transcript(t, repository, "examples/one-liners.md"); steps < 10 {
		t.Errorf("the transcript has only %d commands: is it read right?", steps)
	}
}

// TestRecipes types the transcript of a service that uses the recipes, which the
// first of its commands publishes, in a copy of the examples: it writes files. The
// lock holds the digests of the recipes: when they are edited, the README of
// use-recipes says how it is made anew.
func TestRecipes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"recipes", "publish-recipes", "use-recipes"} {
		name = filepath.Join("examples", name)
		if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join(repository, name))); err != nil {
			t.Fatal(err)
		}
	}
	if steps := transcript(t, dir, "examples/use-recipes/README.md"); steps < 9 {
		t.Errorf("the transcript has only %d commands: is it read right?", steps)
	}
}

// transcript types the commands of a page's console blocks, in dir and with an empty
// store, and compares what they print with what follows them there.
func transcript(t *testing.T, dir, page string) (steps int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, page))
	if err != nil {
		t.Fatal(err)
	}
	env := cleanEnv(t)
	for block := range strings.SplitSeq(string(text), "```console\n") {
		block, _, fenced := strings.Cut(block, "\n```")
		if !fenced || !strings.HasPrefix(block, "$ ") {
			continue
		}
		for _, step := range strings.Split("\n"+block, "\n$ ")[1:] {
			command, want, _ := strings.Cut(step, "\n")
			got := shellIn(t, dir, env, command)
			steps++
			if want != "" && !matches(want, got) {
				t.Errorf("$ %s\nprinted:\n%s\nwant:\n%s", command, got, want)
			}
		}
	}
	return steps
}

// matches compares line by line; … stands for anything, on a line of its own for
// any lines.
func matches(want, got string) bool {
	pattern := regexp.QuoteMeta(strings.TrimSuffix(want, "\n"))
	pattern = strings.ReplaceAll(pattern, "\n…", `(?s:.*)`)
	pattern = strings.ReplaceAll(pattern, "…", ".*")
	return regexp.MustCompile(`\A` + pattern + `\n?\z`).MatchString(got)
}

// cleanEnv is an environment with an empty store and home.
func cleanEnv(t *testing.T) []string {
	t.Helper()
	home := t.TempDir()
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "POLICY_FILE_STORE_ROOT=" + filepath.Join(home, ".policy"), "NO_COLOR=1", "TZ=UTC"}
}

// shell types one line in the root of the repository and gives what it printed
// on standard output. The line must succeed.
func shell(t *testing.T, env []string, line string) string {
	t.Helper()
	return shellIn(t, repository, env, line)
}

func shellIn(t *testing.T, dir string, env []string, line string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
	cmd.Dir, cmd.Env = dir, env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Errorf("$ %s\n%v\n%s%s", line, err, stdout.String(), stderr.String())
	}
	return stdout.String()
}
