package builtins

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/policyhost/policy/builtins/internal/engine"
	"github.com/policyhost/policy/runtime/fault"
)

// opened is a bundle ready to be asked, and the digest of the image it is of.
type opened struct {
	*engine.Bundle
	image string
}

// opening says which policy to open, and how.
type opening struct {
	policy, pull, regoVersion string
	data, allowNet            []string
	replaying                 bool // what it asked of the network was recorded; it prints nothing
	maxErrors                 int  // to list; 0 is ten
}

// bundle opens a policy. Images are opened once for all of a
// run's questions; files are read anew each time, since they may change.
func (e *Env) bundle(ctx context.Context, what opening) (opened, func(), error) {
	if err := e.mayReach(what.allowNet); err != nil {
		return opened{}, nil, err
	}
	o := engine.OpenOptions{
		Name:        what.policy,
		Limits:      e.Settings.Limits,
		RegoVersion: what.regoVersion,
		AllowNet:    what.allowNet,
		MaxErrors:   what.maxErrors,
		CacheDir:    e.Settings.verdicts(),
		Print:       func(text string) { e.Events.send(Event{State: Printed, Verb: "eval", Message: text}) },
	}
	if what.replaying {
		o.KnowNetwork, o.Print = true, nil
	}
	var err error
	if o.Data, o.Typed, err = realPaths(e.Files, what.data); err != nil {
		return opened{}, nil, err
	}
	if !looksLikePath(what.policy) {
		return e.imageBundle(ctx, what, o)
	}
	real, err := e.Files.Path(what.policy)
	if err != nil {
		return opened{}, nil, err
	}
	o.Typed[real] = what.policy
	b, err := openPath(ctx, real, o)
	if err != nil {
		return opened{}, nil, err
	}
	return opened{Bundle: b}, func() { _ = b.Close() }, nil
}

// openPath opens a bundle tarball, or a folder or file of sources.
func openPath(ctx context.Context, path string, o engine.OpenOptions) (*engine.Bundle, error) {
	if !strings.HasSuffix(path, ".tar.gz") && !strings.HasSuffix(path, ".tgz") {
		return engine.OpenDir(ctx, []string{path}, o)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.File(o.Name, err)
	}
	defer f.Close()
	return engine.OpenBundle(ctx, f, o)
}

func (e *Env) imageBundle(ctx context.Context, what opening, o engine.OpenOptions) (opened, func(), error) {
	r, err := ParseRef(what.policy)
	if err != nil {
		return opened{}, nil, err
	}
	l, err := e.openOrPull(ctx, r, what.pull)
	if err != nil {
		return opened{}, nil, e.hintAtPath(err, what.policy)
	}
	defer l.Close()
	if layer, err := l.manifest.Layer(); err == nil {
		o.Trusted = e.Settings.builtHere(layer.Digest)
	}
	if len(o.Data) > 0 {
		b, err := l.engineBundle(ctx, o)
		if err != nil {
			return opened{}, nil, err
		}
		return opened{b, l.descriptor.Digest.String()}, func() { _ = b.Close() }, nil
	}
	key := strings.Join(append([]string{l.descriptor.Digest.String(), strconv.FormatBool(what.replaying)}, what.allowNet...), " ")
	b, err := e.bundles.get(key, func() (*engine.Bundle, error) { return l.engineBundle(ctx, o) })
	return opened{b, l.descriptor.Digest.String()}, func() {}, err
}

// openOrPull opens a local image, fetching it first as pull says.
func (e *Env) openOrPull(ctx context.Context, r Ref, pull string) (*local, error) {
	if pull != "always" {
		l, err := e.open(ctx, r, prefixDigits)
		if err == nil || pull == "never" || !errors.Is(err, fault.NotFound) {
			return l, err
		}
	}
	name, err := e.name(r)
	if err != nil {
		return nil, err
	}
	to := place{store: e.Store}
	if e.pass != nil && pull == "missing" {
		to.store = e.pass.whole.Store // who may read an image need not be granted to write for it to be fetched
		if name.Digest != "" {
			name.Tag = "" // an image of the tag may be here, and stays
		}
	}
	to.name, to.entry = name, name.Tagged()
	image, err := e.fetch(ctx, name, to)
	if err != nil {
		return nil, err
	}
	return e.open(ctx, Ref{image.Ref}, prefixDigits)
}

// engineBundle opens the image's policy for evaluation.
func (l *local) engineBundle(ctx context.Context, o engine.OpenOptions) (*engine.Bundle, error) {
	layer, r, err := l.bundle(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	o.Name = l.name.Tagged()
	o.Key = layer.Digest.String()
	o.RegoVersion = l.manifest.RegoVersion()
	verified := newVerifier(r, layer)
	b, err := engine.OpenBundle(ctx, verified, o)
	if err := verified.finish(); err != nil { // altered content explains any other failure
		return nil, fault.In("", o.Name, err)
	}
	return b, err
}

// hintAtPath helps the person who meant a folder.
func (e *Env) hintAtPath(err error, typed string) error {
	if f := fault.Of(err); f.Kind == fault.NotFound || f.Kind == fault.Unavailable || f.Kind == fault.Denied {
		if there, openErr := e.Files.Open(typed); openErr == nil {
			there.Close()
			return f.WithHint("for the folder or file of that name, type ./%s", typed)
		}
	}
	return err
}

// bundleCache keeps the bundles a run has opened, by digest and options.
type bundleCache struct {
	mu   sync.Mutex
	open map[string]*bundleOnce
}

type bundleOnce struct {
	once   sync.Once
	bundle *engine.Bundle
	err    error
}

func (c *bundleCache) get(key string, open func() (*engine.Bundle, error)) (*engine.Bundle, error) {
	c.mu.Lock()
	if c.open == nil {
		c.open = map[string]*bundleOnce{}
	}
	b := c.open[key]
	if b == nil {
		b = new(bundleOnce)
		c.open[key] = b
	}
	c.mu.Unlock()
	b.once.Do(func() { b.bundle, b.err = open() })
	if b.err != nil {
		c.forget(key, b)
	}
	return b.bundle, b.err
}

// forget lets a bundle that could not be opened be tried again: whoever tried may
// only have been interrupted.
func (c *bundleCache) forget(key string, b *bundleOnce) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[key] == b {
		delete(c.open, key)
	}
}

// Close frees every bundle.
func (c *bundleCache) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, b := range c.open {
		if b.bundle != nil {
			errs = append(errs, b.bundle.Close())
		}
	}
	c.open = nil
	return errors.Join(errs...)
}
