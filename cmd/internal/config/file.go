package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"go.yaml.in/yaml/v3"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/runtime/fault"
)

// value is the text of one key and where it stands.
type value struct {
	texts []string
	from  string // "/root/.policy/config.yaml:3"
}

// file is a configuration file, read and checked.
type file struct {
	path   string
	values map[string]value // by dotted key; registries and tokens by their host, too
	hosts  map[string]map[string]value
	tokens map[string]value
}

// largest is the size in bytes beyond which a file is no configuration.
const largest = 1 << 20

// readFile reads the configuration at path. A missing file gives nil and an error
// that is fs.ErrNotExist.
func readFile(path, home string) (*file, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, largest+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > largest {
		return nil, fault.New(fault.Usage, path, "is larger than %d bytes: not a configuration", largest)
	}
	return parseFile(path, home, raw)
}

func parseFile(path, home string, raw []byte) (*file, error) {
	p := &fileParser{
		file: &file{path: path, values: map[string]value{}, hosts: map[string]map[string]value{}, tokens: map[string]value{}},
		home: home,
	}
	d := yaml.NewDecoder(bytes.NewReader(raw))
	var doc yaml.Node
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return p.file, nil
	} else if err != nil {
		return nil, fault.New(fault.Usage, path, "%w", err) // it names the line
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fault.New(fault.Usage, path, "holds more than one document")
	}
	if root := doc.Content[0]; !isNull(root) {
		if err := p.root(root); err != nil {
			return nil, err
		}
	}
	return p.file, nil
}

// fileParser walks the document and gathers its values, each checked.
type fileParser struct {
	file *file
	home string
}

// retired are keys of opcr policy's older versions, which named registries that
// were closed: they are taken, and mean nothing.
var retired = map[string][]string{
	"ci_templates":      {"server", "organization", "tag", "create_repo_timeout"},
	"content_templates": {"server", "organization", "tag"},
}

func (p *fileParser) root(n *yaml.Node) error {
	rows := map[string]setting{}
	keys := []string{"registries", "token_defaults"}
	for _, s := range settings() {
		rows[s.key] = s
		first, _, _ := strings.Cut(s.key, ".")
		if !slices.Contains(keys, first) {
			keys = append(keys, first)
		}
	}
	return p.mapping(n, "", keys, func(key string, v *yaml.Node) error {
		if below := retired[key]; below != nil {
			return p.nested(v, key, rows, below)
		}
		switch key {
		case "registries":
			return p.mapping(v, key, nil, p.registry)
		case "token_defaults":
			return p.mapping(v, key, nil, p.token)
		case "logging":
			// The other two are opcr policy's and mean nothing here.
			return p.nested(v, key, rows, []string{"prod", "grpc_log_level"})
		case "limits":
			return p.nested(v, key, rows, nil)
		}
		return p.setting(v, rows[key])
	})
}

// nested reads the settings below a key; those that are ignored need only have a
// value.
func (p *fileParser) nested(n *yaml.Node, in string, rows map[string]setting, ignored []string) error {
	var keys []string
	for _, s := range settings() {
		if key, ok := strings.CutPrefix(s.key, in+"."); ok {
			keys = append(keys, key)
		}
	}
	return p.mapping(n, in, append(keys, ignored...), func(key string, v *yaml.Node) error {
		if slices.Contains(ignored, key) {
			_, err := p.texts(v, false)
			return err
		}
		return p.setting(v, rows[in+"."+key])
	})
}

func (p *fileParser) setting(n *yaml.Node, s setting) error {
	texts, err := p.texts(n, s.list)
	if err != nil || texts == nil {
		return err
	}
	if s.path {
		p.resolve(texts)
	}
	if err := s.set(new(result), texts); err != nil {
		return p.fault(n, "%s: %w", s.key, err)
	}
	p.file.values[s.key] = value{texts, p.at(n)}
	return nil
}

func (p *fileParser) registry(host string, n *yaml.Node) error {
	canonical, err := registryHost(host)
	if err != nil {
		return p.fault(n, "registries: %w", err)
	}
	if p.file.hosts[canonical] != nil {
		return p.fault(n, "registries: %q is there twice", canonical)
	}
	rows := map[string]hostSetting{}
	for _, s := range hostSettings() {
		rows[s.key] = s
	}
	values := map[string]value{}
	p.file.hosts[canonical] = values
	return p.mapping(n, "registries."+host, hostKeys(), func(key string, v *yaml.Node) error {
		texts, err := p.texts(v, rows[key].list)
		if err != nil || texts == nil {
			return err
		}
		if rows[key].path {
			p.resolve(texts)
		}
		values[key] = value{texts, p.at(v)}
		if err := rows[key].set(new(builtins.HostSettings), texts); err != nil {
			return p.fault(v, "registries.%s.%s: %w", host, key, err)
		}
		return nil
	})
}

func (p *fileParser) token(host string, n *yaml.Node) error {
	texts, err := p.texts(n, false)
	if err == nil && texts != nil {
		p.file.tokens[host] = value{texts, p.at(n)}
	}
	return err
}

// mapping calls fn for each key and value of n. Keys that are not known are
// refused, unless known is nil.
func (p *fileParser) mapping(n *yaml.Node, name string, known []string, fn func(key string, v *yaml.Node) error) error {
	n = target(n)
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		if name == "" {
			return p.fault(n, "the configuration must be keys and values")
		}
		return p.fault(n, "%s must have keys and values below it", name)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := target(n.Content[i])
		if k.Kind != yaml.ScalarNode {
			return p.fault(n.Content[i], "a key must be a text")
		}
		if seen[k.Value] {
			return p.fault(n.Content[i], "the key %q is there twice", k.Value)
		}
		seen[k.Value] = true
		if known != nil && !slices.Contains(known, k.Value) && (name != "" || retired[k.Value] == nil) {
			return unknownKey(p.at(n.Content[i]), k.Value, name, known)
		}
		if err := fn(k.Value, n.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// unknownKey says which keys there are, or which one was probably meant.
func unknownKey(where, key, in string, known []string) error {
	if in != "" {
		in = " in " + in
	}
	f := fault.New(fault.Usage, where, "unknown key %q%s", key, in)
	if near := fault.Nearest(key, known); near != "" {
		return f.WithHint("did you mean %q?", near)
	}
	return f.WithHint("the keys%s are %s", in, strings.Join(known, ", "))
}

// texts is a value as text, nil for null: a scalar, or where list allows it a
// list of them.
func (p *fileParser) texts(n *yaml.Node, list bool) ([]string, error) {
	v := target(n)
	switch {
	case isNull(v):
		return nil, nil
	case v.Kind == yaml.ScalarNode:
		return []string{v.Value}, nil
	case v.Kind != yaml.SequenceNode || !list:
		return nil, p.fault(n, "want a single value")
	}
	texts := []string{}
	for _, item := range v.Content {
		if item = target(item); item.Kind != yaml.ScalarNode {
			return nil, p.fault(n, "want a list of single values")
		}
		texts = append(texts, item.Value)
	}
	return texts, nil
}

func (p *fileParser) resolve(paths []string) {
	for i := range paths {
		paths[i] = absolute(paths[i], p.home, filepath.Dir(p.file.path))
	}
}

func (p *fileParser) at(n *yaml.Node) string { return fmt.Sprintf("%s:%d", p.file.path, n.Line) }

func (p *fileParser) fault(n *yaml.Node, format string, args ...any) *fault.Error {
	return fault.New(fault.Usage, p.at(n), format, args...)
}

// target follows an alias; the library refuses those that lead in circles.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// fileFault makes a fault of a failed access to a file.
func fileFault(path string, err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return f
	}
	kind := fault.Unavailable
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kind = fault.NotFound
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		kind = fault.Denied
	}
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err // the path is the subject already
	}
	return fault.New(kind, path, "%w", err)
}
