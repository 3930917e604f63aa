package artifact_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

func file(name, text string) artifact.File {
	return artifact.File{Path: name, Size: int64(len(text)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(text)), nil
	}}
}

func pack(t testing.TB, o artifact.PackOptions, files ...artifact.File) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := artifact.Pack(&b, files, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// These digests are the promise that an image built once is built again: they
// change only with a new major version.
func TestPackGolden(t *testing.T) {
	t.Parallel()
	files := []artifact.File{
		file(".manifest", `{"roots":["authz"]}`),
		file("authz/authz.rego", "package authz\n\nallow := true\n"),
		file("authz/data.json", strings.Repeat(`{"user":"alice","roles":["admin","dev"]}`, 5000)),
		file("authz-extra/x.rego", "package x"),
		file("authz/"+strings.Repeat("long/", 40)+"name.rego", "package long"),
		file("authz/żółw.rego", "package z"),
	}
	for _, tt := range []struct {
		o    artifact.PackOptions
		want digest.Digest
	}{
		{artifact.PackOptions{}, "sha256:a20282af947efd92d4c9b2864fa916f3c5a0d9afa5db389650f251ba664559a4"},
		{artifact.PackOptions{ModTime: time.Date(2026, 1, 31, 12, 0, 0, 999, time.FixedZone("x", 3600))}, "sha256:2a1e941095a76630266c5eabfddace29198a2d6bde341559b44ecb730f11cd90"},
	} {
		got := digest.FromBytes(pack(t, tt.o, files...))
		if got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.o.ModTime, got, tt.want)
		}
		shuffled := slices.Clone(files)
		slices.Reverse(shuffled)
		if again := digest.FromBytes(pack(t, tt.o, shuffled...)); again != got {
			t.Errorf("in another order it is %s, not %s", again, got)
		}
	}
}

func TestPackEntries(t *testing.T) {
	t.Parallel()
	data := pack(t, artifact.PackOptions{}, file("b.rego", "package b"), file("a/x/y.rego", "package y"), file("a.rego", "package a"), file("a/data.json", "{}"))
	zr, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if !zr.ModTime.IsZero() || zr.Name != "" || zr.OS != 255 {
		t.Errorf("the gzip header names a time, a file or a system: %+v", zr.Header)
	}
	tr := tar.NewReader(zr)
	var got []string
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Gname != "" || h.ModTime.Unix() != 0 {
			t.Errorf("%s tells of the machine: %+v", h.Name, h)
		}
		got = append(got, fmt.Sprintf("%s %o", h.Name, h.Mode))
	}
	want := []string{"a/ 755", "a/data.json 644", "a/x/ 755", "a/x/y.rego 644", "a.rego 644", "b.rego 644"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestPackRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		files []artifact.File
		kind  fault.Kind
		want  string
	}{
		{"twice", []artifact.File{file("a", ""), file("a", "")}, fault.Invalid, `"a": is there twice`},
		{"case", []artifact.File{file("A/x", ""), file("a/y", "")}, fault.Invalid, `"a": differs from "A" only in upper and lower case`},
		{"file and folder", []artifact.File{file("a/x", ""), file("a", "")}, fault.Invalid, `"a": is a file and a folder`},
		{"out", []artifact.File{file("../a", "")}, fault.Invalid, "leads out"},
		{"long", []artifact.File{file(strings.Repeat("x", 256), "")}, fault.Limit, "256 bytes"},
		{"grown", []artifact.File{{Path: "a", Size: 1, Open: file("", "two").Open}}, fault.Conflict, "changed while it was read"},
		{"shrunk", []artifact.File{{Path: "a", Size: 5, Open: file("", "two").Open}}, fault.Conflict, "changed while it was read"},
		{"gone", []artifact.File{{Path: "a", Size: 5, Open: func() (io.ReadCloser, error) { return nil, os.ErrNotExist }}}, fault.Internal, "does not exist"},
	} {
		err := artifact.Pack(io.Discard, tt.files, artifact.PackOptions{})
		if err == nil || !strings.Contains(err.Error(), tt.want) || fault.Of(err).Kind != tt.kind {
			t.Errorf("%s: got %v (%v), want %v with %q", tt.name, err, fault.Of(err), tt.kind, tt.want)
		}
	}
	var many []artifact.File
	for i := range 10_001 {
		many = append(many, file(fmt.Sprint(i), ""))
	}
	if err := artifact.Pack(io.Discard, many, artifact.PackOptions{}); !errors.Is(err, fault.Limit) {
		t.Errorf("10001 files: %v", err)
	}
	if err := artifact.Pack(io.Discard, many, artifact.PackOptions{Limits: artifact.Limits{Entries: 20_000}}); err != nil {
		t.Errorf("10001 files of 20000: %v", err)
	}
}

// entry is one entry of a tar made by hand.
type entry struct {
	name string
	typ  byte
	text string
	link string
}

func tarball(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	tw := tar.NewWriter(zw)
	for _, e := range entries {
		typ := e.typ
		if typ == 0 {
			typ = tar.TypeReg
		}
		h := &tar.Header{Typeflag: typ, Name: e.name, Linkname: e.link, Mode: 0o644, Size: int64(len(e.text))}
		if typ == tar.TypeXGlobalHeader {
			h = &tar.Header{Typeflag: typ, PAXRecords: map[string]string{"comment": "x"}}
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, e.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tw.Close(), zw.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestScanAccepts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		data []byte
		want string
	}{
		{"ours", pack(t, artifact.PackOptions{}, file(".manifest", "{}"), file("a/b.rego", "package b"), file("a/data.json", "{}")), ".manifest 2|a/|a/b.rego 9|a/data.json 2"},
		{"opa's", tarball(t, entry{name: "/data.json", text: "{}\n"}, entry{name: "/a/b.rego", text: "package b"}, entry{name: "/.manifest", text: "{}"}), "data.json 3|a/b.rego 9|.manifest 2"},
		{"tar's", tarball(t, entry{name: "./", typ: tar.TypeDir}, entry{name: "./a/", typ: tar.TypeDir}, entry{name: "./a/b.rego", text: "package b"}), "a/|a/b.rego 9"},
		{"nothing", tarball(t), ""},
		{"folder after its file", tarball(t, entry{name: "a/b", text: "x"}, entry{name: "a/", typ: tar.TypeDir}), "a/b 1|a/"},
		{"bad syntax where nobody looks", tarball(t, entry{name: "tsconfig.json", text: "{// why\n}"}), "tsconfig.json 9"},
		{"long names", tarball(t, entry{name: strings.Repeat("abcd/", 50) + "x", text: "x"}), strings.Repeat("abcd/", 50) + "x 1"},
	} {
		var got []string
		sum, err := artifact.Scan(bytes.NewReader(tt.data), artifact.Limits{}, func(h artifact.Header, r io.Reader) error {
			if h.Dir {
				got = append(got, h.Name+"/")
				return nil
			}
			text, err := io.ReadAll(r)
			got = append(got, fmt.Sprintf("%s %d", h.Name, len(text)))
			return err
		})
		if err != nil || strings.Join(got, "|") != tt.want {
			t.Errorf("%s: got %q, %v, want %q", tt.name, strings.Join(got, "|"), err, tt.want)
		}
		unread, err := artifact.Scan(bytes.NewReader(tt.data), artifact.Limits{}, nil)
		if err != nil || unread != sum || sum.Size != int64(len(tt.data)) {
			t.Errorf("%s: unread it is %+v, %v, not %+v", tt.name, unread, err, sum)
		}
	}
}

func TestScanRefuses(t *testing.T) {
	t.Parallel()
	good := pack(t, artifact.PackOptions{}, file("a.rego", "package a"))
	inflated, _ := gzip.NewReader(bytes.NewReader(good))
	plain, _ := io.ReadAll(inflated)
	flipped := bytes.Clone(good)
	flipped[len(flipped)-6] ^= 1
	type test struct {
		name string
		data []byte
		kind fault.Kind
		want string
	}
	tests := []test{
		{"empty", nil, fault.Invalid, "not a whole gzipped tar"},
		{"text", []byte("package a\n\nallow := true\n"), fault.Invalid, "not a gzipped tar"},
		{"a plain tar", plain, fault.Invalid, "not a gzipped tar"},
		{"gzipped text", regzip(t, bytes.Repeat([]byte("text "), 200)), fault.Invalid, "not a gzipped tar"},
		{"checksum", flipped, fault.Invalid, "not a gzipped tar"},
		{"after the gzip", append(bytes.Clone(good), 0), fault.Invalid, "behind the end of the gzip"},
		{"two gzips", append(bytes.Clone(good), good...), fault.Invalid, "behind the end of the gzip"},
		{"after the tar", regzip(t, append(bytes.Clone(plain), "more"...)), fault.Invalid, "behind the end of the tar"},
		{"two tars", regzip(t, append(bytes.Clone(plain), plain...)), fault.Invalid, "behind the end of the tar"},
		{"dup", tarball(t, entry{name: "a"}, entry{name: "a"}), fault.Invalid, `"a": is there twice`},
		{"dup in disguise", tarball(t, entry{name: "a"}, entry{name: "/a"}), fault.Invalid, `"a": is there twice`},
		{"dup case", tarball(t, entry{name: "a.rego"}, entry{name: "A.rego"}), fault.Invalid, "only in upper and lower case"},
		{"dup Kelvin", tarball(t, entry{name: "k"}, entry{name: "\u212a"}), fault.Invalid, "only in upper and lower case"},
		{"dup folder case", tarball(t, entry{name: "x/a"}, entry{name: "X/b"}), fault.Invalid, "only in upper and lower case"},
		{"file and folder", tarball(t, entry{name: "a"}, entry{name: "a/b"}), fault.Invalid, "is a file and a folder"},
		{"two manifests", tarball(t, entry{name: ".manifest", text: "{}"}, entry{name: "a/.manifest", text: "{}"}), fault.Invalid, "a second manifest"},
		{"two manifests, one in protobuf", tarball(t, entry{name: ".manifest", text: "{}"}, entry{name: "x.manifest.pb"}), fault.Invalid, "a second manifest"},
		{"dup key", tarball(t, entry{name: "a/data.json", text: `{"a":1,"a":2}`}), fault.Invalid, `"a/data.json": line 1, column 8: the key "a" is there twice`},
		{"dup key in .manifest", tarball(t, entry{name: ".manifest", text: `{"roots":[],"roots":[]}`}), fault.Invalid, "there twice"},
		{"dup key elsewhere", tarball(t, entry{name: "x.json", text: `{"a":1,"a":2}`}), fault.Invalid, "there twice"},
		{"bad data", tarball(t, entry{name: "data.json", text: `{"a":1,}`}), fault.Invalid, `"data.json": line 1, column 8`},
		{"cut data", tarball(t, entry{name: "data.json", text: `{"a":1`}), fault.Invalid, "ends too early"},
		{"long name", tarball(t, entry{name: strings.Repeat("x", 256)}), fault.Limit, "at most 255"},
	}
	for _, typ := range []byte{tar.TypeLink, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeFifo, tar.TypeXGlobalHeader, tar.TypeCont} {
		tests = append(tests, test{"type " + string(typ), tarball(t, entry{name: "a", typ: typ, link: "/etc/passwd"}), fault.Invalid, "only files and folders"})
	}
	for _, name := range []string{"../evil.rego", "a/../../evil.rego", "/../../evil.rego", "a/..", "..", "//a", "a//b", "a/./b", `..\evil`, `a\b`, "C:/x", "a\x1b[2Jb", "a\nb", "a\u202eoger.b", "\xff\xfe"} {
		e := entry{name: name}
		tests = append(tests, test{fmt.Sprintf("name %q", name), tarball(t, e), fault.Invalid, ""})
	}
	for _, tt := range tests {
		_, err := artifact.Scan(bytes.NewReader(tt.data), artifact.Limits{}, nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) || fault.Of(err).Kind != tt.kind {
			t.Errorf("%s: got %v, want %v with %q", tt.name, err, tt.kind, tt.want)
			continue
		}
		if strings.ContainsAny(err.Error(), "\x1b\n\u202e") {
			t.Errorf("%s: the message carries control characters: %q", tt.name, err)
		}
	}
}

func regzip(t testing.TB, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	_, err := zw.Write(text)
	if err := errors.Join(err, zw.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestScanTruncated(t *testing.T) {
	t.Parallel()
	data := pack(t, artifact.PackOptions{}, file("a.rego", "package a"), file("data.json", `{"a":1}`))
	for n := range data {
		if _, err := artifact.Scan(bytes.NewReader(data[:n]), artifact.Limits{}, nil); !errors.Is(err, fault.Invalid) {
			t.Fatalf("%d of %d bytes: %v", n, len(data), err)
		}
	}
}

// zeros is a file of n zero bytes, which gzip shrinks a thousandfold.
func zeros(name string, n int64) artifact.File {
	return artifact.File{Path: name, Size: n, Open: func() (io.ReadCloser, error) { return io.NopCloser(io.LimitReader(zeroReader{}, n)), nil }}
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestScanLimits(t *testing.T) {
	t.Parallel()
	bomb := pack(t, artifact.PackOptions{}, zeros("bomb", 100<<20))
	var dozen []artifact.File
	for i := range 12 {
		dozen = append(dozen, zeros(fmt.Sprintf("data%d.bin", i), 5<<20))
	}
	var empty []entry
	for i := range 10_001 {
		empty = append(empty, entry{name: fmt.Sprint("e", i)})
	}
	for _, tt := range []struct {
		name string
		data []byte
		l    artifact.Limits
		want string
	}{
		{"ratio", bomb, artifact.Limits{}, "more than 100 times"},
		{"total", bomb, artifact.Limits{Ratio: 1 << 40, Total: 50 << 20}, "more than 50 MiB"},
		{"total of many", pack(t, artifact.PackOptions{}, dozen...), artifact.Limits{Ratio: 1 << 40, Total: 50 << 20}, "more than 50 MiB"},
		{"entries", tarball(t, empty...), artifact.Limits{}, "more than 10000 files"},
		{"fewer entries", tarball(t, empty[:6]...), artifact.Limits{Entries: 5}, "more than 5 files"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := artifact.Scan(bytes.NewReader(tt.data), tt.l, nil)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, fault.Limit) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want Limit with %q", tt.name, err, tt.want)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
			t.Errorf("%s: %d MiB allocated", tt.name, used>>20)
		}
	}
	if _, err := artifact.Scan(bytes.NewReader(pack(t, artifact.PackOptions{}, zeros("small", 1<<19))), artifact.Limits{}, nil); err != nil {
		t.Errorf("half a MiB of zeros: %v", err)
	}
	if _, err := artifact.Scan(bytes.NewReader(bomb), artifact.Limits{Ratio: 2000}, nil); err != nil {
		t.Errorf("100 MiB of zeros, allowed: %v", err)
	}
}

// What passed once is held to the limits of now, but its JSON is not read again.
func TestRescan(t *testing.T) {
	t.Parallel()
	twice := tarball(t, entry{name: "data.json", text: `{"a":1,"a":2}`})
	if _, err := artifact.Scan(bytes.NewReader(twice), artifact.Limits{}, nil); !errors.Is(err, fault.Invalid) {
		t.Errorf("scan: %v", err)
	}
	if _, err := artifact.Rescan(bytes.NewReader(twice), artifact.Limits{}, nil); err != nil {
		t.Errorf("rescan: %v", err)
	}
	if _, err := artifact.Rescan(bytes.NewReader(twice), artifact.Limits{Total: 100}, nil); !errors.Is(err, fault.Limit) {
		t.Errorf("rescan beyond the limit: %v", err)
	}
}

func TestScanErrorsOfOthers(t *testing.T) {
	t.Parallel()
	data := pack(t, artifact.PackOptions{}, file("a.rego", "package a"), file("data.json", "{}"))
	stop := errors.New("enough")
	_, err := artifact.Scan(bytes.NewReader(data), artifact.Limits{}, func(artifact.Header, io.Reader) error { return stop })
	if !errors.Is(err, stop) {
		t.Errorf("visit's error came back as %v", err)
	}
	r := io.MultiReader(bytes.NewReader(data[:len(data)/2]), failing{stop})
	if _, err = artifact.Scan(r, artifact.Limits{}, nil); !errors.Is(err, stop) || errors.Is(err, fault.Invalid) {
		t.Errorf("the reader's error came back as %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func FuzzScan(f *testing.F) {
	f.Add(pack(f, artifact.PackOptions{}, file(".manifest", "{}"), file("a/b.rego", "package b"), file("a/data.json", `{"a":1}`)))
	f.Add(tarball(f, entry{name: "../a", text: "x"}, entry{name: "b", typ: tar.TypeSymlink, link: "/"}))
	f.Add(tarball(f, entry{name: "./a/", typ: tar.TypeDir}, entry{name: "/data.json", text: `{"a":1,"a":1}`}))
	f.Fuzz(func(t *testing.T, data []byte) {
		// The checksum of gzip would hide the tar from the fuzzer: data is the tar
		// when it does not begin as gzip does.
		if !bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
			data = regzip(t, data)
		}
		seen := map[string]bool{}
		_, err := artifact.Scan(bytes.NewReader(data), artifact.Limits{Total: 8 << 20}, func(h artifact.Header, r io.Reader) error {
			if err := artifact.CheckPath(h.Name); err != nil {
				t.Errorf("visited %q: %v", h.Name, err)
			}
			if seen[strings.ToLower(h.Name)] {
				t.Errorf("visited %q twice", h.Name)
			}
			seen[strings.ToLower(h.Name)] = true
			_, err := io.Copy(io.Discard, r)
			return err
		})
		if err != nil && !errors.Is(err, fault.Invalid) && !errors.Is(err, fault.Limit) {
			t.Errorf("%v is neither Invalid nor Limit", err)
		}
	})
}

func BenchmarkPack(b *testing.B) {
	text := string(users(23 << 20))
	files := []artifact.File{file("data.json", text)}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	var size countWriter
	for b.Loop() {
		size = 0
		if err := artifact.Pack(&size, files, artifact.PackOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(size)/float64(len(text)), "ratio")
}

type countWriter int

func (c *countWriter) Write(p []byte) (int, error) { *c += countWriter(len(p)); return len(p), nil }

func BenchmarkPackIncompressible(b *testing.B) {
	text := make([]byte, 32<<20)
	rnd := rand.NewChaCha8([32]byte{1})
	_, _ = rnd.Read(text)
	files := []artifact.File{file("data.json", string(text))}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if err := artifact.Pack(io.Discard, files, artifact.PackOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	text := string(users(23 << 20))
	data := pack(b, artifact.PackOptions{}, file("data.json", text))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := artifact.Scan(bytes.NewReader(data), artifact.Limits{}, nil); err != nil {
			b.Fatal(err)
		}
	}
}
