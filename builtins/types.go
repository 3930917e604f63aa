package builtins

import (
	"encoding/json"
	"time"
)

// Image is a policy image, local or remote.
type Image struct {
	Ref         string            `json:"ref"`         // registry/repository:tag
	Repository  string            `json:"repository"`  // registry/repository
	Tag         string            `json:"tag"`         // empty when known by digest only
	Digest      ManifestDigest    `json:"digest"`      // of the manifest; null when not known
	Size        *int64            `json:"size"`        // bytes of the bundle; null when not known
	Created     *time.Time        `json:"created"`     // null when the image does not say
	Annotations map[string]string `json:"annotations"` // of the manifest
	Unchanged   bool              `json:"unchanged"`   // the verb found nothing to do
}

// String is the token that every verb accepts back: repository:tag@digest.
func (i *Image) String() string {
	token := i.Repository
	if i.Tag != "" {
		token += ":" + i.Tag
	}
	if i.Digest != "" {
		token += "@" + string(i.Digest)
	}
	return token
}

// ManifestDigest is the digest of a manifest, sha256:…; empty when it is not known, which
// is null in JSON and None in scripts.
type ManifestDigest string

// MarshalJSON writes null for a digest that is not known.
func (d ManifestDigest) MarshalJSON() ([]byte, error) {
	if d == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(d))
}

// Images answers a verb that takes references: one for each, in their order.
type Images []*Image

// Listing is the answer of list: images, newest first when local, by name when
// remote. Remote ones lack size and created unless long is set.
type Listing []*Image

// Decision is the answer of eval.
type Decision struct {
	Result   json.RawMessage   `json:"result"`             // the value; null when undefined
	Defined  bool              `json:"defined"`            // whether there is a value
	Query    string            `json:"query"`              // as asked
	Bindings []json.RawMessage `json:"bindings,omitempty"` // one object a solution, when the query has variables
	Image    string            `json:"image,omitempty"`    // digest of the image judged; empty for files
	Metrics  map[string]any    `json:"metrics,omitempty"`  // nanoseconds, by OPA's names
	Partial  json.RawMessage   `json:"partial,omitempty"`  // queries and support modules
	Explain  string            `json:"explanation,omitempty"`
	Profile  json.RawMessage   `json:"profile,omitempty"`
	Coverage json.RawMessage   `json:"coverage,omitempty"`
}

// Login is the answer of login.
type Login struct {
	Server   string `json:"server"`
	Username string `json:"username"`
	Store    string `json:"store"`   // "file", or the name of the credential helper
	Default  bool   `json:"default"` // the server is the default domain
}

// Logins is the answer of logins: where each secret lives, never the secret.
type Logins []*Login

// Logout is the answer of logout.
type Logout struct {
	Server string `json:"server"`
	Store  string `json:"store"` // where the secret was: "file", or the helper's name
}

// Removal is what rm did to one reference.
type Removal struct {
	Ref        string         `json:"ref"`
	Digest     ManifestDigest `json:"digest"` // null when not known
	Remote     bool           `json:"remote"`
	BytesFreed int64          `json:"bytes_freed"` // on the local disk
}

// Removed answers rm, one for each reference.
type Removed []*Removal

// Visibility is the answer of set_public.
type Visibility struct {
	Repository string `json:"repository"` // registry/repository
	Public     bool   `json:"public"`
	Applies    string `json:"applies"` // what else it applies to, in words; empty when nothing
}

// Saved is the answer of save.
type Saved struct {
	Ref    string `json:"ref"`
	Path   string `json:"path"` // "-" for standard output
	Digest string `json:"digest"`
	Size   int64  `json:"size"` // bytes written
}

// Written is the answer of write.
type Written struct {
	Path   string `json:"path"`
	Digest string `json:"digest"` // of the content
	Size   int64  `json:"size"`   // bytes
}

// GitState is the answer of git: what the project's repository is at.
type GitState struct {
	Commit string    `json:"commit"` // the whole hash
	Tag    string    `json:"tag"`    // the highest tag of the commit; empty when it has none
	Branch string    `json:"branch"` // empty when no branch is checked out
	Dirty  bool      `json:"dirty"`  // files differ from the commit
	Time   time.Time `json:"time"`   // of the commit
}
