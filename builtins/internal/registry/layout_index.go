package registry

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// entry keeps the bytes of an index entry, so that fields we do not know survive.
type entry struct {
	artifact.Descriptor
	raw json.RawMessage
}

// index reads the layout's entries and the index's other fields; a folder that
// is not there, or empty, has none.
func (l *Layout) index() ([]entry, map[string]json.RawMessage, error) {
	fields := map[string]json.RawMessage{}
	b, err := os.ReadFile(filepath.Join(l.dir, v1.ImageIndexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fields, nil
	}
	if err != nil {
		return nil, nil, layoutFault(l.dir, err)
	}
	var raws []json.RawMessage
	if err := json.Unmarshal(b, &fields); err != nil {
		return nil, nil, fault.New(fault.Invalid, l.dir, "reading its index.json: %w", err)
	}
	if m := fields["manifests"]; m != nil {
		if err := json.Unmarshal(m, &raws); err != nil {
			return nil, nil, fault.New(fault.Invalid, l.dir, "reading its index.json: %w", err)
		}
	}
	entries := make([]entry, len(raws))
	for i, raw := range raws {
		entries[i].raw = raw
		if err := json.Unmarshal(raw, &entries[i].Descriptor); err != nil {
			return nil, nil, fault.New(fault.Invalid, l.dir, "reading its index.json: %w", err)
		}
	}
	return entries, fields, nil
}

// update makes tag name d in the index.
func (l *Layout) update(tag string, d artifact.Descriptor) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	entries, fields, err := l.index()
	if err != nil {
		return err
	}
	d.Annotations = nil
	if tag != "" {
		d.Annotations = map[string]string{v1.AnnotationRefName: tag}
	}
	raw, err := json.Marshal(d)
	if err != nil {
		return err
	}
	raws := make([]json.RawMessage, 0, len(entries)+1)
	for _, e := range entries {
		name := e.Annotations[v1.AnnotationRefName]
		if name == tag && (tag != "" || e.Digest == d.Digest) {
			continue
		}
		raws = append(raws, e.raw)
	}
	if fields["manifests"], err = json.Marshal(append(raws, raw)); err != nil {
		return err
	}
	if fields["schemaVersion"] == nil {
		fields["schemaVersion"] = json.RawMessage("2")
		fields["mediaType"] = json.RawMessage(`"` + v1.MediaTypeImageIndex + `"`)
	}
	version, err := json.Marshal(v1.ImageLayout{Version: v1.ImageLayoutVersion})
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(l.dir, v1.ImageLayoutFile)); err != nil {
		if err := l.write(v1.ImageLayoutFile, version); err != nil {
			return err
		}
	}
	b, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	return l.write(v1.ImageIndexFile, b)
}

func (l *Layout) write(name string, b []byte) error {
	f, err := os.CreateTemp(l.dir, ".tmp-*")
	if err != nil {
		return layoutFault(l.dir, err)
	}
	if _, err = f.Write(b); err == nil {
		err = finish(f, filepath.Join(l.dir, name), 0o644)
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(f.Name())
		return layoutFault(l.dir, err)
	}
	return nil
}
