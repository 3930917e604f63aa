// Package lockfile reads and writes policy.lock, the pins of a project: for each
// recipe a reference and the digest it stands for.
//
// The format is made for merges. One entry is one line, entries are sorted and no
// line depends on another, so that lines two branches added can simply both stay:
//
//	policy.lock v1
//	oci://ghcr.io/acme/recipes:v1 sha256:9c1f… size=8123 needs=read:ghcr.io/acme/*
//
// It is pure: it touches no file and no network. See spec/lock.md.
package lockfile

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// Name is what the file is called, in the project's root.
const Name = "policy.lock"

// header is the first line. A later version that older readers would get wrong
// has another one.
const header = "policy.lock v1"

// scheme begins the reference of every entry.
const scheme = "oci://"

// Entry is one pin.
type Entry struct {
	Ref    string          // as load() names it, "oci://ghcr.io/acme/recipes:v1"
	Digest artifact.Digest // of the manifest
	Size   int64           // of the layer in bytes; 0 when the line does not say
	Needs  artifact.Needs  // what was granted

	other []string // fields of later versions, kept as they are
}

// String is the entry's line.
func (e Entry) String() string {
	fields := []string{e.Ref, e.Digest.String()}
	if e.Size > 0 {
		fields = append(fields, "size="+strconv.FormatInt(e.Size, 10))
	}
	if !e.Needs.IsZero() {
		fields = append(fields, "needs="+e.Needs.String())
	}
	return strings.Join(append(fields, e.other...), " ")
}

// Lock is the content of the file. The zero Lock has no entries.
type Lock struct {
	entries []Entry // sorted by Ref
}

// Parse reads the text of a lock file. It fails with Invalid and the line that
// is wrong: an unknown version, a reference that is pinned twice, what no merge
// was finished on.
func Parse(text []byte) (*Lock, error) {
	l := new(Lock)
	number, begun := 0, false
	for line := range bytes.Lines(text) {
		number++
		s := strings.TrimRight(string(line), "\r\n \t")
		switch {
		case !begun && strings.TrimPrefix(s, "\ufeff") == header:
			begun = true
			continue
		case !begun:
			return nil, invalid(number, "does not begin with %q", header).
				WithHint("this policy reads version 1 of the lock: use a newer policy, or remove the file and pin anew: policy recipe add")
		case s == "", strings.HasPrefix(s, "#"), s == header:
			continue
		case isMarker(s):
			return nil, invalid(number, "a merge was not finished").
				WithHint("every line stands for itself: keep those of both sides and remove the marks of git; \"policy.lock merge=union\" in .gitattributes does so from now on")
		}
		e, err := parseEntry(s)
		if err != nil {
			f := invalid(number, "%w", err)
			f.Hint = fault.Of(err).Hint
			return nil, f
		}
		if old, found := l.Find(e.Ref); found {
			if old.String() == e.String() {
				continue
			}
			if old.Digest == e.Digest {
				return nil, invalid(number, "%s is pinned twice, with different grants", e.Ref).
					WithHint("keep the line that grants what you want")
			}
			return nil, invalid(number, "%s is pinned twice, to %s and to %s", e.Ref, old.Digest, e.Digest).
				WithHint("keep the line of the content that you want; policy recipe update then takes the newest")
		}
		l.Set(e)
	}
	return l, nil
}

func isMarker(line string) bool {
	for _, mark := range []string{"<<<<<<<", "=======", ">>>>>>>", "|||||||"} {
		if strings.HasPrefix(line, mark) {
			return true
		}
	}
	return false
}

func invalid(line int, format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, Name, "line %d: %w", line, fmt.Errorf(format, args...))
}

func parseEntry(line string) (Entry, error) {
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return Entry{}, fmt.Errorf("a line is a reference and its digest")
	}
	e := Entry{Ref: fields[0], Digest: artifact.Digest(fields[1])}
	ref, ok := strings.CutPrefix(e.Ref, scheme)
	if !ok {
		return Entry{}, fmt.Errorf("%q does not begin with %s", e.Ref, scheme)
	}
	if registry, _ := artifact.Typed(ref); !registry {
		if _, err := artifact.ParseName(ref, artifact.DefaultDomain); err != nil {
			return Entry{}, err
		}
		return Entry{}, fmt.Errorf("%q does not name its registry", e.Ref)
	}
	if err := e.Digest.Validate(); err != nil || e.Digest.Algorithm() != digest.SHA256 {
		return Entry{}, fmt.Errorf("%q is no sha256 digest", fields[1])
	}
	for _, field := range fields[2:] {
		key, value, _ := strings.Cut(field, "=")
		var err error
		switch key {
		case "size":
			if e.Size, err = strconv.ParseInt(value, 10, 64); err != nil || e.Size <= 0 {
				return Entry{}, fmt.Errorf("%q is no size in bytes", value)
			}
		case "needs":
			if e.Needs, err = artifact.ParseNeeds(value); err != nil {
				return Entry{}, err
			}
		default:
			e.other = append(e.other, field)
		}
	}
	return e, nil
}

// Find gives the pin of a reference.
func (l *Lock) Find(ref string) (Entry, bool) {
	at, found := l.search(ref)
	if !found {
		return Entry{}, false
	}
	return l.entries[at], true
}

// Set adds a pin or replaces the one of the same reference. Fields of later
// versions that stood there stay.
func (l *Lock) Set(e Entry) {
	at, found := l.search(e.Ref)
	if !found {
		l.entries = slices.Insert(l.entries, at, e)
		return
	}
	if e.other == nil {
		e.other = l.entries[at].other
	}
	l.entries[at] = e
}

// Remove drops the pin of a reference and reports whether there was one.
func (l *Lock) Remove(ref string) bool {
	at, found := l.search(ref)
	if found {
		l.entries = slices.Delete(l.entries, at, at+1)
	}
	return found
}

// Entries are all pins, sorted by reference.
func (l *Lock) Entries() []Entry { return slices.Clone(l.entries) }

// Text is the whole file.
func (l *Lock) Text() []byte {
	var b bytes.Buffer
	b.WriteString(header + "\n")
	for _, e := range l.entries {
		b.WriteString(e.String() + "\n")
	}
	return b.Bytes()
}

func (l *Lock) search(ref string) (int, bool) {
	return slices.BinarySearchFunc(l.entries, ref, func(e Entry, ref string) int { return strings.Compare(e.Ref, ref) })
}
