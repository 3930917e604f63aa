package registry

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
)

// quay is the API of Quay, as documented at
// https://docs.redhat.com/en/documentation/red_hat_quay/3/html/red_hat_quay_api_reference/repository:
// it takes OAuth tokens, which the registry knows as the password of $oauthtoken,
// and gives pages with the token of the next in next_page. Tags are deleted by
// the registry itself.
func quay() calls {
	return calls{
		login: func(_ context.Context, s *session) (http.Header, error) {
			if s.cred.Username != quayOAuth {
				return nil, nil
			}
			return bearer(s.cred.secret()), nil
		},
		list: quayList,
		deleteRepository: func(_ context.Context, s *session, n artifact.Name) error {
			if s.auth == nil {
				return errUseCatalog // robots may delete tags, not repositories
			}
			_, err := s.send(http.MethodDelete, "/api/v1/repository/"+n.Repository, nil, nil)
			return err
		},
		setPublic: func(_ context.Context, s *session, n artifact.Name, public bool) error {
			visibility := map[bool]string{true: "public", false: "private"}[public]
			_, err := s.send(http.MethodPost, "/api/v1/repository/"+n.Repository+"/changevisibility", map[string]string{"visibility": visibility}, nil)
			return err
		},
	}
}

const quayOAuth = "$oauthtoken"

// quayList lists a namespace; with a password, which the API does not take, and
// for the whole registry, the catalog says more.
func quayList(_ context.Context, s *session, prefix string, yield func([]string) error) error {
	namespace, _, _ := strings.Cut(prefix, "/")
	if namespace == "" || s.auth == nil && !s.cred.IsZero() {
		return errUseCatalog
	}
	query := url.Values{"namespace": {namespace}, "public": {"true"}}
	first, err := url.Parse(s.base.String() + "/api/v1/repository?" + query.Encode())
	if err != nil {
		return err
	}
	return follow(first, func(u *url.URL) (string, error) {
		var page struct {
			Repositories []struct {
				Namespace string `json:"namespace"`
				Name      string `json:"name"`
			} `json:"repositories"`
			NextPage string `json:"next_page"`
		}
		if _, err := s.do(http.MethodGet, u, nil, &page); err != nil {
			return "", err
		}
		var names []string
		for _, r := range page.Repositories {
			names = append(names, r.Namespace+"/"+r.Name)
		}
		if page.NextPage == "" {
			return "", yield(names)
		}
		next := *first
		q := next.Query()
		q.Set("next_page", page.NextPage)
		next.RawQuery = q.Encode()
		return next.String(), yield(names)
	})
}
