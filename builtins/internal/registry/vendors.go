package registry

import (
	"net/url"
	"slices"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
)

// vendor is what is peculiar to one registry or one family of them. In its texts
// {host}, {repository} and so on stand for parts of the reference at hand (about).
type vendor struct {
	name     string   // what the setting "vendor" calls it
	hosts    []string // as in a reference; ".suffix" for all hosts that end so
	endpoint string   // host that serves it, when it differs
	realms   []string // hosts, besides its own, that issue its tokens
	page     int      // most entries it gives in one page, 0: no limit known
	unlisted bool     // its catalog is closed to users: do not ask
	api      string   // URL of its own API; "" for the registry's own host
	calls    calls    // what that API does

	denied     string // hint when credentials do not suffice
	apiDenied  string // the same for its own API
	missing    string // hint when a push finds no repository
	undeleted  string // hint where tags cannot be deleted
	visibility string // where visibility is changed, when no request of ours does
}

// vendors is the table of hosts: what is true of a registry and of no other. The
// requests to a vendor's own API, and where they are documented, stand in the
// file named for it. It is a function, since those files need the table, too.
//
// Realms of Docker Hub, GitLab and DigitalOcean are as these services answered.
// The rest is as documented by the vendor at the address above a row; what is
// marked "memory" is not, and was never tried against the service itself.
func vendors() []vendor {
	return []vendor{
		// https://docs.docker.com/reference/api/hub/latest/
		// https://docs.docker.com/docker-hub/usage/pulls/ (limits, in ratelimit-… headers)
		{name: "dockerhub", hosts: []string{"docker.io"}, endpoint: "registry-1.docker.io", realms: []string{"auth.docker.io"},
			unlisted: true, api: "https://hub.docker.com", calls: dockerHub(),
			apiDenied: "a personal access token needs the permissions Read, Write and Delete: policy login -s docker.io -u USER"},
		// https://docs.github.com/rest/packages/packages
		// https://docs.github.com/packages/learn-github-packages/configuring-a-packages-access-control-and-visibility
		{name: "github", hosts: []string{"ghcr.io"}, unlisted: true, api: "https://api.github.com", calls: gitHub(),
			denied:     "the token needs the scopes read:packages write:packages delete:packages: policy login -s {host} -u USER",
			apiDenied:  "the token needs the scopes read:packages write:packages delete:packages: policy login -s {host} -u USER",
			visibility: "GitHub has no API for it; change it on https://github.com/orgs/{org}/packages/container/{escaped}/settings, for a user's package on https://github.com/users/{org}/packages/container/{escaped}/settings"},
		// https://docs.gitlab.com/api/container_registry/
		{name: "gitlab", hosts: []string{"registry.gitlab.com"}, realms: []string{"gitlab.com"}, unlisted: true,
			api: "https://gitlab.com/api/v4", calls: gitLab(),
			apiDenied: "the token needs the scope api, or read_api to list: policy login -s {host} -u USER"},
		// https://docs.redhat.com/en/documentation/red_hat_quay/3/html/red_hat_quay_api_reference/repository
		{name: "quay", hosts: []string{"quay.io"}, page: 100, calls: quay(),
			apiDenied: "the API of {host} takes OAuth tokens only: policy login -s {host} -u '$oauthtoken'"},
		// https://github.com/goharbor/harbor/blob/main/api/v2.0/swagger.yaml
		{name: "harbor", page: 100, calls: harbor(),
			visibility: "Harbor has visibility for projects only; change that of {org} on https://{host}/harbor/projects"},
		// https://docs.aws.amazon.com/AmazonECR/latest/public/public-repositories.html
		{name: "ecr-public", hosts: []string{"public.ecr.aws"}, unlisted: true, // memory: unlisted
			missing:    "aws ecr-public create-repository --repository-name {name}",
			undeleted:  "aws ecr-public batch-delete-image --repository-name {name} --image-ids imageTag={tag}",
			visibility: "every repository of {host} is public"},
		// https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html
		{name: "ecr", hosts: []string{".amazonaws.com", ".amazonaws.com.cn"}, // memory: no delete over the wire
			missing:    "aws ecr create-repository --repository-name {repository}",
			denied:     "aws ecr get-login-password | policy login -s {host} -u AWS --password-stdin",
			undeleted:  "aws ecr batch-delete-image --repository-name {repository} --image-ids imageTag={tag}",
			visibility: "a repository of {host} is never public; who may read it: aws ecr set-repository-policy"},
		// https://cloud.google.com/artifact-registry/docs/docker/authentication
		{name: "google", hosts: []string{"gcr.io", ".gcr.io", ".pkg.dev"}, calls: google(),
			denied:     "gcloud auth print-access-token | policy login -s {host} -u oauth2accesstoken --password-stdin",
			missing:    "gcloud artifacts repositories create {repository} --repository-format docker", // memory
			visibility: "who may read it is set in the console of Google Cloud, or: gcloud artifacts repositories add-iam-policy-binding"},
		// https://learn.microsoft.com/rest/api/containerregistry/
		{name: "acr", hosts: []string{".azurecr.io", ".azurecr.cn", ".azurecr.us"}, calls: azure(),
			denied:     "az acr login -n {first} --expose-token --query accessToken -o tsv | policy login -s {host} -u 00000000-0000-0000-0000-000000000000 --password-stdin",
			visibility: "the registry is public or private as a whole: az acr update --anonymous-pull-enabled"},
		// Retired in 2023; it spoke the distribution protocol and nothing else (memory).
		{name: "aserto", hosts: []string{"opcr.io"}},
		// https://docs.digitalocean.com/products/container-registry/ (memory)
		{name: "digitalocean", hosts: []string{"registry.digitalocean.com"}, realms: []string{"api.digitalocean.com"}},
		// https://distribution.github.io/distribution/about/configuration/#delete
		{name: "distribution", undeleted: "deleting is switched on in the registry: REGISTRY_STORAGE_DELETE_ENABLED=true"},
		// https://zotregistry.dev/latest/articles/authn-authz/
		{name: "zot", undeleted: "who may delete is set in the registry: accessControl in its configuration"},
	}
}

// Vendors are the names that the setting "vendor" of a host takes.
func Vendors() []string {
	var names []string
	for _, v := range vendors() {
		names = append(names, v.name)
	}
	slices.Sort(names)
	return names
}

// vendorOf finds the row of a host; unknown hosts get a row without peculiarities.
func vendorOf(host string) vendor {
	name := hostname(host)
	for _, v := range vendors() {
		for _, h := range v.hosts {
			if h == name || strings.HasPrefix(h, ".") && strings.HasSuffix(name, h) {
				return v
			}
		}
	}
	return vendor{}
}

// vendorFor is the row of a host as it is configured: somebody's own GitLab has
// the vendor's ways, but neither its addresses nor its token servers.
func vendorFor(host string, conf HostConfig) vendor {
	v := vendorOf(host)
	if conf.Vendor != "" && conf.Vendor != v.name {
		for _, named := range vendors() {
			if named.name == conf.Vendor {
				v = named
				v.endpoint, v.realms = "", nil
				if v.api != "" {
					v.api = unknownAPI
				}
			}
		}
	}
	if conf.API != "" {
		v.api = conf.API
	}
	return v
}

// pageSize is how many entries to ask for in one page.
func (v vendor) pageSize() int {
	if v.page > 0 {
		return v.page
	}
	return 1000
}

// about fills a text of the table with the parts of n.
func about(text string, n artifact.Name) string {
	org, name, _ := strings.Cut(n.Repository, "/")
	first, _, _ := strings.Cut(n.Registry, ".")
	return strings.NewReplacer(
		"{host}", n.Registry, "{first}", first, "{repository}", n.Repository, "{org}", org, "{name}", name,
		"{escaped}", url.PathEscape(name), "{tag}", n.Tag,
	).Replace(text)
}

// keyless reports whether users have no password of their own at the registry,
// so that the hint for a missing one is how to make one.
func (v vendor) keyless() bool { return v.name == "ecr" || v.name == "google" || v.name == "acr" }

// IsLoopback reports whether host, with or without a port, is this machine by
// its spelling: credentials may go there without TLS.
func IsLoopback(host string) bool { return isLoopback(host) }
