package registry

import (
	"context"
	"io"

	"github.com/policyhost/policy/builtins/artifact"
)

// call is what one operation tells the transport beneath regclient, which has
// no place for it in its own requests. It travels in the context.
type call struct {
	repo   string    // the repository, for uploads whose path does not name it
	write  bool      // ask for a token that may push from the start
	moving *moving   // the blob on its way, nil for everything else
	remove *deletion // a tag being deleted
	mirror bool      // a mirror may answer
	bound  bool      // the request is part of another one that holds a slot
}

// moving is one blob between a store and a registry.
type moving struct {
	desc artifact.Descriptor
	open func(context.Context) (io.ReadCloser, error) // push: the content, anew for each try
	have io.ReaderAt                                  // pull: bytes left by an earlier run
	size int64                                        // how many of them
	told func(done int64)                             // progress, never nil

	failed error // push: why the body was not taken
}

// deletion ends regclient's emulation of a tag delete (overwrite, then delete
// by digest) where the registry has said that it deletes nothing: the overwrite
// alone would destroy the tag.
type deletion struct{ refused error }

type callKey struct{}

func withCall(ctx context.Context, c *call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return &call{}
}
