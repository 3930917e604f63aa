package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/store"
	"github.com/policyhost/policy/runtime/fault"
)

// soak is set by make soak: the long forms of the tests.
func soak() bool { return os.Getenv("POLICY_SOAK") != "" }

// The test binary is also the processes of the tests: with this set it is one of
// children, by name.
const childEnv = "POLICY_STORE_TEST_CHILD"

var children = map[string]func(ctx context.Context, s *store.Store, args []string) error{
	"build": childBuild,
	"churn": childChurn,
	"index": childIndex,
	"begin": childBegin,
	"once":  childOnce,
}

func TestMain(m *testing.M) {
	name := os.Getenv(childEnv)
	if name == "" {
		os.Exit(m.Run())
	}
	maps.Copy(children, osChildren)
	s := store.New(os.Args[1], store.Options{})
	if err := children[name](context.Background(), s, os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "%v: %v\n", fault.Of(err).Kind, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func child(ctx context.Context, name, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], append([]string{dir}, args...)...)
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	return cmd
}

// childBuild builds PREFIX:0 to PREFIX:N-1 and says so after each.
func childBuild(ctx context.Context, s *store.Store, args []string) error {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	for i := range n {
		name := args[0] + ":" + strconv.Itoa(i)
		if _, err := build(ctx, s, name, []byte(name)); err != nil {
			return err
		}
		fmt.Println(name)
	}
	return nil
}

func childOnce(ctx context.Context, s *store.Store, args []string) error {
	_, err := build(ctx, s, args[0], []byte(strings.Repeat(args[0], 10_000)))
	return err
}

// childChurn works until it is killed, and says what it is about to do, and what
// it was told is done.
func childChurn(ctx context.Context, s *store.Store, args []string) error {
	var have []string
	for i := 0; ; i++ {
		name := fmt.Sprintf("x/%s:%d", args[0], i)
		switch k := rand.IntN(10); {
		case k < 5:
			// A build, or a pull when the layer is one that others pull, too.
			layer := []byte(name)
			if k < 2 {
				layer = []byte(strings.Repeat(strconv.Itoa(i%3), 300_000))
			}
			if _, err := build(ctx, s, name, layer); err != nil {
				return err
			}
			fmt.Println("+", name)
			have = append(have, name)
		case k < 7 && len(have) > 0:
			if err := copyTag(ctx, s, have[0], name); err != nil {
				return err
			}
			fmt.Println("+", name)
			have = append(have, name)
		case k < 9 && len(have) > 2:
			gone := have[0]
			have = have[1:]
			fmt.Println("?", gone)
			if _, err := s.Remove(ctx, gone); err != nil {
				return err
			}
			fmt.Println("-", gone)
		case k == 9:
			if _, err := s.Prune(ctx, -time.Hour); err != nil {
				return err
			}
		}
	}
}

func copyTag(ctx context.Context, s *store.Store, from, to string) error {
	tx, err := s.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Close()
	e, err := s.Get(ctx, from)
	if err != nil {
		return err
	}
	e.Name = to
	return tx.Tag(ctx, e)
}

// childIndex holds the index lock until it is killed.
func childIndex(ctx context.Context, s *store.Store, _ []string) error {
	tx, err := s.Begin(ctx)
	if err != nil {
		return err
	}
	d, err := tx.Put(ctx, artifact.MediaTypeConfig, []byte("{}"))
	if err != nil {
		return err
	}
	return tx.TagIf(ctx, store.Entry{Name: "x/never:1", Descriptor: d}, func(*store.Entry) error {
		fmt.Println("locked")
		_, err := io.Copy(io.Discard, os.Stdin)
		return errors.Join(errors.New("let go"), err)
	})
}

// childBegin is a writer that writes nothing until its input ends.
func childBegin(ctx context.Context, s *store.Store, _ []string) error {
	tx, err := s.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Close()
	fmt.Println("locked")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// start runs a child that says "locked" once it holds what it should, and
// returns it and its input.
func start(t *testing.T, name, dir string) (*exec.Cmd, io.Closer) {
	t.Helper()
	cmd := child(context.Background(), name, dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Fatalf("child said %q, %v", line, err)
	}
	return cmd, in
}

func TestProcessesLoseNoTag(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ processes, tags int }{{8, 50}, {40, 1}} {
		t.Run(fmt.Sprintf("%dx%d", c.processes, c.tags), func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			var all sync.WaitGroup
			for p := range c.processes {
				all.Go(func() {
					out, err := child(t.Context(), "build", s.Dir(), fmt.Sprintf("x/p%d", p), strconv.Itoa(c.tags)).CombinedOutput()
					if err != nil {
						t.Errorf("%v: %s", err, out)
					}
				})
			}
			all.Wait()
			if got, want := len(names(t, s)), c.processes*c.tags; got != want {
				t.Errorf("%d of %d tags are left", got, want)
			}
			wantSound(t, s)
		})
	}
}

// Writers, readers and prune at once: no reader ever fails.
func TestReadersAmongWritersAndPrune(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "root")
	open := func() *store.Store { return store.New(dir, store.Options{}) } // as a process of its own
	mustBuild(t, open(), "x/first:1", "first")
	duration := time.Second
	if soak() {
		duration = 10 * time.Second
	}
	ctx, stop := context.WithTimeout(t.Context(), duration)
	defer stop()
	var all sync.WaitGroup
	var reads, writes, prunes int
	var mu sync.Mutex
	loop := func(count *int, step func(s *store.Store, i int) error) {
		all.Go(func() {
			s, n := open(), 0
			for ; ctx.Err() == nil; n++ {
				if err := step(s, n); err != nil {
					t.Error(err)
					return
				}
			}
			mu.Lock()
			*count += n
			mu.Unlock()
		})
	}
	for w := range 8 {
		loop(&writes, func(s *store.Store, i int) error {
			// Names are overwritten: the old blobs become garbage.
			_, err := build(t.Context(), s, fmt.Sprintf("x/w%d:%d", w, i%5), fmt.Appendf(nil, "%d %d", w, i))
			return err
		})
	}
	for range 4 {
		loop(&reads, func(s *store.Store, _ int) error { return readAny(t.Context(), s) })
	}
	loop(&prunes, func(s *store.Store, _ int) error {
		_, err := s.Prune(t.Context(), -time.Hour)
		return err
	})
	all.Wait()
	if reads == 0 || writes == 0 || prunes == 0 {
		t.Errorf("%d reads, %d writes, %d prunes", reads, writes, prunes)
	}
	t.Logf("%d reads, %d writes, %d prunes", reads, writes, prunes)
	wantSound(t, open())
}

// readAny reads a whole image as eval or push would.
func readAny(ctx context.Context, s *store.Store) error {
	hold, err := s.Hold(ctx)
	if err != nil {
		return err
	}
	defer hold.Close()
	list, err := s.List(ctx)
	if err != nil {
		return err
	}
	e, err := s.Get(ctx, list[rand.IntN(len(list))].Name)
	if err != nil {
		return err
	}
	manifest, err := s.Read(ctx, e.Descriptor, 1<<20)
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(manifest), `"layers":[{`)
	_, rest, _ = strings.Cut(rest, `"digest":"`)
	layer, _, _ := strings.Cut(rest, `"`)
	return s.Verify(ctx, artifact.Descriptor{Digest: digest.Digest(layer)})
}

// Killed at any moment, again and again: nothing acknowledged is lost, and the
// next command needs no cure.
func TestKilledProcessesLoseNothing(t *testing.T) {
	t.Parallel()
	rounds := 12
	if soak() {
		rounds = 200
	}
	s := newStore(t)
	want := make(map[string]bool) // acknowledged; a name in doubt is in neither state
	for round := range rounds {
		ctx, kill := context.WithCancel(t.Context())
		var all sync.WaitGroup
		var mu sync.Mutex
		lines := 0
		limit := 1 + rand.IntN(25)
		for p := range 3 {
			cmd := child(ctx, "churn", s.Dir(), fmt.Sprintf("r%dp%d", round, p))
			cmd.Stderr = os.Stderr
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				for said := bufio.NewScanner(out); said.Scan(); {
					what, name, _ := strings.Cut(said.Text(), " ")
					mu.Lock()
					switch what {
					case "+":
						want[name] = true
					case "?":
						delete(want, name)
					case "-":
						want[name] = false
					}
					if lines++; lines == limit {
						kill() // SIGKILL, to all three, wherever they are
					}
					mu.Unlock()
				}
				_ = cmd.Wait()
			})
		}
		all.Wait()
		kill()
		have := make(map[string]bool)
		for _, name := range names(t, s) {
			have[name] = true
		}
		for name, there := range want {
			if have[name] != there {
				t.Fatalf("round %d: %s: acknowledged %v, found %v", round, name, there, have[name])
			}
		}
		report, err := s.Check(t.Context())
		if err != nil || !report.OK || len(report.Stray) > 0 {
			t.Fatalf("round %d: %+v, %v", round, report, err)
		}
	}
	if _, err := s.Prune(t.Context(), -time.Hour); err != nil {
		t.Fatal(err)
	}
	wantSound(t, s)
	t.Logf("%d names acknowledged in %d rounds", len(want), rounds)
}
