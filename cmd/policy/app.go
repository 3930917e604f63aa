package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/config"
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

	printer  *render.Printer
	secrets  *builtins.Secrets
	tty      terminal
	finished sync.Once
	code     int
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
	c, err := a.parse()
	if err != nil || c == nil {
		return err
	}
	return c.run(ctx)
}

// finish prints err, once, and gives the exit code.
func (a *app) finish(err error) int {
	a.finished.Do(func() {
		a.code = exitCode(err)
		if err != nil {
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
	settings builtins.Settings
	env      *builtins.Env
	stop     func()
}

// open gathers the settings and makes an Env for a command.
func (a *app) open(flags *config.Flags) (*session, error) {
	home, _ := os.UserHomeDir()
	settings, _, err := config.Load(*flags, a.getenv, home)
	if err != nil {
		return nil, err
	}
	settings.UserAgent = "policy/" + version()
	a.printer.Quiet, a.printer.Verbosity = flags.Quiet, flags.Level()
	events, stop := a.printer.Progress()
	s := &session{app: a, settings: settings, stop: stop}
	s.env = builtins.NewEnv(builtins.Options{
		Settings: settings,
		Lookup:   a.lookup,
		Home:     home,
		In:       a.in,
		Out:      a.out,
		Events:   events,
		Log:      a.logger(),
		Secrets:  a.secrets,
	})
	return s, nil
}

// Close ends progress and connections.
func (s *session) Close() error {
	err := s.env.Close()
	s.stop()
	return err
}

// logger writes what the wire does to standard error at -vv and above.
func (a *app) logger() *slog.Logger {
	if a.printer.Verbosity < 2 {
		return slog.New(slog.DiscardHandler)
	}
	level := slog.LevelInfo
	if a.printer.Verbosity > 2 {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(a.printer.Err, &slog.HandlerOptions{Level: level}))
}

// answer renders a result, then reports the fault that came with it.
func (a *app) answer(result any, err error) error {
	if result == nil || (err != nil && isEmpty(result)) {
		return err
	}
	printErr := a.printer.Answer(result)
	return errors.Join(err, printErr)
}

var errNoTerminal = fmt.Errorf("no terminal to ask on")
