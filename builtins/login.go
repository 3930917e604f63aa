package builtins

import (
	"cmp"
	"context"
	"io"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/creds"
	"github.com/policyhost/policy/builtins/internal/registry"
	"github.com/policyhost/policy/runtime/fault"
)

// LoginArgs are the arguments of [LogIn].
type LoginArgs struct {
	Host          string `arg:"" optional:"" name:"registry" complete:"server" help:"Registry to log in to; the default domain if none is given."`
	Server        string `short:"s" placeholder:"HOST" star:"-" complete:"server" help:"Registry to log in to, as opcr policy spells it."`
	Username      string `short:"u" placeholder:"USER" help:"User name; for registries that only want a token, any."`
	Password      Secret `short:"p" help:"Password or token. It is safer on standard input."`
	PasswordStdin bool   `star:"-" help:"Read the password from standard input."`
	DefaultDomain bool   `name:"default-domain" star:"default" short:"d" help:"Make this the registry of references that name none."`

	asked bool // the password was typed at the prompt
}

// Answer takes what LogIn asked for: the user name, then the password.
func (args *LoginArgs) Answer(text string) {
	if args.Username == "" {
		args.Username = text
		return
	}
	args.Password, args.asked = NewSecret(text), true
}

// LogIn checks credentials with a registry and stores them, in the credential
// helper that the configuration names for the host or else in a file. It fails
// with Denied when the registry refuses them and with Unavailable when it cannot
// be asked; nothing is stored then. Without a user name or a password it fails
// with Usage, carrying the question to ask.
func LogIn(ctx context.Context, e *Env, args *LoginArgs) (*Login, error) {
	host, err := e.registryHost(args.Host, args.Server)
	if err != nil {
		return nil, err
	}
	if args.Username == "" {
		f := fault.New(fault.Usage, host, "no user name").
			WithHint("policy login -s %s -u USER --password-stdin (in a script: username = \"USER\")", host)
		f.Ask = &fault.Question{Text: "User name at " + host, Line: true}
		return nil, f
	}
	password, err := args.password(e)
	if err != nil {
		return nil, fault.In("", host, err)
	}
	if password == "" {
		f := fault.New(fault.Usage, host, "no password for %s", args.Username).
			WithHint("pipe it in: policy login -s %s -u %s --password-stdin (in a script: password = secret(\"NAME\"))", host, args.Username)
		f.Ask = &fault.Question{Text: "Password for " + args.Username + " at " + host, Secret: true}
		return nil, f
	}
	e.Secrets.Add(password)
	credential := creds.Credential{Username: args.Username, Password: password}
	if err := e.Remote.Login(ctx, host, registry.Credential(credential)); err != nil {
		return nil, err
	}
	where, err := e.Keys.Put(ctx, host, credential)
	if err != nil {
		return nil, err
	}
	if where == "file" {
		e.Events.send(Event{State: Warning, Message: "the password is kept in " + e.Settings.credentialFile() +
			", which your other programs can read; a credential helper (credsStore) keeps it safer"})
	}
	if path := pathOf(cmp.Or(args.Host, args.Server)); path != "" {
		e.Events.send(Event{State: Warning, Message: "the password is kept for all of " + host + ", not for " + path + " alone"})
	}
	if args.DefaultDomain {
		err = e.saveDefaultDomain(host)
	}
	standard := args.DefaultDomain && err == nil || host == e.Settings.loginDomain()
	return &Login{Server: host, Username: args.Username, Store: where, Default: standard}, err
}

func (args *LoginArgs) password(e *Env) (string, error) {
	if !args.PasswordStdin {
		if args.Password.Reveal() != "" && e.In != nil && !args.asked {
			e.Events.send(Event{State: Warning, Message: "a password on the command line can be seen by others on this machine; --password-stdin is safer"})
		}
		return args.Password.Reveal(), nil
	}
	if args.Password.Reveal() != "" {
		return "", fault.New(fault.Usage, "", "--password and --password-stdin exclude each other")
	}
	if e.In == nil {
		return "", fault.New(fault.Usage, "-", "there is no standard input here").WithHint("pass password = secret(\"NAME\")")
	}
	text, err := io.ReadAll(io.LimitReader(e.In, 1<<20))
	if err != nil {
		return "", fault.File("standard input", err)
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if password == "" {
		return "", fault.New(fault.Usage, "", "standard input held no password").
			WithHint("echo $TOKEN | policy login -s HOST -u USER --password-stdin")
	}
	return password, nil
}

// registryHost is the host that login and logout mean.
func (e *Env) registryHost(positional, server string) (string, error) {
	host := positional
	if host == "" {
		host = server
	} else if server != "" && server != positional {
		return "", fault.New(fault.Usage, positional, "is one registry and --server %s another", server)
	}
	if host == "" {
		return e.Settings.loginDomain(), nil
	}
	host = strings.TrimPrefix(strings.TrimPrefix(host, "https://"), "http://")
	host, _, _ = strings.Cut(host, "/")
	name, err := artifact.ParseName(host+"/x/y", host)
	if err != nil || (name.Registry != strings.ToLower(host) && name.Registry != artifact.DefaultDomain) {
		return "", fault.New(fault.Usage, artifact.WithoutPassword(host), "not a registry host").WithHint("type a host such as ghcr.io or localhost:5000")
	}
	return name.Registry, nil
}

// pathOf is what stands behind a registry's host and would have no meaning: Docker's
// own address ends with /v1/ or /v2/.
func pathOf(server string) string {
	server = strings.TrimPrefix(strings.TrimPrefix(server, "https://"), "http://")
	_, path, _ := strings.Cut(server, "/")
	if path = strings.Trim(path, "/"); path == "v1" || path == "v2" {
		return ""
	}
	return path
}

// LogoutArgs are the arguments of [LogOut].
type LogoutArgs struct {
	Host   string `arg:"" optional:"" name:"registry" complete:"server" help:"Registry to log out of; the default domain if none is given."`
	Server string `short:"s" placeholder:"HOST" star:"-" complete:"server" help:"Registry to log out of, as opcr policy spells it."`
}

// LogOut forgets the credentials of a registry. It fails with NotFound when
// there are none.
func LogOut(ctx context.Context, e *Env, args *LogoutArgs) (*Logout, error) {
	host, err := e.registryHost(args.Host, args.Server)
	if err != nil {
		return nil, err
	}
	where, err := e.Keys.Erase(ctx, host)
	if err != nil {
		return nil, err
	}
	return &Logout{Server: host, Store: where}, nil
}
