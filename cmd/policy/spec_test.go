package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/olareg/olareg"
	"github.com/olareg/olareg/config"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/policyhost/policy/builtins"
)

// TestMain lets the cases run the command as a process of its own, as a user's
// shell would.
func TestMain(m *testing.M) {
	testscript.Main(building{m}, map[string]func(){"policy": func() { panic("the command was not built") }})
}

// building puts the command in the place of the test binary that testscript has
// put on PATH: that one would make each process begin with what the tests import,
// 57 ms for the registry alone.
type building struct{ *testing.M }

// Run builds the command, with the race detector if the tests have it, and then
// runs the tests.
func (b building) Run() int {
	path, err := exec.LookPath("policy")
	if err == nil {
		err = os.Remove(path)
	}
	if err != nil {
		panic(err)
	}
	args := []string{"build", "-tags=cases", "-ldflags=-s -w", "-buildvcs=false", "-o", path}
	if raced {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		panic(fmt.Sprintf("building the command: %v\n%s", err, out))
	}
	return b.M.Run()
}

// TestSpec runs the executable half of the specification.
func TestSpec(t *testing.T) {
	t.Parallel()
	params := caseParams(filepath.Join("..", "..", "spec", "cases"))
	leaks := watchLeaks(t)
	params.Setup = func(env *testscript.Env) error {
		if watched.MatchString(filepath.Base(env.WorkDir)) {
			env.Setenv(leaksFile, leaks)
		}
		return setup(env)
	}
	testscript.Run(t, params)
}

func caseParams(dir string) testscript.Params {
	return testscript.Params{
		Dir:                dir,
		RequireUniqueNames: true,
		ContinueOnError:    true,
		UpdateScripts:      os.Getenv("POLICY_UPDATE_CASES") != "",
		Setup:              setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"registry":     startRegistry,
			"serve-status": startStatus,
			"both":         both,
			"tamper":       tamper,
			"exitcode":     exitCodeIs,
			"github":       startGitHub,
			"catalog":      startCatalog,
			"opcr-store":   makeOpcrStore,
			"guarded":      startGuarded,
			"editor":       runEditor,
		},
	}
}

// setup gives each case its own home and store, and nothing of the caller's.
func setup(env *testscript.Env) error {
	env.Setenv("POLICY_FILE_STORE_ROOT", filepath.Join(env.WorkDir, ".policy"))
	env.Setenv("HOME", filepath.Join(env.WorkDir, ".home"))
	env.Setenv("POLICY_TEST_EXIT", filepath.Join(env.WorkDir, ".exit"))
	env.Setenv("NO_COLOR", "1")
	env.Setenv("TZ", "UTC")
	return os.MkdirAll(filepath.Join(env.WorkDir, ".home"), 0o700)
}

// exitcode N: the last policy ended with N.
func exitCodeIs(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: exitcode N")
	}
	if got := ts.ReadFile(ts.Getenv("POLICY_TEST_EXIT")); got != args[0] {
		ts.Fatalf("the exit code is %s, want %s", got, args[0])
	}
}

// registry NAME [USER PASSWORD [USES]]: an empty registry of another make, its
// host:port in $NAME; for a user alone if there is one, and with USES by tokens that are good for so
// many requests and that nobody in particular gets for pulling.
func startRegistry(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 && len(args) != 3 && len(args) != 4 {
		ts.Fatalf("usage: registry NAME [USER PASSWORD [USES]]")
	}
	registry := newRegistry()
	var handler http.Handler = registry
	if len(args) > 1 {
		s := &secured{next: registry, user: args[1], password: args[2]}
		if len(args) == 4 {
			uses, err := strconv.Atoi(args[3])
			ts.Check(err)
			s.uses, s.anonymous = uses, true
		}
		handler = s
	}
	server := httptest.NewServer(handler)
	ts.Defer(func() { server.Close(); _ = registry.Close() })
	ts.Setenv(args[0], strings.TrimPrefix(server.URL, "http://"))
}

func newRegistry() *olareg.Server {
	enabled := true
	return olareg.New(config.Config{
		Storage: config.ConfigStorage{StoreType: config.StoreMem},
		API:     config.ConfigAPI{DeleteEnabled: &enabled},
	})
}

// openRegistry is an empty registry that lets everybody do everything.
func openRegistry(t *testing.T) (host string) {
	t.Helper()
	registry := newRegistry()
	server := httptest.NewServer(registry)
	t.Cleanup(func() { server.Close(); _ = registry.Close() })
	return strings.TrimPrefix(server.URL, "http://")
}

// serve-status NAME CODE [HEADER=VALUE...]: a server that answers CODE to
// everything, its host:port in $NAME.
func startStatus(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: serve-status NAME CODE [HEADER=VALUE...]")
	}
	code, err := strconv.Atoi(args[1])
	ts.Check(err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if code == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		}
		for _, header := range args[2:] {
			name, value, _ := strings.Cut(header, "=")
			w.Header().Set(name, value)
		}
		w.WriteHeader(code)
	}))
	ts.Defer(server.Close)
	ts.Setenv(args[0], strings.TrimPrefix(server.URL, "http://"))
}

// tamper REF: one byte of the image's stored bundle is no longer what it was.
func tamper(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: tamper REF")
	}
	layout := filepath.Join(ts.Getenv("POLICY_FILE_STORE_ROOT"), "policies-root")
	if strings.HasPrefix(args[0], builtins.EmbeddedHost+"/") {
		if _, err := os.Stat(layout); err != nil {
			layout = filepath.Join(ts.Getenv("POLICY_FILE_STORE_ROOT"), "registry")
		}
	}
	var index struct {
		Manifests []struct {
			Digest      string
			Annotations map[string]string
		}
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(filepath.Join(layout, "index.json"))), &index))
	blob := func(digest string) string {
		return filepath.Join(layout, "blobs", strings.Replace(digest, ":", "/", 1))
	}
	for _, m := range index.Manifests {
		if m.Annotations["org.opencontainers.image.ref.name"] != args[0] {
			continue
		}
		var manifest struct{ Layers []struct{ Digest string } }
		ts.Check(json.Unmarshal([]byte(ts.ReadFile(blob(m.Digest))), &manifest))
		path := blob(manifest.Layers[0].Digest)
		content, err := os.ReadFile(path)
		ts.Check(err)
		content[len(content)/2] ^= 1
		ts.Check(os.Chmod(path, 0o600))
		ts.Check(os.WriteFile(path, content, 0o600))
		return
	}
	ts.Fatalf("no image %s in %s", args[0], layout)
}

// both VERB ARG...: the verb gives the same JSON and exit code through either
// door, each in its own copy of the store. The command line's copy is kept.
func both(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: both VERB ARG...")
	}
	script, err := asScript(args)
	ts.Check(err)
	root := ts.Getenv("POLICY_FILE_STORE_ROOT")
	doors := [][]string{append(args, "--output", "json"), {"run", "--output", "json", "-e", script}}
	var outcomes []outcome
	for i, argv := range doors {
		own := fmt.Sprintf("%s-%d", root, i)
		ts.Check(os.RemoveAll(own))
		if _, err := os.Stat(root); err == nil {
			ts.Check(os.CopyFS(own, os.DirFS(root)))
		}
		outcomes = append(outcomes, runDoor(ts, own, argv))
	}
	ts.Check(os.RemoveAll(root))
	if _, err := os.Stat(root + "-0"); err == nil {
		ts.Check(os.Rename(root+"-0", root))
	}
	cli, star := outcomes[0], outcomes[1]
	if cli.code != star.code {
		ts.Fatalf("exit codes differ: %d from the command line, %d from %s\n%s\n%s", cli.code, star.code, script, cli.stderr, star.stderr)
	}
	if (cli.code != 0) != neg {
		ts.Fatalf("exit code %d\n%s", cli.code, cli.stderr)
	}
	if !reflect.DeepEqual(cli.answer, star.answer) {
		ts.Fatalf("answers differ:\n%s: %v\n%s: %v", strings.Join(args, " "), cli.answer, script, star.answer)
	}
	if cli.fault != star.fault {
		ts.Fatalf("errors differ:\n%s: %+v\n%s: %+v", strings.Join(args, " "), cli.fault, script, star.fault)
	}
}

type outcome struct {
	code   int
	answer any
	fault  struct{ Kind, Op, Subject string }
	stderr string
}

func runDoor(ts *testscript.TestScript, root string, argv []string) outcome {
	cmd := exec.Command("policy", argv...)
	path, err := exec.LookPath(filepath.Join(filepath.SplitList(ts.Getenv("PATH"))[0], "policy"))
	ts.Check(err)
	cmd.Path, cmd.Err = path, nil
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(environ(ts), "POLICY_FILE_STORE_ROOT="+root)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	o := outcome{code: cmd.ProcessState.ExitCode(), stderr: stderr.String()}
	if o.code < 0 {
		ts.Fatalf("policy %s: %v", strings.Join(argv, " "), err)
	}
	if o.code == 0 {
		if text := bytes.TrimSpace(stdout.Bytes()); len(text) > 0 {
			ts.Check(json.Unmarshal(text, &o.answer))
		}
		return o
	}
	var report struct {
		Error struct{ Kind, Op, Subject string }
	}
	at := bytes.IndexByte(stderr.Bytes(), '{')
	if at < 0 {
		ts.Fatalf("policy %s: the error is no JSON: %s", strings.Join(argv, " "), stderr.String())
	}
	ts.Check(json.NewDecoder(bytes.NewReader(stderr.Bytes()[at:])).Decode(&report))
	o.fault = report.Error
	return o
}

func environ(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "NO_COLOR", "TZ", "SOURCE_DATE_EPOCH", "POLICY_DEFAULT_DOMAIN", "TMPDIR", "SystemRoot"} {
		if v := ts.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// asScript spells a command line as a call: what a user of one door would type
// at the other.
func asScript(argv []string) (string, error) {
	var verb *builtins.Verb
	for _, v := range builtins.Table() {
		for _, name := range append(v.Aliases, v.Name) {
			if name == argv[0] {
				verb = &v
			}
		}
	}
	if verb == nil {
		return "", fmt.Errorf("%s is no verb", argv[0])
	}
	parser, err := kong.New(verb.Func.New(), kong.NoDefaultHelp())
	if err != nil {
		return "", err
	}
	model := parser.Model.Node
	positional := make([][]string, len(model.Positional))
	keywords := map[string][]string{}
	var order []string
	types := map[string]reflect.Type{}
	at := 0
	for words := argv[1:]; len(words) > 0; words = words[1:] {
		word := words[0]
		if !strings.HasPrefix(word, "-") || word == "-" {
			if at >= len(positional) {
				return "", fmt.Errorf("too many arguments: %s", word)
			}
			positional[at] = append(positional[at], word)
			if model.Positional[at].Target.Kind() != reflect.Slice {
				at++
			}
			continue
		}
		name, value, inline := strings.Cut(word, "=")
		flag, negated := findFlag(model, name)
		if flag == nil {
			return "", fmt.Errorf("unknown flag %s", name)
		}
		keyword := strings.ReplaceAll(flag.Name, "-", "_")
		if s := flag.Tag.Get("star"); s != "" {
			keyword = s
		}
		switch {
		case flag.IsBool() && !inline:
			value = map[bool]string{true: "false", false: "true"}[negated]
		case !inline:
			words = words[1:]
			value = words[0]
		}
		if keywords[keyword] == nil {
			order = append(order, keyword)
		}
		types[keyword] = flag.Target.Type()
		keywords[keyword] = append(keywords[keyword], value)
	}
	var call []string
	for i, words := range positional {
		if len(words) == 1 {
			call = append(call, literal(scalar(model.Positional[i].Target.Type()), words))
		} else if len(words) > 1 {
			call = append(call, literal(model.Positional[i].Target.Type(), words))
		}
	}
	for _, k := range order {
		call = append(call, k+" = "+literal(types[k], keywords[k]))
	}
	return argv[0] + "(" + strings.Join(call, ", ") + ")", nil
}

func findFlag(model *kong.Node, name string) (flag *kong.Flag, negated bool) {
	for _, f := range model.Flags {
		switch name {
		case "--" + f.Name, "-" + string(f.Short):
			return f, false
		case "--no-" + f.Name:
			return f, true
		}
	}
	return nil, false
}

func scalar(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Slice {
		return t.Elem()
	}
	return t
}

var number = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

// literal spells words from the command line as a Starlark value of a type.
func literal(t reflect.Type, words []string) string {
	switch {
	case t == reflect.TypeFor[builtins.Document]():
		if strings.HasSuffix(words[0], ".yaml") {
			return fmt.Sprintf("read_yaml(%q)", words[0])
		}
		return fmt.Sprintf("read_json(%q)", words[0])
	case t.Kind() == reflect.Bool:
		return map[string]string{"true": "True", "false": "False"}[words[0]]
	case t.Kind() == reflect.Slice:
		var items []string
		for _, w := range words {
			items = append(items, literal(t.Elem(), []string{w}))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case t.Kind() == reflect.Map:
		var items []string
		for _, w := range words {
			k, v, _ := strings.Cut(w, "=")
			items = append(items, fmt.Sprintf("%q: %q", k, v))
		}
		return "{" + strings.Join(items, ", ") + "}"
	case t.Kind() != reflect.String && t.Kind() != reflect.Struct && t.PkgPath() == "" && number.MatchString(words[0]):
		return words[0]
	}
	return strconv.Quote(words[0])
}
