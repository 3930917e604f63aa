package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// startCatalog is the command
//
//	catalog NAME REPOSITORIES TAGS
//
// a registry of so many repositories, each with so many tags, on pages of 100
// that are in no order; one of them, empty/authz, has lost its tags. Its
// host:port is in $NAME.
func startCatalog(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: catalog NAME REPOSITORIES TAGS")
	}
	repositories, err := strconv.Atoi(args[1])
	ts.Check(err)
	tags, err := strconv.Atoi(args[2])
	ts.Check(err)
	server := httptest.NewServer(catalog(repositories, tags, nil))
	ts.Defer(server.Close)
	ts.Setenv(args[0], strings.TrimPrefix(server.URL, "http://"))
}

// catalog is such a registry; before a list of tags it calls pause.
func catalog(repositories, tags int, pause func(*http.Request)) http.Handler {
	names := []string{"empty/authz"}
	for i := range repositories - 1 {
		names = append(names, fmt.Sprintf("team-%04d/authz", i*7919%(repositories-1)))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/_catalog", func(w http.ResponseWriter, r *http.Request) {
		at := 0
		if last := r.URL.Query().Get("last"); last != "" {
			at = slices.Index(names, last) + 1
		}
		end := min(at+100, len(names))
		if end < len(names) {
			w.Header().Set("Link", fmt.Sprintf(`</v2/_catalog?last=%s&n=100>; rel="next"`, names[end-1]))
		}
		_, _ = fmt.Fprintf(w, `{"repositories":["%s"]}`, strings.Join(names[at:end], `","`))
	})
	mux.HandleFunc("GET /v2/{org}/{name}/tags/list", func(w http.ResponseWriter, r *http.Request) {
		if pause != nil {
			pause(r)
		}
		if r.PathValue("org") == "empty" {
			http.Error(w, `{"errors":[{"code":"NAME_UNKNOWN"}]}`, http.StatusNotFound)
			return
		}
		var all []string
		for i := range tags {
			all = append(all, fmt.Sprintf("1.%d.0", i))
		}
		_, _ = fmt.Fprintf(w, `{"name":"x","tags":["%s"]}`, strings.Join(all, `","`))
	})
	return mux
}
