package main

import (
	"context"
	"os"
	"path/filepath"

	"golang.org/x/term"

	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/cmd/internal/lsp"
	"github.com/policyhost/policy/runtime/fault"
)

// lspCommand serves an editor, which starts it; people do not.
type lspCommand struct {
	Stdio bool `help:"Speak over standard input and output. It always does; editors like to say so."`
}

func (*lspCommand) Help() string {
	return `Editors that speak the Language Server Protocol start this command to show the
findings of "policy check" while a pipeline is written, to complete names,
attributes and arguments, to show signatures and documentation, to find
definitions, and to lay out files. Nothing of a pipeline is run, and nothing is
fetched. spec/editors.md shows how to set up VS Code, Neovim and Helix.

Example:

    policy lsp`
}

func (*lspCommand) run(ctx context.Context, a *app, flags *config.Flags) error {
	if term.IsTerminal(int(os.Stdin.Fd())) {
		return fault.In("lsp", "", fault.New(fault.Usage, "", "it speaks to an editor, not to a terminal").
			WithHint("set up your editor to start it: spec/editors.md"))
	}
	s, err := a.openIn(ctx, flags, nil)
	if err != nil {
		return err
	}
	defer s.Close()
	service := newScripts(s, filepath.Join(s.settings.Root, "cache", "sources"))
	err = lsp.Serve(s.ctx, a.in, a.out, service, lsp.Options{Name: "policy", Version: version(), Log: a.printer.Print})
	return fault.In("lsp", "", err)
}
