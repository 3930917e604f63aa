package engine

import (
	"bytes"
	"cmp"
	"encoding/json"
	"os"
	"strings"

	"github.com/policyhost/policy/runtime/fault"
)

// buildConfig is a build configuration file: the options of policy build under
// the names of its flags. (opcr policy had the flag and never read the file.)
type buildConfig struct {
	Target            string   `json:"target"`
	Optimize          int      `json:"optimize"`
	Entrypoint        []string `json:"entrypoint"`
	Revision          string   `json:"revision"`
	Ignore            []string `json:"ignore"`
	IncludeTests      bool     `json:"include-tests"`
	IncludeHidden     bool     `json:"include-hidden"`
	Capabilities      string   `json:"capabilities"`
	RegoVersion       string   `json:"rego-version"`
	SigningKey        string   `json:"signing-key"`
	SigningAlg        string   `json:"signing-alg"`
	SigningPlugin     string   `json:"signing-plugin"`
	ClaimsFile        string   `json:"claims-file"`
	VerificationKey   string   `json:"verification-key"`
	VerificationKeyID string   `json:"verification-key-id"`
	Scope             string   `json:"scope"`
	ExcludeFiles      []string `json:"exclude-files-verify"`
}

// readConfig fills the options that have no value, or the value they have when
// nobody says anything, from the build configuration file. Lists are added up.
func (o *BuildOptions) readConfig() error {
	var c buildConfig
	if o.BuildConfigFile != "" {
		text, err := os.ReadFile(o.BuildConfigFile)
		if err != nil {
			return fault.File(o.BuildConfigFile, err)
		}
		if text, err = YAMLToJSON(o.BuildConfigFile, text); err != nil {
			return err
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&c); err != nil {
			return fault.New(fault.Usage, o.BuildConfigFile, "%w", err).
				WithHint("its keys are the long flags of policy build, without the dashes")
		}
	}
	if o.Resolve != nil {
		for _, file := range []*string{&c.Capabilities, &c.SigningKey, &c.ClaimsFile, &c.VerificationKey} {
			real, err := o.Resolve(*file)
			if err != nil {
				return err
			}
			*file = real
		}
	}
	set := func(option *string, usual, value string) {
		if *option == "" || *option == usual {
			*option = cmp.Or(value, *option, usual)
		}
	}
	set(&o.Target, targetRego, c.Target)
	set(&o.RegoVersion, "rego.v1", c.RegoVersion)
	set(&o.Revision, "", c.Revision)
	set(&o.Capabilities, "", c.Capabilities)
	set(&o.Signing.Key, "", c.SigningKey)
	set(&o.Signing.Algorithm, "RS256", c.SigningAlg)
	set(&o.Signing.Plugin, "", c.SigningPlugin)
	set(&o.Signing.ClaimsFile, "", c.ClaimsFile)
	set(&o.Verification.Key, "", c.VerificationKey)
	set(&o.Verification.KeyID, "default", c.VerificationKeyID)
	set(&o.Verification.Algorithm, "RS256", c.SigningAlg)
	set(&o.Verification.Scope, "", c.Scope)
	o.Optimize = cmp.Or(o.Optimize, c.Optimize)
	o.KeepTests = o.KeepTests || c.IncludeTests
	o.KeepHidden = o.KeepHidden || c.IncludeHidden
	o.Entrypoints = append(o.Entrypoints, c.Entrypoint...)
	o.Ignore = append(o.Ignore, c.Ignore...)
	o.Verification.ExcludeFiles = append(o.Verification.ExcludeFiles, c.ExcludeFiles...)
	for _, e := range o.Entrypoints {
		if strings.HasPrefix(e, "data.") {
			return fault.New(fault.Usage, e, "an entrypoint is a path below data").
				WithHint("write it as %s", strings.ReplaceAll(strings.TrimPrefix(e, "data."), ".", "/"))
		}
	}
	switch {
	case o.Optimize < 0 || o.Optimize > 2:
		return fault.New(fault.Usage, "", "optimization is 0, 1 or 2, not %d", o.Optimize)
	case o.Target != targetRego && o.Target != "wasm" && o.Target != "plan":
		return fault.New(fault.Usage, "", "%q is not a target", o.Target).WithHint("one of rego, wasm, plan")
	}
	return nil
}
