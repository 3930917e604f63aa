package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/builtins/lockfile"
	"github.com/policyhost/policy/cmd/internal/project"
	"github.com/policyhost/policy/runtime"
)

// shownRecipes opens the recipes of projects for an editor: those that are on this
// machine, once, until the files that name them change.
type shownRecipes struct {
	session *session

	mu     sync.Mutex
	byRoot map[string]*shownProject
}

// shownProject is what was opened for one project, and what its files were like.
type shownProject struct {
	*recipes
	stamp string

	mu     sync.Mutex
	failed bool // something could not be opened: it is tried again
}

type opener = func(context.Context, runtime.Module, string) (*runtime.Package, error)

// of gives what opens the recipes that a pipeline names; its project may have
// mistakes, which are findings at the load statements.
func (s *shownRecipes) of(source runtime.Source) opener {
	connect := func(context.Context, *project.Project) (*builtins.Env, error) { return s.session.env, nil }
	fresh, err := s.session.recipesOf(source, pinKnown, connect)
	if err != nil {
		return func(context.Context, runtime.Module, string) (*runtime.Package, error) { return nil, err }
	}
	fresh.offline = true
	root := fresh.project.Root
	p := &shownProject{recipes: fresh, stamp: stampOf(root)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.byRoot[root]; known != nil && known.stamp == p.stamp && !known.hasFailed() {
		return known.open
	}
	if s.byRoot == nil {
		s.byRoot = make(map[string]*shownProject)
	}
	s.byRoot[root] = p
	return p.open
}

func (p *shownProject) open(ctx context.Context, from runtime.Module, name string) (*runtime.Package, error) {
	found, err := p.Package(ctx, from, name)
	if err != nil {
		p.mu.Lock()
		p.failed = true
		p.mu.Unlock()
	}
	return found, err
}

func (p *shownProject) hasFailed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed
}

// stampOf changes when what says which recipes a project has does.
func stampOf(root string) (stamp string) {
	for _, name := range []string{project.Name, lockfile.Name} {
		if info, err := os.Stat(filepath.Join(root, name)); err == nil {
			stamp += fmt.Sprintln(info.Size(), info.ModTime().UnixNano())
		}
	}
	return stamp
}
