// Package fault is the one taxonomy of errors: every error that reaches a user
// is an [Error] with a [Kind], and the kind decides the exit code.
//
// A room that owns a library turns that library's errors into faults in one
// file, by type and never by text. Everyone else wraps with %w where a fact is
// added, or returns the error as it came. See spec/errors.md.
package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Kind says what went wrong, in the sense of who has to act. It is an error,
// so that errors.Is(err, fault.NotFound) works on any wrapped fault.
type Kind uint8

// The kinds, see spec/errors.md for what each promises.
const (
	Internal    Kind = iota // a defect of ours: a recovered panic, a broken invariant
	Rejected                // the pipeline said no: fail(), a failed test, a denied gate
	Usage                   // the command line or the call is wrong
	Script                  // syntax, unknown name, load cycle, a Starlark error
	NotFound                // image, tag, file or module is not there
	Denied                  // credentials or permission are missing
	Invalid                 // content is not what it must be: Rego, manifest, digest, tarball
	Unavailable             // the other side cannot answer now; trying again may help
	Conflict                // it exists already, or somebody holds the lock
	Limit                   // steps, time, memory, output or size
	Canceled                // SIGINT or SIGTERM
)

// kinds is the table behind a Kind: its name in JSON, its exit code, and its
// gravity when several faults are joined (the highest wins).
var kinds = [...]struct {
	name    string
	exit    int
	gravity int
}{
	Internal:    {"internal", 70, 10},
	Rejected:    {"rejected", 1, 2},
	Usage:       {"usage", 2, 4},
	Script:      {"script", 3, 3},
	NotFound:    {"not_found", 4, 5},
	Denied:      {"denied", 5, 7},
	Invalid:     {"invalid", 6, 8},
	Unavailable: {"unavailable", 7, 1},
	Conflict:    {"conflict", 8, 6},
	Limit:       {"limit", 9, 9},
	Canceled:    {"canceled", 130, 11},
}

// String is the kind's name as it stands in JSON, for example "not_found".
func (k Kind) String() string { return kinds[k].name }

// Error makes a Kind usable as the target of errors.Is.
func (k Kind) Error() string { return strings.ReplaceAll(kinds[k].name, "_", " ") }

// ExitCode is the status the process ends with, 1 to 130.
func (k Kind) ExitCode() int { return kinds[k].exit }

// MarshalText gives the name, so that a Kind is a string in JSON.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Frame is one step of a script's call stack. Lines and columns start at 1;
// zero means unknown.
type Frame struct {
	Func   string `json:"func"`
	File   string `json:"file"`
	Line   int    `json:"line"`
	Col    int    `json:"col"`
	Source string `json:"source,omitempty"` // the source line, without its newline
}

// Error is a failure with everything a renderer or a script needs.
type Error struct {
	Kind    Kind
	Op      string  // the verb: "push"
	Subject string  // what it worked on: a reference, a path, a host
	Err     error   // the cause, never nil
	Hint    string  // one line that names what to type next, or empty
	Trace   []Frame // outermost call first

	// Ask is the question whose answer would let the verb go on; nothing has
	// happened yet. A door that talks to a person asks it and calls again.
	Ask *Question
}

// Question is what a verb needs to hear from a person.
type Question struct {
	Text    string // "Remove ghcr.io/acme/authz:1.0?"
	Secret  bool   // the answer is a password, not yes or no
	Line    bool   // the answer is a line of text, not yes or no
	Default string // of a line: what an empty answer means, and the answer where nobody can be asked
}

// New returns a fault about subject, with a cause made by fmt.Errorf: %w works.
func New(kind Kind, subject, format string, args ...any) *Error {
	return &Error{Kind: kind, Subject: subject, Err: fmt.Errorf(format, args...)}
}

// WithHint returns a copy that tells the user what to type.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// Error reads "push ghcr.io/acme/authz:1.0: not in the local store".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Subject != "" {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(e.Subject)
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	b.WriteString(e.Err.Error())
	return b.String()
}

// Unwrap keeps the cause reachable for errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is this fault's kind.
func (e *Error) Is(target error) bool {
	k, ok := target.(Kind)
	return ok && k == e.Kind
}

// Of returns the fault in err: its own when it has one, Canceled or Limit for a
// context that ended, Internal for anything else. It is nil for nil.
func Of(err error) *Error {
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*Error](err); ok {
		if f == err { //nolint:errorlint // whether facts were added around it
			return f
		}
		c := *f
		c.Op, c.Subject, c.Err = "", "", err // facts added around the fault stay in the message
		return &c
	}
	kind := Internal
	switch {
	case errors.Is(err, context.Canceled):
		kind = Canceled
	case errors.Is(err, context.DeadlineExceeded):
		kind = Limit
	}
	return &Error{Kind: kind, Err: err}
}

// In returns err as a fault that names the verb and its subject. Facts that are
// already there stay; it is nil for nil.
func In(op, subject string, err error) error {
	if err == nil {
		return nil
	}
	c := *Of(err)
	if c.Op == "" {
		c.Op = op
	}
	if c.Subject == "" {
		c.Subject = subject
	}
	return &c
}

// Join makes one fault of several: all are in the message and in errors.Is, the
// kind and the hint are those of the gravest. Nil errors are dropped; one error
// comes back as it is; none gives nil.
func Join(errs ...error) error {
	var all []error
	var gravest *Error
	for _, err := range errs {
		if err == nil {
			continue
		}
		all = append(all, err)
		if f := Of(err); gravest == nil || kinds[f.Kind].gravity > kinds[gravest.Kind].gravity {
			gravest = f
		}
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return &Error{Kind: gravest.Kind, Hint: gravest.Hint, Err: errors.Join(all...)}
}
