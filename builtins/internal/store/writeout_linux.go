package store

import (
	"os"
	"syscall"
)

// startWriteOut begins to write a range to disk without waiting for it.
func startWriteOut(f File, offset, n int64) {
	const syncFileRangeWrite = 2
	if file, ok := f.(*os.File); ok {
		_ = syscall.SyncFileRange(int(file.Fd()), offset, n, syncFileRangeWrite)
	}
}
