package artifact

import (
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/policyhost/policy/runtime/fault"
)

// CheckPath refuses the name of a file in a bundle that would mean different
// things to different readers, or lead out of the folder it is unpacked into:
// it must be relative, clean, with slashes, UTF-8 without control characters.
func CheckPath(name string) error {
	bad := func(format string, args ...any) error { return fault.New(fault.Invalid, quote(name), format, args...) }
	switch {
	case name == "" || name == ".":
		return bad("an empty name")
	case !utf8.ValidString(name):
		return bad("a name that is not UTF-8")
	case strings.HasPrefix(name, "/"):
		return bad("an absolute name")
	case strings.Contains(name, `\`):
		return bad("a name with a backslash")
	case strings.ContainsFunc(name, invisible):
		return bad("a name with control characters")
	case len(name) >= 2 && name[1] == ':' && unicode.IsLetter(rune(name[0])):
		return bad("a name with a drive letter")
	case name == ".." || strings.HasPrefix(name, "../") || strings.Contains(name, "/../") || strings.HasSuffix(name, "/.."):
		return bad("a name that leads out of the bundle")
	case path.Clean(name) != name:
		return bad("a name that is not clean, it should be %s", quote(path.Clean(name)))
	}
	return nil
}

// invisible are control characters, line breaks of Unicode's own, and the marks
// that turn the direction of writing, with which one name shows as another.
func invisible(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// quote makes a name from outside fit for a message.
func quote(name string) string {
	if len(name) > 120 {
		name = name[:120] + "…"
	}
	return strconv.Quote(name)
}

// nameSet finds names that a file system which ignores case would not keep
// apart. The zero value is empty.
type nameSet struct {
	seen map[string]namedEntry // by folded name
}

type namedEntry struct {
	name   string // as spelled first
	folder bool
	listed bool // by an entry of its own, not only as the folder of another
}

// add refuses a name that is not clean, too long, or there already.
func (s *nameSet) add(name string, folder bool, l Limits) error {
	if err := CheckPath(name); err != nil {
		return err
	}
	if len(name) > l.NameLength {
		return fault.New(fault.Limit, quote(name), "a name of %d bytes, at most %d are allowed", len(name), l.NameLength).
			WithHint(raise, l.twice("name_length"))
	}
	if s.seen == nil {
		s.seen = map[string]namedEntry{}
	}
	if _, err := s.enter(namedEntry{name, folder, true}); err != nil {
		return err
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if known, err := s.enter(namedEntry{dir, true, false}); err != nil || known {
			return err // a known folder brought those above it
		}
	}
	return nil
}

func (s *nameSet) enter(e namedEntry) (known bool, err error) {
	folded := fold(e.name)
	old, known := s.seen[folded]
	switch {
	case !known:
		s.seen[folded] = e
	case old.name != e.name:
		return true, fault.New(fault.Invalid, quote(e.name), "differs from %s only in upper and lower case", quote(old.name))
	case old.folder != e.folder:
		return true, fault.New(fault.Invalid, quote(e.name), "is a file and a folder")
	case old.listed && e.listed:
		return true, fault.New(fault.Invalid, quote(e.name), "is there twice")
	case e.listed:
		s.seen[folded] = e
	}
	return known, nil
}

// fold gives all spellings of a name that differ in case one form.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf {
			if 'A' <= r && r <= 'Z' {
				r += 'a' - 'A'
			}
			return r
		}
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		if least < utf8.RuneSelf { // the Kelvin sign and its like
			return unicode.ToLower(least)
		}
		return least
	}, name)
}
