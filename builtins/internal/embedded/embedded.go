// Package embedded is a registry over a store of ours: an [http.Handler] that
// speaks the OCI distribution specification 1.1. References to
// registry.localhost are answered by it in-process, and policy serve puts it on
// a port.
//
// The index of the store says what the registry holds. An entry
// "registry.localhost/acme/authz:1.0" is a tag, and each manifest that was
// pushed has an entry "registry.localhost/acme/authz@sha256:…" besides, so that
// it stays when its tag moves on. A manifest is served in the repositories it
// was pushed to; a blob, once there, is served in all of them, since it is found
// by its digest only by those who know it.
//
// Pushes inherit what the store promises: an answer of 201 means that it is on
// disk, and any number of processes may push at once.
package embedded

import (
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/store"
)

// Options are what a registry may be told; the zero value is usable.
type Options struct {
	Prefix      string        // the host in the names of the store's entries; "": registry.localhost
	ReadOnly    bool          // refuse every request that would change something
	MaxManifest int64         // the largest manifest taken, in bytes; 0, and at most: 4 MiB
	UploadTTL   time.Duration // how long an upload may rest before it is dropped; 0: 10 minutes
	Log         *slog.Logger  // one line for each request, at debug; nil: none
}

// New returns the registry that s holds. It reads nothing until it is asked, and
// runs nothing in between.
func New(s *store.Store, o Options) http.Handler {
	if o.Prefix == "" {
		o.Prefix = "registry.localhost"
	}
	if o.MaxManifest <= 0 || o.MaxManifest > maxManifest {
		o.MaxManifest = maxManifest
	}
	if o.UploadTTL <= 0 {
		o.UploadTTL = 10 * time.Minute
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h := &handler{store: s, o: o, uploads: newUploads(o.UploadTTL)}
	h.actions = map[resource]map[string]action{
		base:      {http.MethodGet: h.getBase},
		catalog:   {http.MethodGet: h.getCatalog},
		tags:      {http.MethodGet: h.getTags},
		referrers: {http.MethodGet: h.getReferrers},
		manifest:  {http.MethodGet: h.getManifest, http.MethodPut: h.putManifest, http.MethodDelete: h.deleteManifest},
		blob:      {http.MethodGet: h.getBlob, http.MethodDelete: h.deleteBlob},
		uploading: {http.MethodPost: h.postUpload},
		upload: {
			http.MethodGet: h.getUpload, http.MethodPatch: h.patchUpload,
			http.MethodPut: h.putUpload, http.MethodDelete: h.deleteUpload,
		},
	}
	return h
}

// maxManifest is the size up to which clients take a manifest, and the store
// looks into one.
const maxManifest = 4 << 20

type handler struct {
	store   *store.Store
	o       Options
	uploads *uploads
	actions map[resource]map[string]action

	// A browser on the machine reaches a registry on loopback, whatever page it shows.
	sameSite http.CrossOriginProtection
}

// action answers one method of one resource. Its error becomes the answer, so it
// returns one only before it has written.
type action func(w http.ResponseWriter, r *http.Request, at route) error

// ServeHTTP answers one request. It never panics: in-process there is no server
// that would catch it.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start, rec := time.Now(), &recorder{ResponseWriter: w}
	defer func() {
		if p := recover(); p != nil {
			h.o.Log.Error("registry: panic", "panic", p, "stack", string(debug.Stack()))
			if rec.status == 0 {
				fail(rec, r, &problem{http.StatusInternalServerError, "UNKNOWN", "a defect of the registry"})
			}
		}
		h.o.Log.Debug("registry", "method", r.Method, "path", r.URL.Path, "status", rec.status, "took", time.Since(start))
	}()
	rec.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	if err := h.answer(rec, r); err != nil {
		fail(rec, r, err)
	}
}

func (h *handler) answer(w http.ResponseWriter, r *http.Request) error {
	at, ok := parseRoute(r.URL.Path)
	if !ok {
		return &problem{http.StatusNotFound, "UNSUPPORTED", "not a path of the distribution specification"}
	}
	methods := h.actions[at.resource]
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet // net/http and fail leave out the body
	}
	do := methods[method]
	if do == nil || h.o.ReadOnly && method != http.MethodGet {
		w.Header().Set("Allow", strings.Join(h.allowed(methods), ", "))
		if do != nil {
			return &problem{http.StatusMethodNotAllowed, "UNSUPPORTED", "this registry is read only"}
		}
		return &problem{http.StatusMethodNotAllowed, "UNSUPPORTED", "method not supported here"}
	}
	if err := h.sameSite.Check(r); err != nil {
		return &problem{http.StatusForbidden, "DENIED", "a page of another site may not change this registry"}
	}
	if at.repository != "" && !h.validName(at.repository) {
		return &problem{http.StatusBadRequest, "NAME_INVALID", "not the name of a repository"}
	}
	return do(w, r, at)
}

func (h *handler) allowed(methods map[string]action) []string {
	var names []string
	for m := range methods {
		if m == http.MethodGet {
			names = append(names, http.MethodHead, m)
		} else if !h.o.ReadOnly {
			names = append(names, m)
		}
	}
	slices.Sort(names)
	return names
}

func (h *handler) getBase(w http.ResponseWriter, _ *http.Request, _ route) error {
	return writeJSON(w, "application/json", struct{}{})
}

// validName holds a repository against the grammar of references, so that all
// that is pushed can be named.
func (h *handler) validName(repository string) bool {
	if strings.ContainsAny(repository, ":@") {
		return false
	}
	n, err := artifact.ParseName(h.tagged(repository, "x"), h.o.Prefix)
	return err == nil && n.Repository == repository
}

// tagged is the name of a tag in the store.
func (h *handler) tagged(repository, tag string) string {
	return h.o.Prefix + "/" + repository + ":" + tag
}

// plain is the name of a manifest in the store that needs no tag.
func (h *handler) plain(repository string, d artifact.Digest) string {
	return h.o.Prefix + "/" + repository + "@" + d.String()
}

// split takes the name of an entry apart; tag is "" for one of plain's.
func (h *handler) split(name string) (repository, tag string, ok bool) {
	rest, ok := strings.CutPrefix(name, h.o.Prefix+"/")
	if !ok {
		return "", "", false
	}
	if repository, _, ok := strings.Cut(rest, "@"); ok {
		return repository, "", true
	}
	return strings.Cut(rest, ":")
}

// recorder remembers what was answered, for the log and for panics.
type recorder struct {
	http.ResponseWriter
	status int
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// ReadFrom keeps the way open on which the kernel copies a file to a socket.
func (w *recorder) ReadFrom(r io.Reader) (int64, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return io.Copy(w.ResponseWriter, r)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
