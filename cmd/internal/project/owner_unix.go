//go:build unix

package project

import (
	"io/fs"
	"os"
	"syscall"
)

// isOurs refuses the file that a stranger put into a folder where everybody may put
// files, such as /tmp: it would be the project of all that is below.
func isOurs(folder string, file fs.FileInfo) bool {
	info, err := os.Stat(folder)
	if err != nil || info.Mode()&fs.ModeSticky == 0 || info.Mode()&0o002 == 0 {
		return true
	}
	owner, ok := file.Sys().(*syscall.Stat_t)
	return ok && int(owner.Uid) == os.Getuid()
}
