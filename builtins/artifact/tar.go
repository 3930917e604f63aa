package artifact

import (
	"archive/tar"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/policyhost/policy/runtime/fault"
)

// gzipLevel is where klauspost's gzip stops paying: level 6 takes five times as
// long for a tenth less. Changing it, or the library, changes every digest.
const gzipLevel = 2

// File is one file of a bundle: a clean relative name with slashes, the exact
// number of bytes, and how to read them.
type File struct {
	Path string
	Size int64
	Open func() (io.ReadCloser, error)
}

// PackOptions are what may differ between two packs of the same files.
type PackOptions struct {
	ModTime time.Time // of every entry, in whole seconds; zero is 1970
	Limits  Limits    // that the result must keep to; zero fields are DefaultLimits
}

// Pack writes files as the layer of a policy image: a tar of relative names with
// their folders, in order, owned by nobody in particular, gzipped. The same
// files and options give the same bytes everywhere. It streams: memory does not
// grow with the files. It fails with Invalid or Limit for names and numbers of
// files that [Scan] would refuse, and with Conflict when a file does not have the size it
// was said to have.
func Pack(w io.Writer, files []File, o PackOptions) error {
	entries, err := tree(files, o.Limits.WithDefaults())
	if err != nil {
		return err
	}
	mtime := time.Unix(0, 0)
	if !o.ModTime.IsZero() {
		mtime = time.Unix(o.ModTime.Unix(), 0)
	}
	zw, err := gzip.NewWriterLevel(w, gzipLevel)
	if err != nil {
		return err
	}
	zw.ModTime = time.Unix(0, 0) // the library would write a date in 2042 for none
	tw := tar.NewWriter(zw)
	buf := make([]byte, 128<<10)
	for _, e := range entries {
		h := &tar.Header{Typeflag: tar.TypeDir, Name: e.Path + "/", Mode: 0o755, ModTime: mtime}
		if e.Open != nil {
			h.Typeflag, h.Name, h.Mode, h.Size = tar.TypeReg, e.Path, 0o644, e.Size
		}
		if err := tw.WriteHeader(h); err != nil {
			return err
		}
		if e.Open != nil {
			if err := packFile(tw, e, buf); err != nil {
				return err
			}
		}
	}
	if err := tw.Close(); err != nil {
		return err
	}
	return zw.Close()
}

func packFile(tw *tar.Writer, f File, buf []byte) error {
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{tw}, struct{ io.Reader }{r}, buf)
	if errors.Is(err, tar.ErrWriteTooLong) || err == nil && n != f.Size {
		return fault.New(fault.Conflict, f.Path, "changed while it was read").WithHint("build again when nothing writes to it")
	}
	return err
}

// tree adds the folders to files and puts all in the order of a walk: a folder
// before what is in it. A folder has no Open.
func tree(files []File, l Limits) ([]File, error) {
	var names nameSet
	all := slices.Clone(files)
	folders := map[string]bool{}
	for _, f := range files {
		if f.Open == nil {
			return nil, fmt.Errorf("%q cannot be opened", f.Path)
		}
		if err := names.add(f.Path, false, l); err != nil {
			return nil, err
		}
		for dir := path.Dir(f.Path); dir != "." && !folders[dir]; dir = path.Dir(dir) {
			folders[dir] = true
			all = append(all, File{Path: dir})
		}
	}
	if len(all) > l.Entries {
		return nil, fault.New(fault.Limit, "", "%d files and folders, at most %d are allowed", len(all), l.Entries).WithHint(raise, l.twice("entries"))
	}
	slices.SortFunc(all, func(a, b File) int { return compareNames(a.Path, b.Path) })
	return all, nil
}

// compareNames orders as a walk does: the slash comes before all else.
func compareNames(a, b string) int {
	for {
		x, restA, deepA := strings.Cut(a, "/")
		y, restB, deepB := strings.Cut(b, "/")
		if c := cmp.Compare(x, y); c != 0 {
			return c
		}
		if !deepA || !deepB {
			return cmp.Compare(len(a), len(b))
		}
		a, b = restA, restB
	}
}
