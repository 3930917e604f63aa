//go:build cases

package main

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// The variables with the files in which a test wants to read how a command ended,
// and what it left running.
const (
	exitFile  = "POLICY_TEST_EXIT"
	leaksFile = "POLICY_TEST_LEAKS"
)

// noted gives the exit code on, and writes down what a test asks for.
func noted(code int) int {
	if file := os.Getenv(leaksFile); file != "" {
		noteLeaks(file)
	}
	if file := os.Getenv(exitFile); file != "" {
		_ = os.WriteFile(file, []byte(strconv.Itoa(code)), 0o600)
	}
	return code
}

// noteLeaks adds the goroutines that a command has left to the file of its test.
func noteLeaks(file string) {
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
