package builtins

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/registry"
	"github.com/policyhost/policy/builtins/internal/store"
	"github.com/policyhost/policy/runtime/fault"
)

// Rehearsal is a dry run: verbs of its Env really run, read the world and what
// the run would have written, and write nothing but a folder that goes with it.
type Rehearsal struct {
	dir    string // everything written, to be removed
	stores []*rehearsedStore
	wire   *rehearsedRemote
	base   *Env

	layouts sync.Mutex // one at a time becomes part of the rehearsal

	mu     sync.Mutex
	serial int
	files  map[string]*plannedFile // by their absolute path
	order  []string
	notes  []Change // credentials and visibility
}

// Rehearse returns a copy of e in which everything is read as it is and nothing
// is written, and the rehearsal that knows what would have been. Close the copy
// instead of e. It fails with Unavailable when there is no room for temporary
// files.
func (e *Env) Rehearse() (*Env, *Rehearsal, error) {
	dir, err := os.MkdirTemp("", "policy-dry-run-")
	if err != nil {
		return nil, nil, fault.File(os.TempDir(), err)
	}
	r := &Rehearsal{dir: dir, base: e, files: map[string]*plannedFile{}}
	c := *e
	c.rehearsal = r
	c.Settings.leaveCache = true
	c.Files = rehearsedFiles{e.Files, r}
	keys := &rehearsedKeys{Keys: e.Keys, r: r, changed: map[string]*credential{}}
	c.Keys = keys
	local, err := r.rehearse(&rehearsedStore{where: InStore, world: e.options.Settings.store(storeFolder, e.Events)})
	if err == nil {
		c.Store = local.here
		err = r.connect(e.options, keys, local.everything)
		c.Remote = r.wire
	}
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	c.close = func() error { return errors.Join(e.close(), r.wire.world.Close(), os.RemoveAll(dir)) }
	return &c, r, nil
}

// connect makes the wire of the rehearsal. The transport beneath it lets nothing
// through but reading, whatever is above it.
func (r *Rehearsal) connect(o Options, keys Keys, blobs *store.Store) error {
	dir, err := r.folder()
	if err != nil {
		return err
	}
	embedded, _, err := o.Settings.store(registryFolder, o.Events).Rehearse(dir)
	if err != nil {
		return err
	}
	world := o.client(keys, embedded, func(method, host, repository string) error {
		if method == http.MethodGet || method == http.MethodHead {
			return nil
		}
		return fault.New(fault.Denied, host+"/"+repository, "a dry run does not %s", method)
	})
	r.wire = &rehearsedRemote{Client: world, world: world, blobs: blobs, r: r, repositories: map[string]*plannedRepository{}}
	return nil
}

// folder is a new empty folder of the rehearsal.
func (r *Rehearsal) folder() (string, error) {
	r.mu.Lock()
	r.serial++
	dir := filepath.Join(r.dir, strconv.Itoa(r.serial))
	r.mu.Unlock()
	return dir, fault.File(dir, os.Mkdir(dir, 0o700))
}

func (r *Rehearsal) note(c Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	same := func(n Change) bool { return n.Action == c.Action && n.Where == c.Where && n.Ref == c.Ref }
	if !slices.ContainsFunc(r.notes, same) {
		r.notes = append(r.notes, c)
	}
}

// Plan is what the run would have changed so far: first what is added, then what
// is removed.
func (r *Rehearsal) Plan(ctx context.Context, result any) (*Plan, error) {
	plan := &Plan{Version: planVersion, Changes: []Change{}, Result: result}
	r.mu.Lock()
	stores := slices.Clone(r.stores)
	r.mu.Unlock()
	for _, s := range stores {
		changes, err := s.changes(ctx)
		if err != nil {
			return nil, err
		}
		plan.Changes = append(plan.Changes, changes...)
	}
	plan.Changes = append(plan.Changes, r.wire.changes()...)
	plan.Changes = append(plan.Changes, r.fileChanges()...)
	r.mu.Lock()
	plan.Changes = append(plan.Changes, r.notes...)
	r.mu.Unlock()
	slices.SortStableFunc(plan.Changes, func(a, b Change) int { return rank(a) - rank(b) })
	return plan, nil
}

func rank(c Change) int {
	if c.Action == Remove {
		return 1
	}
	return 0
}

// Save writes the plan to a file, and keeps in the cache of the store root what
// apply needs of it and the local store does not have.
func (r *Rehearsal) Save(ctx context.Context, plan *Plan, file string) error {
	kept := plannedContent{r.base.Settings.planned()}
	for _, c := range plan.Changes {
		if err := r.keep(ctx, kept, c); err != nil {
			return fault.In("", c.Ref, err)
		}
	}
	saved := *plan
	saved.Result = nil
	text, err := json.MarshalIndent(saved, "", "  ")
	if err != nil {
		return err
	}
	out, err := r.base.Files.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := out.Write(append(text, '\n')); err != nil {
		return err
	}
	return out.Commit()
}

// keep stores the content of one change.
func (r *Rehearsal) keep(ctx context.Context, kept plannedContent, c Change) error {
	if c.After == "" || c.Where == InCredentials {
		return nil
	}
	d := artifact.Descriptor{MediaType: c.MediaType, Digest: artifact.Digest(c.After), Size: c.Size}
	if c.Where == InFile {
		return kept.put(ctx, d, func() (io.ReadCloser, error) { return os.Open(r.planned(c.Ref)) })
	}
	if c.From != "" {
		return nil // the registry it comes from has it
	}
	all, err := r.contents(ctx, c, d)
	if err != nil {
		return err
	}
	for _, blob := range all {
		if r.base.options.Settings.store(storeFolder, nil).Has(ctx, blob) {
			continue
		}
		err := kept.put(ctx, blob, func() (io.ReadCloser, error) { return r.open(ctx, c, blob) })
		if err != nil {
			return err
		}
	}
	return nil
}

// contents are the manifest of a planned image and the blobs it names.
func (r *Rehearsal) contents(ctx context.Context, c Change, d artifact.Descriptor) ([]artifact.Descriptor, error) {
	f, err := r.open(ctx, c, d)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxManifest))
	if err != nil {
		return nil, err
	}
	return contentsOf(d, raw)
}

// contentsOf are the manifest d and the blobs it names.
func contentsOf(d artifact.Descriptor, raw []byte) ([]artifact.Descriptor, error) {
	m, err := artifact.ParseManifest(raw)
	if err != nil {
		return nil, err
	}
	return append([]artifact.Descriptor{d, m.Config}, m.Layers...), nil
}

// open opens planned content wherever the rehearsal has it.
func (r *Rehearsal) open(ctx context.Context, c Change, d artifact.Descriptor) (io.ReadSeekCloser, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var err error = fault.New(fault.NotFound, d.Digest.String(), "not in the rehearsal")
	for _, s := range r.stores {
		var b *store.Blob
		if b, err = s.everything.Open(ctx, d); err == nil {
			return b, nil
		}
	}
	if artifact.IsEmpty(d.Digest) {
		return emptyBlob(), nil
	}
	return nil, err
}

var _ registry.Source = sourceFunc(nil)

// sourceFunc lets a function be a registry.Source.
type sourceFunc func(context.Context, artifact.Descriptor) (io.ReadSeekCloser, error)

// Open opens a blob.
func (f sourceFunc) Open(ctx context.Context, d artifact.Descriptor) (io.ReadSeekCloser, error) {
	return f(ctx, d)
}
