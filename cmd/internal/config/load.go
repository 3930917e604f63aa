package config

import (
	"errors"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/project"
	"github.com/policyhost/policy/runtime/fault"
)

// Source says where one setting has its value from.
type Source struct {
	Name  string `json:"name"`  // the key in the file, dotted
	Value string `json:"value"` // as text, without passwords
	From  string `json:"from"`  // "--ca", "$POLICY_CA", a file and its line (policy.toml is one), or "default"
}

// Place is where a configuration file may be.
type Place struct {
	Path string `json:"path"`
	Use  string `json:"use"` // "used", "not there", or "not read" since another is used
}

// Sources are all settings of a run with their origin.
type Sources struct {
	File     string        // the configuration file in use; empty: none
	Places   []Place       // best first; only one when --config or POLICY_CONFIG named it
	Timeout  time.Duration // of the whole command; 0 is none. No setting of a verb's, so not among those
	Journal  string        // where effects are written; empty: nowhere. No setting of a verb's either
	Settings []Source
}

// Load gathers the settings from the flags, the environment, the configuration
// file, the project, which may be nil, and the defaults. It fails with Usage for a value that is none or a key
// that is not known, naming the flag, the variable, or the file and line; with
// NotFound when the file named by --config is not there, with Denied when a file
// must not be read. What is wrong with the project's defaults is Invalid.
func Load(f Flags, getenv func(string) string, home string, p *project.Project) (builtins.Settings, *Sources, error) {
	l := &loader{flags: &f, getenv: getenv, home: home, sources: new(Sources)}
	if p != nil {
		l.project = *p
	}
	if err := l.load(); err != nil {
		return builtins.Settings{}, nil, err
	}
	l.sources.Timeout, l.sources.Journal = l.result.timeout, l.result.journal
	return l.result.Settings, l.sources, nil
}

type loader struct {
	flags    *Flags
	getenv   func(string) string
	home     string
	file     *file // nil: none
	project  project.Project
	defaults map[string]value // of the project
	result   result
	sources  *Sources
}

func (l *loader) load() error {
	if err := l.findFile(); err != nil {
		return err
	}
	if err := l.readProject(); err != nil {
		return err
	}
	if err := l.knownLimits(); err != nil {
		return err
	}
	for _, s := range settings() {
		v := l.find(s)
		if s.key == "default_domain" {
			var err error
			if v, err = l.savedDomain(v); err != nil {
				return err
			}
			if of, ok := l.defaults[s.key]; ok && of.from == v.from {
				l.result.LoginDomain = s.def // nobody but the project has chosen one
			}
		}
		if err := l.apply(s, v); err != nil {
			return err
		}
	}
	if err := l.hosts(); err != nil {
		return err
	}
	l.tokens()
	return nil
}

// knownLimits refuses a --limit that sets nothing.
func (l *loader) knownLimits() error {
	var known []string
	for _, s := range settings() {
		if key, ok := strings.CutPrefix(s.key, "limits."); ok {
			known = append(known, key)
		}
	}
	for _, key := range sorted(l.flags.Limit) {
		if !slices.Contains(known, key) {
			return unknownKey("--limit", key, "", known)
		}
	}
	return nil
}

// findFile reads the first configuration file there is.
func (l *loader) findFile() error {
	named := l.flags.Config
	if named == "" {
		named = l.getenv("POLICY_CONFIG")
	}
	if named != "" {
		f, err := readFile(named, l.home)
		if err != nil {
			return fileFault(named, err)
		}
		l.use(f)
		return nil
	}
	for _, path := range l.places() {
		if l.file != nil {
			l.sources.Places = append(l.sources.Places, Place{path, "not read"})
			continue
		}
		f, err := readFile(path, l.home)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
			l.sources.Places = append(l.sources.Places, Place{path, "not there"})
		case err != nil:
			return fileFault(path, err)
		default:
			l.use(f)
		}
	}
	return nil
}

func (l *loader) use(f *file) {
	l.file = f
	l.sources.File = f.path
	l.sources.Places = append(l.sources.Places, Place{f.path, "used"})
}

// places are where a configuration file may be, best first.
func (l *loader) places() []string {
	var places []string
	root := l.flags.FileStoreRoot
	if root == "" {
		root = l.getenv("POLICY_FILE_STORE_ROOT")
	}
	if root != "" {
		places = append(places, filepath.Join(root, "config.yaml"))
	}
	if l.home != "" {
		places = append(places,
			filepath.Join(l.home, ".policy", "config.yaml"),
			filepath.Join(l.home, ".config", "policy", "config.yaml"))
	}
	return places
}

// find is the value of a setting from the best place that has one.
func (l *loader) find(s setting) value {
	if texts := s.typed(l.flags); texts != nil {
		from := "--" + s.flag
		if s.key == "logging.log_level" && l.flags.LogLevel == "" {
			from = "--debug"
		}
		return value{texts, from}
	}
	if text := l.getenv(s.env); text != "" {
		if s.list {
			return value{filepath.SplitList(text), "$" + s.env}
		}
		return value{[]string{text}, "$" + s.env}
	}
	if l.file != nil {
		if v, ok := l.file.values[s.key]; ok {
			return v
		}
	}
	if v, ok := l.defaults[s.key]; ok {
		return v
	}
	return value{from: "default"}
}

func (l *loader) apply(s setting, v value) error {
	if s.key == "file_store_root" {
		var err error
		if v, err = l.root(v); err != nil {
			return err
		}
	}
	if v.texts == nil && s.def != "" {
		v.texts = []string{s.def}
	}
	if v.texts != nil {
		if err := s.set(&l.result, v.texts); err != nil {
			return fault.New(fault.Usage, strings.TrimPrefix(v.from, "$"), "%w", err)
		}
	}
	l.note(s.key, v)
	return nil
}

// root is the store root as an absolute path.
func (l *loader) root(v value) (value, error) {
	if v.texts == nil {
		if l.home == "" {
			return v, fault.New(fault.Usage, "", "there is no home folder to keep images in").
				WithHint("say where: --file-store-root DIR or POLICY_FILE_STORE_ROOT")
		}
		v.texts = []string{filepath.Join(l.home, ".policy")}
	}
	path, err := filepath.Abs(absolute(v.texts[0], l.home, ""))
	if err != nil {
		return v, fileFault(v.texts[0], err)
	}
	return value{[]string{path}, v.from}, nil
}

// savedDomain puts what `login -d` saved above the file, below variable and flag.
func (l *loader) savedDomain(v value) (value, error) {
	if strings.HasPrefix(v.from, "-") || strings.HasPrefix(v.from, "$") {
		return v, nil
	}
	path := filepath.Join(l.result.Root, builtins.DefaultDomainFile)
	raw, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return v, nil
	case err != nil:
		return v, fileFault(path, err)
	}
	if domain := strings.TrimSpace(string(raw)); domain != "" {
		return value{[]string{domain}, path}, nil
	}
	return v, nil
}

func (l *loader) note(key string, v value) {
	shown := strings.Join(v.texts, ", ")
	if strings.HasSuffix(key, ".proxy") {
		if u, err := url.Parse(shown); err == nil {
			shown = u.Redacted()
		}
	}
	l.sources.Settings = append(l.sources.Settings, Source{Name: key, Value: shown, From: v.from})
}

func (l *loader) tokens() {
	if l.file == nil {
		return
	}
	for _, host := range sorted(l.file.tokens) {
		if l.result.TokenDefaults == nil {
			l.result.TokenDefaults = map[string]string{}
		}
		v := l.file.tokens[host]
		l.result.TokenDefaults[host] = v.texts[0]
		l.note("token_defaults."+host, value{[]string{"***"}, v.from}) // it may be a token
	}
}

// Find gives the settings that key names: one, or those below it. It fails with
// Usage for a key that no setting has, NotFound for one of a registry that is not
// set.
func (s *Sources) Find(key string) ([]Source, error) {
	var known []string
	var below []Source
	for _, one := range s.Settings {
		if one.Name == key {
			return []Source{one}, nil
		}
		if strings.HasPrefix(one.Name, key+".") {
			below = append(below, one)
		}
		known = append(known, one.Name)
	}
	if len(below) > 0 {
		return below, nil
	}
	for _, group := range []string{"registries", "token_defaults"} {
		if key == group || strings.HasPrefix(key, group+".") {
			return nil, fault.New(fault.NotFound, key, "is not set")
		}
	}
	return nil, unknownKey("", key, "", known)
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
