package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/policyhost/policy/cmd/internal/render"
	"github.com/policyhost/policy/runtime/fault"
)

// replWord is a word that a shell obeys rather than evaluates.
type replWord struct {
	name  string
	takes string // for the help
	least int    // arguments
	most  int
	help  string
	do    func(*repl, context.Context, []string) error
}

// replWords are those of OPA's own shell that concern a policy.
func replWords() []replWord {
	return []replWord{
		{"show", "", 0, 0, "show what was typed in the active package", (*repl).show},
		{"unset", "NAME", 1, 1, "take back the rules of a name, or the input", (*repl).unset},
		{"unset-package", "NAME", 1, 1, "take back all that was typed in a package", (*repl).unsetPackage},
		{"json", "", 0, 0, "answer with whole decisions, as JSON", (*repl).asJSON},
		{"pretty", "", 0, 0, "answer with results; solutions as a table", (*repl).asTable},
		{"trace", "[MODE]", 0, 1, "explain evaluations: notes, fails, full or debug, or stop", (*repl).trace},
		{"notes", "", 0, 0, "the same as trace notes", (*repl).notes},
		{"fails", "", 0, 0, "the same as trace fails", (*repl).fails},
		{"metrics", "", 0, 0, "report how long each step takes, or stop", (*repl).metrics},
		{"profile", "", 0, 0, "count and time expressions, or stop", (*repl).profile},
		{"unknown", "[REF…]", 0, 100, "evaluate partially without these, or stop", (*repl).unknown},
		{"strict-builtin-errors", "", 0, 0, "let a function that fails fail the query, or stop", (*repl).strict},
		{"help", "", 0, 0, "show this", (*repl).help},
		{"exit", "", 0, 0, "leave, as Ctrl-D does", (*repl).exit},
		{"quit", "", 0, 0, "the same as exit", (*repl).exit},
	}
}

// typedCommand is a command with what followed it.
type typedCommand struct {
	replWord
	args []string
}

func (c *typedCommand) run(ctx context.Context, s *repl) error { return c.do(s, ctx, c.args) }

// commandOf reads a line as a command; nil: it is none. A name in front of
// anything but words is Rego's.
func commandOf(line string) *typedCommand {
	words := strings.Fields(line)
	if len(words) == 0 {
		return nil
	}
	for _, c := range replWords() {
		if c.name != strings.ToLower(words[0]) || len(words)-1 < c.least || len(words)-1 > c.most {
			continue
		}
		if !slices.ContainsFunc(words[1:], func(w string) bool { return !unicode.IsLetter(rune(w[0])) }) {
			return &typedCommand{c, words[1:]}
		}
	}
	return nil
}

func (s *repl) show(context.Context, []string) error {
	text, err := s.policy.Show()
	if err == nil && text == "" {
		s.say("nothing was typed in the active package")
		return nil
	}
	if err != nil {
		return err
	}
	return s.printer.Answer(text)
}

func (s *repl) unset(ctx context.Context, args []string) error { return s.policy.Unset(ctx, args[0]) }

func (s *repl) unsetPackage(ctx context.Context, args []string) error {
	return s.policy.UnsetPackage(ctx, args[0])
}

func (s *repl) asJSON(context.Context, []string) error {
	s.printer.Format = render.JSON
	return nil
}

func (s *repl) asTable(context.Context, []string) error {
	s.printer.Format = render.Table
	return nil
}

// trace turns a mode on, or off when it is on.
func (s *repl) trace(_ context.Context, args []string) error {
	mode := "full"
	if len(args) > 0 {
		mode = args[0]
	}
	if mode == s.how.Explain || mode == "off" {
		mode = ""
	} else if modes := []string{"notes", "fails", "full", "debug"}; !slices.Contains(modes, mode) {
		return fault.New(fault.Usage, "", "%q is no way to explain", mode).WithHint("one of %s, off", strings.Join(modes, ", "))
	}
	s.how.Explain = mode
	s.switched("trace", mode != "", mode)
	return nil
}

func (s *repl) notes(ctx context.Context, _ []string) error { return s.trace(ctx, []string{"notes"}) }

func (s *repl) fails(ctx context.Context, _ []string) error { return s.trace(ctx, []string{"fails"}) }

func (s *repl) metrics(context.Context, []string) error {
	s.how.Metrics = !s.how.Metrics
	s.switched("metrics", s.how.Metrics, "on")
	return nil
}

func (s *repl) profile(context.Context, []string) error {
	s.how.Profile = !s.how.Profile
	s.switched("profile", s.how.Profile, "on")
	return nil
}

func (s *repl) strict(context.Context, []string) error {
	s.how.StrictBuiltinErrors = !s.how.StrictBuiltinErrors
	s.switched("strict-builtin-errors", s.how.StrictBuiltinErrors, "on")
	return nil
}

func (s *repl) unknown(_ context.Context, args []string) error {
	s.how.Unknowns = args
	s.switched("unknown", len(args) > 0, strings.Join(args, " "))
	return nil
}

func (s *repl) switched(what string, on bool, value string) {
	if !on {
		value = "off"
	}
	if s.prompts {
		s.say("%s: %s", what, value)
	}
}

func (s *repl) exit(context.Context, []string) error { return io.EOF }

func (s *repl) help(context.Context, []string) error {
	var b strings.Builder
	line := func(typed, says string) { fmt.Fprintf(&b, "  %-24s %s\n", typed, says) }
	b.WriteString("Rego:\n")
	line("data.authz.allow", "answer a query")
	line("limit := 3", "define a rule for the lines after it")
	line(`input := {"user": "jo"}`, "set the input")
	line("package authz", "define and ask in this package")
	line("import data.authz", "call data.authz by its last name")
	b.WriteString("Commands:\n")
	for _, c := range replWords() {
		line(strings.TrimSuffix(c.name+" "+c.takes, " "), c.help)
	}
	if s.prompts {
		b.WriteString("Tab completes names, Ctrl-C ends a query or drops a line, an empty line ends a\nstatement of several lines.\n")
	}
	return s.printer.Answer(b.String())
}
