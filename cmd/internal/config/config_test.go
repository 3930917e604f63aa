package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/cmd/internal/project"
	"github.com/policyhost/policy/runtime/fault"
)

// run is one start of the tool: what was typed, set and written.
type run struct {
	args  []string
	env   map[string]string
	files map[string]string // below the home folder

	project *project.Project
}

func (r run) load(t *testing.T) (home string, s builtins.Settings, sources *config.Sources, err error) {
	t.Helper()
	home = t.TempDir()
	for name, content := range r.files {
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var flags config.Flags
	parser, err := kong.New(&flags)
	if err != nil {
		t.Fatal(err)
	}
	args := slices.Clone(r.args)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "~", home)
	}
	if _, err := parser.Parse(args); err != nil {
		t.Fatal(err)
	}
	getenv := func(name string) string { return strings.ReplaceAll(r.env[name], "~", home) }
	s, sources, err = config.Load(flags, getenv, home, r.project)
	return home, s, sources, err
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	const file = "default_domain: file.example\ninsecure: true\nplaintext: yes\nlock_timeout: 3s\n"
	tests := []struct {
		name string
		run  run
		want map[string]string // setting: value and origin
	}{
		{"nothing is set", run{}, map[string]string{
			"file_store_root":   "~/.policy default",
			"default_domain":    "docker.io default",
			"insecure":          "false default",
			"concurrency":       "4 default",
			"logging.log_level": "off default",
		}},
		{"the file", run{files: map[string]string{".policy/config.yaml": file}}, map[string]string{
			"default_domain": "file.example ~/.policy/config.yaml:1",
			"insecure":       "true ~/.policy/config.yaml:2",
			"plaintext":      "yes ~/.policy/config.yaml:3",
			"lock_timeout":   "3s ~/.policy/config.yaml:4",
		}},
		{"opcr's older place", run{files: map[string]string{".config/policy/config.yaml": file}}, map[string]string{
			"default_domain": "file.example ~/.config/policy/config.yaml:1",
		}},
		{"the store root's file comes first", run{
			env:   map[string]string{"POLICY_FILE_STORE_ROOT": "~/root"},
			files: map[string]string{".policy/config.yaml": file, "root/config.yaml": "ca: a.pem\n"},
		}, map[string]string{
			"file_store_root": "~/root $POLICY_FILE_STORE_ROOT",
			"ca":              "~/root/a.pem ~/root/config.yaml:1",
			"default_domain":  "docker.io default",
		}},
		{"a named file comes before that", run{
			args:  []string{"-c", "~/x.yaml"},
			env:   map[string]string{"POLICY_FILE_STORE_ROOT": "~/root"},
			files: map[string]string{"x.yaml": "file_store_root: ./elsewhere\n", "root/config.yaml": file},
		}, map[string]string{
			"file_store_root": "~/root $POLICY_FILE_STORE_ROOT",
			"default_domain":  "docker.io default",
		}},
		{"the file's root", run{files: map[string]string{".policy/config.yaml": "file_store_root: other\n"}}, map[string]string{
			"file_store_root": "~/.policy/other ~/.policy/config.yaml:1",
		}},
		{"saved domain over the file", run{files: map[string]string{
			".policy/config.yaml": file, ".policy/default-domain.cfg": "saved.example\n",
		}}, map[string]string{"default_domain": "saved.example ~/.policy/default-domain.cfg"}},
		{"variable over the saved domain", run{
			env:   map[string]string{"POLICY_DEFAULT_DOMAIN": "env.example", "POLICY_INSECURE": "false", "POLICY_CA": "a.pem" + string(filepath.ListSeparator) + "b.pem"},
			files: map[string]string{".policy/config.yaml": file, ".policy/default-domain.cfg": "saved.example"},
		}, map[string]string{
			"default_domain": "env.example $POLICY_DEFAULT_DOMAIN",
			"insecure":       "false $POLICY_INSECURE",
			"ca":             "a.pem, b.pem $POLICY_CA",
		}},
		{"flag over the variable", run{
			args: []string{"--domain", "flag.example", "--no-insecure", "--ca", "c.pem", "--ca", "d,e.pem", "--concurrency=2", "--timeout", "1m"},
			env:  map[string]string{"POLICY_DEFAULT_DOMAIN": "env.example", "POLICY_INSECURE": "true", "POLICY_CA": "a.pem", "POLICY_CONCURRENCY": "9"},
		}, map[string]string{
			"default_domain": "flag.example --domain",
			"insecure":       "false --insecure",
			"ca":             "c.pem, d,e.pem --ca",
			"concurrency":    "2 --concurrency",
			"timeout":        "1m0s --timeout",
		}},
		{"debug is a log level", run{args: []string{"--debug"}}, map[string]string{"logging.log_level": "debug --debug"}},
		{"null sets nothing", run{files: map[string]string{".policy/config.yaml": "default_domain:\nregistries:\nlogging: ~\n"}}, map[string]string{
			"default_domain": "docker.io default",
		}},
		{"spellings of Docker Hub", run{args: []string{"--domain", "Index.Docker.io"}}, map[string]string{"default_domain": "Index.Docker.io --domain"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			home, _, sources, err := test.run.load(t)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, s := range sources.Settings {
				got[s.Name] = strings.ReplaceAll(s.Value+" "+s.From, home, "~")
			}
			for name, want := range test.want {
				if got[name] != want {
					t.Errorf("%s: got %q, want %q", name, got[name], want)
				}
			}
		})
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	home, s, sources, err := run{
		args: []string{
			"--registry-option", "localhost:5000,plain_http=true,upload_hosts=a.example,upload_hosts=b.example",
			"--registry-option", "ghcr.io,concurrency=7",
			"--limit", "total=2GiB", "--limit", "entries=7",
			"--timeout", "90s", "-k", "--domain", "index.docker.io",
		},
		files: map[string]string{".policy/config.yaml": `
file_store_root: ~/images
ca: [/etc/a.pem, b.pem]
logging: {log_level: trace, prod: false}
limits: {ratio: 200, entries: 5}
token_defaults:
  opcr.io: GITHUB_TOKEN
registries:
  GHCR.io:
    insecure: false
    ca: ghcr.pem
    client_cert: c.pem
    client_key: k.pem
    proxy: http://jo:secret@proxy.example:3128
    mirror: mirror.example
    upload_hosts: [s3.example]
    token_hosts: [auth.example]
    requests_per_second: 2.5
    concurrency: 3
`},
	}.load(t)
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(home, ".policy", name) }
	if want := filepath.Join(home, "images"); s.Root != want {
		t.Errorf("root %q, want %q", s.Root, want)
	}
	if !s.Insecure || s.Plaintext || s.DefaultDomain != "docker.io" || s.LogLevel != "debug" || s.Concurrency != 4 {
		t.Errorf("got %+v", s)
	}
	if want := []string{"/etc/a.pem", at("b.pem")}; !slices.Equal(s.CA, want) {
		t.Errorf("ca %q, want %q", s.CA, want)
	}
	if want := (artifact.Limits{Total: 2 << 30, Ratio: 200, Entries: 7, NameLength: 255}); s.Limits != want {
		t.Errorf("limits %+v, want %+v", s.Limits, want)
	}
	if s.TokenDefaults["opcr.io"] != "GITHUB_TOKEN" {
		t.Errorf("token defaults %v", s.TokenDefaults)
	}
	if sources.Timeout != 90*time.Second {
		t.Errorf("timeout %v", sources.Timeout)
	}
	h := s.Hosts["ghcr.io"]
	if h.Insecure == nil || *h.Insecure || h.PlainHTTP != nil || h.CA != at("ghcr.pem") || h.ClientCert != at("c.pem") || h.ClientKey != at("k.pem") ||
		h.Proxy != "http://jo:secret@proxy.example:3128" || h.Mirror != "mirror.example" || !slices.Equal(h.UploadHosts, []string{"s3.example"}) ||
		h.RequestsPerSecond != 2.5 || h.Concurrency != 7 {
		t.Errorf("ghcr.io: %+v", h)
	}
	l := s.Hosts["localhost:5000"]
	if l.PlainHTTP == nil || !*l.PlainHTTP || !slices.Equal(l.UploadHosts, []string{"a.example", "b.example"}) {
		t.Errorf("localhost: %+v", l)
	}
	for _, source := range sources.Settings {
		if strings.Contains(source.Value, "secret") {
			t.Errorf("%s shows a password: %s", source.Name, source.Value)
		}
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	inFile := func(content string) run { return run{files: map[string]string{".policy/config.yaml": content}} }
	tests := []struct {
		name string
		run  run
		want string
		hint string
	}{
		{"unknown key", inFile("# mine\ninsecur: true\n"), `~/.policy/config.yaml:2: unknown key "insecur"`, `did you mean "insecure"?`},
		{"unknown nested key", inFile("registries:\n  ghcr.io:\n    plain_htp: true\n"), `~/.policy/config.yaml:3: unknown key "plain_htp" in registries.ghcr.io`, `did you mean "plain_http"?`},
		{"unknown logging key", inFile("logging:\n  colour: red\n"), `~/.policy/config.yaml:2: unknown key "colour" in logging`, "the keys in logging are log_level, prod, grpc_log_level"},
		{"key twice", inFile("insecure: true\ninsecure: false\n"), `~/.policy/config.yaml:2: the key "insecure" is there twice`, ""},
		{"host twice", inFile("registries:\n  docker.io: {insecure: true}\n  index.docker.io: {insecure: false}\n"), `~/.policy/config.yaml:3: registries: "docker.io" is there twice`, ""},
		{"no boolean", inFile("insecure: maybe\n"), `~/.policy/config.yaml:1: insecure: "maybe" is neither true nor false`, ""},
		{"a list for one", inFile("default_domain: [a, b]\n"), "~/.policy/config.yaml:1: want a single value", ""},
		{"a map in a list", inFile("ca: [{a: b}]\n"), "~/.policy/config.yaml:1: want a list of single values", ""},
		{"no map", inFile("registries: ghcr.io\n"), "~/.policy/config.yaml:1: registries must have keys and values below it", ""},
		{"a list as root", inFile("- a\n"), "~/.policy/config.yaml:1: the configuration must be keys and values", ""},
		{"two documents", inFile("insecure: true\n---\ninsecure: false\n"), "~/.policy/config.yaml: holds more than one document", ""},
		{"merge key", inFile("insecure: true\n<<: {plaintext: true}\n"), `~/.policy/config.yaml:2: unknown key "<<"`, "the keys are registries, token_defaults, file_store_root, default_domain, insecure, plaintext, ca, lock_timeout, timeout, journal, concurrency, logging, limits"},
		{"bad proxy", inFile("registries:\n  ghcr.io:\n    proxy: nonsense\n"), "~/.policy/config.yaml:3: registries.ghcr.io.proxy: not the address of a proxy such as http://proxy.example:3128, nor none", ""},
		{"key without certificate", inFile("registries:\n  ghcr.io:\n    client_key: k\n"), "registries.ghcr.io: a client certificate needs its key, and the key its certificate", "set both client_cert and client_key"},
		{"bad host", inFile("registries:\n  https://ghcr.io: {}\n"), `~/.policy/config.yaml:2: registries: "https://ghcr.io" is not a registry host such as ghcr.io or localhost:5000`, ""},
		{"variable", run{env: map[string]string{"POLICY_INSECURE": "maybe"}}, `POLICY_INSECURE: "maybe" is neither true nor false`, ""},
		{"variable with a time", run{env: map[string]string{"POLICY_LOCK_TIMEOUT": "30"}}, `POLICY_LOCK_TIMEOUT: "30" is not a time such as 30s or 5m`, ""},
		{"domain with a path", run{args: []string{"--domain", "ghcr.io/acme"}}, `--domain: "ghcr.io/acme" is not a registry host such as ghcr.io or localhost:5000`, ""},
		{"no concurrency", run{args: []string{"--concurrency", "0"}}, `--concurrency: "0" is not a number from 1`, ""},
		{"limit misspelt", run{args: []string{"--limit", "entrys=1"}}, `--limit: unknown key "entrys"`, `did you mean "entries"?`},
		{"limit without a size", run{args: []string{"--limit", "total=9 parsecs"}}, `--limit total: "9 parsecs" is not a size such as 500MB or 1GiB`, ""},
		{"limit of the universe", run{env: map[string]string{"POLICY_LIMIT_TOTAL": "9223372036854775807KB"}}, `POLICY_LIMIT_TOTAL: "9223372036854775807KB" is not a size such as 500MB or 1GiB`, ""},
		{"limit below its key", inFile("limits:\n  totl: 1\n"), `~/.policy/config.yaml:2: unknown key "totl" in limits`, `did you mean "total"?`},
		{"log level", run{args: []string{"--log-level", "loud"}}, `--log-level: "loud" is none of debug, info, warn, error, off`, ""},
		{"saved domain", run{files: map[string]string{".policy/default-domain.cfg": "a b"}}, `~/.policy/default-domain.cfg: "a b" is not a registry host such as ghcr.io or localhost:5000`, ""},
		{"option without key", run{args: []string{"--registry-option", "ghcr.io"}}, `--registry-option: "ghcr.io" sets nothing`, "it looks like this: --registry-option ghcr.io,plain_http=true"},
		{"option misspelt", run{args: []string{"--registry-option", "ghcr.io,mirorr=x.example"}}, `--registry-option: unknown key "mirorr"`, `did you mean "mirror"?`},
		{"option with a bad value", run{args: []string{"--registry-option", "ghcr.io,concurrency=x"}}, `--registry-option: concurrency: "x" is not a number from 1`, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			home, _, _, err := test.run.load(t)
			if !errors.Is(err, fault.Usage) {
				t.Fatalf("got %v, want a usage fault", err)
			}
			if got := strings.ReplaceAll(err.Error(), home, "~"); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if got := fault.Of(err).Hint; got != test.hint {
				t.Errorf("hint: got %q, want %q", got, test.hint)
			}
		})
	}
}

func TestMalformedFileNamesItsLine(t *testing.T) {
	t.Parallel()
	_, _, _, err := run{files: map[string]string{".policy/config.yaml": "insecure: true\nca: [a\nplaintext: {\n"}}.load(t)
	if !errors.Is(err, fault.Usage) || !strings.Contains(err.Error(), "config.yaml") || !strings.Contains(err.Error(), "line ") {
		t.Errorf("got %v", err)
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	_, _, _, err := run{args: []string{"--config", "~/missing.yaml"}}.load(t)
	if !errors.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "missing.yaml") {
		t.Errorf("missing: got %v", err)
	}
	_, _, _, err = run{args: []string{"--config", "~"}}.load(t)
	if err == nil {
		t.Error("a folder was read as a file")
	}
	_, _, _, err = run{files: map[string]string{".policy/config.yaml": strings.Repeat("#", 2<<20)}}.load(t)
	if !errors.Is(err, fault.Usage) {
		t.Errorf("huge: got %v", err)
	}
	_, _, err = config.Load(config.Flags{}, func(string) string { return "" }, "", nil)
	if !errors.Is(err, fault.Usage) || !strings.Contains(fault.Of(err).Hint, "POLICY_FILE_STORE_ROOT") {
		t.Errorf("no home: got %v", err)
	}
}

func TestSaveDefaultDomain(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	root := filepath.Join(home, ".policy")
	for _, domain := range []string{"ghcr.io", "localhost:5000", "docker.io"} {
		if err := (builtins.Settings{Root: root}).SaveDefaultDomain(domain); err != nil {
			t.Fatal(err)
		}
	}
	s, _, err := config.Load(config.Flags{}, func(string) string { return "" }, home, nil)
	if err != nil || s.DefaultDomain != "docker.io" {
		t.Errorf("got %q, %v", s.DefaultDomain, err)
	}
	if entries, _ := os.ReadDir(root); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
	file := filepath.Join(home, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (builtins.Settings{Root: filepath.Join(file, "root")}).SaveDefaultDomain("ghcr.io"); err == nil {
		t.Error("wrote below a file")
	}
}

func FuzzConfig(f *testing.F) {
	for _, seed := range []string{
		"", "insecure: true", "registries: {ghcr.io: {proxy: 'http://p:1', upload_hosts: [a.b]}}",
		"a: &a [*a]", "&x : *x", "? [a]\n: b", "logging: {log_level: debug}", "ca: [a, !!binary aGk=]", "token_defaults: {a: 1}", "- - -", "\xff", "a: b: c",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		home := t.TempDir()
		path := filepath.Join(home, "config.yaml")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		_, sources, err := config.Load(config.Flags{Config: path}, func(string) string { return "" }, home, nil)
		if err != nil && !errors.Is(err, fault.Usage) {
			t.Fatalf("not a usage fault: %v", err)
		}
		if err == nil && sources.File != path {
			t.Fatalf("the file was not used: %q", sources.File)
		}
	})
}
