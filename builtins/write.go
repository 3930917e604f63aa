package builtins

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// WriteArgs are the arguments of [WriteFile].
type WriteArgs struct {
	Path    string `arg:"" help:"File to write, in a folder that is there."`
	Content Value  `arg:"" help:"A string is written as it is; any other value as indented JSON."`
}

// WriteFile writes a file, which appears whole or not at all and replaces one of its
// name. It fails with Denied outside the project folder and the folders that
// --allow-write names, and with Usage for a value that has no JSON.
func WriteFile(ctx context.Context, e *Env, args *WriteArgs) (*Written, error) {
	text, err := args.text()
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	out, err := e.Files.Create(args.Path)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	if _, err := out.Write(text); err != nil {
		return nil, err
	}
	return &Written{Path: args.Path, Digest: sumOf(text).String(), Size: int64(len(text))}, out.Commit()
}

func (args *WriteArgs) text() ([]byte, error) {
	switch v := args.Content.value.(type) {
	case string:
		return []byte(v), nil
	case []byte:
		return v, nil
	case json.RawMessage:
		return v, nil
	case Secret:
		return nil, fault.New(fault.Usage, args.Path, "a secret is not written to a file")
	}
	text, err := json.MarshalIndent(args.Content.value, "", "  ")
	if err != nil {
		return nil, fault.New(fault.Usage, args.Path, "the value has no JSON: %w", err).
			WithHint("write a string, or a value of dicts, lists, strings, numbers, booleans and None")
	}
	return append(text, '\n'), nil
}

func sumOf(content []byte) artifact.Digest {
	return artifact.Digest(fmt.Sprintf("sha256:%x", sha256.Sum256(content)))
}
