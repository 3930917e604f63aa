package config_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/policyhost/policy/cmd/internal/project"
	"github.com/policyhost/policy/runtime/fault"
)

func ofProject(root string, defaults ...project.Default) *project.Project {
	return &project.Project{Root: root, File: "policy.toml", Defaults: defaults}
}

func TestProjectDefaults(t *testing.T) {
	t.Parallel()
	p := ofProject("/proj",
		project.Default{Key: "default_domain", Texts: []string{"proj.example"}, Line: 3},
		project.Default{Key: "concurrency", Texts: []string{"8"}, Line: 4},
		project.Default{Key: "timeout", Texts: []string{"1m"}, Line: 5},
		project.Default{Key: "limits.total", Texts: []string{"1MiB"}, Line: 6},
		project.Default{Key: "logging.log_level", Texts: []string{"info"}, Line: 7},
	)
	file := filepath.Join("/proj", project.Name)
	for name, tt := range map[string]struct {
		run  run
		want map[string]string
	}{
		"alone": {run{project: p}, map[string]string{
			"default_domain": "proj.example " + file + ":3", "concurrency": "8 " + file + ":4", "timeout": "1m " + file + ":5",
			"limits.total": "1MiB " + file + ":6", "logging.log_level": "info " + file + ":7", "limits.ratio": "100 default",
		}},
		"below everything else": {run{
			project: p,
			args:    []string{"--timeout=2m"},
			env:     map[string]string{"POLICY_CONCURRENCY": "2"},
			files:   map[string]string{".policy/config.yaml": "limits: {total: 2MiB}\n", ".policy/default-domain.cfg": "saved.example"},
		}, map[string]string{
			"default_domain": "saved.example ~/.policy/default-domain.cfg", "concurrency": "2 $POLICY_CONCURRENCY",
			"timeout": "2m0s --timeout", "limits.total": "2MiB ~/.policy/config.yaml:1",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			home, s, sources, err := tt.run.load(t)
			if err != nil {
				t.Fatal(err)
			}
			for _, got := range sources.Settings {
				if want := tt.want[got.Name]; want != "" && strings.ReplaceAll(got.Value+" "+got.From, home, "~") != want {
					t.Errorf("%s: got %s %s, want %s", got.Name, got.Value, got.From, want)
				}
			}
			if places := sources.Places; places[len(places)-1].Path != file || places[len(places)-1].Use != "used" {
				t.Errorf("places %v", places)
			}
			if name != "alone" && s.LoginDomain != "" {
				t.Errorf("logins are for %q", s.LoginDomain)
			}
			if name == "alone" && (s.Concurrency != 8 || s.DefaultDomain != "proj.example" || s.LoginDomain != "docker.io" || s.Limits.Total != 1<<20) {
				t.Errorf("settings %+v", s)
			}
		})
	}
}

// What a stranger's file must never decide is refused by name; everything that a
// project may set is named here, so that adding a setting is a decision.
func TestProjectRefuses(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"file_store_root":                 "a project cannot set file_store_root: ",
		"insecure":                        "a project cannot set insecure: ",
		"plaintext":                       "a project cannot set plaintext: ",
		"ca":                              "a project cannot set ca: ",
		"registries.ghcr.io.proxy":        "a project cannot set registries.ghcr.io.proxy: ",
		"registries.ghcr.io.mirror":       "a project cannot set registries.ghcr.io.mirror: ",
		"registries.ghcr.io.upload_hosts": "a project cannot set registries.ghcr.io.upload_hosts: ",
		"registries.ghcr.io.client_key":   "a project cannot set registries.ghcr.io.client_key: ",
		"registries":                      "a project cannot set registries: ",
		"token_defaults.ghcr.io":          "a project cannot set token_defaults.ghcr.io: ",
		"concurency":                      `unknown key "concurency" in defaults`,
		"logging.prod":                    `unknown key "logging.prod" in defaults`,
		"concurrency":                     `defaults.concurrency: "x" is not a number from 1`,
		"limits.total":                    `defaults.limits.total: "x" is not a size`,
		"default_domain.":                 "unknown key",
		"ci_templates.server":             "unknown key",
	} {
		_, _, _, err := run{project: ofProject("/proj", project.Default{Key: key, Texts: []string{"x"}, Line: 3})}.load(t)
		if !errors.Is(err, fault.Invalid) || !strings.HasPrefix(err.Error(), "policy.toml: line 3: "+want) || fault.Of(err).Hint == "" && !strings.HasPrefix(want, "defaults.") {
			t.Errorf("%s: %v", key, err)
		}
	}
	for key, raised := range map[string]string{"limits.total": "2TiB", "limits.ratio": "9999", "limits.entries": "99999999", "limits.name_length": "99999"} {
		_, _, _, err := run{project: ofProject("/proj", project.Default{Key: key, Texts: []string{raised}, Line: 3})}.load(t)
		if err == nil || !strings.Contains(err.Error(), "a project can lower "+key+" and not raise it above ") {
			t.Errorf("%s: %v", key, err)
		}
	}
	_, _, _, err := run{project: ofProject("/proj", project.Default{Key: "concurrency", Texts: []string{"1"}, List: true, Line: 3})}.load(t)
	if err == nil || !strings.Contains(err.Error(), "line 3: defaults.concurrency: want a single value") {
		t.Errorf("a list: %v", err)
	}
}
