//go:build !cases

package main

// noted gives the exit code on. The command that the cases of the specification
// run is built to note what they ask about it.
func noted(code int) int { return code }
