package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
	"github.com/opencontainers/go-digest"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// Ingest is a blob on its way into the store. It is written in order by one
// goroutine, and is in the store only after Commit.
//
// With a known digest it resumes: Offset bytes are there from an earlier try
// that was killed or cut. The caller still writes the whole content, replaying
// those from Partial; they are compared and hashed, not written again. Where
// what is written differs, the earlier bytes are given up.
type Ingest struct {
	s         *Store
	tx        *Tx
	want      artifact.Descriptor
	path      string
	lock      *flock.Flock
	f         File
	hash      hash.Hash
	pos       int64 // bytes the caller has written
	offset    int64 // bytes found; less once they proved wrong
	disk      int64 // bytes in the file
	out       WriteOut
	buf       []byte // for comparing
	resumable bool
	replace   bool // an existing blob is damaged
	failed    bool // what is in the file is of no use
	closed    bool
}

// Create begins a blob. A digest in d is demanded at Commit and makes the ingest
// resumable, unless another process is writing the same one; without one it is
// computed. A size of 0 or less is unknown.
func (t *Tx) Create(ctx context.Context, d artifact.Descriptor) (*Ingest, error) {
	if err := t.open(); err != nil {
		return nil, err
	}
	if err := canceled(ctx, "storing a blob"); err != nil {
		return nil, err
	}
	in := &Ingest{s: t.s, tx: t, want: d, hash: digest.Canonical.Hash()}
	if d.Digest != "" {
		if _, err := t.s.blobPath(d.Digest); err != nil {
			return nil, err
		}
		in.hash, in.resumable = d.Digest.Algorithm().Hash(), true
		ok, err := in.open(d.Digest.Algorithm().String() + "-" + d.Digest.Encoded() + partSuffix)
		if ok || err != nil {
			return in, err
		}
		in.resumable = false
	}
	for {
		if ok, err := in.open(tempPrefix + rand.Text()); ok || err != nil {
			return in, err
		}
	}
}

const (
	partSuffix = ".part" // of a resumable ingest
	tempPrefix = "tmp-"  // of one nobody can resume
)

// open locks and opens the file. It reports false when somebody else has it.
func (in *Ingest) open(name string) (ok bool, err error) {
	in.path = in.s.path(ingestDir, name)
	l := newLock(lockName(in.path))
	if got, err := l.TryLock(); err != nil || !got {
		if err != nil {
			err = lockFault(l.Path(), err)
		}
		return false, err
	}
	defer func() {
		if ok {
			return
		}
		if info, statErr := in.s.fs.Stat(in.path); err != nil && statErr == nil && info.Size() == 0 {
			_ = in.s.fs.Remove(in.path) // the lock made it
		}
		unlock(l)
	}()
	if !stillNamed(l) {
		return false, nil
	}
	f, err := in.s.fs.OpenFile(in.path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return false, diskFault("storing a blob", err)
	}
	info, err := f.Stat()
	if err == nil && (in.want.Size > 0 && info.Size() > in.want.Size) {
		err = f.Truncate(0)
		in.offset = 0
	} else if err == nil {
		in.offset = info.Size()
	}
	if err != nil {
		_ = f.Close()
		return false, diskFault("storing a blob", err)
	}
	in.disk, in.out.started = in.offset, in.offset
	in.lock, in.f = l, f
	return true, nil
}

// stillNamed reports whether the locked file is the one of that name: its last
// writer may have renamed or removed it between our open and our lock.
func stillNamed(l *flock.Flock) bool {
	held, err := l.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(l.Path())
	return err == nil && os.SameFile(held, named)
}

// Offset is the number of bytes that an earlier try left, usually 0.
func (in *Ingest) Offset() int64 { return in.offset }

// Partial reads the first Offset bytes.
func (in *Ingest) Partial() io.ReaderAt { return io.NewSectionReader(in.f, 0, in.offset) }

// Size is the number of bytes written so far.
func (in *Ingest) Size() int64 { return in.pos }

// Digest is that of the bytes written so far.
func (in *Ingest) Digest() artifact.Digest {
	algorithm := digest.Canonical
	if in.want.Digest != "" {
		algorithm = in.want.Digest.Algorithm()
	}
	return digest.NewDigest(algorithm, in.hash)
}

// Write takes the next bytes. It fails with Invalid for more than the size that
// was announced, and with the disk's fault; after either nothing is kept.
func (in *Ingest) Write(p []byte) (int, error) {
	if in.closed || in.failed {
		return 0, diskFault("storing a blob", fs.ErrClosed)
	}
	if in.want.Size > 0 && in.pos+int64(len(p)) > in.want.Size {
		in.failed = true
		return 0, fault.New(fault.Invalid, in.want.Digest.String(), "has more than the %d bytes announced", in.want.Size)
	}
	done, err := in.replay(p)
	if err == nil && done < len(p) {
		var n int
		n, err = in.f.WriteAt(p[done:], in.pos)
		if err == nil {
			err = shortWrite(n, len(p)-done)
		}
		if err == nil {
			in.took(p[done:])
			done = len(p)
			in.disk = max(in.disk, in.pos)
			in.out.UpTo(in.f, in.disk)
		}
	}
	if err != nil {
		in.failed = true
		return done, diskFault("storing a blob", err)
	}
	return done, nil
}

func (in *Ingest) took(p []byte) {
	in.hash.Write(p)
	in.pos += int64(len(p))
}

// replay takes the leading bytes of p that the file has already.
func (in *Ingest) replay(p []byte) (int, error) {
	done := 0
	for in.pos < in.offset && done < len(p) {
		if in.buf == nil {
			in.buf = make([]byte, 64<<10)
		}
		n := min(int64(len(p)-done), in.offset-in.pos, int64(len(in.buf)))
		have, next := in.buf[:n], p[done:done+int(n)]
		if _, err := in.f.ReadAt(have, in.pos); err != nil && !errors.Is(err, io.EOF) {
			return done, err
		}
		if !bytes.Equal(have, next) {
			in.offset = in.pos
			in.disk = in.pos
			return done, in.f.Truncate(in.pos)
		}
		in.took(next)
		done += int(n)
	}
	return done, nil
}

// Commit checks size and digest and puts the blob in its place. Its bytes are
// durable before it has its name, and the name is after Tag or Sync. Content that
// differs fails with Invalid and is not kept; content that is only too short stays
// for the next try. A blob that is there already is kept.
func (in *Ingest) Commit(ctx context.Context) (artifact.Descriptor, error) {
	d := in.want
	d.Digest, d.Size = in.Digest(), in.pos
	if in.closed || in.failed {
		return d, diskFault("storing a blob", fs.ErrClosed)
	}
	if err := errors.Join(in.tx.open(), canceled(ctx, "storing a blob")); err != nil {
		return d, err
	}
	if in.want.Size > 0 && in.pos < in.want.Size {
		return d, fault.New(fault.Invalid, in.want.Digest.String(), "ends after %d bytes of %d", in.pos, in.want.Size).
			WithHint("try again: what is here is kept")
	}
	if in.want.Digest != "" && d.Digest != in.want.Digest {
		in.failed = true
		return d, fault.New(fault.Invalid, in.want.Digest.String(), "the bytes received hash to %s", d.Digest)
	}
	if err := in.finish(d); err != nil {
		in.failed = true
		return d, diskFault("storing a blob", err)
	}
	return d, nil
}

func (in *Ingest) finish(d artifact.Descriptor) error {
	info, err := in.s.statBlob(d)
	if err != nil {
		return err
	}
	if info != nil && !in.replace {
		in.failed = true // not needed
		in.tx.reuse(d.Digest, info)
		return in.Close()
	}
	if in.disk > in.pos {
		if err := in.f.Truncate(in.pos); err != nil {
			return err
		}
	}
	if err := in.f.Chmod(0o444); err != nil {
		return err
	}
	if err := in.f.Sync(); err != nil {
		return err
	}
	path, err := in.s.blobPath(d.Digest)
	if err != nil {
		return err
	}
	if err := in.s.makeDir(filepath.Dir(path)); err != nil {
		return err
	}
	if err := in.publish(path); err != nil {
		return err
	}
	in.tx.names(d.Digest)
	return nil
}

// publish gives the finished file its name as a blob.
func (in *Ingest) publish(path string) error {
	f := in.f
	in.f = nil
	if err := f.Close(); err != nil {
		return err
	}
	if err := in.s.fs.Rename(in.path, path); err != nil {
		return err
	}
	in.release(false)
	return nil
}

// Close without Commit gives up: what can be resumed stays for the next try,
// anything else is removed, all of the wrong bytes too. After Commit it does
// nothing.
func (in *Ingest) Close() error {
	if in.closed {
		return nil
	}
	var err error
	if in.f != nil {
		err = in.f.Close()
		in.f = nil
	}
	wrong := in.want.Size > 0 && in.pos >= in.want.Size && in.Digest() != in.want.Digest
	keep := in.resumable && !in.failed && !wrong && in.disk > 0
	in.release(!keep)
	return diskFault("storing a blob", err)
}

// release frees the lock, after removing the file: so nobody resumes a file that
// is about to go.
func (in *Ingest) release(remove bool) {
	in.closed = true
	if remove {
		_ = in.s.fs.Remove(in.path) // else prune does
	}
	lock := in.lock.Path()
	unlock(in.lock)
	if lock != in.path {
		_ = os.Remove(lock) // Windows refuses while another has it open
	}
}
