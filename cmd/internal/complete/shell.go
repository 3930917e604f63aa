package complete

import (
	_ "embed"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// The scripts that ask policy for candidates. They read what [Line.Bash], [Zsh]
// and [Fish] write: a line that says how to go on, then one line a candidate.
var (
	//go:embed policy.bash
	bashScript string
	//go:embed policy.zsh
	zshScript string
	//go:embed policy.fish
	fishScript string
)

// Script gives what a shell is to read once: bash, zsh or fish.
func Script(shell string) string {
	return map[string]string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}[shell]
}

// Bash writes a, of a line that [BashWords] split. Bash knows no files beside
// other candidates, nor by their suffix: then those with plain names are among
// them.
func (l Line) Bash(a Answer, home string) string {
	value := strings.TrimLeft(l.Typed[strings.LastIndexByte(l.Typed, '=')+1:], " ")
	if a.Paths != nil && (len(a.Candidates) > 0 || a.Paths.Suffix != "") {
		listed := a.Paths.list(value, home).After(strings.TrimSuffix(l.Typed, value))
		a.Candidates = append(a.Candidates, listed.Candidates...)
	}
	var b strings.Builder
	a = a.plain()
	b.WriteString(a.how())
	for _, c := range a.Candidates {
		if strings.HasPrefix(c.Word, l.Typed) {
			b.WriteString(c.Word[l.kept:] + "\n")
		}
	}
	return b.String()
}

// Zsh writes a: word, colon, description.
func Zsh(a Answer) string {
	var b strings.Builder
	a = a.plain()
	b.WriteString(a.how())
	for _, c := range a.Candidates {
		b.WriteString(strings.ReplaceAll(c.Word, ":", `\:`))
		if c.About != "" {
			b.WriteString(":" + strings.ReplaceAll(c.About, `\`, `\\`))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Fish writes a: word, tab, description.
func Fish(a Answer) string {
	var b strings.Builder
	a = a.plain()
	b.WriteString(a.how())
	for _, c := range a.Candidates {
		b.WriteString(c.Word)
		if c.About != "" {
			b.WriteString("\t" + c.About)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// how says how the shell is to go on: with "files" or "folders" of its own
// (files=SUFFIX of one kind), and with "open" when no space may follow.
func (a Answer) how() string {
	var words []string
	switch p := a.Paths; {
	case p == nil:
	case p.Suffix != "":
		words = append(words, "files="+p.Suffix)
	case p.Files:
		words = append(words, "files")
	default:
		words = append(words, "folders")
	}
	if a.open() {
		words = append(words, "open")
	}
	return strings.Join(words, " ") + "\n"
}

// list gives the files and folders whose path begins with typed, folders with a
// slash at the end. What cannot be read has none.
func (p Paths) list(typed, home string) Answer {
	dir, base := path.Split(typed)
	where := dir
	if rest, ok := strings.CutPrefix(dir, "~/"); ok {
		where = home + "/" + rest
	}
	if where == "" {
		where = "."
	}
	var a Answer
	entries, err := os.ReadDir(where)
	if err != nil {
		return a
	}
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, base) || base == "" && name[0] == '.' {
			continue
		}
		switch isDir := e.IsDir() || e.Type()&fs.ModeSymlink != 0 && isFolder(path.Join(where, name)); {
		case isDir:
			a.Candidates = append(a.Candidates, Candidate{Word: dir + name + "/"})
		case p.Files && strings.HasSuffix(name, p.Suffix):
			a.Candidates = append(a.Candidates, Candidate{Word: dir + name})
		}
	}
	slices.SortStableFunc(a.Candidates, func(x, y Candidate) int { return strings.Compare(x.Word, y.Word) })
	return a
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}
