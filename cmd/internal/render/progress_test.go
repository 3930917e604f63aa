package render_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/render"
)

const digest = "sha256:9c1f20aa4b1e0000000000000000000000000000000000000000000000000000"

// transfer is the events of one blob: begin, half, end.
func transfer(subject string, size int64, took time.Duration, end builtins.State) []builtins.Event {
	e := builtins.Event{Verb: "push", Subject: subject, Digest: digest, Total: size, Time: noon}
	begin, half, last := e, e, e
	begin.State = builtins.Started
	half.State, half.Done, half.Time = builtins.Progress, size/2, noon.Add(took/2)
	last.State, last.Done, last.Time = end, size, noon.Add(took)
	return []builtins.Event{begin, half, last}
}

func TestProgressInPipe(t *testing.T) {
	t.Parallel()
	big := transfer("ghcr.io/a:1", 210_300_000, 2100*time.Millisecond, builtins.Done)
	tiny := transfer("ghcr.io/a:1", 2, time.Millisecond, builtins.Done)
	slow := transfer("ghcr.io/a:1", 2000, 3*time.Second, builtins.Done)
	present := []builtins.Event{{State: builtins.Present, Verb: "push", Subject: "ghcr.io/a:1", Digest: digest, Total: 5_000_000, Time: noon}}
	failed := transfer("ghcr.io/a:1", 210_300_000, time.Second, builtins.Failed)
	retry := []builtins.Event{{State: builtins.Retrying, Subject: "ghcr.io", Message: "429 \x1bToo Many Requests", Delay: 3 * time.Second}}
	wait := []builtins.Event{{State: builtins.Waiting, Message: "pid 4711 (policy push)"}}
	warning := []builtins.Event{{State: builtins.Warning, Subject: "config.json", Message: "readable by others"}}
	tests := []struct {
		name      string
		verbosity int
		events    []builtins.Event
		want      string
	}{
		{"large", 0, big, "push ghcr.io/a:1: 9c1f20aa4b1e, 210.3 MB in 2.1s\n"},
		{"tiny", 0, tiny, ""},
		{"tiny, told of", 1, tiny, "push ghcr.io/a:1: 9c1f20aa4b1e, 2 B in 0.0s\n"},
		{"slow", 0, slow, "push ghcr.io/a:1: 9c1f20aa4b1e, 2.0 KB in 3.0s\n"},
		{"there already", 0, present, ""},
		{"there already, told of", 1, present, "push ghcr.io/a:1: 9c1f20aa4b1e is there already\n"},
		{"failed", 0, failed, ""},
		{"failed, told of", 1, failed, "push ghcr.io/a:1: 9c1f20aa4b1e failed\n"},
		{"retry", 0, retry, "policy: ghcr.io: 429 \\x1bToo Many Requests; trying again in 3s\n"},
		{"wait", 0, wait, "policy: waiting for the lock held by pid 4711 (policy push)\n"},
		{"warning", 0, warning, "policy: warning: config.json: readable by others\n"},
		{"a state of tomorrow", 0, []builtins.Event{{State: "verified"}}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p, out, stderr := printer(render.Text)
			p.Verbosity = test.verbosity
			send, stop := p.Progress()
			for _, e := range test.events {
				send(e)
			}
			stop()
			stop()
			if stderr.String() != test.want {
				t.Errorf("got  %q\nwant %q", stderr, test.want)
			}
			if out.Len() > 0 {
				t.Errorf("on standard output: %q", out)
			}
		})
	}
}

// TestLongWithoutBars holds that who waits without bars hears something.
func TestLongWithoutBars(t *testing.T) {
	t.Parallel()
	p, _, stderr := printer(render.Text)
	send, stop := p.Progress()
	e := builtins.Event{State: builtins.Started, Verb: "pull", Subject: "ghcr.io/a:1", Digest: digest, Total: 210_300_000, Time: noon}
	send(e)
	for range 35 {
		e.State, e.Time, e.Done = builtins.Progress, e.Time.Add(time.Second), e.Done+5_000_000
		send(e)
	}
	e.State, e.Time, e.Done = builtins.Done, e.Time.Add(time.Second), e.Total
	send(e)
	stop()
	const want = "pull ghcr.io/a:1: 9c1f20aa4b1e, 50.0 MB of 210.3 MB\n" +
		"pull ghcr.io/a:1: 9c1f20aa4b1e, 100.0 MB of 210.3 MB\n" +
		"pull ghcr.io/a:1: 9c1f20aa4b1e, 150.0 MB of 210.3 MB\n" +
		"pull ghcr.io/a:1: 9c1f20aa4b1e, 210.3 MB in 36.0s\n"
	if stderr.String() != want {
		t.Errorf("got\n%s", stderr)
	}
}

func TestQuiet(t *testing.T) {
	t.Parallel()
	p, _, stderr := printer(render.Text)
	p.Quiet = true
	send, stop := p.Progress()
	if send != nil {
		t.Error("events are wanted")
	}
	stop()
	if stderr.Len() > 0 {
		t.Errorf("got %q", stderr)
	}
	p.Print("a script speaks")
	p.Fault(missing)
	if got := stderr.String(); !strings.HasPrefix(got, "a script speaks\npolicy: push ghcr.io/x:1: not in") {
		t.Errorf("got %q", got)
	}
}

func TestBars(t *testing.T) {
	t.Parallel()
	p, out, stderr := terminal(80)
	p.Bars = true
	p.Now = time.Now
	send, stop := p.Progress()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			end := builtins.Done
			if i == 3 {
				end = builtins.Failed
			}
			for _, e := range transfer(fmt.Sprintf("ghcr.io/a:%d", i), 50_000_000, time.Second, end) {
				send(e)
			}
			send(builtins.Event{State: builtins.Warning, Message: fmt.Sprintf("between %d", i)})
		})
	}
	wg.Wait()
	unfinished := transfer("ghcr.io/never:1", 50_000_000, time.Second, builtins.Done)
	send(unfinished[0])
	send(unfinished[1])
	send(builtins.Event{State: builtins.Done, Verb: "push", Subject: "ghcr.io/tiny:1", Digest: digest, Total: 2})
	stop()
	p.Fault(missing)
	got := stderr.String()
	for i := range 4 {
		if line := fmt.Sprintf("push ghcr.io/a:%d: 9c1f20aa4b1e, 50.0 MB in 1.0s\n", i); strings.Contains(got, line) != (i < 3) {
			t.Errorf("transfer %d is told of wrongly", i)
		}
		if !strings.Contains(got, fmt.Sprintf("policy: warning: between %d\n", i)) {
			t.Errorf("warning %d is lost", i)
		}
	}
	if strings.Contains(got, "tiny") {
		t.Error("a bar for nothing")
	}
	if !strings.HasSuffix(got, "policy: push ghcr.io/x:1: not in the local store\n  hint: build it first: policy build . -t ghcr.io/x:1\n") {
		t.Error("the fault is not last")
	}
	// The last thing before the fault takes the unfinished bar off the screen.
	if last := got[strings.LastIndex(got, "\x1b[J")+3:]; strings.Contains(last, "never") {
		t.Errorf("a bar is left: %q", last)
	}
	if out.Len() > 0 {
		t.Errorf("on standard output: %q", out)
	}
	if t.Failed() {
		t.Logf("%q", got)
	}
}

// TestBarsAgain: an answer ends the bars, and a later transfer may have one.
func TestBarsAgain(t *testing.T) {
	t.Parallel()
	p, out, stderr := terminal(80)
	p.Bars = true
	send, stop := p.Progress()
	for i := range 2 {
		events := transfer(fmt.Sprintf("ghcr.io/a:%d", i), 50_000_000, time.Second, builtins.Done)
		send(events[0])
		if err := p.Answer("ok"); err != nil {
			t.Fatal(err)
		}
		send(events[1])
		send(events[2])
	}
	stop()
	if got := out.String(); got != "ok\nok\n" {
		t.Errorf("got %q", got)
	}
	if got := stderr.String(); !strings.Contains(got, "a:0: 9c1f") || !strings.Contains(got, "a:1: 9c1f") {
		t.Errorf("got %q", got)
	}
}

func TestDetect(t *testing.T) {
	t.Parallel()
	f, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := render.Detect(f, f, func(string) string { return "" })
	if p.OutTerminal || p.ErrTerminal || p.Color || p.Bars || p.Width != 0 {
		t.Errorf("a file is taken for a terminal: %+v", p)
	}
}
