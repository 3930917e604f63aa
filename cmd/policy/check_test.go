package main

import (
	"path/filepath"
	"testing"
)

// TestExamplesChecked holds the examples to what users are told: nothing is found
// in them.
func TestExamplesChecked(t *testing.T) {
	t.Parallel()
	shell(t, cleanEnv(t), "policy check "+filepath.Join("examples"))
}
