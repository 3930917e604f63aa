package embedded_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/policyhost/policy/builtins/internal/embedded"
	"github.com/policyhost/policy/runtime/fault"
)

func line(t *testing.T, user, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return user + ":" + string(hash) + "\n"
}

func TestHtpasswd(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "htpasswd")
	version := time.Now()
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		version = version.Add(time.Second) // a change within the clock's resolution is still one
		if err := os.Chtimes(file, version, version); err != nil {
			t.Fatal(err)
		}
	}
	write("# users\n\n" + line(t, "joe", "secret") + strings.Replace(line(t, "ann", "p:w"), "$2a$", "$2y$", 1))
	guard, err := embedded.Htpasswd(file)
	if err != nil {
		t.Fatal(err)
	}
	h := guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	try := func(user, password string) (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/v2/", nil)
		if user != "" {
			r.SetBasicAuth(user, password)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if (w.Code == 401) != (w.Header().Get("WWW-Authenticate") == `Basic realm="policy", charset="UTF-8"`) {
			t.Errorf("%d with %v", w.Code, w.Header())
		}
		return w.Code, w.Body.String()
	}
	check := func(user, password string, want int) {
		t.Helper()
		for range 2 { // the second time it is remembered
			if got, body := try(user, password); got != want || want == 401 && !strings.Contains(body, `"UNAUTHORIZED"`) {
				t.Errorf("%s %s: %d %s, want %d", user, password, got, body, want)
			}
		}
	}
	check("joe", "secret", 204)
	check("joe", "secret ", 401)
	check("joe", "", 401)
	check("ann", "p:w", 204)
	check("ann", "secret", 401)
	check("eve", "secret", 401)
	check("", "", 401)
	if _, a := try("eve", "secret"); !strings.Contains(a, "the user or the password is wrong") {
		t.Errorf("an unknown user is told apart: %s", a)
	}

	write(line(t, "joe", "changed"))
	check("joe", "secret", 401)
	check("joe", "changed", 204)
	check("ann", "p:w", 401)
	write("")
	check("joe", "changed", 401)
	write("joe:plain\n")
	check("joe", "plain", 503)
	write(line(t, "joe", "back"))
	check("joe", "back", 204)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	check("joe", "back", 503)
}

func TestHtpasswdRefuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "htpasswd")
	cases := []struct {
		text string // "": no file
		kind fault.Kind
		want string
	}{
		{"", fault.NotFound, "reading " + file},
		{"joe\n", fault.Invalid, "line 1: want USER:HASH"},
		{"#\n:x\n", fault.Invalid, "line 2: want USER:HASH"},
		{"joe:canary\n", fault.Invalid, `line 1: the hash of "joe" is not bcrypt's`},
		{"joe:$apr1$canary$x\n", fault.Invalid, `line 1: the hash of "joe" is not bcrypt's`},
		{"joe:{SHA}canary\n", fault.Invalid, `line 1: the hash of "joe" is not bcrypt's`},
	}
	for _, c := range cases {
		if c.text != "" {
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, err := embedded.Htpasswd(file)
		if err == nil || fault.Of(err).Kind != c.kind || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "canary") || fault.Of(err).Hint == "" {
			t.Errorf("%q: %v", c.text, err)
		}
	}
}
