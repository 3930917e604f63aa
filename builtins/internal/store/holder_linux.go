package store

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// lockHolder names a process that holds the lock on path. The kernel knows, even
// of tools that sign nothing; the signature serves where it does not tell (no
// /proc, a holder in another container).
func lockHolder(path string) string {
	signed := signature(path)
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return orUnknown(signed)
	}
	f, err := os.Open("/proc/locks")
	if err != nil {
		return orUnknown(signed)
	}
	defer f.Close()
	// 1: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF
	inode := ":" + strconv.FormatUint(st.Ino, 10)
	found := ""
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 8 || fields[1] != "FLOCK" || !strings.HasSuffix(fields[5], inode) {
			continue
		}
		pid, err := strconv.Atoi(fields[4])
		if err != nil || pid <= 0 {
			continue
		}
		if strings.HasPrefix(signed, fmt.Sprintf("pid %d ", pid)) {
			return signed
		}
		if found == "" {
			found = processName(pid)
		}
	}
	if found != "" {
		return found
	}
	return orUnknown(signed)
}

func processName(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(b) == 0 {
		return fmt.Sprintf("pid %d", pid)
	}
	return holderName(pid, strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00"))
}
