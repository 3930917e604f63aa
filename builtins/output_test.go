package builtins

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

func write(files Files, name string) error {
	out, err := files.Create(name)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := out.Write([]byte("new")); err != nil {
		return err
	}
	return out.Commit()
}

func TestCreateFollowsLinks(t *testing.T) {
	t.Parallel()
	u, outside := project(t)
	link := filepath.Join(u.Dir, "link.txt")
	if err := os.Symlink(filepath.Join(u.Dir, "note.txt"), link); err != nil {
		t.Skip("no links here:", err)
	}
	if err := os.Symlink(outside, filepath.Join(u.Dir, "out.txt")); err != nil {
		t.Fatal(err)
	}
	if err := write(Anywhere{}, link); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode().IsRegular() {
		t.Errorf("the link became a file: %v, %v", info, err)
	}
	if text, err := os.ReadFile(filepath.Join(u.Dir, "note.txt")); err != nil || string(text) != "new" {
		t.Errorf("got %q, %v", text, err)
	}
	if err := write(u, "out.txt"); !errors.Is(err, fault.Denied) {
		t.Errorf("through a link that leads out: got %v", err)
	}
	if text, err := os.ReadFile(outside); err != nil || string(text) != "outside.txt" {
		t.Errorf("the file outside: got %q, %v", text, err)
	}
}

func TestCreateRefusesFolders(t *testing.T) {
	t.Parallel()
	u, _ := project(t)
	for _, files := range []Files{u, Anywhere{}} {
		name := "cases"
		if files == (Files)(Anywhere{}) {
			name = filepath.Join(u.Dir, name)
		}
		if err := write(files, name); !errors.Is(err, fault.Usage) {
			t.Errorf("%T: got %v", files, err)
		}
	}
}

// TestCopyEnds holds that a copy of any length ends with its context.
func TestCopyEnds(t *testing.T) {
	t.Parallel()
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	v := newVerifier(endless(func() { cancel(cause) }), artifact.Descriptor{Digest: "sha256:" + digest.Digest(strings.Repeat("0", 64))})
	if err := v.copyTo(ctx, io.Discard); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
}

// endless is a reader without end, which tells of each Read.
type endless func()

func (e endless) Read(p []byte) (int, error) { e(); return len(p), nil }
