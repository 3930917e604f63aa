package creds

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/policyhost/policy/runtime/fault"
)

// Legacy returns the logins that opcr policy v0.1 left in clear text in
// policy-registries.yaml of the store root; none when there is no such file. It
// fails with Invalid at a line it cannot read.
func (k *Keyring) Legacy() ([]Login, error) {
	old, err := k.readLegacy()
	if err != nil {
		return nil, err
	}
	var all []Login
	for _, l := range old {
		all = append(all, Login{Server: l.server.String(), Username: l.credential.Username, Store: inFile, File: k.legacyPath(), Default: l.standard})
	}
	return all, nil
}

// Migrate puts the logins of Legacy where Put keeps them, leaves out servers
// that have a newer one, removes the old file, and returns what it moved. The
// old file stays when anything fails.
func (k *Keyring) Migrate(ctx context.Context) ([]Login, error) {
	old, err := k.readLegacy()
	if err != nil || len(old) == 0 {
		return nil, err
	}
	var moved []Login
	for _, l := range old {
		c, err := k.read(k.ours())
		if err != nil {
			return moved, err
		}
		if have, err := k.find(ctx, k.ours(), c, l.server); err != nil {
			return moved, err
		} else if have != (Credential{}) {
			continue
		}
		where, err := k.Put(ctx, l.server.String(), l.credential)
		if err != nil {
			return moved, err
		}
		moved = append(moved, Login{Server: l.server.String(), Username: l.credential.Username, Store: where, File: k.ours().path})
	}
	if err := os.Remove(k.legacyPath()); err != nil {
		return moved, fileFault("removing", k.legacyPath(), err)
	}
	return moved, nil
}

func (k *Keyring) legacyPath() string { return filepath.Join(k.o.Root, "policy-registries.yaml") }

// legacyFor is the old file when it has a login for s, or "". A file that cannot
// be read has none: it is not asked for here.
func (k *Keyring) legacyFor(s server) string {
	old, _ := k.readLegacy()
	for _, l := range old {
		if l.server.covers(s) {
			return k.legacyPath()
		}
	}
	return ""
}

// legacyLogin is one server of the old file.
type legacyLogin struct {
	server     server
	credential Credential
	standard   bool // the default domain
}

func (k *Keyring) readLegacy() ([]legacyLogin, error) {
	if k.o.Root == "" {
		return nil, nil
	}
	from := source{name: k.legacyPath(), path: k.legacyPath(), ours: true}
	data, err := k.load(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fileFault("reading", from.path, err)
	}
	all, line, err := parseLegacy(string(data))
	if err != nil {
		return nil, fault.New(fault.Invalid, "", "reading %s: line %d: %w", from.path, line, err).
			WithHint("log in again with policy login, and remove %s", from.path)
	}
	return all, nil
}

// parseLegacy reads the two levels of YAML that opcr policy wrote there, a map
// of servers to their settings: that much and no more, since a library for the
// whole language is not worth its weight here.
func parseLegacy(text string) (all []legacyLogin, line int, err error) {
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		raw := lines[i]
		trimmed := strings.TrimSpace(raw)
		if trimmed == "" || trimmed == "{}" || trimmed == "---" || strings.HasPrefix(trimmed, "#") {
			continue
		}
		key, value, err := yamlPair(trimmed)
		if err != nil {
			return nil, i + 1, err
		}
		if raw[0] != ' ' {
			s, err := parseServer(key)
			if err != nil || value != "" {
				return nil, i + 1, errors.New("want the name of a server and a colon")
			}
			all = append(all, legacyLogin{server: s})
			continue
		}
		if len(all) == 0 {
			return nil, i + 1, errors.New("want the name of a server first")
		}
		at := i
		if strings.HasPrefix(value, "|") {
			var last int
			value, last = yamlBlock(lines, i, value)
			i = last
		} else if value, err = yamlScalar(value); err != nil {
			return nil, at + 1, err
		}
		switch c := &all[len(all)-1].credential; key {
		case "username":
			c.Username = value
		case "password":
			c.Password = value
		case "default":
			all[len(all)-1].standard = value == "true"
		}
	}
	kept := all[:0]
	for _, l := range all {
		if l.credential = l.credential.normal(); l.credential != (Credential{}) {
			kept = append(kept, l)
		}
	}
	return kept, 0, nil
}

// yamlPair splits "key: value"; a key may be quoted, since hosts have colons.
func yamlPair(s string) (key, value string, err error) {
	if i := strings.Index(s, ": "); i >= 0 {
		key, value = s[:i], strings.TrimSpace(s[i+2:])
	} else if before, ok := strings.CutSuffix(s, ":"); ok {
		key = before
	} else {
		return "", "", errors.New("want a name and a colon")
	}
	key, err = yamlScalar(key)
	return key, value, err
}

// yamlScalar reads a value that is plain or in quotes.
func yamlScalar(s string) (string, error) {
	switch {
	case len(s) >= 2 && s[0] == '\'' && s[len(s)-1] == '\'':
		return strings.ReplaceAll(s[1:len(s)-1], "''", "'"), nil
	case len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"':
		out, err := strconv.Unquote(s)
		if err != nil {
			return "", errors.New("text in quotes that is not understood")
		}
		return out, nil
	case s != "" && strings.ContainsRune("'\"|>&*!%@`[{", rune(s[0])):
		return "", fmt.Errorf("a value that starts with %q is not understood", s[0])
	}
	return s, nil
}

// yamlBlock reads a block of text ("|", "|-" or "|+") that starts after line i,
// and returns the number of its last line.
func yamlBlock(lines []string, i int, style string) (text string, last int) {
	indentOf := func(s string) int { return len(s) - len(strings.TrimLeft(s, " ")) }
	outer, indent := indentOf(lines[i]), 0
	var block []string
	for last = i; last+1 < len(lines); last++ {
		next := lines[last+1]
		if strings.TrimSpace(next) == "" {
			block = append(block, "")
			continue
		}
		if indent == 0 {
			indent = indentOf(next)
		}
		if indentOf(next) <= outer || indentOf(next) < indent {
			break
		}
		block = append(block, next[indent:])
	}
	text = strings.TrimRight(strings.Join(block, "\n"), "\n")
	if !strings.HasSuffix(style, "-") {
		text += "\n"
	}
	return text, last
}
