package main

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/runtime/fault"
)

// Set by the build with -ldflags -X; else what Go recorded of the checkout.
var (
	buildVersion string
	buildCommit  string
	buildDate    string // RFC 3339
)

type versionCommand struct{ output }

// Release is the answer of version.
type Release struct {
	Version string `json:"version"`
	Date    string `json:"date"`
	Commit  string `json:"commit"`
}

func (*versionCommand) Help() string { return "Example:\n\n    policy version --output json" }

func (v *versionCommand) run(_ context.Context, a *app, _ *config.Flags) error {
	a.printer.Format = v.Output
	r := release()
	if v.Output == render.JSON || v.Output == render.YAML {
		return a.printer.Answer(r)
	}
	if _, err := fmt.Fprintf(a.printer.Out, "Policy CLI.\nversion: %s\ndate: %s\ncommit: %s\n", r.Version, r.Date, r.Commit); err != nil {
		return fault.New(fault.Unavailable, "", "writing the answer: %w", err)
	}
	return nil
}

func version() string { return release().Version }

func release() Release {
	r := Release{Version: buildVersion, Date: buildDate, Commit: buildCommit}
	if r.Version != "" {
		return r
	}
	r = Release{Version: "dev", Date: "1970-01-01T00:00:00Z", Commit: "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return r
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		r.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.time":
			r.Date = s.Value
		case "vcs.revision":
			r.Commit = s.Value[:min(7, len(s.Value))]
		}
	}
	return r
}
