package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/tester"

	"github.com/policyhost/policy/builtins/internal/engine"
)

// manyUsers is data of about 190 bytes a user.
func manyUsers(n int) string {
	var b strings.Builder
	b.WriteString(`{"users":{`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		id := strconv.Itoa(i)
		b.WriteString(`"user` + id + `":{"id":` + id + `,"name":"User Number ` + id + `","email":"user` + id +
			`@example.com","roles":["` + []string{"admin", "reader", "dev"}[i%3] + `","staff"],"active":true,"score":` + id +
			`,"team":{"name":"team` + strconv.Itoa(i%50) + `","level":` + strconv.Itoa(i%9) + `}}`)
	}
	b.WriteString(`},"roles":{"reader":{"read":true}}}`)
	return b.String()
}

// manyModules is n packages in a chain of tens: each refers to the next.
func manyModules(n int) map[string]string {
	files := map[string]string{}
	for i := range n {
		text := fmt.Sprintf("package gen.p%d\n\nimport data.users\n\n", i)
		for r := range 6 {
			text += fmt.Sprintf("rule%d if {\n\tinput.kind == \"k%d\"\n\tusers[input.user].score > %d\n\tsome role in users[input.user].roles\n\trole == \"dev\"\n}\n\n", r, r, i)
		}
		if i%10 < 9 && i+1 < n {
			text += fmt.Sprintf("next if data.gen.p%d.rule0\n", i+1)
		}
		files[fmt.Sprintf("gen/p%d.rego", i)] = text
	}
	return files
}

func oneShot(b *testing.B, files map[string]string, q engine.Query, o engine.OpenOptions) {
	raw := tarball(b, files)
	b.ReportAllocs()
	for b.Loop() {
		bd, err := engine.OpenBundle(b.Context(), bytes.NewReader(raw), o)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := bd.Eval(b.Context(), q); err != nil {
			b.Fatal(err)
		}
		_ = bd.Close()
	}
}

// oneShotOPA is the same with OPA's own loader.
func oneShotOPA(b *testing.B, files map[string]string, q engine.Query) {
	raw := tarball(b, files)
	b.ReportAllocs()
	for b.Loop() {
		bd, err := bundle.NewReader(bytes.NewReader(raw)).WithSkipBundleVerification(true).Read()
		if err != nil {
			b.Fatal(err)
		}
		v, err := ast.ValueFromReader(bytes.NewReader(q.Input))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := rego.New(rego.Query(q.Query), rego.ParsedBundle("b", &bd), rego.ParsedInput(v)).Eval(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

var bobReads = engine.Query{Query: "data.authz.allow", Input: []byte(`{"user":"user7","method":"GET","path":"/a/b/c","headers":{"x":"1","y":"2"}}`)}

func BenchmarkEvalSmall(b *testing.B) {
	files := map[string]string{"authz.rego": authz, "data.json": users}
	b.Run("ours", func(b *testing.B) { oneShot(b, files, bobReads, engine.OpenOptions{}) })
	b.Run("opa", func(b *testing.B) { oneShotOPA(b, files, bobReads) })
}

func BenchmarkEvalOneShot23MB(b *testing.B) {
	files := map[string]string{"authz.rego": authz, "data.json": manyUsers(130_000)}
	b.Run("ours", func(b *testing.B) { oneShot(b, files, bobReads, engine.OpenOptions{}) })
	b.Run("opa", func(b *testing.B) { oneShotOPA(b, files, bobReads) })
}

func BenchmarkEvalOneShot500Modules(b *testing.B) {
	files := manyModules(500)
	files["authz.rego"], files["data.json"] = authz, manyUsers(130_000)
	b.Run("reached", func(b *testing.B) { oneShot(b, files, bobReads, engine.OpenOptions{Trusted: true}) })
	b.Run("whole", func(b *testing.B) { oneShot(b, files, bobReads, engine.OpenOptions{}) })
	b.Run("opa", func(b *testing.B) { oneShotOPA(b, files, bobReads) })
}

func BenchmarkEvalMany(b *testing.B) {
	files := map[string]string{"authz.rego": authz, "data.json": manyUsers(1000)}
	raw := tarball(b, files)
	ours, err := engine.OpenBundle(b.Context(), bytes.NewReader(raw), engine.OpenOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = ours.Close() }()
	b.Run("ours", func(b *testing.B) {
		ctx, cancel := context.WithCancel(b.Context()) // as the command line has one
		defer cancel()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ours.Eval(ctx, bobReads); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("opa-parsed", func(b *testing.B) {
		bd, err := bundle.NewReader(bytes.NewReader(raw)).WithSkipBundleVerification(true).Read()
		if err != nil {
			b.Fatal(err)
		}
		pq, err := rego.New(rego.Query(bobReads.Query), rego.ParsedBundle("b", &bd)).PrepareForEval(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		v, err := ast.ValueFromReader(bytes.NewReader(bobReads.Input))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := pq.Eval(b.Context(), rego.EvalParsedInput(v)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// manyTests is 500 tests in 50 files, over 50 policies.
func manyTests(b *testing.B) string {
	files := map[string]string{}
	for i := range 50 {
		files[fmt.Sprintf("p%d/policy.rego", i)] = fmt.Sprintf("package p%d\n\nimport data.roles\n\ndefault allow := false\n\nallow if {\n\tinput.method == \"GET\"\n\tsome r in roles[input.user]\n\tr in {\"reader\", \"admin\"}\n}\n\ndeny contains msg if {\n\tinput.n > %d\n\tmsg := sprintf(\"%%d is too much\", [input.n])\n}\n", i, i)
		text := fmt.Sprintf("package p%d_test\n\nimport data.p%d\n\nroles := {\"ann\": [\"reader\"], \"bob\": []}\n\n", i, i)
		for j := range 10 {
			text += fmt.Sprintf("test_%d if {\n\tp%d.allow with input as {\"method\": \"GET\", \"user\": \"ann\", \"n\": %d} with data.roles as roles\n\tcount(p%d.deny) == %d with input as {\"n\": %d}\n}\n\n", j, i, j, i, map[bool]int{true: 1, false: 0}[i+j-5 > i], i+j-5)
		}
		files[fmt.Sprintf("p%d/policy_test.rego", i)] = text
	}
	return folder(b, files)
}

func BenchmarkTest500(b *testing.B) {
	dir := manyTests(b)
	for _, c := range []bool{false, true} {
		b.Run(fmt.Sprintf("ours/coverage=%v", c), func(b *testing.B) {
			for b.Loop() {
				rep, err := engine.Test(b.Context(), engine.TestOptions{Paths: []string{dir}, Coverage: c})
				if err != nil || rep.Passed != 500 {
					b.Fatal(rep, err)
				}
			}
		})
		b.Run(fmt.Sprintf("opa/coverage=%v", c), func(b *testing.B) {
			for b.Loop() {
				modules, st, err := tester.Load([]string{dir}, nil)
				if err != nil {
					b.Fatal(err)
				}
				r := tester.NewRunner().SetStore(st).SetModules(modules).SetCompiler(ast.NewCompiler().WithEnablePrintStatements(true))
				cov := cover.New()
				if c {
					r = r.SetCoverageQueryTracer(cov)
				}
				txn, err := st.NewTransaction(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				ch, err := r.RunTests(b.Context(), txn)
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for res := range ch {
					if res.Pass() {
						n++
					}
				}
				if n != 500 {
					b.Fatal(n)
				}
				if c {
					_ = cov.Report(modules)
				}
				st.Abort(b.Context(), txn)
			}
		})
	}
}
