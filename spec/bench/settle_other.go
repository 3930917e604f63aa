//go:build !linux

package main

import "os/exec"

// settle waits until the disk has what was written before, so that the next
// program does not pay for the last. Where there is no sync, nothing waits.
func settle() { _ = exec.Command("sync").Run() }
