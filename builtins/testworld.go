package builtins

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/policyhost/policy/runtime/fault"
)

// TestWorld is what one test of a pipeline works with: a store, registries that
// answer in this process, files that cover those of the project, a clock that
// stands, and no network, environment or credentials. It is for one test, and
// safe for its concurrent calls.
type TestWorld struct {
	Env *Env

	dir        string
	registries *testRegistries

	mu       sync.Mutex
	policies int
}

// testClock is the time in every test.
var testClock = time.Date(2026, time.January, 1, 12, 0, 0, 0, time.UTC)

// Clock is the time in every test.
func (w *TestWorld) Clock() time.Time { return testClock }

// NewTestWorld makes a world below parent, which has to exist; project are the
// files that a test may read. What policies print goes to print, from any
// goroutine. Close it when done.
func NewTestWorld(parent string, project Files, print func(text string)) (*TestWorld, error) {
	dir, err := os.MkdirTemp(parent, "test-")
	if err != nil {
		return nil, fault.File(parent, err)
	}
	files := filepath.Join(dir, "files")
	if err := os.Mkdir(files, 0o700); err != nil {
		return nil, fault.File(files, err)
	}
	w := &TestWorld{dir: dir}
	settings := Settings{Root: filepath.Join(dir, "store")}
	w.registries = newTestRegistries(settings)
	w.Env = NewEnv(Options{
		Settings:  settings,
		Home:      filepath.Join(dir, "home"),
		Files:     overlay{over: Under{Dir: files}, under: project},
		Now:       w.Clock,
		NoHelpers: true,
		Events: func(e Event) {
			if e.State == Printed {
				print(e.Message)
			}
		},
		inProcess: w.registries.handler,
	})
	return w, nil
}

// Close removes what the test left.
func (w *TestWorld) Close() error {
	err := w.Env.Close()
	return errors.Join(err, os.RemoveAll(w.dir))
}

// noNetwork is why a policy in a test may not reach hosts.
func noNetwork(hosts []string) error {
	return fault.New(fault.Denied, strings.Join(hosts, " "), "a test reaches no network").
		WithHint("leave out allow_net, and replace http.send in the test")
}

// TestRego are the arguments of [TestWorld.Rego].
type TestRego struct {
	Source string `arg:"" help:"Text of a Rego file."`
}

// Rego puts a policy of one file into the test's files and gives the path of its
// folder, to build, evaluate or test.
func (w *TestWorld) Rego(_ context.Context, args *TestRego) (string, error) {
	w.mu.Lock()
	w.policies++
	folder := "./t.rego." + strconv.Itoa(w.policies)
	w.mu.Unlock()
	return folder, w.write(folder+"/policy.rego", []byte(args.Source))
}

// TestFile are the arguments of [TestWorld.File].
type TestFile struct {
	Path    string `arg:"" help:"Path below the project folder."`
	Content Value  `arg:"" optional:"" help:"What the file is to hold: text, or a value to write as JSON."`
}

// File gives the text of a file as the test sees it. With content it writes the
// file first, for this test alone, and gives its path.
func (w *TestWorld) File(_ context.Context, args *TestFile) (string, error) {
	if !args.Content.given {
		text, err := readAll(w.Env.Files, args.Path, maxDocument)
		return string(text), err
	}
	text, isText := args.Content.value.(string)
	if !isText {
		doc := Document{}
		if err := doc.SetValue(args.Content.value); err != nil {
			return "", fault.New(fault.Usage, args.Path, "%w", err)
		}
		text = string(doc.json) + "\n"
	}
	return args.Path, w.write(args.Path, []byte(text))
}

func (w *TestWorld) write(name string, text []byte) error {
	out, err := w.Env.Files.Create(name)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := out.Write(text); err != nil {
		return err
	}
	return out.Commit()
}

// overlay is files over others: what is written goes over, what is read comes
// from there first.
type overlay struct {
	over  Under
	under Files
}

// Open opens the file over the others, else the one below.
func (o overlay) Open(name string) (fs.File, error) {
	f, err := o.over.Open(name)
	if errors.Is(err, fault.NotFound) {
		return o.under.Open(name)
	}
	return f, err
}

// Create makes the folders of the file over the others, and starts it there.
func (o overlay) Create(name string) (*Output, error) {
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return nil, o.over.outside(name, "write")
	}
	root, _, err := o.over.open(name)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if err := root.MkdirAll(filepath.Dir(filepath.FromSlash(name)), 0o700); err != nil {
		return nil, fault.File(name, err)
	}
	return o.over.Create(name)
}

// Glob lists the files of both, sorted.
func (o overlay) Glob(pattern string) ([]string, error) {
	all, err := o.under.Glob(pattern)
	if err != nil {
		return nil, err
	}
	more, err := o.over.Glob(pattern)
	if err != nil {
		return nil, err
	}
	all = append(slices.Clone(all), more...)
	slices.Sort(all)
	return slices.Compact(all), nil
}

// Path is where the file is over the others, else below.
func (o overlay) Path(name string) (string, error) {
	path, err := o.over.Path(name)
	if errors.Is(err, fault.NotFound) {
		return o.under.Path(name)
	}
	return path, err
}
