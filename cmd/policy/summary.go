package main

import (
	"os"
	"sync"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/render"
)

// summary gathers what a pipeline did, for the file that GitHub shows with the step
// that ran it. A nil summary gathers nothing.
type summary struct {
	path string
	mu   sync.Mutex
	run  render.Run
}

// newSummary is nil unless $GITHUB_STEP_SUMMARY names a file.
func (a *app) newSummary() *summary {
	if path := a.getenv("GITHUB_STEP_SUMMARY"); path != "" {
		return &summary{path: path}
	}
	return nil
}

// note keeps what a verb gave: the images that it made, named or moved, and tests.
func (s *summary) note(verb builtins.Verb, result any) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var images builtins.Images
	switch r := result.(type) {
	case *builtins.TestReport:
		if r != nil {
			s.run.Tests = append(s.run.Tests, r)
		}
	case *builtins.Image:
		images = builtins.Images{r}
	case builtins.Images:
		images = r
	}
	for _, i := range images {
		if i != nil && verb.Effect == builtins.Write {
			s.run.Images = append(s.run.Images, render.RunImage{Verb: verb.Name, Image: i})
		}
	}
}

// write adds the summary to the end of the file. Nothing depends on it: when it
// cannot be written, a warning says so.
func (s *summary) write(p *render.Printer, events builtins.Events, name string, err error) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.run.Name, s.run.Err = name, err
	file, openErr := os.OpenFile(s.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
	if openErr == nil {
		_, openErr = file.WriteString(p.Summary(s.run))
		if closeErr := file.Close(); openErr == nil {
			openErr = closeErr
		}
	}
	if openErr != nil && events != nil {
		events(builtins.Event{State: builtins.Warning, Message: "no summary of the run: " + openErr.Error()})
	}
}
