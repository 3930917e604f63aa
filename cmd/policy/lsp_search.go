package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/cmd/internal/lsp"
	"github.com/policyhost/policy/runtime"
)

// maxSearched is how many files of a workspace are looked at for a symbol, and
// maxFound how many symbols are shown.
const (
	maxSearched = 2000
	maxFound    = 500
)

// Search finds what the pipelines of a workspace define.
func (s *scripts) Search(ctx context.Context, q lsp.Query) []lsp.SymbolInformation {
	var all []lsp.SymbolInformation
	searched := 0
	for _, folder := range q.Folders {
		root := lsp.PathOf(folder)
		if root == "" {
			continue
		}
		_ = filepath.WalkDir(root, func(file string, e fs.DirEntry, err error) error {
			switch {
			case e == nil || ctx.Err() != nil || searched >= maxSearched || len(all) >= maxFound:
				return filepath.SkipAll // e is nil when the folder itself is gone
			case err != nil || e.IsDir() && isLeftOut(e.Name()) && file != root:
				return skip(e)
			case !e.Type().IsRegular() || filepath.Ext(file) != ".star":
				return nil
			}
			searched++
			all = append(all, s.searchFile(ctx, file, q)...)
			return nil
		})
	}
	return all[:min(len(all), maxFound)]
}

// isLeftOut reports a folder in which nobody looks for pipelines.
func isLeftOut(folder string) bool { return strings.HasPrefix(folder, ".") || folder == "node_modules" }

func skip(e fs.DirEntry) error {
	if e.IsDir() {
		return filepath.SkipDir
	}
	return nil
}

func (s *scripts) searchFile(ctx context.Context, file string, q lsp.Query) []lsp.SymbolInformation {
	text, err := os.ReadFile(file)
	if err != nil || tooLarge(file, text) != nil {
		return nil
	}
	f := &lsp.File{URI: lsp.URIOf(file), Path: file, Text: lsp.NewText(string(text), q.Encoding)}
	var all []lsp.SymbolInformation
	for _, symbol := range s.draft(f).Symbols(ctx) {
		if !resembles(symbol.Name, q.Name) {
			continue
		}
		all = append(all, lsp.SymbolInformation{
			Name: symbol.Name, Kind: symbolKinds[symbol.Kind], ContainerName: filepath.Base(file),
			Location: lsp.Location{URI: f.URI, Range: f.Range(symbol.At, symbol.AtEnd)},
		})
	}
	return all
}

// resembles reports that a name has the letters of a query, in their order.
func resembles(name, query string) bool {
	name = strings.ToLower(name)
	for _, r := range strings.ToLower(query) {
		i := strings.IndexRune(name, r)
		if i < 0 {
			return false
		}
		name = name[i+len(string(r)):]
	}
	return true
}

// fileOf is a file that an editor can show: the project's own, else a copy of the
// text, in a folder that is named for what is in it.
func (s *scripts) fileOf(h *runtime.Host, place runtime.Place) (string, error) {
	if place.Module.Recipe == "" && h.Root != "" && place.Module.Root == h.Root {
		return filepath.Join(h.Root, filepath.FromSlash(place.Path)), nil
	}
	sum := sha256.Sum256(place.Text)
	file := filepath.Join(s.sources, hex.EncodeToString(sum[:6]), filepath.FromSlash(place.Path))
	if old, err := os.ReadFile(file); err == nil && string(old) == string(place.Text) {
		return file, nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return "", err //nolint:wrapcheck // nobody is told
	}
	out, err := builtins.Anywhere{}.Create(file)
	if err != nil {
		return "", err //nolint:wrapcheck // as above
	}
	defer out.Close()
	out.Permit(0o444)
	if _, err := out.Write(place.Text); err != nil {
		return "", err //nolint:wrapcheck // as above
	}
	return file, out.Commit() //nolint:wrapcheck // as above
}
