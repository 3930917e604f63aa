// Command policy builds, judges, tests and ships authorization policies, from the
// command line or from a pipeline written in Starlark.
//
// This package alone knows both worlds: it offers each verb of package builtins
// as a subcommand and as a function of scripts, made from the same declaration.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	goruntime "runtime"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/policyhost/policy/cmd/internal/journal"
	"github.com/policyhost/policy/runtime/fault"
)

// main is the only place that ends the process. The exit code is the fault's,
// see spec/errors.md.
func main() { os.Exit(noted(run())) }

func run() (code int) {
	postponeGC()
	interrupts := new(interrupts)
	ctx, stop := signalContext(interrupts)
	defer stop()
	a := newApp(os.Args[1:], newInterruptible(ctx, os.Stdin), os.Stdout, os.Stderr, os.LookupEnv)
	a.interrupts = interrupts
	interrupts.last.Store(&a.journal)
	defer a.recover(&code)
	// What does not end by itself within a second of a signal is ended: every
	// write is durable or invisible, so nothing is half done.
	context.AfterFunc(ctx, func() {
		time.AfterFunc(900*time.Millisecond, func() { os.Exit(a.finish(context.Cause(ctx))) })
	})
	return a.finish(a.main(ctx))
}

// postponeGC lets the first collection wait until the heap has 16 MB: most
// commands end before that, and need none.
func postponeGC() {
	debug.SetGCPercent(400)
	goruntime.AddCleanup(new([64]byte), func(struct{}) { debug.SetGCPercent(100) }, struct{}{})
}

// errSignal is the cause of a context that a signal ended.
type errSignal struct{ os.Signal }

func (e errSignal) Error() string { return "interrupted" }

// interrupts is where Ctrl-C goes, when not to the process.
type interrupts struct {
	to   atomic.Pointer[func()]
	last atomic.Pointer[atomic.Pointer[journal.Journal]] // to be closed when a second signal ends the process at once
}

// divert sends each Ctrl-C to fn until the function it returns is called.
func (i *interrupts) divert(fn func()) (back func()) {
	i.to.Store(&fn)
	return func() { i.to.Store(nil) }
}

func (i *interrupts) took(s os.Signal) bool {
	fn := i.to.Load()
	if s != os.Interrupt || fn == nil {
		return false
	}
	(*fn)()
	return true
}

// closeJournal writes what the journal still lacks, as long as that takes no time.
func (i *interrupts) closeJournal(reason error) {
	kept := i.last.Load()
	if kept == nil || kept.Load() == nil {
		return
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_ = kept.Load().Close(reason) // nobody is left to be told
	}()
	select {
	case <-closed:
	case <-time.After(200 * time.Millisecond):
	}
}

// signalContext is cancelled by the first SIGTERM, or SIGINT that nobody took.
func signalContext(i *interrupts) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		s := <-signals
		for i.took(s) {
			s = <-signals
		}
		cancel(fault.New(fault.Canceled, "", "%w", errSignal{s}))
		<-signals
		ended := fault.New(fault.Canceled, "", "%w", errSignal{s})
		i.closeJournal(ended)
		os.Exit(exitCode(ended))
	}()
	return ctx, func() { cancel(nil) }
}

// exitCode is the fault's; SIGTERM has its own.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if s, ok := errors.AsType[errSignal](err); ok && s.Signal == syscall.SIGTERM {
		return 143
	}
	return fault.Of(err).Kind.ExitCode()
}
