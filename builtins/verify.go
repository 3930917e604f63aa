package builtins

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// verifier hashes what it reads and compares at the end.
type verifier struct {
	r      io.Reader
	want   artifact.Descriptor
	hasher io.Writer
	check  func() bool
}

func newVerifier(r io.Reader, want artifact.Descriptor) *verifier {
	v := want.Digest.Verifier()
	return &verifier{r: r, want: want, hasher: v, check: v.Verified}
}

func (v *verifier) Read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	_, _ = v.hasher.Write(p[:n])
	return n, err
}

// copyTo writes all of it, in steps that are large enough for a file, unless ctx
// ends before. A step is hashed while it is written.
func (v *verifier) copyTo(ctx context.Context, w io.Writer) error {
	buf := make([]byte, 256<<10)
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := v.r.Read(buf)
		var hashing sync.WaitGroup
		hashing.Go(func() { _, _ = v.hasher.Write(buf[:n]) })
		_, failed := w.Write(buf[:n])
		hashing.Wait()
		if failed != nil {
			return failed
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// finish reads what is left and fails with Invalid unless all of it hashed to
// the digest.
func (v *verifier) finish() error {
	if _, err := io.Copy(io.Discard, v); err != nil {
		return err
	}
	if !v.check() {
		return fault.New(fault.Invalid, "", "the stored bundle does not hash to %s: it was altered or damaged", v.want.Digest).
			WithHint("check the store (policy store check), then pull or build the image again")
	}
	return nil
}
