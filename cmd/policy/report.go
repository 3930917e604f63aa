package main

import (
	"bytes"
	"os"
	"path/filepath"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/cmd/internal/report"
	"github.com/policyhost/policy/runtime/fault"
)

// mayReport fails when a report could not be written, before there is anything to
// report.
func mayReport(name string) error {
	if name == "" {
		return nil
	}
	probe, err := os.CreateTemp(filepath.Dir(name), ".report.*")
	if err != nil {
		return fault.In("", name, fault.File(name, err))
	}
	_ = probe.Close() // empty, and only there to be removed
	return fault.In("", name, fault.File(name, os.Remove(probe.Name())))
}

// writeReport writes the page about a run. It appears whole, or not at all.
func (s *session) writeReport(name string, run render.Run) error {
	if name == "" {
		return nil
	}
	var page bytes.Buffer
	if err := report.Write(&page, run, s.rehearsal != nil, version(), s.secrets.Scrub); err != nil {
		return err
	}
	out, err := builtins.Anywhere{}.Create(name)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := out.Write(page.Bytes()); err != nil {
		return err
	}
	return out.Commit()
}
