package engine_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/policyhost/policy/builtins/internal/engine"
)

// largePolicy writes n modules and about size bytes of data, as a grown policy
// has them.
func largePolicy(t testing.TB, n, size int) string {
	t.Helper()
	files := map[string]string{}
	for i := range n {
		var b strings.Builder
		fmt.Fprintf(&b, "package app.mod%d\n\nimport data.users\n\ndefault allow := false\n\n", i)
		for j := range 8 {
			fmt.Fprintf(&b, `allow if {
	user := users[input.user]
	some role in user.roles
	role == "role%d"
	input.action in {"read", "write", "list%d"}
	helper%d(input.resource, user)
}

helper%d(resource, user) if {
	startswith(resource.path, "/app/%d/")
	user.age > %d
	not resource.locked
}

`, j, j, j, j, i, j)
		}
		files[fmt.Sprintf("app/mod%d.rego", i)] = b.String()
	}
	dir := tree(t, files)
	if size > 0 {
		writeUsers(t, filepath.Join(dir, "data.json"), size)
	}
	return dir
}

func writeUsers(t testing.TB, name string, size int) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	b.WriteString(`{"users":{`)
	for i := 0; b.Len() < size; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"user-%06d":{"name":"User %d","email":"user%d@example.com","roles":["reader","role%d"],"active":%t,"age":%d}`,
			i, i, i, rnd.IntN(8), i%3 == 0, rnd.IntN(80))
	}
	b.WriteString("}}")
	if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func benchmarkBuild(b *testing.B, modules, size int) {
	dir := largePolicy(b, modules, size)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := engine.Build(b.Context(), engine.BuildOptions{Paths: paths(dir)}, io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBuildSmall(b *testing.B)   { benchmarkBuild(b, 2, 0) }
func BenchmarkBuildData(b *testing.B)    { benchmarkBuild(b, 1, 23<<20) }
func BenchmarkBuildModules(b *testing.B) { benchmarkBuild(b, 500, 0) }
func BenchmarkBuildLarge(b *testing.B)   { benchmarkBuild(b, 500, 23<<20) }
