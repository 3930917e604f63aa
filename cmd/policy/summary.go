package main

import (
	"os"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/render"
)

// writeSummary adds what a run did to the end of the file that GitHub shows with the
// step that ran it, if $GITHUB_STEP_SUMMARY names one. Nothing depends on it: when it
// cannot be written, a warning says so.
func (s *session) writeSummary(run render.Run) {
	path := s.getenv("GITHUB_STEP_SUMMARY")
	if path == "" {
		return
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
	if err == nil {
		_, err = file.WriteString(s.printer.Summary(run))
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
	}
	if err != nil && s.env.Events != nil {
		s.env.Events(builtins.Event{State: builtins.Warning, Message: "no summary of the run: " + err.Error()})
	}
}
