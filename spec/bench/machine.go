package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// machine is where the figures come from.
type machine struct {
	Date      time.Time `json:"date"`
	CPU       string    `json:"cpu"`
	Cores     int       `json:"cores"`
	Memory    int64     `json:"memory_bytes"`
	OS        string    `json:"os"`
	Arch      string    `json:"arch"`
	Go        string    `json:"go"`
	Load      string    `json:"load,omitempty"` // of the last minute, where the system tells it
	LoadAfter string    `json:"load_after,omitempty"`
}

func describeMachine() machine {
	m := machine{
		Date:  time.Now().UTC(),
		CPU:   value("/proc/cpuinfo", "model name"),
		Cores: runtime.NumCPU(),
		OS:    runtime.GOOS,
		Arch:  runtime.GOARCH,
		Go:    runtime.Version(),
		Load:  load(),
	}
	var kb int64
	if _, err := fmt.Sscan(value("/proc/meminfo", "MemTotal"), &kb); err == nil {
		m.Memory = kb << 10
	}
	if runtime.GOOS == "darwin" {
		m.CPU = sysctl("machdep.cpu.brand_string")
		if _, err := fmt.Sscan(sysctl("hw.memsize"), &m.Memory); err != nil {
			m.Memory = 0
		}
	}
	if m.CPU == "" {
		m.CPU = "unknown processor"
	}
	return m
}

// value reads one "key : value" line of a file of /proc; "" where there is none.
func value(file, key string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if k, v, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func sysctl(name string) string {
	out, err := exec.Command("sysctl", "-n", name).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func load() string {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(raw), " ")
	return first
}
