package main

import (
	"path/filepath"

	"github.com/policyhost/policy/cmd/internal/project"
	"github.com/policyhost/policy/runtime"
)

// loadProject reads the project that a folder is in, for this version of policy.
func loadProject(dir string) (*project.Project, error) { return project.Load(dir, version()) }

// projectOf is the project of a pipeline: that of its folder; for what is no file,
// that of the working folder.
func projectOf(source runtime.Source) (*project.Project, error) {
	if source.Name == "-" || source.Name == "-e" || isRecipeFile(source.Name) {
		return loadProject(".")
	}
	return loadProject(filepath.Dir(source.Name))
}
