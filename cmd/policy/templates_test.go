package main

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/olareg/olareg"
	"github.com/olareg/olareg/config"
	"go.yaml.in/yaml/v3"
)

// ci is as much of a CI system's file as it takes to play that system: the
// commands of a job in their order, and its variables.
type ci struct {
	Env  map[string]string
	Jobs map[string]struct {
		Steps []struct {
			Name, Run string
			Env       map[string]string
		}
	}
	Variables map[string]string
	Test      gitlabJob `yaml:"policy-test"`
	Release   gitlabJob `yaml:"policy-release"`
}

type gitlabJob struct {
	Variables   map[string]string
	Script      []string
	AfterScript []string `yaml:"after_script"`
}

// TestCITemplates types what the templates' CI files say, on a release tag: what
// they release must be in the registry.
func TestCITemplates(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("the CI systems run bash, which is not here")
	}
	const released = `test "$(policy tags $R/acme/authz | sort | xargs)" = "1.2.0 latest"`
	for name, tt := range map[string]struct {
		templates []string
		file      string
		check     string
		commands  func(ci) (lines, env []string)
	}{
		"github": {
			templates: []string{"policy-template", "github --server $R --username jo --repo acme/authz"},
			file:      ".github/workflows/policy.yml",
			check:     released + ` && grep -q "Released .$R/acme/authz:1.2.0@sha256:" $GITHUB_STEP_SUMMARY`,
			commands:  func(c ci) ([]string, []string) { return github(c, "policy") },
		},
		"gitlab": {
			templates: []string{"policy-template", "gitlab --server $R --username jo --repo acme/authz"},
			file:      ".gitlab-ci.yml",
			check:     released,
			commands: func(c ci) (lines, env []string) {
				env = append(variables(c.Variables), variables(c.Release.Variables)...)
				return append(append(append(lines, c.Test.Script...), c.Release.Script...), c.Release.AfterScript...), env
			},
		},
		"pipeline": {
			templates: []string{"pipeline"},
			file:      ".github/workflows/policy.yml",
			check:     `test "$(policy tags $R/acme/shop/authz | sort | xargs)" = "1 1.2 1.2.0 latest"`,
			commands: func(c ci) ([]string, []string) {
				check, _ := github(c, "check")
				release, env := github(c, "release")
				return append(check, release...), append(env, "REGISTRY=$R")
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			registry := olareg.New(config.Config{Storage: config.ConfigStorage{StoreType: config.StoreMem}})
			server := httptest.NewServer(registry)
			defer func() { server.Close(); _ = registry.Close() }()
			host := strings.TrimPrefix(server.URL, "http://")
			dir := t.TempDir()
			env := append(cleanEnv(t), "R="+host, "CI=true", "GITHUB_ACTIONS=true",
				"GITHUB_REF_NAME=v1.2.0", "GITHUB_SHA=0123abc", "GITHUB_SERVER_URL=https://github.com", "GITHUB_REPOSITORY=Acme/Shop",
				"GITHUB_STEP_SUMMARY="+filepath.Join(dir, "summary.md"),
				"CI_COMMIT_TAG=v1.2.0", "CI_COMMIT_SHA=0123abc", "CI_PROJECT_URL=https://gitlab.com/acme/shop")
			var apply []string
			for _, template := range tt.templates {
				apply = append(apply, "policy templates apply "+template)
			}
			typed(t, dir, env, apply)
			text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(tt.file)))
			if err != nil {
				t.Fatal(err)
			}
			var c ci
			if err := yaml.Unmarshal(text, &c); err != nil {
				t.Fatal(err)
			}
			lines, more := tt.commands(c)
			for _, v := range more {
				env = append(env, strings.ReplaceAll(v, "$R", host))
			}
			typed(t, dir, append(env, "POLICY_PASSWORD=open sesame", "USERNAME=jo", "PASSWORD=open sesame"), append(lines, tt.check))
		})
	}
}

// github are the commands of a workflow's job and the variables around them, but
// for those that install policy and those that GitHub computes.
func github(c ci, job string) (lines, env []string) {
	env = variables(c.Env)
	for _, step := range c.Jobs[job].Steps {
		if step.Run != "" && step.Name != "install policy" {
			lines = append(lines, step.Run)
			env = append(env, variables(step.Env)...)
		}
	}
	return lines, env
}

func variables(m map[string]string) []string {
	var all []string
	for k, v := range m {
		if !strings.Contains(v, "${{") {
			all = append(all, k+"="+v)
		}
	}
	return all
}

// typed runs lines in one bash as the CI systems do, ending at the first failure.
func typed(t *testing.T, dir string, env, lines []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-ec", strings.Join(lines, "\n"))
	cmd.Dir, cmd.Env = dir, env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, strings.Join(lines, "\n"), out)
	}
}
