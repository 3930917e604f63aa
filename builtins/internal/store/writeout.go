package store

// A WriteOut has the kernel begin to write a file that grows, so that the sync at
// its end finds little left to do.
type WriteOut struct{ started int64 }

// Every so many bytes it begins.
const writeOutEvery = 8 << 20

// UpTo begins with what was written to f since the last time, if that is enough.
// It promises nothing: what counts is the sync at the end.
func (w *WriteOut) UpTo(f File, size int64) {
	if size-w.started >= writeOutEvery {
		startWriteOut(f, w.started, size-w.started)
		w.started = size
	}
}
