package main

import (
	"context"
	"fmt"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/runtime/fault"
)

type serveCommand struct {
	Addr     string `default:"127.0.0.1:5000" help:"Address to listen on; port 0 takes a free one."`
	Auth     string `placeholder:"FILE" complete:"file" help:"htpasswd file with the users who may connect (bcrypt)."`
	ReadOnly bool   `help:"Refuse pushes and deletes."`
	Cert     string `placeholder:"FILE" complete:"file" help:"PEM file with the TLS certificate; plain HTTP without it."`
	Key      string `placeholder:"FILE" complete:"file" help:"PEM file with the key of the certificate."`
}

func (*serveCommand) Help() string {
	return `The registry that registry.localhost/… names, for other tools: OPA, conftest,
crane, docker and any other OCI client can pull from it and push to it.

Example:

    policy serve --addr 127.0.0.1:5000`
}

func (c *serveCommand) run(ctx context.Context, a *app, flags *config.Flags) error {
	if (c.Cert == "") != (c.Key == "") {
		return fault.In("serve", "", fault.New(fault.Usage, "", "--cert and --key belong together"))
	}
	s, err := a.open(ctx, flags)
	if err != nil {
		return err
	}
	defer s.Close()
	err = builtins.Serve(s.ctx, s.settings, builtins.ServeOptions{
		Addr:     c.Addr,
		Htpasswd: c.Auth,
		ReadOnly: c.ReadOnly,
		Cert:     c.Cert,
		Key:      c.Key,
		Log:      a.logger(s.settings.LogLevel),
		Events:   s.env.Events,
		Ready: func(url string) {
			_, _ = fmt.Fprintf(a.printer.Err, "serving registry.localhost on %s; Ctrl-C ends it\n", url)
		},
	})
	if err == nil {
		return context.Cause(s.ctx) // it ends for no other reason
	}
	return fault.In("serve", "", err)
}
