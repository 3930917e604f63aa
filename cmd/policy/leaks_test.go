package main

import (
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// leaksFile is where commands of a test say what they left running.
const leaksFile = "POLICY_TEST_LEAKS"

// watched are the cases whose commands may leave nothing running: those that run
// pipelines and reach registries.
var watched = regexp.MustCompile("^script-(run_values|run_limits|parallel|task|eval_|login|push|pull|rm_|copy|dry_run|embedded|journal|recipe_|shell)")

// noteLeaks adds the goroutines that a command has left to the file of its test.
func noteLeaks() {
	file := os.Getenv(leaksFile)
	if file == "" {
		return
	}
	left := ours()
	for range 100 { // what was told to end may take a moment, but main ends the process after 0.9 s
		if len(left) == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
		left = ours()
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.WriteString("policy " + strings.Join(os.Args[1:], " ") + "\n" + strings.Join(left, "\n\n") + "\n\n")
}

// ours are the stacks of goroutines that run or were begun by code of the module, but
// for this one, and the one that waits for signals.
func ours() (left []string) {
	text := make([]byte, 1<<20)
	text = text[:runtime.Stack(text, true)]
	for i, stack := range strings.Split(string(text), "\n\n") {
		if i > 0 && strings.Contains(stack, "policyhost/policy/") && !strings.Contains(stack, "signalContext") {
			left = append(left, stack)
		}
	}
	return left
}

// watchLeaks fails the test when a command of it left something running.
func watchLeaks(t *testing.T) (file string) {
	t.Helper()
	file = t.TempDir() + "/leaks"
	t.Cleanup(func() {
		if left, err := os.ReadFile(file); err == nil {
			t.Errorf("goroutines were left:\n%.20000s", left)
		}
	})
	return file
}
