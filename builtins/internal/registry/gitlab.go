package registry

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// gitLab is the API of GitLab for its container registry, as documented at
// https://docs.gitlab.com/api/container_registry/ and, for projects, at
// https://docs.gitlab.com/api/projects/: a repository belongs to a project, whose
// path it begins with, and has a number. Tokens go into the header that
// https://docs.gitlab.com/api/rest/authentication/ names for them; pages are
// linked by Link headers. Visibility is the project's: all of its images share it.
func gitLab() calls {
	return calls{
		login: func(_ context.Context, s *session) (http.Header, error) {
			if s.cred.Username == "gitlab-ci-token" {
				return http.Header{"Job-Token": {s.cred.secret()}}, nil
			}
			return bearer(s.cred.secret()), nil
		},
		list: gitLabList,
		deleteTag: func(_ context.Context, s *session, n artifact.Name) error {
			r, err := gitLabFind(s, n)
			if err == nil {
				_, err = s.send(http.MethodDelete, r.path()+"/tags/"+url.PathEscape(n.Tag), nil, nil)
			}
			return err
		},
		deleteRepository: func(_ context.Context, s *session, n artifact.Name) error {
			r, err := gitLabFind(s, n)
			if err == nil {
				_, err = s.send(http.MethodDelete, r.path(), nil, nil)
			}
			return err
		},
		setPublic: gitLabSetPublic,
		unit: func(n artifact.Name) string {
			return "all images of the project that " + n.Repository + " belongs to"
		},
	}
}

type gitLabRepository struct {
	ID      int64  `json:"id"`
	Path    string `json:"path"`
	Project int64  `json:"project_id"`
}

func (r gitLabRepository) path() string {
	return fmt.Sprintf("/projects/%d/registry/repositories/%d", r.Project, r.ID)
}

// gitLabList lists a group, else a project, else the projects of a user, else
// what the project has whose repository the prefix is.
func gitLabList(_ context.Context, s *session, prefix string, yield func([]string) error) error {
	if prefix == "" {
		return needsOwner(s.home.name)
	}
	of := func(kind, id string) error {
		return pages(s, "/"+kind+"/"+url.PathEscape(id)+"/registry/repositories?per_page=100", func(page []gitLabRepository) error {
			var names []string
			for _, r := range page {
				names = append(names, r.Path)
			}
			return yield(names)
		})
	}
	err := of("groups", prefix)
	if status(err) != http.StatusNotFound {
		return err
	}
	if !strings.Contains(prefix, "/") {
		return pages(s, "/users/"+url.PathEscape(prefix)+"/projects?per_page=100&simple=true", func(page []gitLabProject) error {
			for _, p := range page {
				if err := of("projects", p.Path); err != nil && status(err) != http.StatusForbidden {
					return err // 403: the project has no registry
				}
			}
			return nil
		})
	}
	for path := prefix; strings.Contains(path, "/"); path = path[:strings.LastIndexByte(path, '/')] {
		if err = of("projects", path); status(err) != http.StatusNotFound {
			return err
		}
	}
	return err
}

type gitLabProject struct {
	Path       string `json:"path_with_namespace"`
	Visibility string `json:"visibility"`
}

// gitLabFind finds a repository's number. Its project is its own path, or that
// less one or two parts.
func gitLabFind(s *session, n artifact.Name) (found gitLabRepository, err error) {
	path := n.Repository
	for range 3 {
		err = pages(s, "/projects/"+url.PathEscape(path)+"/registry/repositories?per_page=100", func(page []gitLabRepository) error {
			for _, r := range page {
				if r.Path == n.Repository {
					found = r
				}
			}
			return nil
		})
		if found.ID != 0 || err != nil && status(err) != http.StatusNotFound {
			return found, err
		}
		at := strings.LastIndexByte(path, '/')
		if at < 0 || !strings.Contains(path[:at], "/") {
			break
		}
		path = path[:at]
	}
	return found, fault.New(fault.NotFound, n.String(), "GitLab knows no such repository").
		WithHint("see what is there: policy images --remote %s/%s", n.Registry, path)
}

// gitLabSetPublic sets who may see the images of a project: everybody who may
// see the project, or its members. A project that is not public itself is left
// as it is: its images could not be seen either way.
func gitLabSetPublic(_ context.Context, s *session, n artifact.Name, public bool) error {
	r, err := gitLabFind(s, n)
	if err != nil {
		return err
	}
	path := fmt.Sprintf("/projects/%d", r.Project)
	var project gitLabProject
	if _, err := s.send(http.MethodGet, path, nil, &project); err != nil {
		return err
	}
	if public && project.Visibility != "public" {
		return fault.New(fault.Denied, n.String(), "the project %s is %s itself; nothing was changed", project.Path, project.Visibility).
			WithHint("make the project public first: Settings, General, Visibility on its page")
	}
	level := map[bool]string{true: "enabled", false: "private"}[public]
	_, err = s.send(http.MethodPut, path, map[string]string{"container_registry_access_level": level}, nil)
	return err
}
