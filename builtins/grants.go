package builtins

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/store"
	"github.com/policyhost/policy/runtime/fault"
)

// Grants are what the code of a recipe may touch.
type Grants struct {
	Who     string                     // the recipe, as policy.lock names it: "oci://ghcr.io/acme/recipes:v1"
	Needs   artifact.Needs             // what was granted
	Except  artifact.Needs             // what was taken back for this run; a file or folder whole
	Package fs.FS                      // its own files, which it reads as ":NAME"
	Hint    func(artifact.Need) string // what to do about a need that was not granted
}

// gate is what one recipe may do, for all of its calls.
type gate struct {
	Grants
	whole *Env   // what it was narrowed from
	wire  Remote // the registries; the transport beneath asks the gate, too
	own   packageDir

	mu   sync.Mutex
	seen map[string]bool // repositories of images that it was ever shown
}

// pass is what one call of a recipe may do: what the recipe may, and to read the
// images that its caller has handed to it.
type pass struct {
	*gate
	shown []artifact.Name
}

// Grant returns a copy of e for the code of a recipe. What was not granted fails
// with Denied at this gate and, for registries, once more before a request leaves;
// credentials are out of reach altogether. Close the copy before e.
func (e *Env) Grant(to Grants) *Env {
	g := &gate{Grants: to, whole: e, wire: e.Remote, own: packageDir{files: to.Package}, seen: map[string]bool{}}
	c := *e
	c.close = g.own.Close
	if e.rehearsal == nil {
		client := e.options.client(e.Keys, e.options.Settings.store(registryFolder, e.Events), g.mayRequest)
		g.wire = client
		c.close = func() error { return errors.Join(client.Close(), g.own.Close()) }
	}
	c.Keys, c.In, c.Out = lockedKeys{e.Keys, g}, nil, nil
	return c.with(&pass{gate: g})
}

// Show returns a copy of an Env that was narrowed which may also read the images
// among results: who is handed an image may look at it. Other results, and an Env
// that may do everything, change nothing.
func (e *Env) Show(results []any) *Env {
	if e.pass == nil {
		return e
	}
	var shown []artifact.Name
	for _, r := range results {
		switch r := r.(type) {
		case *Image:
			shown = append(shown, e.shown(r)...)
		case Images:
			shown = append(shown, e.shown(r...)...)
		case Listing:
			shown = append(shown, e.shown(r...)...)
		}
	}
	if len(shown) == 0 {
		return e
	}
	e.pass.saw(shown)
	c := *e
	return c.with(&pass{e.pass.gate, slices.Concat(e.pass.shown, shown)})
}

func (e *Env) shown(images ...*Image) (all []artifact.Name) {
	for _, i := range images {
		if n, err := artifact.ParseName(i.String(), e.Settings.DefaultDomain); err == nil {
			all = append(all, n)
		}
	}
	return all
}

// with puts a pass before everything that e reaches. It changes e.
func (e *Env) with(p *pass) *Env {
	e.pass = p
	e.Store = p.whole.Store.Guard(p.mayStore)
	e.Remote = gatedRemote{p.wire, p}
	e.Files = gatedFiles{p.whole.Files, p}
	e.Lookup = func(name string) (string, bool) {
		if name != sourceDateEpoch && p.may("env", name) != nil {
			return "", false
		}
		return p.whole.Lookup(name)
	}
	return e
}

// may fails with Denied when e may not do a thing of [artifact.Needs].
func (e *Env) may(kind, value string) error {
	if e.pass == nil {
		return nil
	}
	return e.pass.may(kind, value)
}

// mayHave reports whether e may have what the store keeps under a digest: to know
// the digest of an image is no permission to read it.
func (e *Env) mayHave(ctx context.Context, d artifact.Digest) bool {
	if e.pass == nil || slices.ContainsFunc(e.pass.shown, func(s artifact.Name) bool { return s.Digest == d }) {
		return true
	}
	found, err := e.Store.FindDigest(ctx, d.String())
	return err == nil && len(found) > 0
}

// mayReach fails when policies may not reach one of the hosts for e.
func (e *Env) mayReach(hosts []string) error {
	if e.offline && len(hosts) > 0 {
		return noNetwork(hosts)
	}
	for _, host := range hosts {
		if err := e.may("read", host+"/*"); err != nil {
			return err
		}
	}
	return nil
}

func (g *gate) may(kind, value string) error {
	if g.allows(kind, value) {
		return nil
	}
	return g.denied(kind, value)
}

func (g *gate) allows(kind, value string) bool {
	except := artifact.Need{Kind: kind, Value: value}
	if kind == "files" {
		except.Value = strings.TrimSuffix(value, ":rw")
	}
	return g.Needs.Allows(artifact.Need{Kind: kind, Value: value}) && !g.Except.Allows(except)
}

func (g *gate) denied(kind, value string) error {
	f := fault.New(fault.Denied, value, "%s was not granted to %s", words[kind], g.Who)
	if g.Hint != nil {
		f.Hint = g.Hint(artifact.Need{Kind: kind, Value: value})
	}
	return f
}

// words say what each kind of need is.
var words = map[string]string{
	"read": "reading it", "write": "writing to it", "delete": "deleting from it",
	"files": "that file or folder", "env": "that environment variable",
}

// mayName is may for an image or a repository.
func (p *pass) mayName(kind string, n artifact.Name) error {
	if kind == "read" && slices.ContainsFunc(p.shown, func(s artifact.Name) bool {
		same := s.Registry == n.Registry && s.Repository == n.Repository
		return same && (n.Digest != "" && n.Digest == s.Digest || n.Digest == "" && n.Tag == s.Tag)
	}) {
		return nil
	}
	return p.may(kind, n.Registry+"/"+n.Repository)
}

// mayStore is may for the local store.
func (p *pass) mayStore(does store.Action, name string) error {
	n, err := artifact.ParseName(name, p.whole.Settings.DefaultDomain)
	if err != nil {
		return p.denied(string(does), name)
	}
	return p.mayName(string(does), n)
}

func (g *gate) saw(images []artifact.Name) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, n := range images {
		g.seen[n.Registry+"/"+n.Repository] = true
	}
}

// mayRequest is the gate of the transport. It sees hosts and repositories, not
// tags, and that something is read, not what for: to push is to ask what is there.
func (g *gate) mayRequest(method, host, repository string) error {
	kinds := map[string][]string{
		http.MethodGet: {"read", "write", "delete"}, http.MethodHead: {"read", "write", "delete"}, http.MethodDelete: {"delete"},
	}[method]
	if kinds == nil {
		kinds = []string{"write"}
	}
	g.mu.Lock()
	seen := g.seen[host+"/"+repository]
	g.mu.Unlock()
	if seen && kinds[0] == "read" {
		return nil
	}
	for need := range g.Needs.All() {
		anyOf := strings.HasPrefix(need.Value, host+"/") || need.Value == "*"
		if slices.Contains(kinds, need.Kind) && (anyOf && repository == "" || g.allows(need.Kind, host+"/"+repository)) {
			return nil
		}
	}
	return g.denied(kinds[0], strings.TrimSuffix(host+"/"+repository, "/"))
}

// lockedKeys are credentials that the registries' client uses and code may not
// touch.
type lockedKeys struct {
	Keys
	g *gate
}

func (k lockedKeys) denied() error {
	return fault.New(fault.Denied, k.g.Who, "credentials are not for recipes").
		WithHint("log in where the pipeline begins, or before: policy login")
}

// Put fails.
func (k lockedKeys) Put(context.Context, string, credential) (string, error) { return "", k.denied() }

// Erase fails.
func (k lockedKeys) Erase(context.Context, string) (string, error) { return "", k.denied() }

// List fails.
func (k lockedKeys) List(context.Context) ([]login, error) { return nil, k.denied() }

// Legacy fails.
func (k lockedKeys) Legacy() ([]login, error) { return nil, k.denied() }

// Migrate fails.
func (k lockedKeys) Migrate(context.Context) ([]login, error) { return nil, k.denied() }
