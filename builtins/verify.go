package builtins

import (
	"context"
	"io"

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
// ends before.
func (v *verifier) copyTo(ctx context.Context, w io.Writer) error {
	read := reader(func(p []byte) (int, error) {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		return v.Read(p)
	})
	_, err := io.CopyBuffer(struct{ io.Writer }{w}, read, make([]byte, 256<<10))
	return err
}

type reader func([]byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }

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
