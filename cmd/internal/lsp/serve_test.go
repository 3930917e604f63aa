package lsp_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/creachadair/jrpc2"
	"github.com/creachadair/jrpc2/channel"

	"github.com/policyhost/policy/cmd/internal/lsp"
	"github.com/policyhost/policy/runtime/fault"
)

// slow is a service whose completion lasts until it is called off, and whose hover
// has a defect.
type slow struct {
	asked chan string
}

func (s *slow) Diagnose(_ context.Context, f *lsp.File) []lsp.Finding {
	if strings.Contains(string(f.Bytes), "panic") {
		panic("on purpose")
	}
	return []lsp.Finding{{Diagnostic: lsp.Diagnostic{Message: string(f.Bytes), Range: f.Range(0, 2)}, Replace: "better"}}
}

func (s *slow) Complete(ctx context.Context, _ *lsp.File, _ int) lsp.CompletionList {
	s.asked <- "complete"
	<-ctx.Done()
	return lsp.CompletionList{}
}
func (*slow) Hover(context.Context, *lsp.File, int) *lsp.Hover             { panic("on purpose") }
func (*slow) Signature(context.Context, *lsp.File, int) *lsp.SignatureHelp { return nil }
func (*slow) Define(context.Context, *lsp.File, int) []lsp.Location        { return nil }
func (*slow) Symbols(context.Context, *lsp.File) []lsp.DocumentSymbol      { return nil }
func (*slow) Search(context.Context, lsp.Query) []lsp.SymbolInformation    { return nil }
func (*slow) Format(_ context.Context, f *lsp.File) ([]byte, error) {
	return append([]byte("# é\n"), f.Bytes...), nil
}

// session is an editor and the server that it talks to.
type session struct {
	*testing.T
	*jrpc2.Client
	shown chan string
	ended chan error
}

func start(t *testing.T, service lsp.Service) *session {
	t.Helper()
	toServer, fromEditor := io.Pipe()
	toEditor, fromServer := io.Pipe()
	s := &session{T: t, shown: make(chan string, 16), ended: make(chan error, 1)}
	go func() {
		err := lsp.Serve(t.Context(), toServer, fromServer, service, lsp.Options{Name: "test"})
		_ = fromServer.Close()
		s.ended <- err
	}()
	s.Client = jrpc2.NewClient(channel.LSP(toEditor, fromEditor), &jrpc2.ClientOptions{OnNotify: func(r *jrpc2.Request) {
		var p struct {
			URI         string
			Diagnostics []lsp.Diagnostic
		}
		if err := r.UnmarshalParams(&p); err != nil {
			t.Error(err)
		}
		text := ""
		for _, d := range p.Diagnostics {
			text += d.Message
		}
		s.shown <- p.URI + " " + text
	}})
	s.ask("initialize", map[string]any{"capabilities": map[string]any{"general": map[string]any{"positionEncodings": []string{"utf-8", "utf-16"}}}}, nil)
	return s
}

func (s *session) ask(method string, params, result any) {
	s.Helper()
	r, err := s.Call(s.Context(), method, params)
	if err == nil && result != nil {
		err = r.UnmarshalResult(result)
	}
	if err != nil {
		s.Errorf("%s: %v", method, err)
	}
}

func (s *session) tell(method string, params any) {
	s.Helper()
	if err := s.Notify(s.Context(), method, params); err != nil {
		s.Errorf("%s: %v", method, err)
	}
}

func (s *session) open(uri, text string) {
	s.tell("textDocument/didOpen", map[string]any{"textDocument": map[string]any{"uri": uri, "version": 1, "text": text}})
}

// leave ends the session in order.
func (s *session) leave() {
	s.ask("shutdown", nil, nil)
	s.tell("exit", nil)
	if err := <-s.ended; err != nil {
		s.Error(err)
	}
	_ = s.Close()
}

var place = map[string]any{"textDocument": map[string]any{"uri": "file:///a.star"}, "position": lsp.Position{}}

func TestSession(t *testing.T) {
	t.Parallel()
	s := start(t, &slow{asked: make(chan string, 1)})
	s.open("file:///a.star", "één")
	if got := <-s.shown; got != "file:///a.star één" {
		t.Errorf("got %q", got)
	}
	var edits []lsp.TextEdit
	if s.ask("textDocument/formatting", place, &edits); len(edits) != 1 || edits[0].NewText != "# é\néén" {
		t.Errorf("got %+v", edits)
	}
	// Bytes are what is counted: the editor offered it.
	s.tell("textDocument/didChange", map[string]any{
		"textDocument":   map[string]any{"uri": "file:///a.star", "version": 2},
		"contentChanges": []any{map[string]any{"range": lsp.Range{Start: lsp.Position{Character: 2}, End: lsp.Position{Character: 4}}, "text": "x"}},
	})
	if got := <-s.shown; got != "file:///a.star éxn" {
		t.Errorf("got %q", got)
	}
	var actions []lsp.CodeAction
	s.ask("textDocument/codeAction", map[string]any{"textDocument": place["textDocument"], "range": lsp.Range{}}, &actions)
	if len(actions) != 1 || actions[0].Edit.Changes["file:///a.star"][0].NewText != "better" {
		t.Errorf("got %+v", actions)
	}
	s.tell("textDocument/didClose", map[string]any{"textDocument": place["textDocument"]})
	if got := <-s.shown; got != "file:///a.star " {
		t.Errorf("got %q", got)
	}
	if _, err := s.Call(t.Context(), "textDocument/hover", place); err == nil || !strings.Contains(err.Error(), "is not open") {
		t.Errorf("got %v", err)
	}
	s.leave()
}

// What an editor was told about a file that it has closed is not what it shows when
// it opens the file again.
func TestOpenedAgain(t *testing.T) {
	t.Parallel()
	s := start(t, &slow{})
	for _, want := range []string{"file:///a.star text", "file:///a.star ", "file:///a.star text"} {
		if strings.HasSuffix(want, "text") {
			s.open("file:///a.star", "text")
		} else {
			s.tell("textDocument/didClose", map[string]any{"textDocument": place["textDocument"]})
		}
		select {
		case got := <-s.shown:
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("nothing came, want %q", want)
		}
	}
	s.leave()
}

func TestDefectsAreAnswers(t *testing.T) {
	t.Parallel()
	s := start(t, &slow{})
	s.open("file:///b.star", "panic")
	s.open("file:///a.star", "text")
	for got := range s.shown { // b.star has no findings, and stops nothing
		if got == "file:///a.star text" {
			break
		}
	}
	if _, err := s.Call(t.Context(), "textDocument/hover", place); err == nil || !strings.Contains(err.Error(), "on purpose") {
		t.Errorf("got %v", err)
	}
	if _, err := s.Call(t.Context(), "textDocument/nothing", place); jrpc2.ErrorCode(err) != jrpc2.MethodNotFound {
		t.Errorf("got %v", err)
	}
	s.leave()
}

func TestCalledOff(t *testing.T) {
	t.Parallel()
	service := &slow{asked: make(chan string, 1)}
	s := start(t, service)
	s.open("file:///a.star", "text")
	failed := make(chan error, 1)
	go func() {
		_, err := s.Call(t.Context(), "textDocument/completion", place)
		failed <- err
	}()
	<-service.asked
	s.tell("$/cancelRequest", map[string]any{"id": 2}) // initialize was 1
	if err := <-failed; jrpc2.ErrorCode(err) != -32800 {
		t.Errorf("got %v", err)
	}
	s.leave()
}

func TestEditorGone(t *testing.T) {
	t.Parallel()
	s := start(t, &slow{})
	_ = s.Close()
	if err := <-s.ended; !errors.Is(err, fault.Canceled) {
		t.Errorf("got %v", err)
	}
	for _, text := range []string{"hello\r\n\r\n", "Content-Length: 99999999999999999\r\n\r\n", "Content-Length: -1\r\n\r\n", "\r\n\r\n"} {
		err := lsp.Serve(t.Context(), strings.NewReader(text), io.Discard, &slow{}, lsp.Options{})
		if !errors.Is(err, fault.Usage) {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

// TestNothingStays holds that a session leaves no goroutine. It runs alone.
func TestNothingStays(t *testing.T) { //nolint:paralleltest // it counts
	before := runtime.NumGoroutine()
	for range 5 {
		s := start(t, &slow{})
		s.open("file:///a.star", "text")
		s.leave()
	}
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if after := runtime.NumGoroutine(); after > before {
		stacks := make([]byte, 1<<16)
		t.Errorf("%d goroutines before, %d after:\n%s", before, after, stacks[:runtime.Stack(stacks, true)])
	}
}
