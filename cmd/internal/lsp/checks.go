package lsp

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/policyhost/policy/runtime/fault"
)

// checks looks for findings in the files that are open, one after the other,
// whenever one of them has changed. What changes meanwhile ends the look that is
// under way, and begins another.
type checks struct {
	*server
	wake chan struct{}
	done sync.WaitGroup

	shown map[string]shown // by URI, what was published last

	mu   sync.Mutex
	stop context.CancelFunc // the look that is under way
}

// shown is what the editor was told about a file.
type shown struct {
	version  int
	findings []Finding
	text     []byte
}

func newChecks(ctx context.Context, s *server) *checks {
	c := &checks{server: s, wake: make(chan struct{}, 1), stop: func() {}, shown: make(map[string]shown)}
	c.done.Go(func() {
		for {
			select {
			case <-c.wake:
				c.look(ctx)
			case <-ctx.Done():
				return
			}
		}
	})
	return c
}

func (c *checks) wait() { c.done.Wait() }

// all asks for a look at everything that is open.
func (c *checks) all() {
	c.mu.Lock()
	c.stop()
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default: // it is asked for already
	}
}

func (c *checks) look(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.mu.Lock()
	c.stop = cancel
	c.mu.Unlock()
	files := c.openFiles()
	c.clear(ctx, files)
	for _, f := range files {
		findings, err := c.diagnose(ctx, f)
		if ctx.Err() != nil {
			return // there is a newer text, or nobody to tell
		}
		if err != nil {
			if c.Log != nil {
				c.Log(err.Error())
			}
			continue
		}
		c.publish(ctx, f, findings)
	}
}

// clear takes away what is shown of files that are not open any more.
func (c *checks) clear(ctx context.Context, open []*File) {
	for uri := range c.shown {
		if !slices.ContainsFunc(open, func(f *File) bool { return f.URI == uri }) {
			delete(c.shown, uri)
			c.notify(ctx, publishParams{URI: uri, Diagnostics: []Diagnostic{}})
		}
	}
}

func (c *checks) diagnose(ctx context.Context, f *File) (findings []Finding, err error) {
	defer fault.Recover("check", &err)
	return c.service.Diagnose(ctx, f), nil
}

// publish tells the editor, unless it knows.
func (c *checks) publish(ctx context.Context, f *File, findings []Finding) {
	last, known := c.shown[f.URI]
	c.shown[f.URI] = shown{f.Version, findings, f.Bytes}
	if known && last.version == f.Version && bytes.Equal(last.text, f.Bytes) && same(last.findings, findings) {
		return
	}
	diagnostics := make([]Diagnostic, 0, len(findings))
	for _, found := range findings {
		diagnostics = append(diagnostics, found.Diagnostic)
	}
	c.notify(ctx, publishParams{f.URI, f.Version, diagnostics})
}

func (c *checks) notify(ctx context.Context, p publishParams) {
	_ = c.rpc.Notify(ctx, "textDocument/publishDiagnostics", p) // it fails when the editor is gone
}

func same(a, b []Finding) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Message != b[i].Message || a[i].Range != b[i].Range || a[i].Code != b[i].Code {
			return false
		}
	}
	return true
}
