package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"reflect"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/cmd/internal/journal"
	"github.com/policyhost/policy/cmd/internal/project"
	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/runtime/fault"
)

// app is one run of the command: its streams, its environment and, once the
// command line is read, its settings.
type app struct {
	args   []string
	in     io.Reader
	out    io.Writer
	lookup func(string) (string, bool)

	before int // words of args before the command

	printer    *render.Printer
	secrets    *builtins.Secrets
	tty        terminal
	interrupts *interrupts
	atEnd      atomic.Pointer[func()] // undoes what would outlast the process: the terminal's mode, temporary folders
	journal    atomic.Pointer[journal.Journal]
	watching   []builtins.Events // who wants the events of a session, besides the progress
	finished   sync.Once
	code       int
}

func newApp(args []string, in io.Reader, out, err *os.File, lookup func(string) (string, bool)) *app {
	a := &app{args: args, in: in, out: out, lookup: lookup, secrets: new(builtins.Secrets)}
	a.printer = render.Detect(out, err, a.getenv)
	a.printer.Scrub = a.secrets.Scrub
	return a
}

func (a *app) getenv(name string) string {
	v, _ := a.lookup(name)
	return v
}

// main reads the command line and runs what it names.
func (a *app) main(ctx context.Context) error {
	if len(a.args) > 0 && a.args[0] == completeWord {
		return a.complete(ctx, a.args[1:])
	}
	c, flags, err := a.parse()
	if err != nil || c == nil {
		return err
	}
	return c.run(ctx, a, flags)
}

// told is an error that was printed already; it still decides the exit code.
type told struct{ error }

func (t told) Unwrap() error { return t.error }

// finish prints err, once, and gives the exit code.
func (a *app) finish(err error) int {
	a.finished.Do(func() {
		if end := a.atEnd.Load(); end != nil {
			(*end)()
		}
		if j := a.journal.Load(); j != nil {
			err = withJournal(err, j.Close(err))
		}
		a.code = exitCode(err)
		if _, before := errors.AsType[told](err); err != nil && !before {
			a.printer.Fault(err)
		}
	})
	return a.code
}

// recover turns a panic into an Internal fault.
func (a *app) recover(code *int) {
	if p := recover(); p != nil {
		f := fault.New(fault.Internal, "", "panic: %v", p)
		if a.printer.Verbosity > 0 {
			f = fault.New(fault.Internal, "", "panic: %v\n%s", p, debug.Stack())
		}
		*code = a.finish(f.WithHint("this is a defect of policy: please report it with the command you typed; -v shows where"))
	}
}

// session is what a command works with: the settings, the Env and the progress,
// to be closed.
type session struct {
	*app
	ctx      context.Context  // ends when the time that the user gave is over
	project  *project.Project // nil: none has a say
	settings builtins.Settings
	env      *builtins.Env

	unpacked  *recipes            // of a recipe that is tested from its package; nil: none is
	rehearsal *builtins.Rehearsal // nil: it is meant
	planFile  string
	base      context.Context // ends with the process, or when the journal breaks, and not when that time is over
	limit     time.Duration   // that time; 0 is none
	stop      func()          // progress
	unwatch   func()          // memory
	cancel    context.CancelFunc
	abort     context.CancelCauseFunc // of base
}

// open gathers the settings and makes an Env for a command, in the project of the
// working folder.
func (a *app) open(ctx context.Context, flags *config.Flags) (*session, error) {
	p, err := loadProject(".")
	if err != nil {
		return nil, err
	}
	return a.openIn(ctx, flags, p)
}

// openIn is open for a command that works in another project, or in none: nil.
func (a *app) openIn(ctx context.Context, flags *config.Flags, p *project.Project) (*session, error) {
	return a.begin(ctx, flags, p, (*session).keepJournal)
}

// openToFetch is openIn for what only fetches recipes, beside the session that has
// the effects: that one's journal has them once.
func (a *app) openToFetch(ctx context.Context, flags *config.Flags, p *project.Project) (*session, error) {
	return a.begin(ctx, flags, p, func(*session, string) error { return nil })
}

// begin makes a session; keep opens the journal that the settings name.
func (a *app) begin(ctx context.Context, flags *config.Flags, p *project.Project, keep func(*session, string) error) (*session, error) {
	home, _ := os.UserHomeDir()
	settings, sources, err := config.Load(*flags, a.getenv, home, p)
	if err != nil {
		return nil, err
	}
	settings.UserAgent = "policy/" + version()
	a.printer.Quiet, a.printer.Verbosity = flags.Quiet, flags.Level()
	s := &session{app: a, project: p, limit: sources.Timeout, settings: settings}
	s.base, s.abort = context.WithCancelCause(ctx)
	s.unwatch = a.watchMemory(cmp.Or(flags.MaxHeap, defaultMemory), func(err error) { os.Exit(a.finish(err)) })
	s.ctx, s.cancel = s.timed(s.base)
	if err := keep(s, sources.Journal); err != nil {
		s.cancel()
		s.abort(nil)
		s.unwatch()
		return nil, err
	}
	var progress builtins.Events
	progress, s.stop = a.printer.Progress()
	s.env = builtins.NewEnv(builtins.Options{
		Settings: settings,
		Lookup:   a.lookup,
		Home:     home,
		In:       a.in,
		Out:      a.out,
		Events:   s.events(progress),
		Log:      a.logger(settings.LogLevel),
		Secrets:  a.secrets,
	})
	return s, nil
}

// timed is a context that ends when the time that the user gave is over.
func (s *session) timed(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.limit <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, s.limit,
		fault.New(fault.Limit, "", "it took longer than %s", s.limit).WithHint("raise --timeout"))
}

// Close ends progress, connections and the time limit.
func (s *session) Close() error {
	err := s.env.Close()
	s.stop()
	s.cancel()
	s.abort(nil)
	s.unwatch()
	return err
}

// logger writes what the wire does to standard error: as much as -vv asks for, or
// the level that the settings name.
func (a *app) logger(name string) *slog.Logger {
	level := slog.LevelError + 1 - slog.Level(4*a.printer.Verbosity)
	var named slog.Level
	if named.UnmarshalText([]byte(name)) == nil && name != "" {
		level = min(level, named)
	}
	if level > slog.LevelError {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(scrubber{a}, &slog.HandlerOptions{Level: level}))
}

// scrubber is standard error for the log, without secrets.
type scrubber struct{ *app }

func (s scrubber) Write(p []byte) (int, error) {
	s.printer.Print(strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

// answer ends progress and renders a result, or says why there is none. What
// ended because the time was over, or a signal came, says that and no more.
func (s *session) answer(result any, err error) error {
	s.stop()
	if s.ended(err) {
		return context.Cause(s.ctx)
	}
	return s.app.answer(result, err)
}

// ended reports whether err is there because the session's time was over, or a
// signal came.
func (s *session) ended(err error) bool {
	if err == nil || s.ctx.Err() == nil {
		return false
	}
	switch fault.Of(err).Kind {
	case fault.Canceled, fault.Limit, fault.Unavailable:
		return true
	}
	return false
}

// answer renders a result, then reports the fault that came with it. A verb that
// fails gives an answer only when some of it is worth having: those of several
// subjects that succeeded, the decision that a gate rejects.
func (a *app) answer(result any, err error) error {
	if err != nil && isEmpty(result) {
		return err
	}
	return fault.Join(err, a.printer.Answer(result))
}

func isEmpty(v any) bool {
	r := reflect.ValueOf(v)
	return !r.IsValid() || r.IsZero() || r.Kind() == reflect.Slice && r.Len() == 0
}
