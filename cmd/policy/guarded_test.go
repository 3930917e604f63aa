package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/bcrypt"

	"github.com/policyhost/policy/builtins"
)

// guarded NAME USER PASSWORD: a registry of our own that lets nobody else in,
// lists and deletes; its host:port in $NAME.
func startGuarded(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: guarded NAME USER PASSWORD")
	}
	root := ts.MkAbs(".guarded-" + args[0])
	hash, err := bcrypt.GenerateFromPassword([]byte(args[2]), bcrypt.MinCost)
	ts.Check(err)
	users := root + ".htpasswd"
	ts.Check(os.WriteFile(users, []byte(args[1]+":"+string(hash)+"\n"), 0o600))
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- builtins.Serve(ctx, builtins.Settings{Root: filepath.Clean(root)}, builtins.ServeOptions{
			Addr:     "127.0.0.1:0",
			Htpasswd: users,
			Ready:    func(url string) { ready <- url },
		})
	}()
	ts.Defer(cancel)
	select {
	case url := <-ready:
		ts.Setenv(args[0], strings.TrimPrefix(url, "http://"))
	case err := <-ended:
		ts.Fatalf("serving: %v", err)
	}
}
