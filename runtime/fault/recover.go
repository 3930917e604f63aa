package fault

import (
	"fmt"
	"runtime"
	"strings"
)

// Recover turns a panic into an Internal fault that says where it happened, and
// puts it into *err; without a panic it does nothing. It has to be deferred
// itself, and in each goroutine that runs code which may panic: nobody else can
// catch it there, and the process would end.
//
//	defer fault.Recover("push", &err)
func Recover(op string, err *error) {
	if p := recover(); p != nil {
		*err = panicked(op, p)
	}
}

func panicked(op string, p any) error {
	at := ""
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for inPanic := false; ; {
		frame, more := frames.Next()
		if inPanic && !strings.HasPrefix(frame.Function, "runtime.") {
			at = fmt.Sprintf(" at %s:%d", frame.File[strings.LastIndexByte(frame.File, '/')+1:], frame.Line)
			break
		}
		inPanic = inPanic || frame.Function == "runtime.gopanic"
		if !more {
			break
		}
	}
	f := &Error{Kind: Internal, Op: op, Err: fmt.Errorf("panic%s: %v", at, p)}
	if err, ok := p.(error); ok {
		f.Err = fmt.Errorf("panic%s: %w", at, err)
	}
	return f.WithHint("this is a defect: please report it with what led here")
}
