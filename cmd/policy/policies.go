package main

import (
	"path/filepath"
	"strings"

	"github.com/policyhost/policy/cmd/internal/project"
	"github.com/policyhost/policy/runtime/fault"
)

// ofProject chooses among the policies that policy.toml lists.
type ofProject struct {
	Policy []string `placeholder:"NAME" complete:"policy" help:"Policy of the project, by its name in policy.toml; all of them without a path."`
}

// policies are what a command without paths is about: those that are named, else
// all that the project lists. It fails with Usage for paths beside names, with
// NotFound for a name that is none.
func (o ofProject) policies(s *session, paths []string) ([]project.Policy, error) {
	if len(o.Policy) == 0 {
		if len(paths) > 0 {
			return nil, nil
		}
		return s.project.Policies, nil
	}
	if len(paths) > 0 {
		return nil, fault.New(fault.Usage, "--policy", "names a policy of the project, and %s is a path", paths[0]).
			WithHint("give the one or the other")
	}
	var chosen []project.Policy
	for _, name := range o.Policy {
		p, err := policyCalled(name, s.project)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, p)
	}
	return chosen, nil
}

func policyCalled(name string, of *project.Project) (project.Policy, error) {
	var known []string
	for _, p := range of.Policies {
		if p.Name == name {
			return p, nil
		}
		known = append(known, p.Name)
	}
	f := fault.New(fault.NotFound, "", "no policy of the project is called %q", name)
	switch near := fault.Nearest(name, known); {
	case near != "":
		return project.Policy{}, f.WithHint("did you mean %q?", near)
	case len(known) > 0:
		return project.Policy{}, f.WithHint("%s has %s", of.File, strings.Join(known, ", "))
	}
	return project.Policy{}, f.WithHint("list it in %s: [[policy]], with a name and a path", project.Name)
}

// pathIn is where something of a project is, as the user would type it.
func pathIn(p *project.Project, path string) string {
	full := filepath.Join(p.Root, filepath.FromSlash(path))
	here, err := filepath.Abs(".")
	if err != nil {
		return full
	}
	rel, err := filepath.Rel(here, full)
	if err != nil || len(rel) > len(full) {
		return full
	}
	return rel
}

// searched says where a command that looks for files looks: below the root for
// pipelines, and at each policy by itself. Both are nil when it is told by its paths.
func (o ofProject) searched(s *session, paths []string) (places []string, alone [][]string, err error) {
	policies, err := o.policies(s, paths)
	if err != nil || policies == nil {
		return nil, nil, err
	}
	for _, p := range policies {
		at := pathIn(s.project, p.Path)
		places, alone = append(places, at), append(alone, []string{at})
	}
	if len(o.Policy) == 0 {
		places = []string{pathIn(s.project, ".")}
	}
	return places, alone, nil
}
