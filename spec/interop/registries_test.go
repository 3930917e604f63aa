package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

const plainConfig = `version: 0.1
log: {level: error}
storage:
  filesystem: {rootdirectory: %s}
  delete: {enabled: true}
http: {addr: %s}
`

// TestDistribution works with the reference registry over plain HTTP.
func TestDistribution(t *testing.T) {
	t.Parallel()
	registry := tool(t, "registry")
	u := newUser(t)
	addr := freeAddr(t)
	u.serve(http.DefaultClient, "http://"+addr+"/v2/", registry, "serve", u.write("registry.yml", fmt.Sprintf(plainConfig, u.home+"/data", addr)))
	roundTrip(u, addr)
}

// TestDebianRegistry works with the registry that Debian packages.
func TestDebianRegistry(t *testing.T) {
	t.Parallel()
	registry := tool(t, "docker-registry")
	u := newUser(t)
	addr := freeAddr(t)
	u.serve(http.DefaultClient, "http://"+addr+"/v2/", registry, "serve", u.write("registry.yml", fmt.Sprintf(plainConfig, u.home+"/data", addr)))
	roundTrip(u, addr)
}

// roundTrip builds, pushes, lists, pulls, copies and judges.
func roundTrip(u *user, addr string) {
	u.Helper()
	ref := addr + "/acme/authz:1.0.0"
	digest := digestOf(u.policy("build", "./policy", "-t", ref))
	u.equal(digestOf(u.policy("push", ref)), digest)
	u.contains(u.policy("push", ref, "--output", "json"), `"unchanged": true`)
	u.equal(u.policy("tags", addr+"/acme/authz"), "1.0.0")
	u.contains(u.policy("images", "--remote", addr), "acme/authz\t1.0.0")
	u.policy("rm", "-f", ref)
	u.equal(digestOf(u.policy("pull", ref)), digest)
	u.equal(u.policy("eval", ref, "data.authz.allow", "-i", "input.json"), "true")
	u.equal(digestOf(u.policy("copy", ref, addr+"/prod/authz:1.0.0")), digest)
	u.equal(u.policy("eval", addr+"/prod/authz:1.0.0", "data.authz.allow", "-i", "other.json"), "false")
	u.exit(4, "pull", addr+"/acme/nothing:1")
	removeTags(u, addr)
}

// removeTags removes one of three names of one manifest, then all that is left.
func removeTags(u *user, addr string) {
	u.Helper()
	repository := addr + "/acme/tags"
	digest := digestOf(u.policy("build", "./policy", "-t", repository+":1", "-t", repository+":2", "-t", repository+":latest"))
	u.policy("push", repository+":1", repository+":2", repository+":latest")
	u.policy("rm", "-r", "-f", repository+":1")
	left := strings.Fields(u.policy("remote", "tags", repository))
	slices.Sort(left) // they come as the registry has them
	u.equal(strings.Join(left, " "), "2 latest")
	u.exit(4, "rm", "-r", "-f", repository+":1")
	u.equal(digestOf(u.policy("copy", repository+":2", addr+"/acme/moved:2")), digest)
	u.contains(u.exit(2, "rm", "-r", "-a", repository), "its 2 tags")
	u.contains(u.policy("rm", "-r", "-a", "-f", repository), repository+":latest")
	u.exit(4, "pull", repository+":2")
	u.equal(u.policy("remote", "tags", addr+"/acme/moved"), "2")
	all := u.policy("remote", "images", addr)
	u.contains(all, "acme/moved\t2")
	if strings.Contains(all, "acme/tags") {
		u.Errorf("what is gone is listed:\n%s", all)
	}
}

// TestDistributionSecured works with TLS by an authority of our own, and with
// users and passwords.
func TestDistributionSecured(t *testing.T) {
	t.Parallel()
	registry := tool(t, "registry")
	u := newUser(t)
	addr := freeAddr(t)
	pool := u.certificates()
	hash, err := bcrypt.GenerateFromPassword([]byte("s3cret-word"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: %s}, delete: {enabled: true}}
http: {addr: %s, tls: {certificate: %s/server.pem, key: %s/server.key}}
auth: {htpasswd: {realm: test, path: %s}}
`, u.home+"/data", addr, u.home, u.home, u.write("htpasswd", "jo:"+string(hash)+"\n"))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	u.serve(client, "https://"+addr+"/v2/", registry, "serve", u.write("registry.yml", config))

	// Loopback is plain HTTP by default; the configuration says otherwise here.
	u.write(".policy/config.yaml", fmt.Sprintf("registries:\n  %q:\n    plain_http: false\n    ca: %s/ca.pem\n", addr, u.home))
	ref := addr + "/acme/authz:1.0.0"
	digest := digestOf(u.policy("build", "./policy", "-t", ref))
	u.contains(u.exit(5, "push", ref), "policy login")
	u.contains(u.exit(5, "login", "-s", addr, "-u", "jo", "-p", "wrong-word"), addr)
	u.policy("login", "-s", addr, "-u", "jo", "-p", "s3cret-word")
	u.equal(digestOf(u.policy("push", ref)), digest)
	u.policy("rm", "-f", ref)
	u.equal(digestOf(u.policy("pull", ref)), digest)
	u.policy("logout", "-s", addr)
	u.exit(5, "pull", ref)

	u.write(".policy/config.yaml", fmt.Sprintf("registries:\n  %q: {plain_http: false}\n", addr))
	u.contains(u.exit(5, "pull", ref), "certificate")
}

// certificates writes an authority (ca.pem) and a server's certificate by it
// (server.pem, server.key), and gives the authority.
func (u *user) certificates() *x509.CertPool {
	u.Helper()
	check := func(err error) {
		u.Helper()
		if err != nil {
			u.Fatal(err)
		}
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	check(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, server, ca, &key.PublicKey, caKey)
	check(err)
	keyDER, err := x509.MarshalECPrivateKey(key)
	check(err)
	encode := func(kind string, der []byte) string {
		var b strings.Builder
		check(pem.Encode(&b, &pem.Block{Type: kind, Bytes: der}))
		return b.String()
	}
	u.write("ca.pem", encode("CERTIFICATE", caDER))
	u.write("server.pem", encode("CERTIFICATE", der))
	u.write("server.key", encode("EC PRIVATE KEY", keyDER))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(encode("CERTIFICATE", caDER)))
	return pool
}
