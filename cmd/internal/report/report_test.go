package report_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/cmd/internal/report"
	"github.com/policyhost/policy/runtime/fault"
)

var start = time.Date(2026, time.March, 1, 9, 30, 0, 0, time.UTC)

const digest = "sha256:84b6c8fec6dd08080124ecb806245339994e14e1dc557b0dcea55b7a78a9d10f"

func step(id int64, verb, subject string, from, took time.Duration) *builtins.Step {
	return &builtins.Step{
		ID: id, Verb: verb, Effect: builtins.Write, Begin: start.Add(from), Took: took,
		Site:  builtins.Site{File: "release.star", Line: 12, Col: 5},
		Delta: builtins.Delta{Subject: subject, Where: builtins.InRegistry, After: digest, Bytes: 123_456},
	}
}

// hostile is what somebody may call an image, a task or a rule.
const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)>` + "\x1b[31m\u202e'"

// runs are the pages to look at, by their names.
func runs() map[string]render.Run {
	second := time.Second
	task := func(id int64, name string, from, took time.Duration) *builtins.Step {
		s := step(id, render.TaskVerb, name, from, took)
		s.Effect, s.Delta, s.Site = builtins.Pure, builtins.Delta{Subject: name}, builtins.Site{Task: name}
		return s
	}
	good := render.Run{
		Name: "release.star main", Begin: start, Took: 14 * second,
		Tasks: []render.RunTask{{Name: "lint", Summary: "Look for mistakes."}, {Name: "image", Deps: []string{"lint"}}, {Name: "gate", Deps: []string{"image"}}, {Name: "ship", Deps: []string{"image", "gate"}}},
		Steps: []*builtins.Step{task(1, "lint", 0, second), task(2, "image", second, 4*second), task(3, "gate", 5*second, 2*second), task(4, "ship", 7*second, 7*second)},
	}
	build := step(5, "build", "ghcr.io/acme/authz:1.4.0", 2*second, 3*second)
	build.Where, build.Site.Task = builtins.InStore, "image"
	moved := step(6, "push", "ghcr.io/acme/authz:stable", 8*second, 5*second)
	moved.Before, moved.Site.Task = strings.Replace(digest, "84b6", "0c11", 1), "ship"
	decision := step(7, "eval", "ghcr.io/acme/authz:1.4.0", 6*second, second/10)
	decision.Effect, decision.Site.Task = builtins.Read, "gate"
	decision.Result = &builtins.Decision{Defined: true, Query: "data.authz.allow", Result: []byte(`{"allow":true,"why":["owner"]}`), Image: digest}
	written := step(8, "write", "release.json", 13*second, second/100)
	written.Where = builtins.InFile
	good.Steps = append(good.Steps, build, moved, decision, written)

	bad := good
	bad.Name, bad.Steps = "release.star main "+hostile, nil
	bad.Tasks = []render.RunTask{{Name: "a-task-with-a-name-that-nobody-would-want-to-type"}, {Name: hostile, Deps: []string{"a-task-with-a-name-that-nobody-would-want-to-type"}, Summary: hostile}}
	refused := step(1, "push", "registry.example.com:5000/a/very/long/path/of/groups/and/subgroups/with-a-long-name/authz-for-everything:"+strings.Repeat("1.4.0-", 15), 0, 3*second)
	refused.Err = fault.New(fault.Denied, refused.Subject, "%w", errors.New(hostile))
	odd := step(2, hostile, hostile, second, 4*second)
	odd.Site = builtins.Site{File: hostile, Line: 1, Col: 1}
	ask := step(3, "eval", hostile, second, second)
	ask.Result = &builtins.Decision{Defined: true, Query: hostile, Result: []byte(`"` + hostile + `"`), Image: hostile}
	bad.Steps = []*builtins.Step{task(4, "a-task-with-a-name-that-nobody-would-want-to-type", 0, 5*second), refused, odd, ask}
	bad.Tests = []*builtins.TestReport{{Results: []builtins.TestResult{{Name: hostile, File: hostile, Line: 3, Outcome: "fail", Message: hostile}}}}
	bad.Err = &fault.Error{
		Kind: fault.Denied, Op: "push", Subject: refused.Subject, Err: errors.New(hostile), Hint: "policy login -s ghcr.io -u USER",
		Trace: []fault.Frame{{Func: "main", File: "release.star", Line: 12, Col: 5, Source: "    push(image) # canary"}},
	}

	many := render.Run{Name: "spread.star main", Begin: start, Took: 100 * second, Left: 12, Err: fault.New(fault.Canceled, "", "interrupted")}
	for i := range 200 {
		s := step(int64(i+1), "copy", fmt.Sprintf("registry.example.com/acme/door:%d", i), time.Duration(i/8)*4*second, time.Duration(1+i*7%4)*second)
		s.Unchanged = i%9 == 0
		if i > 192 {
			s.Err, s.After = many.Err, ""
		}
		many.Steps = append(many.Steps, s)
	}
	for i := range 60 {
		t := render.RunTask{Name: fmt.Sprintf("check-%02d", i)}
		if i >= 20 {
			t.Deps = []string{fmt.Sprintf("check-%02d", i-20), fmt.Sprintf("check-%02d", i*7%20)}
		}
		many.Tasks = append(many.Tasks, t)
	}
	return map[string]render.Run{"good": good, "bad": bad, "many": many, "empty": {Name: "hello.star main", Begin: start, Took: 3 * time.Millisecond}}
}

// TestPages holds that a page has what happened, and nothing that a browser would run
// or fetch. With POLICY_LOOK it leaves the pages in that folder, for make look.
func TestPages(t *testing.T) {
	t.Parallel()
	scrub := func(s string) string { return strings.ReplaceAll(s, "canary", "***") }
	for name, run := range runs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			if err := report.Write(&b, run, false, "v1.0.0", scrub); err != nil {
				t.Fatal(err)
			}
			page := b.String()
			for _, never := range []string{"<script", "<img", "<link", "<iframe", "<a ", "@import", "url(http", "onerror=alert(2)>", "ZgotmplZ", "canary", "\x1b", "\u202e"} {
				if strings.Contains(page, never) {
					t.Errorf("it has %q", never)
				}
			}
			for _, want := range map[string][]string{
				"good":  {">done<", "ghcr.io/acme/authz:stable", digest, "became", "{&#34;allow&#34;:true,&#34;why&#34;:[&#34;owner&#34;]}", "left:57.14%;width:35.71%", "<svg", "release.json"},
				"bad":   {">failed<", "not run", "&lt;script&gt;alert(1)", "release.star:12:5: in main", "policy login -s ghcr.io -u USER", "***"},
				"many":  {">canceled<", "door:199", "12 more steps", "<b>7</b> cut off"},
				"empty": {"changed nothing"},
			}[name] {
				if !strings.Contains(page, want) {
					t.Errorf("it lacks %q", want)
				}
			}
			if folder := os.Getenv("POLICY_LOOK"); folder != "" {
				if err := os.WriteFile(filepath.Join(folder, name+".html"), []byte(page), 0o600); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
