package registry

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// gitHub is the API of GitHub Packages for containers, as documented at
// https://docs.github.com/rest/packages/packages (version 2022-11-28): packages
// of an organisation and of a user have paths of their own, 100 a page, linked by
// Link headers (https://docs.github.com/rest/using-the-rest-api/using-pagination-in-the-rest-api).
// A classic token with read:packages lists, one with delete:packages deletes.
//
// A version is a manifest with all its tags, and only versions can be deleted; the
// last tagged one cannot. Visibility can be changed on the web only.
func gitHub() calls {
	return calls{
		login:  func(_ context.Context, s *session) (http.Header, error) { return bearer(s.cred.secret()), nil },
		header: http.Header{"Accept": {"application/vnd.github+json"}, "X-Github-Api-Version": {"2022-11-28"}},
		list:   gitHubList, deleteTag: gitHubDeleteTag, deleteRepository: gitHubDeleteRepository,
	}
}

// gitHubOwned calls fn with the path of an organisation, then, if GitHub knows
// none of that name, with that of a user.
func gitHubOwned(owner string, fn func(path string) error) error {
	err := fn("/orgs/" + url.PathEscape(owner) + "/packages")
	if status(err) == http.StatusNotFound {
		return fn("/users/" + url.PathEscape(owner) + "/packages")
	}
	return err
}

func gitHubList(_ context.Context, s *session, prefix string, yield func([]string) error) error {
	owner, _, _ := strings.Cut(prefix, "/")
	if owner == "" {
		return needsOwner(s.home.name)
	}
	return gitHubOwned(owner, func(path string) error {
		type pkg struct {
			Name string `json:"name"`
		}
		return pages(s, path+"?package_type=container&per_page=100", func(page []pkg) error {
			var names []string
			for _, p := range page {
				names = append(names, strings.ToLower(owner+"/"+p.Name))
			}
			return yield(names)
		})
	})
}

// needsOwner is the answer of an API that lists for one owner at a time.
func needsOwner(host string) error {
	return fault.New(fault.Usage, host, "%s lists the repositories of one organisation or user at a time", host).
		WithHint("name it: policy images --remote %s/ORG", host)
}

func gitHubPackage(n artifact.Name, path string) string {
	_, name, _ := strings.Cut(n.Repository, "/")
	return path + "/container/" + url.PathEscape(name)
}

type gitHubVersion struct {
	ID       int64 `json:"id"`
	Metadata struct {
		Container struct {
			Tags []string `json:"tags"`
		} `json:"container"`
	} `json:"metadata"`
}

func gitHubDeleteTag(_ context.Context, s *session, n artifact.Name) error {
	owner, _, _ := strings.Cut(n.Repository, "/")
	return gitHubOwned(owner, func(path string) error {
		path = gitHubPackage(n, path) + "/versions"
		var found *gitHubVersion
		err := pages(s, path+"?per_page=100", func(page []gitHubVersion) error {
			for i, v := range page {
				if slices.Contains(v.Metadata.Container.Tags, n.Tag) {
					found = &page[i]
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if found == nil {
			return fault.New(fault.NotFound, n.String(), "GitHub knows no version of the package with this tag").
				WithHint("see what is there: policy tags %s", n.Familiar())
		}
		if tags := found.Metadata.Container.Tags; len(tags) > 1 {
			others := slices.DeleteFunc(slices.Clone(tags), func(tag string) bool { return tag == n.Tag })
			return fault.New(fault.Denied, n.String(), "GitHub deletes whole versions only, and this one is %s, too; nothing was removed", strings.Join(others, ", ")).
				WithHint("to remove the whole repository with all its tags: policy rm -r -a %s", n.Familiar())
		}
		_, err = s.send(http.MethodDelete, path+"/"+strconv.FormatInt(found.ID, 10), nil, nil)
		if status(err) == http.StatusBadRequest {
			return fault.New(fault.Denied, n.String(), "GitHub keeps the last tagged version of a package, so the newest tag cannot go alone: %w", err).
				WithHint("to remove the whole repository: policy rm -r -a %s", n.Familiar())
		}
		return err
	})
}

func gitHubDeleteRepository(_ context.Context, s *session, n artifact.Name) error {
	owner, _, _ := strings.Cut(n.Repository, "/")
	return gitHubOwned(owner, func(path string) error {
		_, err := s.send(http.MethodDelete, gitHubPackage(n, path), nil, nil)
		return err
	})
}
