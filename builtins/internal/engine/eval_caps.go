package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/version"
)

// networkBuiltins are the functions of Rego that reach other machines. The rest
// of net.* computes.
var networkBuiltins = []string{"http.send", "net.lookup_ip_addr"}

// evalCapabilities is what a policy may use when it is evaluated: everything
// but the network, except for the hosts that were allowed. Schemas are subject
// to the same list.
func evalCapabilities(v ast.RegoVersion, allowNet []string) *ast.Capabilities {
	caps := ast.CapabilitiesForThisVersion(ast.CapabilitiesRegoVersion(v))
	caps.AllowNet = slices.Clone(allowNet)
	if len(allowNet) == 0 {
		caps.AllowNet = []string{} // nil would allow every host
		caps.Builtins = slices.DeleteFunc(caps.Builtins, func(bi *ast.Builtin) bool {
			return slices.Contains(networkBuiltins, bi.Name)
		})
	}
	return caps
}

// testCapabilities are those of evalCapabilities, but that functions which reach
// the network are known: a test may replace them, and of a decision that was
// recorded their answers may be. Left alone they reach the hosts that were
// allowed, which may be none.
func testCapabilities(v ast.RegoVersion, allowNet []string) *ast.Capabilities {
	caps := ast.CapabilitiesForThisVersion(ast.CapabilitiesRegoVersion(v))
	caps.AllowNet = append([]string{}, allowNet...)
	return caps
}

// trusted reports whether the whole bundle is known to compile: because we
// built it, or because somebody compiled it here before.
func (b *Bundle) trusted() bool {
	if b.opts.Trusted {
		return true
	}
	name := b.verdict()
	if name == "" {
		return false
	}
	_, err := os.Stat(name)
	return err == nil
}

// remember notes that the whole bundle compiles. The note is a convenience: a
// cache that cannot be written costs time, nothing else.
func (b *Bundle) remember() {
	name := b.verdict()
	if name == "" || b.opts.Trusted {
		return
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return
	}
	if f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		_ = f.Close()
	}
}

// verdict is the file that says so. Its name covers everything the verdict
// depends on; extra data does not lie under a digest, so there is none then.
func (b *Bundle) verdict() string {
	if b.opts.CacheDir == "" || b.opts.Key == "" || len(b.opts.Data) > 0 {
		return ""
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "opa %s\n%s\n%d %t %t %q", version.Version, b.opts.Key,
		b.version, b.opts.Print != nil, b.opts.KnowNetwork, b.opts.AllowNet))
	return filepath.Join(b.opts.CacheDir, "compiled", hex.EncodeToString(sum[:16]))
}
