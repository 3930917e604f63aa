package registry

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// authority is what is known about how one host authenticates. Nothing is sent
// to a host before it has asked.
type authority struct {
	mu     sync.Mutex
	scheme string            // basic or bearer, "" until the first challenge
	params challenge         // the one to answer
	extra  map[string]string // what a challenge asked for besides, by the scopes of the request
	creds  map[string]*credentialCall
	tokens map[string]*token
}

// credentialCall is one question to Options.Credentials and its answer.
type credentialCall struct {
	once sync.Once
	cred Credential
	err  error
}

// token is an access token for a set of scopes; the lock is a channel so that
// waiting for whoever fetches it ends with the context.
type token struct {
	lock   chan struct{}
	value  string
	expire time.Time
}

// learn reads a challenge. Bearer is taken before Basic, as tokens reach less far.
func (a *authority) learn(headers, scopes []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, want := range []string{"bearer", "basic"} {
		for _, c := range parseChallenges(headers) {
			if c.scheme != want || want == "bearer" && c.params["realm"] == "" {
				continue
			}
			a.scheme, a.params = want, c
			if a.extra == nil {
				a.extra = map[string]string{}
			}
			a.extra[strings.Join(scopes, " ")] = c.params["scope"]
			return
		}
	}
}

// authorize returns the Authorization header for the next try, "" for none.
// tried is the one that was just refused: a token equal to it is thrown away.
func (x *exchange) authorize(ctx context.Context, tried string) (string, error) {
	if x.token != "" || x.api != "" {
		return x.basic, nil
	}
	a := &x.to.auth
	a.mu.Lock()
	scheme := a.scheme
	a.mu.Unlock()
	if x.anonymous || scheme == "" {
		return "", nil
	}
	cred, err := x.credential(ctx)
	if err != nil {
		return "", err
	}
	header, err := x.authorization(ctx, scheme, cred, tried)
	if header != "" {
		x.sent = cred
		_, x.secret, _ = strings.Cut(header, " ")
	}
	return header, err
}

func (x *exchange) authorization(ctx context.Context, scheme string, cred Credential, tried string) (string, error) {
	switch {
	case scheme == "basic" && (cred.Username != "" || cred.Password != ""):
		return basicAuth(cred), nil
	case scheme == "basic":
		return "", nil
	case cred.RegistryToken != "":
		return "Bearer " + cred.RegistryToken, nil
	}
	value, err := x.bearer(ctx, cred, tried)
	if err != nil || value == "" {
		return "", err
	}
	return "Bearer " + value, nil
}

func basicAuth(cred Credential) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(cred.Username+":"+cred.Password))
}

// credential asks for the host's credential, once per repository.
func (x *exchange) credential(ctx context.Context) (Credential, error) {
	a := &x.to.auth
	a.mu.Lock()
	if a.creds == nil {
		a.creds = map[string]*credentialCall{}
	}
	k := a.creds[x.repo]
	if k == nil {
		k = &credentialCall{}
		a.creds[x.repo] = k
	}
	a.mu.Unlock()
	k.once.Do(func() { k.cred, k.err = x.c.o.Credentials(ctx, x.to.name, x.repo) })
	if k.err != nil && ctx.Err() != nil {
		a.mu.Lock()
		delete(a.creds, x.repo) // the answer was about this call, not about the host
		a.mu.Unlock()
	}
	return k.cred, k.err
}

// scopes is what the request needs a token for.
func (x *exchange) scopes() []string {
	if x.url.Path == "/v2/_catalog" {
		return []string{"registry:catalog:*"}
	}
	if x.repo == "" {
		return nil
	}
	actions := "pull"
	if x.call.write || x.req.Method != http.MethodGet && x.req.Method != http.MethodHead {
		actions = "pull,push"
	}
	scopes := []string{"repository:" + x.repo + ":" + actions}
	if from := x.url.Query().Get("from"); from != "" && x.kind == uploadStart {
		scopes = append(scopes, "repository:"+from+":pull")
	}
	return scopes
}

// bearer returns a token for the request that is not the one tried before.
func (x *exchange) bearer(ctx context.Context, cred Credential, tried string) (string, error) {
	a := &x.to.auth
	key := strings.Join(x.scopes(), " ")
	a.mu.Lock()
	scopes := mergeScopes(key, a.extra[key])
	key = x.repo + " " + strings.Join(scopes, " ")
	if a.tokens == nil {
		a.tokens = map[string]*token{}
	}
	t := a.tokens[key]
	if t == nil {
		t = &token{lock: make(chan struct{}, 1)}
		a.tokens[key] = t
	}
	ch := a.params
	a.mu.Unlock()

	select {
	case t.lock <- struct{}{}:
		defer func() { <-t.lock }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if t.value != "" && "Bearer "+t.value != tried && time.Now().Before(t.expire) {
		return t.value, nil
	}
	answer, err := x.fetchToken(ctx, ch, cred, scopes)
	if err != nil {
		return "", err
	}
	t.value = answer.value()
	t.expire = time.Now().Add(answer.life())
	return t.value, nil
}

// fetchToken asks the registry's token server, if it is one that may be asked.
func (x *exchange) fetchToken(ctx context.Context, ch challenge, cred Credential, scopes []string) (*tokenAnswer, error) {
	realm, err := x.to.url("/v2/").Parse(ch.params["realm"])
	if err != nil || realm.Host == "" {
		return nil, &refusal{host: x.home.name, reason: "it names no token server that can be asked"}
	}
	if !x.to.mayIssueTokens(realm) {
		r := &refusal{host: x.to.name, reason: fmt.Sprintf("it sends its logins to %s://%s, which is not known to be its token server", realm.Scheme, realm.Host)}
		if realm.Scheme == "https" {
			r.hint = fmt.Sprintf("if that is right: registries: {%q: {token_hosts: [%s]}} in config.yaml", x.to.name, realm.Host)
		}
		return nil, r
	}
	server := x.to
	if origin(realm) != origin(x.to.url("")) {
		server = x.c.foreign(realm, !isLoopback(x.to.endpoint))
	}
	t := &exchange{
		c: x.c, home: x.home, to: server, call: &call{}, url: realm,
		attempts: x.attempts, anonymous: true, token: realm.Host,
		ctx: ctx, cancel: func() {}, leave: func() {}, sent: cred,
	}
	t.ask(ch.params["service"], cred, scopes)
	resp, err := t.run()
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body) // bounded by receive
	if err != nil {
		return nil, err
	}
	return parseToken(b, realm.Host)
}

// ask makes the request: Docker's token protocol with a password or without,
// OAuth2 with an identity token.
func (x *exchange) ask(service string, cred Credential, scopes []string) {
	q := x.url.Query()
	header := http.Header{"Accept": {"application/json"}}
	if cred.IdentityToken == "" {
		if service != "" {
			q.Set("service", service)
		}
		for _, s := range scopes {
			q.Add("scope", s)
		}
		if cred.Username != "" {
			q.Set("account", cred.Username)
			x.basic = basicAuth(cred)
			_, x.secret, _ = strings.Cut(x.basic, " ")
		}
		u := *x.url
		u.RawQuery = q.Encode()
		x.url = &u
		x.req = &http.Request{Method: http.MethodGet, Header: header}
		return
	}
	form := url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {cred.IdentityToken}, "client_id": {"policy"},
		"service": {service}, "scope": {strings.Join(scopes, " ")},
	}.Encode()
	header.Set("Content-Type", "application/x-www-form-urlencoded")
	x.req = &http.Request{Method: http.MethodPost, Header: header}
	x.size = int64(len(form))
	x.body = func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(form)), nil }
}
