package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/policyhost/policy/"

// rooms says what each package may import besides the standard library: our own
// packages by their path below the module, others by a prefix of theirs. A
// package that is not here fails the test.
var rooms = map[string][]string{
	"runtime/fault":               {},
	"runtime":                     {"runtime/fault", "go.starlark.net/", "github.com/alecthomas/kong", "github.com/bazelbuild/buildtools/build"},
	"stdlib":                      {},
	"builtins/artifact":           {"runtime/fault", "github.com/opencontainers/", "github.com/klauspost/compress/"},
	"builtins/lockfile":           {"runtime/fault", "builtins/artifact", "github.com/opencontainers/"},
	"builtins/internal/creds":     {"runtime/fault", "github.com/docker/docker-credential-helpers/"},
	"builtins/internal/embedded":  {"runtime/fault", "builtins/artifact", "builtins/internal/store", "golang.org/x/crypto/bcrypt"},
	"builtins/internal/engine":    {"runtime/fault", "builtins/artifact", "golang.org/x/sync/", "go.yaml.in/yaml/v3", "github.com/open-policy-agent/opa/", "github.com/klauspost/compress/", "github.com/opencontainers/"},
	"builtins/internal/registry":  {"runtime/fault", "builtins/artifact", "github.com/regclient/", "github.com/opencontainers/"},
	"builtins/internal/store":     {"runtime/fault", "builtins/artifact", "github.com/gofrs/flock", "github.com/opencontainers/", "golang.org/x/sys/"},
	"builtins/internal/templates": {"runtime/fault"},
	"builtins":                    {"runtime/fault", "builtins/", "go.yaml.in/yaml/v3", "golang.org/x/mod/semver"},
	"cmd/internal/complete":       {"cmd/internal/render", "github.com/alecthomas/kong"},
	"cmd/internal/config":         {"runtime/fault", "builtins", "builtins/artifact", "cmd/internal/project", "github.com/alecthomas/kong", "go.yaml.in/", "github.com/goccy/go-yaml", "sigs.k8s.io/yaml"},
	"cmd/internal/lsp":            {"runtime/fault", "github.com/creachadair/jrpc2", "github.com/creachadair/jrpc2/handler"},
	"cmd/internal/journal":        {"runtime/fault", "builtins"},
	"cmd/internal/manpage":        {"github.com/alecthomas/kong"},
	"cmd/internal/project":        {"runtime/fault", "builtins", "builtins/artifact", "builtins/lockfile", "github.com/pelletier/go-toml/", "golang.org/x/mod/"},
	"cmd/internal/report":         {"runtime/fault", "builtins", "cmd/internal/render"},
	"cmd/internal/render":         {"runtime/fault", "builtins", "github.com/alecthomas/kong", "github.com/vbauerster/mpb/", "golang.org/x/term", "golang.org/x/text/", "golang.org/x/sys/", "github.com/mattn/go-runewidth", "go.yaml.in/", "github.com/goccy/go-yaml", "sigs.k8s.io/yaml"},
	"cmd/policy":                  {"runtime", "runtime/fault", "stdlib", "builtins", "builtins/artifact", "builtins/lockfile", "cmd/internal/", "github.com/alecthomas/kong", "golang.org/x/term", "golang.org/x/sync/errgroup", "github.com/aymanbagabas/go-udiff"},
}

// heavy are packages that must never be linked into the command: they cost
// start-up time that every run would pay.
var heavy = []string{
	"github.com/olareg/",
	"github.com/open-policy-agent/opa/v1/runtime",
	"github.com/open-policy-agent/opa/v1/server",
	"github.com/open-policy-agent/opa/v1/sdk",
	"github.com/open-policy-agent/opa/v1/plugins",
	"github.com/open-policy-agent/opa/v1/download",
	"github.com/open-policy-agent/opa/v1/repl",
	"github.com/bazelbuild/buildtools/warn",
	"google.golang.org/grpc",
	"github.com/prometheus/client_golang",
}

func TestImports(t *testing.T) {
	t.Parallel()
	for line := range strings.Lines(goList(t, "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...")) {
		fields := strings.Fields(line)
		room := strings.TrimPrefix(fields[0], module)
		allowed, known := rooms[room]
		if !known {
			t.Errorf("%s is a room without a rule: give it one", room)
			continue
		}
		for _, imported := range fields[1:] {
			if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
				continue // the standard library
			}
			if !allows(allowed, imported) {
				t.Errorf("%s imports %s: allowed are %s", room, imported, strings.Join(allowed, ", "))
			}
		}
	}
}

// allows reports whether one of the rules covers the import: a rule that ends in
// a slash covers what is below it.
func allows(rules []string, imported string) bool {
	return slices.ContainsFunc(rules, func(rule string) bool {
		if first, _, _ := strings.Cut(rule, "/"); !strings.Contains(first, ".") {
			rule = module + rule
		}
		return imported == rule || (strings.HasSuffix(rule, "/") && strings.HasPrefix(imported, rule))
	})
}

func TestLinked(t *testing.T) {
	t.Parallel()
	for linked := range strings.FieldsSeq(goList(t, "-deps", module+"cmd/policy")) {
		for _, h := range heavy {
			if linked == h || strings.HasPrefix(linked, strings.TrimSuffix(h, "/")+"/") {
				t.Errorf("%s is linked into the command: it is too heavy", linked)
			}
		}
	}
}

func goList(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return string(out)
}
