package manpage_test

import (
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/policyhost/policy/cmd/internal/manpage"
)

func TestText(t *testing.T) {
	t.Parallel()
	for plain, want := range map[string]string{
		"":                "",
		".SH not a macro": `\&.SH not a macro`,
		"'nor this":       `\&'nor this`,
		"a\n.b\n'c":       "a\n\\&.b\n\\&'c",
		"--a-b it's a.b":  `\-\-a\-b it\(aqs a.b`,
		`C:\n ~ ^ "x"`:    `C:\en \(ti \(ha "x"`,
		"one… – é":        `one\[u2026] \[u2013] \[u00E9]`,
	} {
		if got := manpage.Text(plain); got != want {
			t.Errorf("%q: got %q, want %q", plain, got, want)
		}
	}
}

type push struct {
	Ref   string            `arg:"" help:"Image to push."`
	Note  []string          `arg:"" optional:"" help:".So called."`
	Cache bool              `default:"true" negatable:"" help:"Use the cache."`
	File  string            `short:"f" default:"out" placeholder:"PATH" help:"File to write."`
	Label map[string]string `help:"A label."`
	Inner string            `hidden:"" help:"Never shown."`
}

func (push) Help() string {
	return "More about it,\nin two lines.\n\n    a table\n    of two\n\nExample:\n\n    policy push a"
}

// TestCommand holds the whole page of a command.
func TestCommand(t *testing.T) {
	t.Parallel()
	parser, err := kong.New(&struct {
		Push push `cmd:"" aliases:"send" help:"Send images."`
	}{}, kong.Name("policy"))
	if err != nil {
		t.Fatal(err)
	}
	got := manpage.Command(manpage.Source{Version: "policy 1.0-rc", Date: "2026-01-31"}, parser.Model.Children[0],
		manpage.Note{Title: "In a script", Text: "push(refs)"}, manpage.Note{Title: "Status", Items: []manpage.Item{{Term: "0", Text: "Good."}}})
	want := `.TH POLICY\-PUSH 1 2026-01-31 "policy 1.0\-rc" "policy"
.nh
.SH "NAME"
policy\-push \- Send images
.SH "SYNOPSIS"
\fBpolicy push\fR [\fIFLAGS\fR] \fIREF\fR [\fINOTE\fR ...]
.SH "DESCRIPTION"
Send images.
.PP
It is called send, too.
.PP
More about it, in two lines.
.PP
.EX
a table
of two
.EE
.SH "ARGUMENTS"
.TP
\fIREF\fR
Image to push.
.TP
\fINOTE\fR
\&.So called.
.SH "FLAGS"
.TP
\fB\-\-[no\-]cache\fR
Use the cache. It is on by default.
.TP
\fB\-f\fR, \fB\-\-file\fR=\fIPATH\fR
File to write. The default is out.
.TP
\fB\-\-label\fR=\fIKEY=VALUE\fR
A label.
.SH "GLOBAL FLAGS"
See \fBpolicy\fR(1).
.SH "EXAMPLES"
.EX
policy push a
.EE
.SH "IN A SCRIPT"
push(refs)
.SH "STATUS"
.TP
\fB0\fR
Good.
.SH "SEE ALSO"
\fBpolicy\fR(1)
`
	if got != want {
		for i, line := range strings.Split(want, "\n") {
			if lines := strings.Split(got, "\n"); i >= len(lines) || lines[i] != line {
				t.Fatalf("line %d: want %q in\n%s", i+1, line, got)
			}
		}
		t.Fatal(got)
	}
}
