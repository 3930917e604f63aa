package config_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/policyhost/policy/runtime/fault"
)

func TestPlaces(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		run  run
		want string
	}{
		"none":         {run{}, "~/.policy/config.yaml not there, ~/.config/policy/config.yaml not there"},
		"the first":    {run{files: map[string]string{".policy/config.yaml": "", ".config/policy/config.yaml": ""}}, "~/.policy/config.yaml used, ~/.config/policy/config.yaml not read"},
		"the last":     {run{files: map[string]string{".config/policy/config.yaml": ""}}, "~/.policy/config.yaml not there, ~/.config/policy/config.yaml used"},
		"a store root": {run{args: []string{"--file-store-root=~/s"}}, "~/s/config.yaml not there, ~/.policy/config.yaml not there, ~/.config/policy/config.yaml not there"},
		"named":        {run{args: []string{"--config=~/mine.yaml"}, files: map[string]string{"mine.yaml": "", ".policy/config.yaml": ""}}, "~/mine.yaml used"},
		"named by env": {run{env: map[string]string{"POLICY_CONFIG": "~/mine.yaml"}, files: map[string]string{"mine.yaml": ""}}, "~/mine.yaml used"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			home, _, sources, err := tt.run.load(t)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range sources.Places {
				got = append(got, strings.ReplaceAll(p.Path, home, "~")+" "+p.Use)
			}
			if all := strings.Join(got, ", "); all != tt.want {
				t.Errorf("got  %s\nwant %s", all, tt.want)
			}
		})
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	const file = "registries:\n  ghcr.io:\n    insecure: true\n    concurrency: 2\ntoken_defaults:\n  ghcr.io: canary\n"
	_, _, sources, err := run{files: map[string]string{".policy/config.yaml": file}}.load(t)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string][]string{
		"insecure":                    {"insecure"},
		"limits":                      {"limits.total", "limits.ratio", "limits.entries", "limits.name_length"},
		"limits.ratio":                {"limits.ratio"},
		"registries":                  {"registries.ghcr.io.insecure", "registries.ghcr.io.concurrency"},
		"registries.ghcr.io":          {"registries.ghcr.io.insecure", "registries.ghcr.io.concurrency"},
		"registries.ghcr.io.insecure": {"registries.ghcr.io.insecure"},
		"token_defaults":              {"token_defaults.ghcr.io"},
	} {
		found, err := sources.Find(key)
		var names []string
		for _, s := range found {
			names = append(names, s.Name)
			if strings.Contains(s.Value, "canary") {
				t.Errorf("%s shows what may be a token", s.Name)
			}
		}
		if err != nil || !slices.Equal(names, want) {
			t.Errorf("%s: %s, %v", key, names, err)
		}
	}
	for key, want := range map[string]fault.Kind{"insecrue": fault.Usage, "": fault.Usage, "limit": fault.Usage, "registries.quay.io": fault.NotFound} {
		if _, err := sources.Find(key); !errors.Is(err, want) {
			t.Errorf("%s: %v", key, err)
		}
	}
}
