package lsp

import (
	"context"
	"fmt"
)

func (s *server) complete(ctx context.Context, p placeParams) (*CompletionList, error) {
	f, err := s.file(p.TextDocument.URI)
	if err != nil {
		return nil, err
	}
	list := s.service.Complete(ctx, f, f.Offset(p.Position))
	if list.Items == nil {
		list.Items = []CompletionItem{}
	}
	return &list, ctx.Err() //nolint:wrapcheck // becomes the protocol's
}

func (s *server) hover(ctx context.Context, p placeParams) (*Hover, error) {
	f, err := s.file(p.TextDocument.URI)
	if err != nil {
		return nil, err
	}
	return s.service.Hover(ctx, f, f.Offset(p.Position)), nil
}

func (s *server) signature(ctx context.Context, p placeParams) (*SignatureHelp, error) {
	f, err := s.file(p.TextDocument.URI)
	if err != nil {
		return nil, err
	}
	return s.service.Signature(ctx, f, f.Offset(p.Position)), nil
}

func (s *server) define(ctx context.Context, p placeParams) ([]Location, error) {
	f, err := s.file(p.TextDocument.URI)
	if err != nil {
		return nil, err
	}
	return orEmpty(s.service.Define(ctx, f, f.Offset(p.Position))), nil
}

func (s *server) symbols(ctx context.Context, p documentParams) ([]DocumentSymbol, error) {
	f, err := s.file(p.TextDocument.URI)
	if err != nil {
		return nil, err
	}
	return orEmpty(s.service.Symbols(ctx, f)), nil
}

func (s *server) search(ctx context.Context, p queryParams) ([]SymbolInformation, error) {
	s.mu.Lock()
	q := Query{append([]string(nil), s.folders...), p.Query, s.encoding}
	s.mu.Unlock()
	return orEmpty(s.service.Search(ctx, q)), ctx.Err() //nolint:wrapcheck // becomes the protocol's
}

// format gives one edit, of what is between the first byte that changes and the
// last: the rest of the text, and the cursor in it, stay where they are.
func (s *server) format(ctx context.Context, p documentParams) ([]TextEdit, error) {
	f, err := s.file(p.TextDocument.URI)
	if err != nil {
		return nil, err
	}
	formatted, err := s.service.Format(ctx, f)
	if err != nil {
		return nil, err
	}
	old := f.Bytes
	start := 0
	for start < len(old) && start < len(formatted) && old[start] == formatted[start] {
		start++
	}
	for start > 0 && old[start-1] != '\n' { // never between the bytes of a character
		start--
	}
	end := 0
	for end < len(old)-start && end < len(formatted)-start && old[len(old)-1-end] == formatted[len(formatted)-1-end] {
		end++
	}
	for end > 0 && old[len(old)-end] != '\n' {
		end--
	}
	if start == len(old)-end && start == len(formatted)-end {
		return []TextEdit{}, nil
	}
	return []TextEdit{{f.Range(start, len(old)-end), string(formatted[start : len(formatted)-end])}}, nil
}

// actions offers to put what was meant in place of what is there.
func (s *server) actions(ctx context.Context, p actionParams) ([]CodeAction, error) {
	f, err := s.file(p.TextDocument.URI)
	if err != nil {
		return nil, err
	}
	start, end := f.Offset(p.Range.Start), f.Offset(p.Range.End)
	all := []CodeAction{}
	for _, found := range s.service.Diagnose(ctx, f) {
		if found.Replace == "" || f.Offset(found.Range.Start) > end || f.Offset(found.Range.End) < start {
			continue
		}
		all = append(all, CodeAction{
			Title: fmt.Sprintf("Change to %s", found.Replace), Kind: "quickfix", IsPreferred: true,
			Diagnostics: []Diagnostic{found.Diagnostic},
			Edit:        &WorkspaceEdit{map[string][]TextEdit{f.URI: {{found.Range, found.Replace}}}},
		})
	}
	return all, nil
}

// orEmpty makes the protocol's [] of what would be its null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
