package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/lockfile"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/runtime"
)

// latency is that of the registry in the benchmark.
const latency = 20 * time.Millisecond

// BenchmarkColdRecipes loads a pipeline that needs 30 modules of 5 recipes, with an
// empty cache, from a registry 20 ms away; of the deep ones each loads from the
// next. It reports how many round trips follow each other.
func BenchmarkColdRecipes(b *testing.B) {
	for _, deep := range []bool{false, true} {
		b.Run(fmt.Sprintf("deep=%t", deep), func(b *testing.B) { benchmarkColdRecipes(b, deep) })
	}
}

func benchmarkColdRecipes(b *testing.B, deep bool) {
	registry := newRegistry()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.UserAgent(), "publisher") {
			time.Sleep(latency)
		}
		registry.ServeHTTP(w, r)
	}))
	b.Cleanup(func() { server.Close(); _ = registry.Close() })
	host := strings.TrimPrefix(server.URL, "http://")
	env := builtins.NewEnv(builtins.Options{Settings: builtins.Settings{Root: b.TempDir(), UserAgent: "publisher"}, Home: b.TempDir()})
	defer env.Close()
	shelf, lock := env.Recipes(""), new(lockfile.Lock)
	var script strings.Builder
	var last string
	for p := range 5 {
		c := artifact.RecipeConfig{Name: fmt.Sprintf("p%d", p), Version: "1.0.0"}
		files := map[string][]byte{}
		for m := range 6 {
			text := fmt.Sprintf("def f%d():\n    return %d\n", m, m)
			if deep && last != "" && m == 0 {
				c.Deps = map[string]string{"next": last}
				text = "load('@next//m0.star', next = 'f0')\n" + text + "up = next\n"
			}
			files[fmt.Sprintf("m%d.star", m)] = []byte(text)
		}
		digest, err := shelf.Pack(b.Context(), c, files)
		if err != nil {
			b.Fatal(err)
		}
		n, err := artifact.ParseRecipeName(fmt.Sprintf("%s/acme/p%d:v1", host, p))
		if err != nil {
			b.Fatal(err)
		}
		image, err := shelf.Push(b.Context(), n, digest)
		if err != nil {
			b.Fatal(err)
		}
		last = builtins.RecipeRef(n) + "@" + digest.String()
		if deep && p < 4 {
			continue
		}
		lock.Set(lockfile.Entry{Ref: builtins.RecipeRef(n), Digest: digest, Size: *image.Size})
		for m := range 6 {
			fmt.Fprintf(&script, "load('%s//m%d.star', p%dm%d = 'f%d')\n", builtins.RecipeRef(n), m, p, m, m)
		}
	}
	script.WriteString("def main():\n    return 1\n")
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, lockfile.Name), lock.Text(), 0o600); err != nil {
		b.Fatal(err)
	}
	var took time.Duration
	for b.Loop() {
		root := b.TempDir()
		null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			b.Fatal(err)
		}
		a := newApp(nil, null, null, null, func(name string) (string, bool) {
			if name == "POLICY_FILE_STORE_ROOT" {
				return root, true
			}
			return "", false
		})
		file := filepath.Join(dir, "r.star")
		p := &pipeline{app: a, typed: file, source: runtime.Source{Name: file, Text: []byte(script.String())}}
		start := time.Now()
		if err := p.load(b.Context(), new(config.Flags), pinNone); err != nil {
			b.Fatal(err)
		}
		took += time.Since(start)
		_ = null.Close()
	}
	b.ReportMetric(float64(took)/float64(b.N)/float64(latency), "roundtrips/op")
}
