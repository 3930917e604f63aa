// Package lsp is a server of the Language Server Protocol, without a language: it
// keeps the texts that an editor has open, agrees with it on what a position is,
// and asks a [Service] for everything that depends on what the texts mean.
//
// Messages, their order and requests that are called off are the library
// creachadair/jrpc2's. The protocol's types are our own few: the libraries that
// have all of them are no longer kept, or are many times the size of this server.
package lsp

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/creachadair/jrpc2"
	"github.com/creachadair/jrpc2/handler"

	"github.com/policyhost/policy/runtime/fault"
)

// Service is what the server asks about files. It is asked several things at
// once; a [File] stays as it was when it was asked.
type Service interface {
	Diagnose(ctx context.Context, f *File) []Finding
	Complete(ctx context.Context, f *File, offset int) CompletionList
	Hover(ctx context.Context, f *File, offset int) *Hover
	Signature(ctx context.Context, f *File, offset int) *SignatureHelp
	Define(ctx context.Context, f *File, offset int) []Location
	Symbols(ctx context.Context, f *File) []DocumentSymbol
	Search(ctx context.Context, q Query) []SymbolInformation
	Format(ctx context.Context, f *File) ([]byte, error)
}

// Query asks for symbols of a workspace.
type Query struct {
	Folders  []string // as URIs
	Name     string   // or a part of it
	Encoding Encoding
}

// Finding is a diagnostic, and the text that would mend it, if that is known.
type Finding struct {
	Diagnostic
	Replace string
}

// Options say who serves.
type Options struct {
	Name    string
	Version string
	Log     func(string) // what went wrong inside; may be nil
}

// errCanceled is the protocol's answer to a request that was called off.
const errCanceled jrpc2.Code = -32800

// server is one connection.
type server struct {
	Options
	service Service
	rpc     *jrpc2.Server

	mu       sync.Mutex
	files    map[string]*File
	folders  []string // of the workspace, as URIs
	encoding Encoding
	ended    bool                          // shutdown was asked for
	running  map[string]context.CancelFunc // by the ID of the request
	exit     chan struct{}
	leave    sync.Once
	checks   *checks
}

// Serve answers an editor until it says exit, hangs up, or ctx ends. It fails when
// the editor leaves without a shutdown, or what it sends is not the protocol. It
// closes in, if that can be closed, and then nothing of it goes on; else reading from in
// may outlast it.
func Serve(ctx context.Context, in io.Reader, out io.Writer, service Service, options Options) error {
	s := &server{
		Options: options, service: service,
		files: make(map[string]*File), running: make(map[string]context.CancelFunc), encoding: UTF16, exit: make(chan struct{}),
	}
	connection := &frames{in: bufio.NewReader(in), out: out, closed: func() error {
		if c, ok := in.(io.Closer); ok {
			return c.Close()
		}
		return nil
	}}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.rpc = jrpc2.NewServer(s.methods(), &jrpc2.ServerOptions{
		AllowPush: true, DisableBuiltin: true, Concurrency: 4,
		NewContext: func() context.Context { return ctx },
	})
	s.checks = newChecks(ctx, s)
	s.rpc.Start(connection)
	gone := make(chan jrpc2.ServerStatus, 1)
	go func() { gone <- s.rpc.WaitStatus() }()
	var status jrpc2.ServerStatus
	select {
	case status = <-gone:
	case <-s.exit:
		s.rpc.Stop()
	case <-ctx.Done():
		s.rpc.Stop()
	}
	interrupted := context.Cause(ctx)
	cancel()
	s.checks.wait()
	if _, closed := in.(io.Closer); closed {
		_ = s.rpc.Wait()
	}
	switch {
	case status.Err != nil:
		return fault.New(fault.Usage, "", "what came is not the Language Server Protocol: %w", status.Err)
	case interrupted != nil && !s.left():
		return fault.Of(interrupted)
	case !s.ended:
		return fault.New(fault.Canceled, "", "the editor went away without a shutdown")
	}
	return nil
}

func (s *server) left() bool {
	select {
	case <-s.exit:
		return true
	default:
		return false
	}
}

// methods are the protocol's that are served.
func (s *server) methods() handler.Map {
	all := handler.Map{
		"initialize":                          handler.New(s.initialize),
		"initialized":                         handler.New(ignore),
		"shutdown":                            handler.New(s.shutdown),
		"exit":                                handler.New(s.leaves),
		"$/cancelRequest":                     handler.New(s.cancel),
		"$/setTrace":                          handler.New(ignore),
		"textDocument/didOpen":                handler.New(s.open),
		"textDocument/didChange":              handler.New(s.changed),
		"textDocument/didSave":                handler.New(s.saved),
		"textDocument/didClose":               handler.New(s.closes),
		"workspace/didChangeWatchedFiles":     handler.New(s.saved),
		"workspace/didChangeConfiguration":    handler.New(ignore),
		"workspace/didChangeWorkspaceFolders": handler.New(s.foldersChanged),
		"workspace/symbol":                    handler.New(s.search),
		"textDocument/completion":             handler.New(s.complete),
		"textDocument/hover":                  handler.New(s.hover),
		"textDocument/signatureHelp":          handler.New(s.signature),
		"textDocument/definition":             handler.New(s.define),
		"textDocument/documentSymbol":         handler.New(s.symbols),
		"textDocument/formatting":             handler.New(s.format),
		"textDocument/codeAction":             handler.New(s.actions),
	}
	for name, method := range all {
		all[name] = s.guarded(method)
	}
	return all
}

// guarded makes a panic an error of that one request, and says that a request was
// called off the way the protocol does.
func (s *server) guarded(method jrpc2.Handler) jrpc2.Handler {
	return func(ctx context.Context, r *jrpc2.Request) (any, error) {
		ctx, end := s.begin(ctx, r)
		defer end()
		result, err := recovered(ctx, method, r)
		switch _, coded := errors.AsType[*jrpc2.Error](err); {
		case err == nil || coded:
			return result, err //nolint:wrapcheck // the library's own
		case ctx.Err() != nil:
			return nil, jrpc2.Errorf(errCanceled, "called off")
		case s.Log != nil && errors.Is(err, fault.Internal):
			s.Log(err.Error())
		}
		return nil, jrpc2.Errorf(jrpc2.InternalError, "%s", err.Error())
	}
}

// begin lets a request be called off. The library's own way of doing that has an
// error code that is not the protocol's.
func (s *server) begin(ctx context.Context, r *jrpc2.Request) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	if r.IsNotification() {
		return ctx, cancel
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running[r.ID()] = cancel
	return ctx, func() {
		s.mu.Lock()
		delete(s.running, r.ID())
		s.mu.Unlock()
		cancel()
	}
}

func recovered(ctx context.Context, method jrpc2.Handler, r *jrpc2.Request) (result any, err error) {
	defer fault.Recover(r.Method(), &err)
	return method(ctx, r)
}

func ignore(context.Context, json.RawMessage) error { return nil }

// initialize agrees on what is spoken.
func (s *server) initialize(_ context.Context, p initializeParams) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(p.Capabilities.General.PositionEncodings, string(UTF8)) {
		s.encoding = UTF8
	}
	for _, f := range p.WorkspaceFolders {
		s.folders = append(s.folders, f.URI)
	}
	if len(s.folders) == 0 && p.RootURI != "" {
		s.folders = []string{p.RootURI}
	}
	return map[string]any{
		"serverInfo": map[string]any{"name": s.Name, "version": s.Version},
		"capabilities": map[string]any{
			"positionEncoding":           s.encoding,
			"textDocumentSync":           map[string]any{"openClose": true, "change": 2, "save": map[string]any{}},
			"completionProvider":         map[string]any{"triggerCharacters": []string{".", "\"", "'", "/", ":", "@"}},
			"signatureHelpProvider":      map[string]any{"triggerCharacters": []string{"(", ","}},
			"hoverProvider":              true,
			"definitionProvider":         true,
			"documentSymbolProvider":     true,
			"workspaceSymbolProvider":    true,
			"documentFormattingProvider": true,
			"codeActionProvider":         map[string]any{"codeActionKinds": []string{"quickfix"}},
			"workspace":                  map[string]any{"workspaceFolders": map[string]any{"supported": true, "changeNotifications": true}},
		},
	}, nil
}

func (s *server) shutdown(context.Context) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	return nil, nil //nolint:nilnil // the protocol's null
}

func (s *server) leaves(context.Context) error {
	s.leave.Do(func() { close(s.exit) })
	return nil
}

// cancel calls a request off; one that has not begun, or has ended, is answered.
func (s *server) cancel(_ context.Context, p cancelParams) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel := s.running[string(p.ID)]; cancel != nil {
		cancel()
	}
	return nil
}

func (s *server) foldersChanged(_ context.Context, p foldersParams) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, gone := range p.Event.Removed {
		s.folders = slices.DeleteFunc(s.folders, func(uri string) bool { return uri == gone.URI })
	}
	for _, f := range p.Event.Added {
		s.folders = append(s.folders, f.URI)
	}
	return nil
}
