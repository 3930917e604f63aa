package main

import (
	"os"
	"regexp"
	"testing"
)

// leaksFile is where commands of a test say what they left running.
const leaksFile = "POLICY_TEST_LEAKS"

// watched are the cases whose commands may leave nothing running: those that run
// pipelines and reach registries.
var watched = regexp.MustCompile("^script-(run_values|run_limits|parallel|task|eval_|login|push|pull|rm_|copy|dry_run|embedded|journal|recipe_|shell)")

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
