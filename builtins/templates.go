package builtins

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/policyhost/policy/builtins/internal/templates"
	"github.com/policyhost/policy/runtime/fault"
)

// Template is one of the beginnings that [ApplyTemplate] writes.
type Template struct {
	Name        string `json:"name"`
	Kind        string `json:"kind"` // "policy", or "cicd" for the files of a CI system
	Description string `json:"description"`
}

// Templates are all templates, by name.
type Templates []*Template

// ListTemplates gives all templates, by name.
func ListTemplates() Templates {
	var all Templates
	for _, t := range templates.All() {
		all = append(all, &Template{t.Name, t.Kind, t.Description})
	}
	return all
}

// TemplateArgs are the arguments of [ApplyTemplate].
type TemplateArgs struct {
	Name        string `arg:"" complete:"template" help:"Template to write; policy templates list shows them."`
	Output      string `short:"o" default:"." placeholder:"DIR" complete:"folder" help:"Folder to write into; it is made if need be."`
	Overwrite   bool   `help:"Replace files that are there already."`
	RegoVersion string `default:"rego.v1" enum:"rego.v0,rego.v0v1,rego.v1" help:"Language of the policies: rego.v0, rego.v0v1 or rego.v1."`
	Server      string `short:"s" placeholder:"HOST" complete:"server" help:"Registry that CI pushes to."`
	Username    string `short:"u" placeholder:"USER" help:"Who CI logs in to it as."`
	Secret      string `placeholder:"NAME" help:"CI secret that holds the password."`
	Repo        string `placeholder:"ORG/NAME" help:"Repository that CI pushes to."`

	PolicyVersion string `kong:"-"` // of policy that CI installs, for the Go tool

	asked int // the question that the next answer belongs to
}

// Applied is what [ApplyTemplate] did.
type Applied struct {
	Files []string `json:"files"` // as a person would type their names, sorted
	Next  []string `json:"next"`  // what to do with them, a line each
}

// Answer takes the answer to the question that ApplyTemplate asked.
func (args *TemplateArgs) Answer(text string) {
	*templateQuestions()[args.asked].value(args) = text
}

// ApplyTemplate writes the files of a template, all of them or none. It fails with
// NotFound for a template that does not exist, with Conflict when files are there
// already and overwriting was not asked for, with Denied when the folder may not
// be written to or a link leads out of it. A value that the files need and nobody
// gave is Usage, carrying the question.
func ApplyTemplate(ctx context.Context, e *Env, args *TemplateArgs) (*Applied, error) {
	t, err := templateNamed(args.Name)
	if err != nil {
		return nil, err
	}
	if err := args.fits(t); err != nil {
		return nil, err
	}
	dir, err := e.Files.Path(filepath.Clean(args.Output))
	if err != nil {
		return nil, err
	}
	if err := args.free(t, dir); err != nil { // nobody answers questions for nothing
		return nil, err
	}
	if err := args.complete(ctx, e, t); err != nil {
		return nil, err
	}
	values := args.values(t)
	files, err := templates.Write(ctx, dir, t.Files(values))
	if f := fault.Of(err); errors.Is(err, fault.Denied) && f.Hint == "" {
		return nil, f.WithHint("name a folder that you may write to: -o DIR")
	}
	if err != nil {
		return nil, err
	}
	applied := &Applied{Files: files}
	for _, line := range t.Next {
		line = values.Fill(line)
		if args.Output != "." && strings.HasPrefix(line, "To ") {
			line = strings.Replace(line, ": ", ": cd "+args.Output+" && ", 1)
		}
		applied.Next = append(applied.Next, line)
	}
	return applied, nil
}

func templateNamed(name string) (templates.Template, error) {
	var names []string
	for _, t := range templates.All() {
		if t.Name == name {
			return t, nil
		}
		names = append(names, t.Name)
	}
	f := fault.New(fault.NotFound, name, "no template has this name")
	if near := fault.Nearest(name, names); near != "" {
		return templates.Template{}, f.WithHint("did you mean %s?", near)
	}
	return templates.Template{}, f.WithHint("policy templates list shows them: %s", strings.Join(names, ", "))
}

// free fails unless the files may be written.
func (args *TemplateArgs) free(t templates.Template, dir string) error {
	var names []string
	for _, f := range t.Files(templates.Values{}) {
		names = append(names, f.Name)
	}
	existing, err := templates.Existing(dir, names)
	if err != nil || len(existing) == 0 || args.Overwrite {
		return err
	}
	if len(existing) == 1 {
		return fault.New(fault.Conflict, t.Name, "%s is there already; nothing was written", existing[0]).
			WithHint("--overwrite replaces it, -o DIR writes elsewhere")
	}
	return fault.New(fault.Conflict, t.Name, "%d files are there already; nothing was written\n%s", len(existing), strings.Join(existing, "\n")).
		WithHint("--overwrite replaces them, -o DIR writes elsewhere")
}

func (args *TemplateArgs) values(t templates.Template) templates.Values {
	v := templates.Values{
		Server:        args.Server,
		User:          args.Username,
		Secret:        args.Secret,
		Repo:          args.Repo,
		RegoVersion:   args.RegoVersion,
		PolicyVersion: cmp.Or(args.PolicyVersion, "latest"),
	}
	if v.User != t.Home.User {
		v.User = strings.ReplaceAll(v.User, "$", cmp.Or(t.Dollar, "$"))
	}
	return v
}
