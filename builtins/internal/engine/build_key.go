package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"slices"

	"github.com/open-policy-agent/opa/v1/version"

	"github.com/policyhost/policy/runtime/fault"
)

// keyFormat is raised whenever the same sources begin to give another bundle.
const keyFormat = "policy build 1"

// Key identifies the bundle that Build would write: it is the same for the same
// sources and options, and another for any change of them or of OPA. It is empty
// when the result must not be kept, since signatures are part of it. It reads
// all sources, and fails as reading them does.
func (p *Prepared) Key(ctx context.Context) (string, error) {
	if p.o.Signing.Key != "" || p.o.Verification.Key != "" {
		return "", nil
	}
	for _, in := range p.inputs {
		if in.signatures != nil {
			return "", nil
		}
	}
	h := sha256.New()
	note := func(parts ...any) error {
		// JSON keeps the parts apart, whatever is in them.
		return json.NewEncoder(h).Encode(parts)
	}
	manifest, err := p.manifest.text()
	if err != nil {
		return "", err
	}
	created := int64(0)
	if !p.o.Created.IsZero() {
		created = p.o.Created.Unix()
	}
	err = note(keyFormat, version.Version, p.o.Target, p.o.Optimize, p.o.Entrypoints, p.version,
		created, p.o.Limits.WithDefaults(), string(manifest))
	if err != nil {
		return "", err
	}
	if err := note(p.o.Capabilities, p.capabilitiesText()); err != nil {
		return "", err
	}
	for _, m := range p.modules {
		if err := note(m.name, m.version, len(m.text)); err != nil {
			return "", err
		}
		h.Write(m.text)
	}
	buf := make([]byte, 256<<10)
	for _, f := range slices.Concat(p.data, p.others) {
		if ctx.Err() != nil {
			return "", fault.Of(context.Cause(ctx))
		}
		if err := note(f.name, f.size); err != nil {
			return "", err
		}
		if err := hashSource(h, f, buf); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func hashSource(h io.Writer, f *source, buf []byte) error {
	r, err := f.open()
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := io.CopyBuffer(h, struct{ io.Reader }{r}, buf); err != nil {
		return fault.File(f.typed, err)
	}
	return nil
}

// capabilitiesText is what a capabilities file says; a version is its name.
func (p *Prepared) capabilitiesText() string {
	if p.o.Capabilities == "" {
		return ""
	}
	text, err := os.ReadFile(p.o.Capabilities)
	if err != nil {
		return ""
	}
	return string(text)
}
