package registry

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
)

// harbor is the API of Harbor, as documented at
// https://github.com/goharbor/harbor/blob/main/api/v2.0/swagger.yaml: basic
// authentication, pages linked by Link headers, the slashes of a repository's
// name escaped twice.
func harbor() calls {
	return calls{
		login: func(_ context.Context, s *session) (http.Header, error) {
			if s.cred.Username == "" {
				return nil, nil
			}
			return http.Header{"Authorization": {basicAuth(s.cred)}}, nil
		},
		list: harborList,
		deleteTag: func(_ context.Context, s *session, n artifact.Name) error {
			tag := url.PathEscape(n.Tag)
			_, err := s.send(http.MethodDelete, harborPath(n)+"/artifacts/"+tag+"/tags/"+tag, nil, nil)
			return err
		},
		deleteRepository: func(_ context.Context, s *session, n artifact.Name) error {
			_, err := s.send(http.MethodDelete, harborPath(n), nil, nil)
			return err
		},
	}
}

func harborPath(n artifact.Name) string {
	project, name, _ := strings.Cut(n.Repository, "/")
	return "/api/v2.0/projects/" + url.PathEscape(project) + "/repositories/" + url.PathEscape(url.PathEscape(name))
}

// harborList lists a project, or all that the user may see.
func harborList(_ context.Context, s *session, prefix string, yield func([]string) error) error {
	path := "/api/v2.0/repositories"
	if project, _, _ := strings.Cut(prefix, "/"); project != "" {
		path = "/api/v2.0/projects/" + url.PathEscape(project) + "/repositories"
	}
	type repository struct {
		Name string `json:"name"` // with the project
	}
	return pages(s, path+"?page=1&page_size=100", func(page []repository) error {
		var names []string
		for _, r := range page {
			names = append(names, r.Name)
		}
		return yield(names)
	})
}
