package registry

import (
	"context"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
)

// google lists what lies below a name of Google's Container or Artifact Registry:
// their tag lists have a member "child" with the names one level further down, as
// https://github.com/google/go-containerregistry/blob/main/pkg/v1/google/list.go
// reads it. No page of the documentation describes it.
func google() calls { return calls{list: googleList} }

func googleList(ctx context.Context, s *session, prefix string, yield func([]string) error) error {
	if prefix == "" {
		return errUseCatalog
	}
	open := []string{prefix}
	for seen := 0; len(open) > 0; seen++ {
		name := open[0]
		open = open[1:]
		if seen >= maxPages {
			return &oversize{"the list", maxPages}
		}
		holds, images := false, artifact.Name{Registry: s.n.Registry, Repository: name}
		err := s.c.list(ctx, images, "/v2/"+name+"/tags/list", func(body []byte) error {
			var page struct {
				Child    []string       `json:"child"`
				Manifest map[string]any `json:"manifest"`
				Tags     []string       `json:"tags"`
			}
			if err := decode(body, "list of tags", &page); err != nil {
				return err
			}
			holds = holds || len(page.Manifest) > 0 || len(page.Tags) > 0
			for _, child := range page.Child {
				if !strings.Contains(child, "/") && isRepository(name+"/"+child) {
					open = append(open, name+"/"+child)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if holds {
			if err := yield([]string{name}); err != nil {
				return err
			}
		}
	}
	return nil
}
