package embedded

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/store"
)

// maxPage is the most that one page lists, however much is asked for.
const maxPage = 10_000

// getTags lists the tags of a repository in ASCII order.
func (h *handler) getTags(w http.ResponseWriter, r *http.Request, at route) error {
	entries, err := h.store.List(r.Context())
	if err != nil {
		return err
	}
	known, all := false, []string{}
	for _, e := range entries {
		repository, tag, ok := h.split(e.Name)
		if !ok || repository != at.repository {
			continue
		}
		known = true
		if tag != "" {
			all = append(all, tag)
		}
	}
	if !known {
		return &problem{http.StatusNotFound, "NAME_UNKNOWN", "no repository " + at.repository}
	}
	slices.Sort(all)
	if all, err = page(w, r, all); err != nil {
		return err
	}
	return writeJSON(w, "application/json", struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}{at.repository, all})
}

// getCatalog lists the repositories in ASCII order.
func (h *handler) getCatalog(w http.ResponseWriter, r *http.Request, _ route) error {
	entries, err := h.store.List(r.Context())
	if err != nil {
		return err
	}
	all := []string{}
	for _, e := range entries {
		if repository, _, ok := h.split(e.Name); ok {
			all = append(all, repository)
		}
	}
	slices.Sort(all)
	if all, err = page(w, r, slices.Compact(all)); err != nil {
		return err
	}
	return writeJSON(w, "application/json", struct {
		Repositories []string `json:"repositories"`
	}{all})
}

// page cuts what ?n and ?last ask for out of a sorted list, and links the next
// page when there is one.
func page(w http.ResponseWriter, r *http.Request, all []string) ([]string, error) {
	query := r.URL.Query()
	if last := query.Get("last"); last != "" {
		i, found := slices.BinarySearch(all, last)
		if found {
			i++
		}
		all = all[i:]
	}
	n := maxPage
	if said := query.Get("n"); said != "" {
		asked, err := strconv.Atoi(said)
		if err != nil || asked < 0 {
			return nil, &problem{http.StatusBadRequest, "PAGINATION_NUMBER_INVALID", "n is a number of entries"}
		}
		n = min(asked, maxPage)
	}
	if n >= len(all) {
		return all, nil
	}
	if n > 0 { // of no entries there is no last one to go on from
		query.Set("n", strconv.Itoa(n))
		query.Set("last", all[n-1])
		next := url.URL{Path: r.URL.Path, RawQuery: query.Encode()}
		w.Header().Set("Link", "<"+next.String()+`>; rel="next"`)
	}
	return all[:n], nil
}

// getReferrers lists what refers to a digest. The digest itself need not be
// here, and a repository nobody has heard of has no referrers: never 404.
func (h *handler) getReferrers(w http.ResponseWriter, r *http.Request, at route) error {
	subject, err := parseDigest(at.ref)
	if err != nil {
		return err
	}
	hold, err := h.store.Hold(r.Context())
	if err != nil {
		return err
	}
	defer hold.Close()
	entries, err := h.store.List(r.Context())
	if err != nil {
		return err
	}
	wanted := r.URL.Query().Get("artifactType")
	list := []artifact.Descriptor{}
	for _, e := range entries {
		repository, tag, ok := h.split(e.Name)
		if !ok || repository != at.repository || tag != "" || e.Annotations[annotationSubject] != subject.String() {
			continue
		}
		d, err := h.describe(r, e)
		if err != nil {
			return err
		}
		if wanted == "" || d.ArtifactType == wanted {
			list = append(list, d)
		}
	}
	if wanted != "" {
		w.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	list = pageReferrers(w, r, list)
	return writeJSON(w, artifact.MediaTypeIndex, struct {
		SchemaVersion int                   `json:"schemaVersion"`
		MediaType     string                `json:"mediaType"`
		Manifests     []artifact.Descriptor `json:"manifests"`
	}{2, artifact.MediaTypeIndex, list})
}

// describe is the descriptor of a referrer, with its type and its annotations.
func (h *handler) describe(r *http.Request, e store.Entry) (artifact.Descriptor, error) {
	body, err := h.store.Read(r.Context(), e.Descriptor, h.o.MaxManifest)
	if err != nil {
		return artifact.Descriptor{}, err
	}
	m, err := parseManifest(body, typeOf(e))
	if err != nil {
		return artifact.Descriptor{}, err
	}
	d := artifact.Descriptor{
		MediaType: m.MediaType, Digest: e.Digest, Size: e.Size,
		ArtifactType: m.ArtifactType, Annotations: m.Annotations,
	}
	if d.ArtifactType == "" && m.Config != nil {
		d.ArtifactType = m.Config.MediaType
	}
	return d, nil
}

// maxReferrers keeps an answer below the size at which clients refuse an index.
const maxReferrers = 3 << 20

// pageReferrers is page for descriptors, in the order of their digests, and by
// size instead of by number.
func pageReferrers(w http.ResponseWriter, r *http.Request, list []artifact.Descriptor) []artifact.Descriptor {
	slices.SortFunc(list, func(a, b artifact.Descriptor) int { return cmp.Compare(a.Digest, b.Digest) })
	query := r.URL.Query()
	if last := query.Get("last"); last != "" {
		list = slices.DeleteFunc(list, func(d artifact.Descriptor) bool { return d.Digest.String() <= last })
	}
	size := 0
	for i, d := range list {
		size += 300
		for k, v := range d.Annotations {
			size += len(k) + len(v) + 6
		}
		if i > 0 && size > maxReferrers {
			query.Set("last", list[i-1].Digest.String())
			next := url.URL{Path: r.URL.Path, RawQuery: query.Encode()}
			w.Header().Set("Link", "<"+next.String()+`>; rel="next"`)
			return list[:i]
		}
	}
	return list
}
