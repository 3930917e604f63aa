package builtins

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/store"
	"github.com/policyhost/policy/runtime/fault"
)

// Apply carries out a plan. Before anything is changed it looks at everything the
// plan changes: it fails with Conflict, naming each name that is neither as the
// plan saw it nor as the plan leaves it, with NotFound when content of the plan is
// gone, and with Denied when a login of the plan is missing. What is already as
// the plan leaves it stays so, so that a plan that was interrupted can be applied
// again. The answer is the plan.
func Apply(ctx context.Context, e *Env, plan *Plan) (*Plan, error) {
	a := &applying{e: e, ctx: ctx, kept: plannedContent{e.Settings.planned()}}
	done := make([]bool, len(plan.Changes))
	var errs []error
	for i, c := range plan.Changes {
		var err error
		if done[i], err = a.check(c); err != nil {
			errs = append(errs, fault.In("", c.Ref, err))
		}
	}
	if err := fault.Join(errs...); err != nil {
		return nil, err
	}
	made := &Plan{Version: plan.Version, Changes: []Change{}}
	for i, c := range plan.Changes {
		if ctx.Err() != nil {
			return made, context.Cause(ctx)
		}
		if !done[i] {
			if err := a.step(c); err != nil {
				return made, fault.In("", c.Ref, err)
			}
		}
		made.Changes = append(made.Changes, c)
	}
	return made, nil
}

// applying is one call of Apply.
type applying struct {
	e    *Env
	ctx  context.Context // of the call
	kept plannedContent
}

// check reports whether a change is there already, and fails when it cannot be
// made.
func (a *applying) check(c Change) (done bool, err error) {
	now, err := a.now(c)
	switch {
	case err != nil:
		return false, err
	case c.Where == InCredentials || c.Action == MakePublic || c.Action == MakePrivat:
		return false, nil
	case now == c.After:
		return true, nil
	case now != c.Before:
		return false, fault.New(fault.Conflict, c.Ref, "is %s by now, and the plan saw %s", orNothing(now), orNothing(c.Before)).
			WithHint("make the plan again and look at it: policy run --dry-run --plan FILE …")
	case c.After == "" || c.From != "":
		return false, nil
	}
	return false, a.available(c)
}

// step makes one change.
func (a *applying) step(c Change) (err error) {
	one := *a
	var end func(any, error)
	one.ctx, end = a.e.Begin(a.ctx, Step{Verb: "apply", Effect: Write, Delta: Delta{Subject: c.Ref, Where: c.Where, Before: c.Before, After: c.After}})
	defer func() { end(nil, err) }()
	return steps[[2]string{c.Where, c.Action}](&one, c)
}

func orNothing(digest string) string {
	if digest == "" {
		return "nothing"
	}
	return digest
}

// now is the digest that the name of a change has now.
func (a *applying) now(c Change) (string, error) {
	switch c.Where {
	case InStore, InLayout:
		d, err := stored(a.ctx, a.store(c), c.Ref)
		return d.String(), err
	case InFile:
		d, _, err := fileDigest(c.Ref)
		return d.String(), err
	case InCredentials:
		return "", a.signedIn(c)
	}
	if c.Action == MakePublic || c.Action == MakePrivat {
		return "", nil
	}
	n, err := artifact.ParseName(c.Ref, a.e.Settings.DefaultDomain)
	if err != nil {
		return "", err
	}
	d, err := a.e.Remote.Resolve(a.ctx, n)
	if errors.Is(err, fault.NotFound) {
		return "", nil
	}
	return d.Digest.String(), err
}

func (a *applying) store(c Change) Store {
	if c.Where == InLayout {
		return store.New(c.Layout, store.Options{LockTimeout: a.e.Settings.LockTimeout})
	}
	return a.e.Store
}

// signedIn fails when a plan logs in and there is no such login.
func (a *applying) signedIn(c Change) error {
	if c.Action != SignIn {
		return nil
	}
	logins, err := a.e.Keys.List(a.ctx)
	if err != nil {
		return err
	}
	for _, l := range logins {
		if l.Server == c.Ref && (l.Username == c.Username || l.Username == "") {
			return nil
		}
	}
	return fault.New(fault.Denied, c.Ref, "a plan holds no password, and %s is not logged in here", c.Username).
		WithHint("policy login -s %s -u %s", c.Ref, c.Username)
}

// available fails when content of a change is gone.
func (a *applying) available(c Change) error {
	d := descriptorOf(c)
	if c.Where == InFile {
		f, err := a.kept.open(d)
		if err == nil {
			err = f.Close()
		}
		return err
	}
	_, all, err := a.manifest(c)
	for _, blob := range all {
		f, openErr := a.Open(a.ctx, blob)
		if openErr != nil {
			return openErr
		}
		_ = f.Close() // only opened to see
	}
	return err
}

func descriptorOf(c Change) artifact.Descriptor {
	return artifact.Descriptor{MediaType: c.MediaType, Digest: artifact.Digest(c.After), Size: c.Size}
}

// Open opens content of the plan, from the local store or the cache: it makes
// applying a registry.Source.
func (a *applying) Open(ctx context.Context, d artifact.Descriptor) (io.ReadSeekCloser, error) {
	b, err := a.e.Store.Open(ctx, d)
	if err == nil {
		return b, nil
	}
	if !errors.Is(err, fault.NotFound) {
		return nil, err
	}
	f, err := a.kept.open(d)
	if errors.Is(err, fault.NotFound) && artifact.IsEmpty(d.Digest) {
		return emptyBlob(), nil
	}
	return f, err
}

// manifest reads the manifest of a change and lists it with what it names.
func (a *applying) manifest(c Change) ([]byte, []artifact.Descriptor, error) {
	d := descriptorOf(c)
	f, err := a.Open(a.ctx, d)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxManifest))
	if err != nil {
		return nil, nil, err
	}
	if sumOf(raw) != d.Digest {
		return nil, nil, lost(d.Digest)
	}
	all, err := contentsOf(d, raw)
	return raw, all, err
}

func (a *applying) storeImage(c Change) error {
	raw, all, err := a.manifest(c)
	if err != nil {
		return err
	}
	m, err := artifact.ParseManifest(raw)
	if err != nil {
		return err
	}
	tx, err := a.store(c).Begin(a.ctx)
	if err != nil {
		return err
	}
	defer tx.Close()
	slices.Reverse(all) // the manifest last
	for _, blob := range all {
		if err := keepBlob(a.ctx, tx, blob, a); err != nil {
			return err
		}
	}
	entry := newEntry(artifact.Name{}, descriptorOf(c), m)
	entry.Name = c.Ref
	return tx.TagIf(a.ctx, entry, func(old *store.Entry) error {
		if now := digestOfEntry(old); now != c.Before && now != c.After {
			return fault.New(fault.Conflict, c.Ref, "is %s by now, and the plan saw %s", orNothing(now), orNothing(c.Before))
		}
		return nil
	})
}

func digestOfEntry(e *store.Entry) string {
	if e == nil {
		return ""
	}
	return e.Digest.String()
}

func (a *applying) removeStored(c Change) error {
	_, err := a.store(c).Remove(a.ctx, c.Ref)
	return err
}

func (a *applying) push(c Change) error {
	n, err := artifact.ParseName(c.Ref, a.e.Settings.DefaultDomain)
	if err != nil {
		return err
	}
	if c.From != "" {
		from, err := artifact.ParseName(c.From, a.e.Settings.DefaultDomain)
		if err == nil {
			_, _, err = a.e.Remote.Copy(a.ctx, from, n)
		}
		return err
	}
	raw, _, err := a.manifest(c)
	if err != nil {
		return err
	}
	_, err = a.e.Remote.Push(a.ctx, n, raw, descriptorOf(c), a)
	return err
}

func (a *applying) removeRemote(c Change) error {
	n, err := artifact.ParseName(c.Ref, a.e.Settings.DefaultDomain)
	if err != nil {
		return err
	}
	n.Digest = artifact.Digest(c.Before)
	return a.e.Remote.DeleteTag(a.ctx, n)
}

func (a *applying) setVisibility(c Change) error {
	n, err := artifact.ParseName(c.Ref, a.e.Settings.DefaultDomain)
	if err != nil {
		return err
	}
	return a.e.Remote.SetVisibility(a.ctx, n, c.Action == MakePublic)
}

func (a *applying) writeFile(c Change) error {
	f, err := a.kept.open(descriptorOf(c))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := fault.File(c.Ref, os.MkdirAll(filepath.Dir(c.Ref), 0o755)); err != nil {
		return err
	}
	out, err := create(c.Ref, c.Ref)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, f); err != nil {
		return err
	}
	return out.Commit()
}

func (a *applying) signIn(Change) error { return nil } // checked; a plan holds no password

func (a *applying) signOut(c Change) error {
	_, err := a.e.Keys.Erase(a.ctx, c.Ref)
	if errors.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

func (a *applying) setDefault(c Change) error { return a.e.saveDefaultDomain(c.Ref) }
