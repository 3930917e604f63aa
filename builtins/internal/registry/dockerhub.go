package registry

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
)

// dockerHub is the API of Docker Hub, as documented at
// https://docs.docker.com/reference/api/hub/latest/: credentials buy a token for
// a few minutes, lists have up to 100 entries a page and the address of the next
// in "next". Deleting and privacy are not in that reference; they are as Docker's
// own clients ask for them: https://github.com/docker/hub-tool (pkg/hub) and
// https://github.com/docker/terraform-provider-docker (internal/hubclient).
func dockerHub() calls {
	return calls{
		login: dockerHubLogin, list: dockerHubList,
		deleteTag: func(_ context.Context, s *session, n artifact.Name) error {
			_, err := s.send(http.MethodDelete, dockerHubPath(n)+"tags/"+url.PathEscape(n.Tag)+"/", nil, nil)
			return err
		},
		deleteRepository: func(_ context.Context, s *session, n artifact.Name) error {
			_, err := s.send(http.MethodDelete, dockerHubPath(n), nil, nil)
			return err
		},
		setPublic: func(_ context.Context, s *session, n artifact.Name, public bool) error {
			_, err := s.send(http.MethodPost, dockerHubPath(n)+"privacy", map[string]bool{"is_private": !public}, nil)
			return err
		},
	}
}

func dockerHubPath(n artifact.Name) string { return "/v2/repositories/" + n.Repository + "/" }

// dockerHubLogin exchanges the credentials, unless there are none: what is
// public can be listed by anybody.
func dockerHubLogin(_ context.Context, s *session) (http.Header, error) {
	if s.cred.secret() == "" {
		return nil, nil
	}
	var token struct {
		AccessToken string `json:"access_token"`
	}
	_, err := s.send(http.MethodPost, "/v2/auth/token", map[string]string{"identifier": s.cred.Username, "secret": s.cred.secret()}, &token)
	if err == nil && (token.AccessToken == "" || strings.ContainsFunc(token.AccessToken, notTokenRune)) {
		err = &mismatch{reason: s.base.Host + " answered without a token"}
	}
	return bearer(token.AccessToken), err
}

func dockerHubList(_ context.Context, s *session, prefix string, yield func([]string) error) error {
	namespace, _, _ := strings.Cut(prefix, "/")
	if namespace == "" {
		return needsOwner(s.home.name)
	}
	first, err := url.Parse(s.base.String() + "/v2/namespaces/" + url.PathEscape(namespace) + "/repositories?page_size=100")
	if err != nil {
		return err
	}
	return follow(first, func(u *url.URL) (string, error) {
		var page struct {
			Next    string `json:"next"`
			Results []struct {
				Name string `json:"name"`
			} `json:"results"`
		}
		if _, err := s.do(http.MethodGet, u, nil, &page); err != nil {
			return "", err
		}
		var names []string
		for _, r := range page.Results {
			names = append(names, namespace+"/"+r.Name)
		}
		return page.Next, yield(names)
	})
}
