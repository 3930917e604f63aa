package engine

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyhost/policy/runtime/fault"
)

// capabilitySet hands out what modules of a version of Rego may use: all that
// this OPA can, or what the user named.
type capabilitySet struct {
	named *ast.Capabilities
	stubs []*ast.Builtin
	made  map[ast.RegoVersion]*ast.Capabilities
}

// loadCapabilities reads a capabilities file, or the set of a version of OPA that
// is built in, such as "v1.0.0". An empty name is all this OPA can.
func loadCapabilities(name string) (*capabilitySet, error) {
	c := &capabilitySet{made: map[ast.RegoVersion]*ast.Capabilities{}}
	if name == "" {
		return c, nil
	}
	f, err := os.Open(name)
	if err == nil {
		defer f.Close()
		if c.named, err = ast.LoadCapabilitiesJSON(f); err != nil {
			return nil, fault.New(fault.Invalid, name, "not a capabilities file: %w", err)
		}
		return c, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.File(name, err)
	}
	versions, err := ast.LoadCapabilitiesVersions()
	if err != nil {
		return nil, err
	}
	version := name
	if !strings.HasPrefix(version, "v") {
		version = "v" + version
	}
	if !slices.Contains(versions, version) {
		return nil, fault.New(fault.NotFound, name, "neither a file nor a version of OPA that is known").
			WithHint("the newest that is known is %s", versions[len(versions)-1])
	}
	c.named, err = ast.LoadCapabilitiesVersion(version)
	return c, err
}

// stub lets the policy call functions that only the engine which will run it has.
func (c *capabilitySet) stub(stubs map[string]*ast.Builtin) {
	for _, name := range slices.Sorted(maps.Keys(stubs)) {
		c.stubs = append(c.stubs, stubs[name])
	}
}

// of returns the capabilities for modules of version v.
func (c *capabilitySet) of(v ast.RegoVersion) *ast.Capabilities {
	if made, ok := c.made[v]; ok {
		return made
	}
	made := c.named
	if made == nil {
		made = ast.CapabilitiesForThisVersion(ast.CapabilitiesRegoVersion(v))
	}
	if len(c.stubs) > 0 {
		with := *made
		with.Builtins = slices.Concat(made.Builtins, c.stubs)
		made = &with
	}
	c.made[v] = made
	return made
}
