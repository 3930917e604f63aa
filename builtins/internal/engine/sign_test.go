package engine_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/keys"

	"github.com/policyhost/policy/builtins/internal/engine"
	"github.com/policyhost/policy/runtime/fault"
)

// keyPair returns the PEM texts of a private key and its public half.
func keyPair(t testing.TB, private any, public any) (string, string) {
	t.Helper()
	priv, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: priv})), string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub}))
}

func TestBuildSigned(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaPrivate, rsaPublic := keyPair(t, rsaKey, &rsaKey.PublicKey)
	ecPrivate, ecPublic := keyPair(t, ecKey, &ecKey.PublicKey)
	keyFile := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(keyFile, []byte(rsaPrivate), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := tree(t, sample)
	for _, tt := range []struct {
		name, algorithm, private, public string
		stable                           bool
		target                           string
	}{
		{"shared secret", "HS256", "s3cret", "s3cret", true, ""},
		{"RSA in a file, by default", "", keyFile, rsaPublic, true, ""},
		{"RSA-PSS", "PS256", rsaPrivate, rsaPublic, false, ""},
		{"ECDSA", "ES256", ecPrivate, ecPublic, false, ""},
		{"wasm", "HS512", "s3cret", "s3cret", true, "wasm"},
	} {
		o := engine.BuildOptions{
			Paths:        paths(dir),
			Target:       tt.target,
			Signing:      engine.Signing{Key: tt.private, Algorithm: tt.algorithm},
			Verification: engine.Verification{KeyID: "my-key"},
		}
		data, _ := build(t, o)
		again, _ := build(t, o)
		if bytes.Equal(data, again) != tt.stable {
			t.Errorf("%s: stable is %v, want %v", tt.name, !tt.stable, tt.stable)
		}
		algorithm := tt.algorithm
		if algorithm == "" {
			algorithm = "RS256"
		}
		key := &keys.Config{Key: tt.public, Algorithm: algorithm}
		opaReads(t, data, bundle.NewVerificationConfig(map[string]*keys.Config{"my-key": key}, "", "", nil))

		if tt.private == "s3cret" {
			wrong := &keys.Config{Key: "other", Algorithm: algorithm}
			_, err := bundle.NewReader(bytes.NewReader(data)).
				WithBundleVerificationConfig(bundle.NewVerificationConfig(map[string]*keys.Config{"my-key": wrong}, "", "", nil)).Read()
			if err == nil {
				t.Errorf("%s: OPA accepts it with another key", tt.name)
			}
		}
	}
}

func TestBuildVerifies(t *testing.T) {
	t.Parallel()
	claims := filepath.Join(t.TempDir(), "claims.json")
	if err := os.WriteFile(claims, []byte(`{"scope":"write","iss":"me"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	signing := engine.Signing{Key: "s3cret", Algorithm: "HS256", ClaimsFile: claims}
	verification := engine.Verification{Key: "s3cret", Algorithm: "HS256", Scope: "write"}
	data, _ := build(t, engine.BuildOptions{Paths: paths(tree(t, sample)), Signing: signing})
	files := unpack(t, data)
	if token := strings.Split(files[".signatures.json"], "."); len(token) == 3 {
		payload, err := base64.RawURLEncoding.DecodeString(token[1])
		if err != nil || !strings.Contains(string(payload), `"iss":"me"`) || strings.Contains(string(payload), "keyid") {
			t.Errorf("claims: %s, %v", payload, err)
		}
	} else {
		t.Errorf("signatures: %s", files[".signatures.json"])
	}
	unsigned, _ := build(t, engine.BuildOptions{Paths: paths(tree(t, sample))})

	file := filepath.Join(t.TempDir(), "bundle.tar.gz")
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{tree(t, files), file} {
		again, _ := build(t, engine.BuildOptions{Paths: paths(source), Verification: verification})
		if !bytes.Equal(again, unsigned) {
			t.Errorf("%s: verified and built, it is not what it was before it was signed", source)
		}
	}

	change := func(name, text string) map[string]string {
		out := map[string]string{}
		for n, v := range files {
			out[n] = v
		}
		out[name] = text
		return out
	}
	wrongKey, wrongScope := verification, verification
	wrongKey.Key, wrongScope.Scope = "other", "read"
	exclude := verification
	exclude.ExcludeFiles = []string{"authz/data.json"}
	for _, tt := range []struct {
		name  string
		files map[string]string
		v     engine.Verification
		ok    bool
		want  string
	}{
		{"module changed", change("authz/authz.rego", "package authz\n\nallow := true\n"), verification, false, "digest mismatch"},
		{"data changed", change("authz/data.json", `{"users":{"mallory":1}}`), verification, false, "digest mismatch"},
		{"data respaced", change("authz/data.json", `{"users":{"alice":1.50}}`), verification, true, ""},
		{"file added", change("evil.rego", "package evil"), verification, false, "not included in bundle signature"},
		{"hidden file added", change(".evil.rego", "package evil"), verification, false, "not included in bundle signature"},
		{"manifest changed", change(".manifest", `{"roots":["authz"]}`), verification, false, "digest mismatch"},
		{"another key", files, wrongKey, false, "verify JWT signature"},
		{"another scope", files, wrongScope, false, "scope mismatch"},
		{"no token", change(".signatures.json", `{"signatures":[]}`), verification, false, "missing JWT"},
		{"excluded", change("authz/data.json", `{"users":{"bob":1}}`), exclude, true, ""},
	} {
		dir := tree(t, tt.files)
		_, err := engine.Build(t.Context(), engine.BuildOptions{Paths: []engine.Path{{Typed: "DIR", Real: dir}}, Verification: tt.v}, io.Discard)
		if tt.ok && err != nil || !tt.ok && (!errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the message shows the key: %v", tt.name, err)
		}
	}
	delete(files, "authz/data.json")
	_, err := engine.Build(t.Context(), engine.BuildOptions{Paths: paths(tree(t, files)), Verification: verification}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "not found in the target bundle") {
		t.Errorf("file removed: %v", err)
	}
}
