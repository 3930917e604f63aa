package artifact

import (
	"archive/tar"
	"bufio"
	"errors"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/policyhost/policy/runtime/fault"
)

// Limits bound what a tarball may hold. A zero field is that of [DefaultLimits].
type Limits struct {
	Total      int64 // bytes, inflated
	Ratio      int64 // inflated to compressed, after the first MiB
	Entries    int   // files and folders
	NameLength int   // bytes of one name
}

// DefaultLimits let through whatever a policy may reasonably be.
var DefaultLimits = Limits{Total: 512 << 20, Ratio: 100, Entries: 10_000, NameLength: 255}

// Exceeded is the fault about a bundle of total bytes, more than l allows.
func (l Limits) Exceeded(total int64) error {
	return fault.New(fault.Limit, "", "%d MiB of files, at most %s are allowed in a bundle", total>>20, sizeText(l.Total)).
		WithHint(raise, l.twice("total"))
}

// raise is the hint for whoever expects a bundle that is beyond a limit.
const raise = "if you trust it, allow more: --limit %s"

// twice is the setting that doubles the limit key.
func (l Limits) twice(key string) string {
	twice := map[string]string{
		"total":       strings.ReplaceAll(sizeText(2*l.Total), " ", ""),
		"ratio":       strconv.FormatInt(2*l.Ratio, 10),
		"entries":     strconv.Itoa(2 * l.Entries),
		"name_length": strconv.Itoa(2 * l.NameLength),
	}
	return key + "=" + twice[key]
}

func sizeText(n int64) string {
	if n%(1<<20) != 0 {
		return strconv.FormatInt(n, 10) + " B"
	}
	return strconv.FormatInt(n>>20, 10) + " MiB"
}

// WithDefaults returns l with [DefaultLimits] in the place of zero fields.
func (l Limits) WithDefaults() Limits {
	d := DefaultLimits
	if l.Total > 0 {
		d.Total = l.Total
	}
	if l.Ratio > 0 {
		d.Ratio = l.Ratio
	}
	if l.Entries > 0 {
		d.Entries = l.Entries
	}
	if l.NameLength > 0 {
		d.NameLength = l.NameLength
	}
	return d
}

// ratioFree is how much may be inflated from nearly nothing: small files of
// zeros are no bombs.
const ratioFree = 1 << 20

// Header is one entry of a tarball. The name is clean and relative; OPA's leading
// slash and tar's leading ./ are gone.
type Header struct {
	Name string
	Size int64 // bytes, 0 for a folder
	Dir  bool
}

// Summary is what a scan has seen.
type Summary struct {
	Files    int
	Folders  int
	Inflated int64  // bytes of the tar
	Size     int64  // bytes of the tarball
	Manifest string // the name of the .manifest, empty when there is none
}

// Scan reads a gzipped tar of unknown origin from start to end, in constant
// memory, and refuses all by which OPA or a file system could be led astray:
// bombs, names that are not clean or clash, links and devices, a second
// .manifest, JSON with a key twice, bytes behind the end (spec artifact.md,
// untrusted content). For each entry it calls visit, which may be nil, with the
// content; what visit leaves unread is checked all the same. Until Scan returns nil,
// nothing that visit has seen may be used.
//
// It fails with Invalid or Limit, naming the entry, and with the error of visit
// or of r as it is.
func Scan(r io.Reader, l Limits, visit func(h Header, r io.Reader) error) (Summary, error) {
	return scanWith(r, l, visit, jsonScannerFor)
}

// Rescan is [Scan] for a tarball that passed one before, which its digest tells:
// the limits may be others now, but its JSON is what it was and is not looked into
// again, which is a third of the work.
func Rescan(r io.Reader, l Limits, visit func(h Header, r io.Reader) error) (Summary, error) {
	return scanWith(r, l, visit, func(string) *JSONScanner { return nil })
}

func scanWith(r io.Reader, l Limits, visit func(h Header, r io.Reader) error, jsonFor func(name string) *JSONScanner) (Summary, error) {
	s := &scan{limits: l.WithDefaults(), source: &source{r: r}, jsonFor: jsonFor, buf: make([]byte, 64<<10)}
	err := s.run(visit)
	s.sum.Size, s.sum.Inflated = s.source.n, s.out
	return s.sum, err
}

// source counts what is read and remembers its own failure, which is not that of
// the tarball.
type source struct {
	r   io.Reader
	n   int64
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

type scan struct {
	limits  Limits
	source  *source
	zr      *gzip.Reader
	out     int64 // bytes inflated; this and source belong to ahead until it is closed
	ahead   *ahead
	sizes   int64 // bytes the entries claim
	names   nameSet
	jsonFor func(name string) *JSONScanner // nil for a file that is not looked into
	sum     Summary
	buf     []byte
}

func (s *scan) run(visit func(Header, io.Reader) error) error {
	br := bufio.NewReaderSize(s.source, 64<<10)
	var err error
	if s.zr, err = gzip.NewReader(br); err != nil {
		return s.broken(err)
	}
	defer func() { _ = s.zr.Close() }()
	s.zr.Multistream(false)
	s.ahead = readAhead(readerFunc(s.inflate))
	defer s.ahead.Close() // before zr and r are anybody else's
	tr := tar.NewReader(s.ahead)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return s.broken(err)
		}
		if err := s.entry(h, tr, visit); err != nil {
			return err
		}
	}
	return s.tail(br)
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// inflate reads on in the tar as long as it stays within the limits.
func (s *scan) inflate(p []byte) (int, error) {
	n, err := s.zr.Read(p)
	s.out += int64(n)
	if s.out > s.limits.Total {
		return n, s.tooLarge()
	}
	if s.out > ratioFree && s.out/s.limits.Ratio > s.source.n {
		return n, fault.New(fault.Limit, "", "inflates to more than %d times its size", s.limits.Ratio).WithHint(raise, s.limits.twice("ratio"))
	}
	return n, err
}

func (s *scan) tooLarge() error {
	return fault.New(fault.Limit, "", "inflates to more than %s", sizeText(s.limits.Total)).WithHint(raise, s.limits.twice("total"))
}

func (s *scan) entry(h *tar.Header, tr *tar.Reader, visit func(Header, io.Reader) error) error {
	name := strings.TrimPrefix(strings.TrimPrefix(h.Name, "./"), "/")
	folder := h.Typeflag == tar.TypeDir
	if folder {
		name = strings.TrimSuffix(name, "/")
	}
	if what, ok := entryTypes[h.Typeflag]; ok || h.Typeflag != tar.TypeReg && !folder {
		if !ok {
			what = "an entry of unknown type"
		}
		return fault.New(fault.Invalid, quote(name), "%s: only files and folders belong in a policy", what)
	}
	if s.sum.Files+s.sum.Folders >= s.limits.Entries {
		return fault.New(fault.Limit, "", "more than %d files and folders", s.limits.Entries).WithHint(raise, s.limits.twice("entries"))
	}
	if folder {
		s.sum.Folders++
		if name == "" || name == "." {
			return nil // the root
		}
	} else {
		s.sum.Files++
	}
	if err := s.names.add(name, folder, s.limits); err != nil {
		return err
	}
	for record := range h.PAXRecords {
		if strings.HasPrefix(record, "GNU.sparse.") {
			return fault.New(fault.Invalid, quote(name), "a sparse file")
		}
	}
	if s.sizes += h.Size; s.sizes > s.limits.Total {
		return s.tooLarge()
	}
	if !folder && (strings.HasSuffix(name, ".manifest") || strings.HasSuffix(name, ".manifest.pb")) {
		// OPA takes any file that ends so for the manifest.
		if s.sum.Manifest != "" {
			return fault.New(fault.Invalid, quote(name), "a second manifest beside %s", quote(s.sum.Manifest))
		}
		s.sum.Manifest = name
	}
	content := &content{tr: tr, scan: s, name: name, json: s.jsonFor(name)}
	if visit != nil {
		if err := visit(Header{Name: name, Size: h.Size, Dir: folder}, content); err != nil {
			return err
		}
	}
	for {
		if _, err := content.Read(s.buf); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// entryTypes are those that are refused, by what they are called.
var entryTypes = map[byte]string{
	tar.TypeLink:          "a hard link",
	tar.TypeSymlink:       "a symbolic link",
	tar.TypeChar:          "a device",
	tar.TypeBlock:         "a device",
	tar.TypeFifo:          "a named pipe",
	tar.TypeXGlobalHeader: "a global header",
	tar.TypeGNUSparse:     "a sparse file",
}

// tail makes sure that nothing follows the tar but zeros, and nothing the gzip.
func (s *scan) tail(br *bufio.Reader) error {
	for {
		n, err := s.ahead.Read(s.buf)
		for _, b := range s.buf[:n] {
			if b != 0 {
				return fault.New(fault.Invalid, "", "there is something behind the end of the tar")
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return s.broken(err)
		}
	}
	s.ahead.Close()
	if _, err := br.ReadByte(); err == nil {
		return fault.New(fault.Invalid, "", "there is something behind the end of the gzip")
	} else if !errors.Is(err, io.EOF) {
		return s.broken(err)
	}
	return nil
}

// broken says whose fault an error of gzip or tar is.
func (s *scan) broken(err error) error {
	if s.ahead != nil {
		s.ahead.Close()
	}
	if s.source.err != nil {
		return s.source.err
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fault.New(fault.Invalid, "", "not a whole gzipped tar: %w", io.ErrUnexpectedEOF)
	}
	return fault.New(fault.Invalid, "", "not a gzipped tar: %w", err)
}

// content is one entry on its way to visit, checked as it goes by.
type content struct {
	tr   *tar.Reader
	scan *scan
	name string
	json *JSONScanner
	err  error
}

func (c *content) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.tr.Read(p)
	if c.json != nil {
		_, jerr := c.json.Write(p[:n])
		if jerr == nil && errors.Is(err, io.EOF) {
			jerr = c.json.Close()
		}
		if jerr = c.judge(jerr); jerr != nil {
			c.err = jerr
			return 0, c.err
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = c.scan.broken(err)
	}
	c.err = err
	return n, err
}

// judge forgives bad syntax in a file that no consumer of bundles reads, since
// nobody can be misled by it. A key that is there twice is never forgiven.
func (c *content) judge(err error) error {
	je, ok := errors.AsType[*JSONError](err)
	if !ok {
		return err
	}
	if !je.Twice && !consumed(c.name) {
		c.json = nil
		return nil
	}
	return &fault.Error{Kind: fault.Invalid, Subject: quote(c.name), Err: je}
}

func jsonScannerFor(name string) *JSONScanner {
	if strings.HasSuffix(name, ".json") || strings.HasSuffix(name, ".manifest") {
		return NewJSONScanner(nil)
	}
	return nil
}

// consumed says whether OPA reads a JSON file of this name out of a bundle.
func consumed(name string) bool {
	switch path.Base(name) {
	case "data.json", "patch.json", "plan.json", ".signatures.json":
		return true
	}
	return strings.HasSuffix(name, ".manifest")
}
