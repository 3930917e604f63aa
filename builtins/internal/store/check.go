package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// CheckReport says whether every image can be read and is what it claims.
type CheckReport struct {
	OK       bool      `json:"ok"`       // no problems
	Dir      string    `json:"dir"`      // the store
	Images   int       `json:"images"`   // named entries
	Nameless int       `json:"nameless"` // entries without a name
	Blobs    int       `json:"blobs"`    // files under blobs/
	Bytes    int64     `json:"bytes"`    // of those files
	Partials int       `json:"partials"` // unfinished ingests
	Problems []Problem `json:"problems"`
	Stray    []string  `json:"stray"` // files that do not belong, below the store
}

// Problem is one thing that is wrong.
type Problem struct {
	Image  string `json:"image,omitempty"`  // the name that suffers
	Digest string `json:"digest,omitempty"` // the blob that is wrong
	Path   string `json:"path,omitempty"`   // the file that is wrong, below the store
	Reason string `json:"reason"`
}

// Check reads everything once: each name's manifests, configs and layers must be
// there and hash right. It changes nothing and may run while others work. What
// is wrong with the content is in the report; an error means that it could not
// be looked at.
func (s *Store) Check(ctx context.Context) (CheckReport, error) {
	out := CheckReport{Dir: s.dir, Problems: []Problem{}, Stray: []string{}}
	if there, err := s.exists(); err != nil || !there {
		out.OK = err == nil
		return out, err
	}
	hold, err := s.Hold(ctx)
	if err != nil {
		return out, err
	}
	defer hold.Close()
	a := audit{s: s, blobs: make(map[artifact.Digest]string)}
	ix, err := s.readIndex(ctx)
	switch {
	case errors.Is(err, fault.Invalid):
		out.Problems = append(out.Problems, Problem{Path: indexFile, Reason: reason(err)})
		ix = emptyIndex()
	case err != nil:
		return out, err
	}
	if err := a.layout(&out); err != nil {
		return out, err
	}
	if err := a.entries(ctx, ix, &out); err != nil {
		return out, err
	}
	if err := a.files(ctx, &out); err != nil {
		return out, err
	}
	out.OK = len(out.Problems) == 0
	return out, nil
}

// An audit remembers what is wrong with each blob, "" for nothing, so that a
// blob shared by a thousand images is read once.
type audit struct {
	s     *Store
	blobs map[artifact.Digest]string
}

func (a *audit) layout(out *CheckReport) error {
	b, _, err := a.s.readFile(a.s.path(layoutFile))
	var layout struct {
		Version string `json:"imageLayoutVersion"`
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := a.s.fs.Stat(a.s.path(indexFile)); errors.Is(err, fs.ErrNotExist) {
			return nil // nothing was ever tagged here
		}
		out.Problems = append(out.Problems, Problem{Path: layoutFile, Reason: "missing"})
	case err != nil:
		return diskFault("reading the layout", err)
	case json.Unmarshal(b, &layout) != nil || layout.Version != "1.0.0":
		out.Problems = append(out.Problems, Problem{Path: layoutFile, Reason: "not an image layout of version 1.0.0"})
	}
	return nil
}

func (a *audit) entries(ctx context.Context, ix *index, out *CheckReport) error {
	for i := range ix.entries {
		e, err := ix.entry(i)
		if err != nil {
			out.Problems = append(out.Problems, Problem{Path: indexFile, Reason: reason(err)})
			continue
		}
		if e.Name == "" {
			out.Nameless++
		} else {
			out.Images++
		}
		wrong, err := a.image(ctx, e)
		if err != nil {
			return err
		}
		out.Problems = append(out.Problems, wrong...)
	}
	return nil
}

// image checks the closure of one entry.
func (a *audit) image(ctx context.Context, e Entry) ([]Problem, error) {
	var wrong []Problem
	seen := make(reach)
	todo := []artifact.Descriptor{e.Descriptor}
	for len(todo) > 0 {
		d := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		follow, _ := namesOthers(d.MediaType)
		if followed, known := seen[d.Digest]; known && (followed || !follow) {
			continue
		}
		seen[d.Digest] = follow
		why, err := a.blob(ctx, d)
		if err != nil {
			return nil, err
		}
		var l links
		if why == "" {
			l, err = a.s.links(ctx, d)
			why, err = contentReason(err)
			if err != nil {
				return nil, err
			}
		}
		if why != "" {
			wrong = append(wrong, Problem{Image: e.Name, Digest: d.Digest.String(), Reason: why})
			continue
		}
		todo = append(todo, l.needs()...)
	}
	return wrong, nil
}

// blob says what is wrong with a blob, "" for nothing.
func (a *audit) blob(ctx context.Context, d artifact.Descriptor) (string, error) {
	if _, known := a.blobs[d.Digest]; !known {
		why, err := contentReason(a.s.Verify(ctx, artifact.Descriptor{Digest: d.Digest}))
		if err != nil {
			return "", err
		}
		a.blobs[d.Digest] = why
	}
	if a.blobs[d.Digest] == missingBlob && artifact.IsEmpty(d.Digest) {
		return "", nil // opcr policy may leave it out, and everybody knows what it says
	}
	if why := a.blobs[d.Digest]; why != "" || d.Size <= 0 {
		return why, nil
	}
	if info, err := a.s.statBlob(d); err != nil || info != nil {
		return "", err
	}
	return fmt.Sprintf("it has not the %d bytes its parent says", d.Size), nil
}

// files counts what lies in the store, and hashes the blobs no entry led to.
func (a *audit) files(ctx context.Context, out *CheckReport) error {
	err := a.s.eachBlob(ctx, func(d artifact.Digest, info fs.FileInfo) error {
		out.Blobs++
		out.Bytes += info.Size()
		if _, known := a.blobs[d]; known {
			return nil
		}
		why, err := a.blob(ctx, artifact.Descriptor{Digest: d})
		if err == nil && why != "" && why != missingBlob {
			out.Problems = append(out.Problems, Problem{Digest: d.String(), Reason: why})
		}
		return err
	}, func(path string) { out.Stray = append(out.Stray, path) })
	if err != nil {
		return err
	}
	top, err := a.s.readDir()
	if err != nil {
		return err
	}
	for _, f := range top {
		switch f.Name() {
		case layoutFile, indexFile, previousFile, damagedFile, blobsDir, ingestDir, indexLock, gcLock:
		default:
			out.Stray = append(out.Stray, f.Name())
		}
	}
	return a.ingest(out)
}

func (a *audit) ingest(out *CheckReport) error {
	files, err := a.s.readDir(ingestDir)
	if err != nil {
		return err
	}
	for _, f := range files {
		switch name := f.Name(); {
		case strings.HasSuffix(name, partSuffix), strings.HasPrefix(name, tempPrefix) && !strings.HasSuffix(name, ".lock"):
			out.Partials++
		case name == indexFile, name == layoutFile, strings.HasSuffix(name, ".lock"):
		default:
			out.Stray = append(out.Stray, ingestDir+"/"+name)
		}
	}
	return nil
}

const missingBlob = "missing"

// contentReason tells content that is wrong from a disk that does not answer.
func contentReason(err error) (string, error) {
	switch {
	case err == nil:
		return "", nil
	case errors.Is(err, fault.NotFound):
		return missingBlob, nil
	case errors.Is(err, fault.Invalid):
		return reason(err), nil
	default:
		return "", err
	}
}

// reason is the message without the subject, which the report has already.
func reason(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Err.Error()
	}
	return err.Error()
}
