//go:build unix

package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// peak is the largest resident memory that the process or one of its children
// had, in bytes.
func peak(state *os.ProcessState) int64 {
	return maxRSS(state.SysUsage().(*syscall.Rusage))
}

// ownPeak is that of this program: less cannot be seen in a child. Linux tells it
// apart from that of the go command, which started us.
func ownPeak() int64 {
	var kb int64
	if _, err := fmt.Sscan(value("/proc/self/status", "VmHWM"), &kb); err == nil {
		return kb << 10
	}
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return maxRSS(&usage)
}

func maxRSS(usage *syscall.Rusage) int64 {
	rss := int64(usage.Maxrss)
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return rss
	}
	return rss << 10
}
