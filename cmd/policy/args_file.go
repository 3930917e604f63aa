package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

// argsFile is what --args FILE gives: values of a function's parameters.
type argsFile struct {
	values   map[string]json.RawMessage // by parameter; nil without a file
	optional []string                   // arguments that may be left out
}

// argsFile reads the file that the words before or behind FILE name. It has to be
// known before the command line can be read: what it gives need not be typed.
func (p *pipeline) argsFile(chosen *runtime.Function, words []string, tail int) (*argsFile, error) {
	name := ""
	if chosen != nil && !hasParam(chosen, "args") {
		name = flagValue(append(p.hostWords(tail), words...), "--args")
	}
	if name == "" {
		return &argsFile{}, nil
	}
	env := &builtins.Env{Files: builtins.Anywhere{}}
	read := builtins.ReadYAML
	if strings.EqualFold(filepath.Ext(name), ".json") {
		read = builtins.ReadJSON
	}
	value, err := read(context.Background(), env, &builtins.PathArgs{Path: name})
	if err != nil {
		return nil, err
	}
	file := &argsFile{}
	text, _ := value.(json.RawMessage) // which both of them give
	if err := json.Unmarshal(text, &file.values); err != nil {
		return nil, fault.New(fault.Usage, name, "does not hold parameters and their values").
			WithHint("a line for each, such as: %s: VALUE", firstName(chosen))
	}
	for key := range file.values {
		if err := refuseParam(chosen, name, key); err != nil {
			return nil, err
		}
	}
	return file, nil
}

// refuseParam says that a function has no such parameter, if it has none.
func refuseParam(f *runtime.Function, file, key string) error {
	var names []string
	for _, p := range f.Params {
		if p.Name == key && !p.Variadic || p.Extra {
			return nil
		}
		names = append(names, p.Name)
	}
	err := fault.New(fault.Usage, file, "%s has no parameter %q", f.Name, key)
	if near := fault.Nearest(key, names); near != "" {
		return err.WithHint("did you mean %q?", near)
	}
	return err.WithHint("it has %s", strings.Join(names, ", "))
}

func firstName(f *runtime.Function) string {
	if len(f.Params) == 0 {
		return "NAME"
	}
	return f.Params[0].Name
}

func hasParam(f *runtime.Function, name string) bool {
	return slices.ContainsFunc(f.Params, func(p runtime.Param) bool { return p.Name == name })
}

// flagValue finds a flag among words, before the parser can.
func flagValue(words []string, flag string) (value string) {
	for i, w := range words {
		if w == "--" {
			break
		}
		if after, ok := strings.CutPrefix(w, flag+"="); ok {
			value = after
		} else if w == flag && i+1 < len(words) {
			value = words[i+1]
		}
	}
	return value
}

// without is the function as a command line that need not say what the file
// says: an argument may be left out when all behind it may, else it is a flag.
func (a *argsFile) without(f runtime.Function) runtime.Function {
	if a.values == nil {
		return f
	}
	f.Params = slices.Clone(f.Params)
	last := true
	for i := len(f.Params) - 1; i >= 0; i-- {
		p := &f.Params[i]
		_, given := a.values[p.Name]
		if !p.Required {
			continue
		}
		switch {
		case p.KeywordOnly || !last:
			p.Required = !given
		case given:
			a.optional = append(a.optional, p.Name)
		default:
			last = false
		}
	}
	return f
}

// fill adds what the command line did not give.
func (a *argsFile) fill(named map[string]any) {
	for name, value := range a.values {
		if _, typed := named[name]; !typed {
			named[name] = value
		}
	}
}

// readSecrets puts secrets where the command line or the file says where they
// are.
func (c *call) readSecrets(env *builtins.Env) error {
	for _, name := range c.secrets {
		where, given := c.named[name].(string)
		if raw, ok := c.named[name].(json.RawMessage); ok {
			given = json.Unmarshal(raw, &where) == nil && string(raw) != "null"
		}
		if !given {
			continue
		}
		secret, err := env.SecretAt(where)
		if err != nil {
			return fault.In(c.function, "--"+dashed(name), err)
		}
		c.named[name] = secret
	}
	return nil
}

// findImages puts images where the command line or the file has their references.
func (c *call) findImages(ctx context.Context, env *builtins.Env) error {
	for _, name := range c.images {
		refs, several := texts(c.named[name])
		var found builtins.Images
		for _, ref := range refs {
			image, err := builtins.FindImage(ctx, env, ref)
			if err != nil {
				return fault.In(c.function, dashed(name), err)
			}
			found = append(found, image)
		}
		switch {
		case several:
			c.named[name] = found
		case len(found) == 1:
			c.named[name] = found[0]
		}
	}
	return nil
}

// texts are the words in a value of the command line or of a file: one, or those of
// a list.
func texts(value any) (all []string, several bool) {
	switch value := value.(type) {
	case string:
		return []string{value}, false
	case runtime.Text:
		return []string{string(value)}, false
	case []runtime.Text:
		for _, text := range value {
			all = append(all, string(text))
		}
		return all, true
	case json.RawMessage:
		var one string
		if json.Unmarshal(value, &one) == nil && string(value) != "null" {
			return []string{one}, false
		}
		return all, json.Unmarshal(value, &all) == nil && all != nil
	}
	return nil, false
}
