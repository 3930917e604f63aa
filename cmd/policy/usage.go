package main

import (
	"errors"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/policyhost/policy/runtime/fault"
)

// usage turns the parser's error into a fault that names the command. A value's
// own fault keeps its kind and hint.
func usage(err error) error {
	var node *kong.Node
	var words []string // of the command, without policy
	if parse, ok := errors.AsType[*kong.ParseError](err); ok {
		node = parse.Context.Model.Node
		if selected := parse.Context.Selected(); selected != nil {
			node = selected
		} else if path := parse.Context.Path; len(path) > 0 && path[len(path)-1].Command != nil {
			node = path[len(path)-1].Command
		}
		words = wordsOf(node)
	}
	op, subject := "", ""
	if len(words) > 0 {
		op, subject = words[0], strings.Join(words[1:], " ")
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return fault.In(op, subject, err)
	}
	message, _, _ := strings.Cut(err.Error(), ", did you mean ")
	f := fault.New(fault.Usage, subject, "%s", inOurWords(message, len(words) == 0))
	f.Op = op
	if near := nearest(node, message); near != "" {
		return f.WithHint("did you mean %q?", near)
	}
	if op == "" {
		return f.WithHint("see what there is: policy --help")
	}
	return f.WithHint("see what it takes: policy %s --help", strings.Join(words, " "))
}

// wordsOf is what to type for a command: "store prune", "run FILE FUNCTION".
func wordsOf(node *kong.Node) []string {
	var words []string
	for ; node.Parent != nil; node = node.Parent {
		words = append([]string{node.Name}, words...)
	}
	return append(strings.Fields(node.Name)[1:], words...)
}

// inOurWords says what the parser says as the rest of policy does. The parser's
// errors have no types; what is not known here stays as it is.
func inOurWords(message string, top bool) string {
	if typed, ok := strings.CutPrefix(message, "unexpected argument "); ok {
		if top {
			return `there is no command "` + typed + `"`
		}
		return `unexpected argument "` + typed + `"`
	}
	if name, wrong, ok := strings.Cut(message, ">"); ok && strings.HasPrefix(name, "<") {
		message = "-" + strings.ToUpper(name[1:]) + wrong // an argument, written as the manual does
		return inOurWords(message, top)[1:]
	}
	if strings.HasPrefix(message, "-") {
		if flag, values, ok := strings.Cut(message, " must be one of "); ok {
			values, got, _ := strings.Cut(values, " but got ")
			return flag + ": " + got + " is none of " + strings.ReplaceAll(strings.ReplaceAll(values, `"`, ""), ",", ", ")
		}
		if flag, wrong, ok := strings.Cut(message, ": "); ok {
			return flag + ": " + ofValue(wrong)
		}
		return message
	}
	for _, prefix := range []string{"expected one of ", "expected ", "missing positional arguments ", "missing flags: "} {
		rest, ok := strings.CutPrefix(message, prefix)
		if !ok {
			continue
		}
		if prefix == "expected one of " {
			return "one of these must follow: " + strings.ReplaceAll(rest, `"`, "")
		}
		if strings.Contains(rest, "<") { // arguments, which the manual writes in capitals
			rest = strings.ToUpper(rest)
		}
		return "missing: " + strings.NewReplacer(`"`, "", "<", "", ">", "", " ...", "").Replace(rest)
	}
	return message
}

// ofValue says what is wrong with the value of a flag.
func ofValue(wrong string) string {
	_, got, _ := strings.Cut(wrong, "but got ")
	if end := strings.Index(strings.TrimPrefix(got, `"`), `"`); end >= 0 {
		got = got[:end+2]
	}
	for _, known := range []struct{ begins, says string }{
		{"expected a valid ", " is not a whole number"},
		{"expected an int ", " is not a whole number"},
		{"expected a float ", " is not a number"},
		{"expected duration but ", " is not a time such as 30s or 5m"},
		{`expected "<key>=<value>" `, " is not KEY=VALUE"},
		{"bool value must be ", " is neither true nor false"},
	} {
		if strings.HasPrefix(wrong, known.begins) && got != "" {
			return got + known.says
		}
	}
	switch {
	case strings.Contains(wrong, "(<EOL>)"), strings.HasPrefix(wrong, "missing value"):
		return "its value is missing"
	case strings.Contains(wrong, "; perhaps try "): // with the value, which may be a secret
		return "its value is missing: what follows begins with a dash; if that is the value, put = between the two"
	}
	return wrong
}

// nearest is the command, flag or value that was probably meant by the last word
// of the parser's message. The parser's own suggestions only complete prefixes.
func nearest(node *kong.Node, message string) string {
	words := strings.Fields(message)
	typed := strings.Trim(words[len(words)-1], `"`)
	var candidates []string
	switch {
	case node == nil, strings.Contains(message, "perhaps try"):
	case strings.HasPrefix(typed, "-"):
		for ; node != nil; node = node.Parent {
			for _, f := range node.Flags {
				candidates = append(candidates, "--"+f.Name)
			}
		}
	case strings.Contains(message, "must be one of"):
		candidates = strings.FieldsFunc(message, func(r rune) bool { return strings.ContainsRune(`", `, r) })
	default:
		for _, c := range node.Children {
			candidates = append(append(candidates, c.Name), c.Aliases...)
		}
	}
	return fault.Nearest(typed, candidates)
}
