package journal_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/journal"
	"github.com/policyhost/policy/runtime/fault"
)

func open(t *testing.T, name string) *journal.Journal {
	t.Helper()
	scrub := func(s string) string { return strings.ReplaceAll(s, "canary", "***") }
	j, err := journal.Open(name, scrub, func(err error) { t.Errorf("it broke: %v", err) })
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func push(id int64, subject string) builtins.Step {
	return builtins.Step{ID: id, Verb: "push", Effect: builtins.Write, Begin: time.Now(), Delta: builtins.Delta{Subject: subject}}
}

func send(j *journal.Journal, state builtins.State, s builtins.Step) {
	j.Event(builtins.Event{State: state, Step: &s})
}

// lines are "SUBJECT KIND" of each line, with - for no fault.
func lines(t *testing.T, name string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var e struct {
			Subject string
			Fault   *struct{ Kind, Message string }
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		kind := "-"
		if e.Fault != nil {
			kind = e.Fault.Kind
		}
		all = append(all, e.Subject+" "+kind)
	}
	return all
}

func TestJournal(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "journal")
	j := open(t, name)
	ended, failed, asked, whole, part, read := push(1, "a"), push(2, "b canary"), push(3, "asked"), push(4, "c d"), push(5, "c"), push(6, "read")
	part.Part = whole.ID
	failed.Err = fault.New(fault.Denied, "b", "no canary")
	question := fault.New(fault.Usage, "", "sure?")
	question.Ask = new(fault.Question)
	asked.Err, read.Effect = question, builtins.Read
	for _, s := range []builtins.Step{ended, failed, asked, whole, part, read} {
		send(j, builtins.Began, s)
	}
	j.Event(builtins.Event{State: builtins.Warning, Message: "nothing of a step"})
	for _, s := range []builtins.Step{ended, failed, asked, read} {
		send(j, builtins.Ended, s)
	}
	if err := j.Close(fault.New(fault.Canceled, "", "interrupted")); err != nil {
		t.Fatal(err)
	}
	send(j, builtins.Ended, part) // too late: it has its line
	if err := j.Close(nil); err != nil {
		t.Error(err)
	}
	want := "a -, b *** denied, c canceled"
	if got := strings.Join(lines(t, name), ", "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	text, _ := os.ReadFile(name)
	if strings.Contains(string(text), "canary") {
		t.Errorf("a secret: %s", text)
	}
	if info, err := os.Stat(name); runtime.GOOS != "windows" && (err != nil || info.Mode().Perm() != 0o600) {
		t.Errorf("others may read it: %v %v", info.Mode(), err)
	}
}

// TestShared holds that journals in one file keep each other's lines whole, behind a
// line that was cut short.
func TestShared(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "journal")
	if err := os.WriteFile(name, []byte("{}\n{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	first := open(t, name)
	for _, j := range []*journal.Journal{first, open(t, name), open(t, name)} {
		for i := range int64(100) {
			all.Go(func() { send(j, builtins.Ended, push(i, strings.Repeat("x", 300))) })
		}
	}
	all.Wait()
	if got := len(lines(t, name)); got != 302 {
		t.Errorf("%d lines", got)
	}
}

func TestBroken(t *testing.T) {
	t.Parallel()
	if _, err := journal.Open(filepath.Join(t.TempDir(), "none", "journal"), nil, nil); !errors.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
	if _, err := journal.Open(t.TempDir(), nil, nil); err == nil {
		t.Error("a folder is a journal")
	}
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no full device here")
	}
	told := 0
	j, err := journal.Open("/dev/full", func(s string) string { return s }, func(error) { told++ })
	if err != nil {
		t.Fatal(err)
	}
	send(j, builtins.Ended, push(1, "a"))
	send(j, builtins.Ended, push(2, "b"))
	if err := j.Close(nil); told != 1 || !errors.Is(err, fault.Unavailable) {
		t.Errorf("told %d times: %v", told, err)
	}
}
