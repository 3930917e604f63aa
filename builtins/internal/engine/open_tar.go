package engine

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// readTarball keeps what means something to us of a bundle, as the pre-scan
// hands it out; the rest is checked and dropped. A bundle that passed the pre-scan
// before is known, and checked for less.
func readTarball(ctx context.Context, r io.Reader, name string, l Limits, known bool) (*part, error) {
	scan := artifact.Scan
	if known {
		scan = artifact.Rescan
	}
	type file struct{ name, text string }
	var files []file
	p := newPart(name, "")
	_, err := scan(&cancelReader{ctx, r}, l, func(h artifact.Header, r io.Reader) error {
		if h.Dir {
			return nil
		}
		p.files = append(p.files, FileInfo{Path: h.Name, Size: h.Size})
		if !p.wants(h.Name) {
			p.note(h.Name)
			return nil
		}
		buf := make([]byte, h.Size)
		_, err := io.ReadFull(r, buf)
		files = append(files, file{h.Name, asText(buf)})
		return err
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil, fault.Of(context.Cause(ctx))
		}
		if _, ok := errors.AsType[*fault.Error](err); !ok {
			err = fault.New(fault.Unavailable, "", "%w", err) // the reader's own
		}
		return nil, inTarball(name, err)
	}
	// Only now is any of it known to be sound.
	for _, f := range files {
		if err := p.addFile(f.name, f.text); err != nil {
			return nil, inTarball(name, err)
		}
	}
	return p, nil
}

// inTarball says of which tarball, or image, a fault about one of its entries is.
func inTarball(tarball string, err error) error {
	f := *fault.Of(err)
	if f.Subject != "" && f.Subject != tarball {
		f.Err = fmt.Errorf("%s: %w", f.Subject, f.Err)
	}
	f.Subject = tarball
	return &f
}

// cancelReader ends a long read with its context.
type cancelReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancelReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}
