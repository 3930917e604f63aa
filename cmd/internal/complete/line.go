package complete

import "strings"

// Line is a command line up to the cursor, without the command itself.
type Line struct {
	Words []string // the words that are complete
	Typed string   // the beginning of the word under the cursor
	kept  int      // bytes of Typed that the shell keeps: it replaces what follows
}

// BashWords splits a line as bash does, without expanding anything. Bash replaces
// a word only from the last of breaks on ($COMP_WORDBREAKS: ":" and "=" are among
// them), or from an open quote on.
func BashWords(line, breaks string) Line {
	s := scanner{breaks: strings.Trim(breaks, " \t\n\"'")}
	for _, r := range line {
		s.next(r)
	}
	words := s.words
	for len(words) > 0 && isAssignment(words[0]) {
		words = words[1:]
	}
	if len(words) > 0 {
		words = words[1:]
	}
	return Line{Words: words, Typed: s.word.String(), kept: s.kept}
}

// isAssignment reports whether word is NAME=VALUE, which may stand before a command.
func isAssignment(word string) bool {
	name, _, ok := strings.Cut(word, "=")
	for i, c := range []byte(name) {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return ok && name != ""
}

// scanner is between two characters of a line.
type scanner struct {
	breaks string
	words  []string

	word    strings.Builder // the word so far, without its quotes
	inWord  bool
	kept    int  // bytes of word up to the last break
	quote   rune // that is open; 0: none
	escaped bool // the character before was a backslash
}

func (s *scanner) next(r rune) {
	switch {
	case s.escaped:
		if s.quote == '"' && !strings.ContainsRune("$`\"\\\n", r) {
			s.word.WriteByte('\\')
		}
		s.escaped = false
		s.word.WriteRune(r)
	case r == '\\' && s.quote != '\'':
		s.escaped, s.inWord = true, true
	case s.quote != 0 && r == s.quote:
		s.quote, s.kept = 0, s.word.Len()
	case s.quote != 0:
		s.word.WriteRune(r)
	case r == '"' || r == '\'':
		s.quote, s.inWord, s.kept = r, true, s.word.Len()
	case r == ' ' || r == '\t' || r == '\n':
		s.end()
	default:
		s.inWord = true
		s.word.WriteRune(r)
		switch {
		case !strings.ContainsRune(s.breaks, r):
		case r == '@': // begins the name of a host, for bash: it is replaced, too
			s.kept = s.word.Len() - 1
		default:
			s.kept = s.word.Len()
		}
	}
}

func (s *scanner) end() {
	if s.inWord {
		s.words = append(s.words, s.word.String())
	}
	s.word.Reset()
	s.inWord, s.kept = false, 0
}
