package engine

import (
	"cmp"
	"encoding/hex"
	"errors"
	"os"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	signkeys "github.com/open-policy-agent/opa/v1/keys"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/policyhost/policy/runtime/fault"
)

// Signing says with what a bundle is signed. The zero value signs nothing.
type Signing struct {
	Key        string // a shared secret, a PEM text, or the file that holds either
	Algorithm  string // of the token, RS256 when empty
	ClaimsFile string // JSON with more claims; it replaces the key's name
	Plugin     string // of a signer registered with OPA; empty is OPA's own
}

// config is nil when nothing is to be signed.
func (s Signing) config() (*bundle.SigningConfig, error) {
	if s.Key == "" {
		if s.ClaimsFile != "" || s.Plugin != "" {
			return nil, fault.New(fault.Usage, "", "claims or a plugin, and no key to sign with").
				WithHint("add --signing-key FILE")
		}
		return nil, nil
	}
	c := bundle.NewSigningConfig(s.Key, s.Algorithm, s.ClaimsFile).WithPlugin(s.Plugin)
	if err := checkAlgorithm(c.Algorithm); err != nil {
		return nil, err
	}
	if _, err := bundle.GetSigner(c.Plugin); err != nil {
		return nil, fault.New(fault.Usage, s.Plugin, "no signer of this name is built in")
	}
	if s.ClaimsFile != "" {
		if _, err := os.Stat(s.ClaimsFile); err != nil {
			return nil, fault.File(s.ClaimsFile, err)
		}
	}
	if s.Plugin == "" {
		if err := checkKey("signing", s.Key, c.Algorithm); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Verification says how signed bundles among the sources are verified. The zero
// value accepts only sources without a signature.
type Verification struct {
	Key          string // as in [Signing]; PEM of a public key
	KeyID        string // the key's name, "default" when empty; written when signing, too
	Algorithm    string // RS256 when empty
	Scope        string
	ExcludeFiles []string // patterns of files that are not verified
}

func (v Verification) keyID() string { return cmp.Or(v.KeyID, "default") }

// config is nil when there is no key.
func (v Verification) config() (*bundle.VerificationConfig, error) {
	if v.Key == "" {
		return nil, nil
	}
	algorithm := cmp.Or(v.Algorithm, "RS256")
	if err := checkAlgorithm(algorithm); err != nil {
		return nil, err
	}
	if err := checkKey("verification", v.Key, algorithm); err != nil {
		return nil, err
	}
	key, err := signkeys.NewKeyConfig(v.Key, algorithm, v.Scope)
	if err != nil {
		return nil, fault.File("the verification key", err)
	}
	return bundle.NewVerificationConfig(map[string]*bundle.KeyConfig{v.keyID(): key}, v.keyID(), v.Scope, v.ExcludeFiles), nil
}

func checkAlgorithm(name string) error {
	if !signkeys.IsSupportedAlgorithm(name) {
		return fault.New(fault.Usage, name, "not a signing algorithm that OPA knows").
			WithHint("one of HS256 HS384 HS512 RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512")
	}
	return nil
}

// checkKey finds the likeliest mistakes: a file that is not there, a secret where
// a key pair is meant. It never shows the key, which may be the secret itself.
func checkKey(what, key, algorithm string) error {
	if strings.HasPrefix(algorithm, "HS") || strings.HasPrefix(key, "-----BEGIN") {
		return nil
	}
	if _, err := os.Stat(key); err == nil {
		return nil
	}
	return fault.New(fault.NotFound, "", "the %s key is neither PEM nor a file that is there", what).
		WithHint("for a shared secret: --signing-alg HS256")
}

// verify checks the signature of an input, through OPA's own reader: what OPA
// would refuse at load time must not be built into something it accepts.
func verify(in *input, c *bundle.VerificationConfig, caps *capabilitySet, version ast.RegoVersion) error {
	signed := in.signatures != nil
	switch {
	case c == nil && !signed:
		return nil
	case c == nil:
		return fault.New(fault.Invalid, in.path.Typed, "signed, and there is no key to verify it with").
			WithHint("add --verification-key FILE, or leave the signature out: --ignore %s", signaturesName)
	case !signed || in.bundle == nil:
		return fault.New(fault.Invalid, in.path.Typed, "not signed: there is no %s in it", signaturesName)
	}
	l, closer, err := in.bundle()
	if err != nil {
		return err
	}
	defer closer.Close()
	_, err = bundle.NewCustomReader(l).
		WithBundleVerificationConfig(c).
		WithLazyLoadingMode(true).
		WithCapabilities(caps.of(version)).
		WithRegoVersion(version).
		Read()
	if err != nil {
		return &fault.Error{Kind: fault.Invalid, Subject: in.path.Typed, Err: signatureError{err}}
	}
	return nil
}

type signatureError struct{ error }

func (e signatureError) Error() string {
	if ps := problemsOf(e.error); len(ps) > 0 {
		return ps.Error()
	}
	return "the signature does not hold: " + e.error.Error()
}

func (e signatureError) Unwrap() error { return e.error }

// sign returns the .signatures.json of the files, as OPA verifies it.
func sign(files []*source, c *bundle.SigningConfig, keyID string) (*source, error) {
	const algorithm = bundle.SHA256
	hasher, err := bundle.NewSignatureHasher(algorithm)
	if err != nil {
		return nil, err
	}
	var infos []bundle.FileInfo
	for _, f := range files {
		text, err := f.read()
		if err != nil {
			return nil, err
		}
		var content any = text
		if bundle.IsStructuredDoc(f.name) {
			// Hashed by meaning, not by bytes.
			if err := util.UnmarshalJSON(text, &content); err != nil {
				return nil, fault.New(fault.Invalid, f.typed, "%w", err)
			}
		}
		sum, err := hasher.HashFile(content)
		if err != nil {
			return nil, err
		}
		infos = append(infos, bundle.NewFile(f.name, hex.EncodeToString(sum), algorithm.String()))
	}
	if c.ClaimsPath != "" {
		keyID = ""
	}
	token, err := bundle.GenerateSignedToken(infos, c, keyID)
	if err != nil {
		return nil, fault.New(fault.Invalid, "", "signing: %w", withoutKey(err))
	}
	config := bundle.SignaturesConfig{Signatures: []string{token}}
	if p := c.Plugin; p != "" && p != defaultSigner {
		config.Plugin = p
	}
	text, err := encodeJSON(config)
	if err != nil {
		return nil, err
	}
	return &source{name: signaturesName, typed: signaturesName, size: int64(len(text)), text: text}, nil
}

// defaultSigner is the name OPA gives its own signer when none is asked for.
var defaultSigner = bundle.NewSigningConfig("", "", "").Plugin

// withoutKey keeps a path error from showing the key: OPA tries it as a path.
func withoutKey(err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return pe.Err
	}
	return err
}
