package builtins

import (
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/engine"
)

// keptBuild remembers which bundle a build made, under the key of its sources
// and options. It lives in the cache, which may be deleted at any time: not to
// find it, or not to be able to write it, costs time and nothing else.
type keptBuild struct {
	file     string
	readOnly bool
}

// keptBuild is nil for a build that must not be kept.
func (s Settings) keptBuild(key string) *keptBuild {
	if key == "" {
		return nil
	}
	return &keptBuild{filepath.Join(s.cache(), "builds", key+".json"), s.leaveCache}
}

// builtHere reports whether a bundle came out of a build with this store root:
// all of it compiled then.
func (s Settings) builtHere(layer artifact.Digest) bool {
	_, err := os.Stat(s.builtMark(layer))
	return err == nil
}

func (s Settings) markBuilt(layer artifact.Digest) {
	if s.leaveCache {
		return
	}
	mark := s.builtMark(layer)
	if os.MkdirAll(filepath.Dir(mark), 0o700) == nil {
		_ = os.WriteFile(mark, nil, 0o600)
	}
}

func (s Settings) builtMark(layer artifact.Digest) string {
	return filepath.Join(s.cache(), "built", layer.Encoded())
}

type keptRecord struct {
	Layer artifact.Descriptor
	Built *engine.Built
}

// load gives the bundle's descriptor; the answer is nil when there is none.
func (k *keptBuild) load() (artifact.Descriptor, *engine.Built) {
	var r keptRecord
	if k == nil {
		return r.Layer, nil
	}
	text, err := os.ReadFile(k.file)
	if err != nil || json.Unmarshal(text, &r) != nil || r.Layer.Digest.Validate() != nil {
		return r.Layer, nil
	}
	return r.Layer, r.Built
}

func (k *keptBuild) save(layer artifact.Descriptor, built *engine.Built) {
	if k == nil || k.readOnly {
		return
	}
	text, err := json.Marshal(keptRecord{layer, built})
	if err == nil && os.MkdirAll(filepath.Dir(k.file), 0o700) == nil {
		_ = os.WriteFile(k.file, text, 0o600) // half of it does not parse, and counts as none
	}
}
