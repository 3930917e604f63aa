package main

import "testing"

// TestExamplesChecked holds the examples to what users are told: nothing is found
// in them, and they are laid out as usual; so is the library.
func TestExamplesChecked(t *testing.T) {
	t.Parallel()
	env := cleanEnv(t)
	shell(t, env, "sh examples/publish-recipes/publish.sh") // what use-recipes loads
	shell(t, env, "policy check examples stdlib")
	shell(t, env, "policy fmt --check examples stdlib")
}
