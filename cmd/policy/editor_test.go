package main

import (
	"bufio"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/creachadair/jrpc2"
	"github.com/creachadair/jrpc2/channel"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/policyhost/policy/cmd/internal/lsp"
)

// editor SESSION TRANSCRIPT: an editor starts policy lsp, does what the lines of
// SESSION say, and notes what it is shown:
//
//	open FILE                    the file's findings
//	change FILE:L:C-L:C TEXT     the findings after TEXT took that place; \n is a line end
//	complete FILE:L:C            the first ten proposals
//	hover FILE:L:C               the documentation of what is there
//	signature FILE:L:C           the call that is there
//	define FILE:L:C              where it is defined
//	fix FILE:L:C                 the quick fixes there
//	symbols FILE | search WORD   what the file, the workspace, defines
//	format FILE                  what the file is laid out as
func runEditor(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: editor SESSION TRANSCRIPT")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	path, err := exec.LookPath(filepath.Join(filepath.SplitList(ts.Getenv("PATH"))[0], "policy"))
	ts.Check(err)
	cmd := exec.CommandContext(ctx, path, "lsp", "--stdio")
	cmd.Dir, cmd.Env, cmd.Stderr = ts.MkAbs("."), append(environ(ts), "POLICY_FILE_STORE_ROOT="+ts.Getenv("POLICY_FILE_STORE_ROOT")), os.Stderr
	in, err := cmd.StdinPipe()
	ts.Check(err)
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	e := &editorSession{ctx: ctx, root: ts.MkAbs("."), files: map[string]*editing{}, shown: make(chan publication, 64)}
	e.client = jrpc2.NewClient(channel.LSP(out, in), &jrpc2.ClientOptions{OnNotify: e.notified})
	e.call("initialize", map[string]any{
		"rootUri": lsp.URIOf(e.root), "capabilities": map[string]any{},
	}, nil)
	e.notify("initialized", struct{}{})
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		if line = strings.TrimSpace(line); line != "" && e.err == nil {
			fmt.Fprintf(&e.notes, "> %s\n", line)
			e.do(line)
		}
	}
	e.call("shutdown", nil, nil)
	e.notify("exit", nil)
	_ = e.client.Close()
	ts.Check(e.err)
	ts.Check(cmd.Wait())
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(e.notes.String()), 0o600))
}

type editorSession struct {
	ctx    context.Context
	client *jrpc2.Client
	root   string
	files  map[string]*editing
	shown  chan publication
	notes  strings.Builder
	err    error
}

type editing struct {
	version int
	text    *lsp.Text
}

type publication struct {
	URI         string
	Version     int
	Diagnostics []lsp.Diagnostic
}

func (e *editorSession) notified(r *jrpc2.Request) {
	var p publication
	if r.Method() == "textDocument/publishDiagnostics" && r.UnmarshalParams(&p) == nil {
		e.shown <- p
	}
}

func (e *editorSession) call(method string, params, result any) {
	if e.err != nil {
		return
	}
	r, err := e.client.Call(e.ctx, method, params)
	if err == nil && result != nil {
		err = r.UnmarshalResult(result)
	}
	e.err = err
}

func (e *editorSession) notify(method string, params any) {
	if e.err == nil {
		e.err = e.client.Notify(e.ctx, method, params)
	}
}

func (e *editorSession) do(line string) {
	verb, rest, _ := strings.Cut(line, " ")
	name, place, _ := strings.Cut(rest, ":")
	uri := lsp.URIOf(filepath.Join(e.root, filepath.FromSlash(name)))
	file := map[string]any{"uri": uri}
	at := map[string]any{"textDocument": file, "position": position(place)}
	switch verb {
	case "open":
		text, err := os.ReadFile(filepath.Join(e.root, filepath.FromSlash(name)))
		e.err = err
		e.files[uri] = &editing{1, lsp.NewText(string(text), lsp.UTF16)}
		e.notify("textDocument/didOpen", map[string]any{"textDocument": map[string]any{"uri": uri, "languageId": "starlark", "version": 1, "text": string(text)}})
		e.findings(uri)
	case "change":
		where, text, _ := strings.Cut(place, " ")
		from, to, _ := strings.Cut(where, "-")
		f := e.files[uri]
		f.version++
		e.notify("textDocument/didChange", map[string]any{
			"textDocument":   map[string]any{"uri": uri, "version": f.version},
			"contentChanges": []any{map[string]any{"range": lsp.Range{Start: position(from), End: position(to)}, "text": strings.ReplaceAll(text, `\n`, "\n")}},
		})
		e.findings(uri)
	case "complete":
		var list lsp.CompletionList
		e.call("textDocument/completion", at, &list)
		slices.SortStableFunc(list.Items, func(a, b lsp.CompletionItem) int { return strings.Compare(a.SortText, b.SortText) })
		for _, item := range list.Items[:min(10, len(list.Items))] {
			fmt.Fprintln(&e.notes, strings.TrimSpace(item.Label+"  "+item.Detail))
		}
	case "hover":
		var h *lsp.Hover
		if e.call("textDocument/hover", at, &h); h != nil {
			e.notes.WriteString(h.Contents.Value)
		}
	case "signature":
		var h *lsp.SignatureHelp
		if e.call("textDocument/signatureHelp", at, &h); h != nil {
			fmt.Fprintf(&e.notes, "%s\n", h.Signatures[0].Label)
			if p := h.Signatures[0].Parameters; *h.ActiveParameter < len(p) {
				fmt.Fprintf(&e.notes, "  %s\n", p[*h.ActiveParameter].Label)
			}
		}
	case "define":
		var all []lsp.Location
		e.call("textDocument/definition", at, &all)
		for _, l := range all {
			e.quote(l)
		}
	case "fix":
		var all []lsp.CodeAction
		p := position(place)
		e.call("textDocument/codeAction", map[string]any{"textDocument": file, "range": lsp.Range{Start: p, End: p}, "context": map[string]any{"diagnostics": []any{}}}, &all)
		for _, a := range all {
			fmt.Fprintf(&e.notes, "%s: %s\n", a.Title, edited(e.files[uri].text, a.Edit.Changes[uri]))
		}
	case "symbols":
		var all []lsp.DocumentSymbol
		e.call("textDocument/documentSymbol", map[string]any{"textDocument": file}, &all)
		for _, s := range all {
			fmt.Fprintf(&e.notes, "%s%s\n", s.Name, s.Detail)
			for _, c := range s.Children {
				fmt.Fprintf(&e.notes, "  %s\n", strings.TrimSpace(c.Name+" "+c.Detail))
			}
		}
	case "search":
		var all []lsp.SymbolInformation
		e.call("workspace/symbol", map[string]any{"query": rest}, &all)
		for _, s := range all {
			fmt.Fprintf(&e.notes, "%s in %s\n", s.Name, s.ContainerName)
		}
	case "format":
		var edits []lsp.TextEdit
		r, err := e.client.Call(e.ctx, "textDocument/formatting", map[string]any{"textDocument": file, "options": map[string]any{}})
		if err != nil {
			fmt.Fprintln(&e.notes, err)
			return
		}
		e.err = r.UnmarshalResult(&edits)
		fmt.Fprintln(&e.notes, edited(e.files[uri].text, edits))
	default:
		e.err = fmt.Errorf("the editor cannot %q", verb)
	}
}

// findings waits for those of the text as it is now.
func (e *editorSession) findings(uri string) {
	for e.err == nil {
		select {
		case p := <-e.shown:
			if p.URI != uri || p.Version != e.files[uri].version {
				continue
			}
			for _, d := range p.Diagnostics {
				fmt.Fprintf(&e.notes, "%d:%d-%d %s %s: %s\n", d.Range.Start.Line+1, d.Range.Start.Character+1, d.Range.End.Character+1,
					map[int]string{lsp.SeverityError: "error", lsp.SeverityWarning: "warning"}[d.Severity], d.Code, strings.ReplaceAll(d.Message, "\n", "; "))
			}
			return
		case <-e.ctx.Done():
			e.err = e.ctx.Err()
		}
	}
}

// quote notes a place and its line.
func (e *editorSession) quote(l lsp.Location) {
	u, err := url.Parse(l.URI)
	if err != nil {
		e.err = err
		return
	}
	file, err := os.Open(lsp.PathOf(l.URI))
	if err != nil {
		e.err = err
		return
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for range l.Range.Start.Line + 1 {
		lines.Scan()
	}
	fmt.Fprintf(&e.notes, "%s: %s\n", filepath.Base(u.Path), lines.Text())
}

// edited is a text after the edits of an answer, which has one at most.
func edited(t *lsp.Text, edits []lsp.TextEdit) string {
	text := string(t.Bytes)
	for _, edit := range edits {
		text = text[:t.Offset(edit.Range.Start)] + edit.NewText + text[t.Offset(edit.Range.End):]
	}
	if len(edits) == 1 && strings.Count(edits[0].NewText, "\n") == 0 {
		line := strings.Split(text, "\n")[edits[0].Range.Start.Line]
		return strings.TrimSpace(line)
	}
	return text
}

// position is L:C, counted from 1.
func position(place string) lsp.Position {
	var p lsp.Position
	if n, _ := fmt.Sscanf(place, "%d:%d", &p.Line, &p.Character); n != 2 {
		return lsp.Position{}
	}
	return lsp.Position{Line: p.Line - 1, Character: p.Character - 1}
}
