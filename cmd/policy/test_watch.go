package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/runtime/fault"
)

// How often watched files are looked at, and how long they must rest: editors
// write a file in several steps.
const (
	watchEvery = 250 * time.Millisecond
	watchRest  = 150 * time.Millisecond
)

// watch runs the tests now and after each change of a file below the paths, until
// ctx is over, which is how it is meant to end.
func (c *testCommand) watch(ctx context.Context, s *session) error {
	for first := true; ; first = false {
		before := c.snapshot()
		if err := s.app.answer(c.once(ctx, s)); err != nil && ctx.Err() == nil {
			if errors.Is(err, fault.Usage) || first && errors.Is(err, fault.NotFound) {
				return err // no change of a file mends that; a path that was never there is misspelt
			}
			s.printer.Fault(err)
		}
		s.say("policy: waiting for a change of %s; Ctrl-C ends", strings.Join(c.Where(), " "))
		if !c.changed(ctx, before) {
			return nil
		}
		s.say("\npolicy: %s: a file changed", time.Now().Format(time.TimeOnly))
	}
}

// changed waits until the files differ from before, and have rested since. It is
// false when ctx is over.
func (c *testCommand) changed(ctx context.Context, before map[string]stamp) bool {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		now := c.snapshot()
		if same(before, now) {
			continue
		}
		for !same(now, before) {
			select {
			case <-ctx.Done():
				return false
			case <-time.After(watchRest):
			}
			before, now = now, c.snapshot()
		}
		return true
	}
}

// stamp tells one state of a file from another.
type stamp struct {
	size int64
	at   time.Time
}

// snapshot is the state of the files that tests may be about: hidden files and
// folders do not count.
func (c *testCommand) snapshot() map[string]stamp {
	all := map[string]stamp{}
	for _, p := range c.Where() {
		_ = filepath.WalkDir(p, func(name string, e fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return nil //nolint:nilerr // what is gone or closed is a state, too
			case name != p && strings.HasPrefix(e.Name(), "."), isIgnored(c.Ignore, p, name):
				if e.IsDir() {
					return fs.SkipDir
				}
				return nil
			case e.IsDir():
				return nil
			}
			if info, err := os.Stat(name); err == nil {
				all[name] = stamp{info.Size(), info.ModTime()}
			}
			return nil
		})
	}
	return all
}

func same(a, b map[string]stamp) bool {
	if len(a) != len(b) {
		return false
	}
	for name, was := range a {
		if is, ok := b[name]; !ok || is.size != was.size || !is.at.Equal(was.at) {
			return false
		}
	}
	return true
}

// once runs the tests and writes the files that were asked for.
func (c *testCommand) once(ctx context.Context, s *session) (*builtins.TestReport, error) {
	report, err := c.test(ctx, s)
	if report == nil || report.Coverage == nil {
		return report, err
	}
	if c.CoverageLcov != "" {
		err = fault.Join(err, writeFile(c.CoverageLcov, lcov(report.Coverage)))
	}
	if c.CoverageHTML != "" {
		page, pageErr := coveragePage(report.Coverage)
		if pageErr == nil {
			pageErr = writeFile(c.CoverageHTML, page)
		}
		err = fault.Join(err, pageErr)
	}
	return report, err
}
