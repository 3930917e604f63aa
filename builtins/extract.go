package builtins

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// extract writes the files of an image's bundle below a folder, which must be
// there. The whole tarball is looked at before the first file is written; a file
// replaces one of its name, and nothing is followed out of the folder.
func (e *Env) extract(ctx context.Context, r Ref, folder string) error {
	if err := mayWrite(e.Files, folder); err != nil {
		return err
	}
	real, err := really(e.Files, folder)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(real)
	if err != nil {
		return fault.File(folder, err)
	}
	defer root.Close()
	l, err := e.open(ctx, r, prefixDigits)
	if err != nil {
		return err
	}
	defer l.Close()
	layer, content, err := l.bundle(ctx)
	if err != nil {
		return err
	}
	defer content.Close()
	limits := e.Settings.Limits
	verified := newVerifier(content, layer)
	_, err = artifact.Scan(verified, limits, func(artifact.Header, io.Reader) error { return context.Cause(ctx) })
	if altered := verified.finish(); altered != nil { // which explains any other failure
		err = altered
	}
	if err != nil {
		return fault.In("", l.name.Tagged(), err)
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return fault.File(folder, err)
	}
	_, err = artifact.Scan(content, limits, func(h artifact.Header, r io.Reader) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if e.rehearsal != nil {
			return e.rehearsal.unpack(e.Files, folder, h, r)
		}
		return fault.File(path.Join(folder, h.Name), unpack(root, h, r))
	})
	return err
}

// unpack writes one entry of a bundle; a file appears under its name whole.
func unpack(root *os.Root, h artifact.Header, r io.Reader) error {
	dir := h.Name
	if !h.Dir {
		dir = path.Dir(h.Name)
	}
	if err := root.MkdirAll(dir, 0o755); err != nil || h.Dir {
		return err
	}
	temp := path.Join(dir, ".extract-"+rand.Text())
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if err = errors.Join(err, f.Close()); err == nil {
		err = root.Rename(temp, h.Name)
	}
	if err != nil {
		_ = root.Remove(temp)
	}
	return err
}
