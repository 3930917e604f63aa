package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/policyhost/policy/cmd/internal/lsp"
	"github.com/policyhost/policy/runtime"
)

// completionKinds and symbolKinds are the protocol's numbers for our words.
var completionKinds = map[string]int{
	"function": lsp.KindFunction, "type": lsp.KindClass, "variable": lsp.KindVariable, "parameter": lsp.KindVariable,
	"attribute": lsp.KindField, "method": lsp.KindMethod, "module": lsp.KindModule, "keyword": lsp.KindKeyword,
	"constant": lsp.KindConstant, "value": lsp.KindEnumMember, "file": lsp.KindFile,
}

var symbolKinds = map[string]int{
	"function": lsp.SymbolFunction, "enum": lsp.SymbolEnum, "record": lsp.SymbolClass, "struct": lsp.SymbolModule,
	"variable": lsp.SymbolVariable, "task": lsp.SymbolEvent, "member": lsp.SymbolMember, "field": lsp.SymbolField,
}

// Complete proposes what may be written.
func (s *scripts) Complete(ctx context.Context, f *lsp.File, offset int) (list lsp.CompletionList) {
	done := s.draft(f).Complete(ctx, offset)
	at := f.Range(done.Start, done.End)
	for _, c := range done.Candidates {
		label := strings.TrimSuffix(c.Text, " = ")
		item := lsp.CompletionItem{
			Label: label, Kind: completionKinds[c.Kind], Detail: c.Detail, Documentation: lsp.Markdown(c.Doc),
			SortText: fmt.Sprintf("%d%s", c.Near, label),
			TextEdit: &lsp.TextEdit{Range: at, NewText: c.Text},
		}
		if c.Kind == "value" && strings.HasPrefix(c.Text, `"`) {
			item.FilterText = strings.Trim(c.Text, `"`) // what people type first
		}
		list.Items = append(list.Items, item)
	}
	list.IsIncomplete = strings.Contains(string(f.Bytes[done.Start:min(offset, done.End)]), "/") // other folders come
	return list
}

// Hover shows how a name is declared and what its documentation says.
func (s *scripts) Hover(ctx context.Context, f *lsp.File, offset int) *lsp.Hover {
	found, ok := s.draft(f).Describe(ctx, offset)
	if !ok {
		return nil
	}
	var b strings.Builder
	title := found.Title
	if found.Function != nil && len(title) > 80 {
		title = brokenSignature(*found.Function, 80)
	}
	fmt.Fprintf(&b, "```python\n%s\n```\n", title)
	if found.Doc != "" {
		fmt.Fprintf(&b, "\n%s\n", found.Doc)
	}
	if found.Function != nil {
		separator := "\n"
		for _, p := range found.Function.Params {
			if p.Help != "" {
				fmt.Fprintf(&b, "%s- `%s`: %s\n", separator, p.Name, p.Help)
				separator = ""
			}
		}
	}
	at := f.Range(found.Start, found.End)
	return &lsp.Hover{Contents: lsp.Markdown(b.String()), Range: &at}
}

// Signature shows the parameters of what is being called.
func (s *scripts) Signature(ctx context.Context, f *lsp.File, offset int) *lsp.SignatureHelp {
	call, ok := s.draft(f).Signature(ctx, offset)
	if !ok {
		return nil
	}
	info := lsp.SignatureInformation{Label: call.Function.Signature(), Documentation: lsp.Markdown(call.Function.Doc), Parameters: []lsp.ParameterInformation{}}
	for _, p := range call.Function.Params {
		info.Parameters = append(info.Parameters, lsp.ParameterInformation{Label: p.Declaration(), Documentation: lsp.Markdown(p.Help)})
	}
	help := &lsp.SignatureHelp{Signatures: []lsp.SignatureInformation{info}}
	if active := call.Active; active >= 0 {
		help.ActiveParameter = &active
	} else {
		none := len(info.Parameters) // out of range is the protocol's "none of them"
		help.ActiveParameter = &none
	}
	return help
}

// Define finds where a name is defined.
func (s *scripts) Define(ctx context.Context, f *lsp.File, offset int) []lsp.Location {
	h, source := s.host(f)
	place, ok := h.Draft(source).Define(ctx, offset)
	if !ok {
		return nil
	}
	if place.Module.Main {
		return []lsp.Location{{URI: f.URI, Range: f.Range(place.Start, place.End)}}
	}
	file, err := s.fileOf(h, place)
	if err != nil {
		return nil
	}
	text := f.Sibling(string(place.Text))
	return []lsp.Location{{URI: lsp.URIOf(file), Range: text.Range(place.Start, place.End)}}
}

// Symbols is the outline of a file.
func (s *scripts) Symbols(ctx context.Context, f *lsp.File) []lsp.DocumentSymbol {
	return outline(f.Text, s.draft(f).Symbols(ctx))
}

func outline(t *lsp.Text, symbols []runtime.Symbol) []lsp.DocumentSymbol {
	var all []lsp.DocumentSymbol
	for _, symbol := range symbols {
		all = append(all, lsp.DocumentSymbol{
			Name: symbol.Name, Detail: symbol.Detail, Kind: symbolKinds[symbol.Kind],
			Range: t.Range(symbol.Start, symbol.End), SelectionRange: t.Range(symbol.At, symbol.AtEnd),
			Children: outline(t, symbol.Children),
		})
	}
	return all
}
