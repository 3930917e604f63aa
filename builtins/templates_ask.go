package builtins

import (
	"context"
	"regexp"
	"strings"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/builtins/internal/templates"
	"github.com/policyhost/policy/runtime/fault"
)

// templateQuestion is about a value that the files of a CI system need.
type templateQuestion struct {
	flag, text, example string
	value               func(*TemplateArgs) *string
	check               func(e *Env, args *TemplateArgs) (string, error) // gives the value as it is written
}

// templateQuestions are in the order in which opcr policy asks them: a later
// default may depend on an earlier answer.
func templateQuestions() []templateQuestion {
	return []templateQuestion{
		{"server", "Registry", "ghcr.io", func(a *TemplateArgs) *string { return &a.Server }, templateServer},
		{"username", "User name", "jo", func(a *TemplateArgs) *string { return &a.Username }, templateUser},
		{"secret", "Name of the secret with the password", "REGISTRY_PASSWORD", func(a *TemplateArgs) *string { return &a.Secret }, templateSecret},
		{"repo", "Repository, such as acme/authz", "acme/authz", func(a *TemplateArgs) *string { return &a.Repo }, templateRepo},
	}
}

// fits refuses values that the template has no use for.
func (args *TemplateArgs) fits(t templates.Template) error {
	for _, q := range templateQuestions() {
		if !t.Asks && *q.value(args) != "" {
			return fault.New(fault.Usage, t.Name, "has no use for --%s", q.flag).
				WithHint("leave it out; the templates github and gitlab have")
		}
	}
	return nil
}

// complete asks for the first value that is missing, and refuses those that are
// wrong.
func (args *TemplateArgs) complete(ctx context.Context, e *Env, t templates.Template) error {
	if !t.Asks {
		return nil
	}
	for i, q := range templateQuestions() {
		value := q.value(args)
		switch {
		case *value == "":
			args.asked = i
			f := fault.New(fault.Usage, t.Name, "needs --%s", q.flag).WithHint("add it: --%s %s", q.flag, q.example)
			f.Ask = &fault.Question{Text: q.text, Line: true, Default: args.byDefault(ctx, e, t, q.flag)}
			return f
		case q.flag == "username" && *value == t.Home.User: // an expression of the CI system
			continue
		}
		checked, err := q.check(e, args)
		if err != nil {
			return err
		}
		*value = checked
	}
	return nil
}

// byDefault is the value that a question offers: what is known of the registry,
// or what the CI system brings along.
func (args *TemplateArgs) byDefault(ctx context.Context, e *Env, t templates.Template, flag string) string {
	home := args.Server == t.Home.Server
	switch {
	case flag == "server" && e.Settings.DefaultDomain != artifact.DefaultDomain:
		return e.Settings.DefaultDomain
	case flag == "server":
		return t.Home.Server
	case flag == "username" && home:
		return t.Home.User
	case flag == "username":
		return e.userAt(ctx, args.Server)
	case flag == "secret" && e.Settings.TokenDefaults[args.Server] != "":
		return e.Settings.TokenDefaults[args.Server]
	case flag == "secret" && home:
		return t.Home.Secret
	case flag == "secret":
		return "POLICY_PASSWORD"
	}
	return ""
}

// userAt is who logged in to a registry from here, empty when nobody did. It is
// offered, not relied on: credentials that cannot be read are no failure.
func (e *Env) userAt(ctx context.Context, host string) string {
	known, _ := e.Keys.List(ctx)
	for _, k := range known {
		if k.Server == host {
			return k.Username
		}
	}
	return ""
}

func templateServer(e *Env, args *TemplateArgs) (string, error) {
	return e.registryHost("", args.Server)
}

// What is written into a CI system's files must not be able to end its quotes, or
// to begin an expression.

func templateUser(_ *Env, args *TemplateArgs) (string, error) {
	if !regexp.MustCompile(`^[A-Za-z0-9_.@+~$|-]+$`).MatchString(args.Username) {
		return "", fault.New(fault.Usage, args.Username, "not a user name: letters, digits and _ . @ + ~ $ | - only").
			WithHint("--username jo")
	}
	return args.Username, nil
}

func templateSecret(_ *Env, args *TemplateArgs) (string, error) {
	if !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(args.Secret) {
		return "", fault.New(fault.Usage, "", "--secret is the name of a secret, of letters, digits and _, never the secret itself").
			WithHint("--secret REGISTRY_PASSWORD")
	}
	return args.Secret, nil
}

func templateRepo(_ *Env, args *TemplateArgs) (string, error) {
	repo := strings.TrimPrefix(args.Repo, args.Server+"/")
	name, err := artifact.ParseName(args.Server+"/"+repo, args.Server)
	if err != nil || strings.ContainsAny(repo, ":@") || name.Registry != args.Server {
		return "", fault.New(fault.Usage, args.Repo, "not a repository: lower case letters, digits and . _ - / only, without a tag").
			WithHint("--repo acme/authz")
	}
	return name.Repository, nil
}
