// Package templates holds the beginnings that policy templates apply writes: a
// policy, a pipeline, the files of a CI system.
//
// The files stand below files/, one folder a template, as they will be written
// but for words in capitals between two @, which [Template.Files] fills in.
package templates

import (
	"embed"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed all:files
var files embed.FS

// Template is a folder of files to start from.
type Template struct {
	Name        string
	Kind        string // "policy" or "cicd", as opcr policy calls them
	Description string
	Asks        bool     // whether its files need a registry's [Values]
	Home        Values   // of the registry that comes with the CI system
	Dollar      string   // how its files write a dollar sign; empty is plain
	Next        []string // what to do with the files, a line each
}

// Values fill in the files of a template.
type Values struct {
	Server        string // registry host
	User          string // who logs in there
	Secret        string // name of the CI system's secret with the password
	Repo          string // repository in the registry
	RegoVersion   string // "rego.v0", "rego.v0v1" or "rego.v1"
	PolicyVersion string // of policy, for the Go tool: "v1.2.0", "latest"
}

// All are the templates, by name.
func All() []Template {
	return []Template{
		{
			Name: "github", Kind: "cicd", Asks: true,
			Description: "A GitHub workflow that tests the policy in src and releases it on each tag.",
			Home:        Values{Server: "ghcr.io", User: "${{ github.actor }}", Secret: "GITHUB_TOKEN"},
			Next: []string{
				"It pushes to @SERVER@/@REPO@, with the password in the repository's secret @SECRET@.",
				"To release what is committed: git tag v0.1.0 && git push origin v0.1.0",
			},
		},
		{
			Name: "gitlab", Kind: "cicd", Asks: true,
			Description: "A GitLab pipeline that tests the policy in src and releases it on each tag.",
			Dollar:      "$$",
			Home:        Values{Server: "registry.gitlab.com", User: "$CI_REGISTRY_USER", Secret: "CI_REGISTRY_PASSWORD"},
			Next: []string{
				"It pushes to @SERVER@/@REPO@, with the password in the CI/CD variable @SECRET@.",
				"To release what is committed: git tag v0.1.0 && git push origin v0.1.0",
			},
		},
		{
			Name: "pipeline", Kind: "policy",
			Description: "A policy with tests and cases, the pipeline that releases it, and a GitHub workflow.",
			Next:        []string{"To test it and release it on this machine: policy run release.star"},
		},
		{
			Name: "policy-template", Kind: "policy",
			Description: "A policy and its tests.",
			Next:        []string{"To test it: policy test --rego-version @REGO_VERSION@ src"},
		},
	}
}

// File is a file of a template.
type File struct {
	Name    string // below the folder that is written to, with slashes
	Content string
}

// Files are the files of the template, filled in, sorted by name.
func (t Template) Files(v Values) []File {
	var all []File
	root := path.Join("files", t.Name)
	// The tree is part of the program: reading it cannot fail.
	_ = fs.WalkDir(files, root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, name)
		content := v.Fill(string(text))
		if strings.HasSuffix(name, ".rego") && v.RegoVersion != "rego.v1" {
			content = forOlder(content)
		}
		all = append(all, File{strings.TrimPrefix(name, root+"/"), content})
		return err
	})
	slices.SortFunc(all, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Fill puts the values where text names them.
func (v Values) Fill(text string) string {
	return strings.NewReplacer(
		"@SERVER@", v.Server,
		"@USER@", v.User,
		"@SECRET@", v.Secret,
		"@REPO@", v.Repo,
		"@REGO_VERSION@", v.RegoVersion,
		"@POLICY_VERSION@", v.PolicyVersion,
	).Replace(text)
}

// forOlder makes a policy in Rego v1 one that versions before 1.0 understand: the
// import turns the newer language on, and changes nothing where it is on.
func forOlder(source string) string {
	at := strings.Index("\n"+source, "\npackage ")
	end := at + strings.IndexByte(source[at:], '\n') + 1
	return source[:end] + "\nimport rego.v1\n" + source[end:]
}
