package main

import (
	"context"
	"io"

	"github.com/policyhost/policy/cmd/internal/complete"
	"github.com/policyhost/policy/cmd/internal/config"
	"github.com/policyhost/policy/runtime/fault"
)

// completionCommand prints the script that asks for candidates, see complete.go.
type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"Shell to print it for: bash, zsh or fish."`
}

func (*completionCommand) Help() string {
	return `The script completes commands, flags, values, files, local images, the tags of
repositories whose registry you are logged in to, and the functions of pipelines.
Add one line to what your shell reads when it starts:

    ~/.bashrc                    source <(policy completion bash)
    ~/.zshrc                     source <(policy completion zsh)
    ~/.config/fish/config.fish   policy completion fish | source

Example:

    policy completion bash > ~/.local/share/bash-completion/completions/policy`
}

func (c *completionCommand) run(_ context.Context, a *app, _ *config.Flags) error {
	if _, err := io.WriteString(a.printer.Out, complete.Script(c.Shell)); err != nil {
		return fault.New(fault.Unavailable, "", "writing the script: %w", err)
	}
	return nil
}
