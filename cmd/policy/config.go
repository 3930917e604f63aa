package main

import (
	"context"
	"os"

	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/runtime/fault"
)

type configCommand struct {
	Show configShow `cmd:"" help:"Show every setting, its value, and where it came from."`
}

type configShow struct {
	output
	Key string `arg:"" optional:"" help:"One setting, such as default_domain, or those below a name, such as limits."`
}

func (*configShow) Help() string {
	return `A setting is a flag, else an environment variable, else a line of the
configuration file, else of the project's policy.toml, else its default.

Examples:

    policy config show
    policy config show registries.ghcr.io
    policy config show default_domain --output json`
}

// Configuration is the answer of config show: the files looked for, best first,
// and the settings.
type Configuration struct {
	Files    []config.Place  `json:"files"`
	Settings []config.Source `json:"settings"`
}

func (c *configShow) run(_ context.Context, a *app, flags *config.Flags) error {
	a.printer.Format = c.Output
	p, err := loadProject(".")
	if err != nil {
		return err
	}
	home, _ := os.UserHomeDir()
	_, sources, err := config.Load(*flags, a.getenv, home, p)
	if err != nil {
		return fault.In("config show", "", err)
	}
	if c.Key == "" {
		return a.printer.Answer(Configuration{sources.Places, sources.Settings})
	}
	found, err := sources.Find(c.Key)
	switch {
	case err != nil:
		return fault.In("config show", "", err)
	case len(found) == 1 && found[0].Name == c.Key:
		return a.printer.Answer(found[0])
	}
	return a.printer.Answer(found)
}
