package complete

import (
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/alecthomas/kong"

	"github.com/policyhost/policy/cmd/internal/render"
)

// Candidate is a word that may stand where the cursor is, whole.
type Candidate struct {
	Word  string
	About string // one line, may be empty
}

// Answer is what may stand where the cursor is.
type Answer struct {
	Candidates []Candidate
	Paths      *Paths // names of files and folders, too; nil: none
}

// Paths says which names may stand where the cursor is: those of folders and, when
// they are wanted, of files.
type Paths struct {
	Files  bool
	Suffix string // of the files: ".star"
}

// Words is an answer without descriptions.
func Words(words ...string) (a Answer) {
	for _, w := range words {
		a.Candidates = append(a.Candidates, Candidate{Word: w})
	}
	return a
}

// And adds what b has.
func (a Answer) And(b Answer) Answer {
	if b.Paths == nil {
		b.Paths = a.Paths
	}
	b.Candidates = slices.Concat(a.Candidates, b.Candidates)
	return b
}

// Without drops words.
func (a Answer) Without(words []string) Answer {
	a.Candidates = slices.DeleteFunc(a.Candidates, func(c Candidate) bool { return slices.Contains(words, c.Word) })
	return a
}

// FlagsAnswer offers flags by their long names. Of the two names that a flag has
// when it can be switched off, the one that changes something is offered at once,
// the other once it is typed.
func FlagsAnswer(flags []*kong.Flag, typed string) Answer {
	var a Answer
	for _, f := range flags {
		names := []string{"--" + f.Name}
		if f.Tag.Negatable != "" {
			names = append(names, "--no-"+f.Name)
			if f.Default == "true" {
				slices.Reverse(names)
			}
			if unknown := !f.HasDefault && f.Target.Kind() == reflect.Bool; len(typed) <= len("--") && !unknown {
				names = names[:1]
			}
		}
		for _, name := range names {
			about := firstSentence(f.Help)
			if name != "--"+f.Name && about != "" {
				about = "Do not " + strings.ToLower(about[:1]) + about[1:]
			}
			a.Candidates = append(a.Candidates, Candidate{name, about})
		}
	}
	return a.Beginning(typed)
}

// firstSentence is the beginning of a help text that fits a list.
func firstSentence(help string) string {
	for _, end := range []string{". ", "; "} {
		help, _, _ = strings.Cut(help, end)
	}
	return strings.TrimSuffix(help, ".")
}

// Beginning keeps the candidates that begin with typed.
func (a Answer) Beginning(typed string) Answer {
	kept := Answer{Paths: a.Paths}
	for _, c := range a.Candidates {
		if strings.HasPrefix(c.Word, typed) {
			kept.Candidates = append(kept.Candidates, c)
		}
	}
	return kept
}

// After puts prefix before every candidate.
func (a Answer) After(prefix string) Answer {
	all := Answer{Paths: a.Paths}
	for _, c := range a.Candidates {
		all.Candidates = append(all.Candidates, Candidate{prefix + c.Word, c.About})
	}
	return all
}

// plain drops what a shell might take for more than a word, and what is there
// already; descriptions are made safe to show.
func (a Answer) plain() Answer {
	kept := Answer{Paths: a.Paths}
	seen := map[string]bool{}
	for _, c := range a.Candidates {
		if isPlain(c.Word) && !seen[c.Word] {
			seen[c.Word] = true
			kept.Candidates = append(kept.Candidates, Candidate{c.Word, render.Safe(c.About)})
		}
	}
	return kept
}

// isPlain reports whether a word means itself in every shell, wherever it stands;
// ~/ may begin it.
func isPlain(word string) bool {
	word = strings.TrimPrefix(word, "~/")
	for _, r := range word {
		if r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_./:@=+,", r) {
			return false
		}
	}
	return word != "" && word[0] != '='
}

// open reports whether a word that ends so is to be typed on.
func (a Answer) open() bool {
	return slices.ContainsFunc(a.Candidates, func(c Candidate) bool { return strings.ContainsAny(c.Word[len(c.Word)-1:], "=/:") })
}
