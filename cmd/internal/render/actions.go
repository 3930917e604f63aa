package render

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/policyhost/policy/runtime/fault"
)

// Actions is the GitHub job that policy runs in. The job's runner reads workflow
// commands from both streams: lines that begin with two colons, as documented at
// https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands.
type Actions struct {
	Workspace string   // folder of the checkout; names of files are shown from there
	Folders   []string // where relative names of files may begin; the working folder is the first
}

func detectActions(getenv func(string) string) *Actions {
	if getenv("GITHUB_ACTIONS") != "true" {
		return nil
	}
	return &Actions{Workspace: getenv("GITHUB_WORKSPACE"), Folders: []string{""}}
}

// AddFolder makes names of files be looked for there, too. It may be called on nil.
func (a *Actions) AddFolder(dir string) {
	if a != nil {
		a.Folders = append(a.Folders, dir)
	}
}

// mostAnnotations is how many errors GitHub shows for a step.
const mostAnnotations = 10

// annotations are the commands that mark err where it is: each place that its
// causes know, else the script's line nearest to the failure.
func (a *Actions) annotations(err error) string {
	var b strings.Builder
	for i, at := range a.places(err) {
		if i == mostAnnotations {
			break
		}
		b.WriteString("::error")
		if file := a.file(at.File); file != "" {
			fmt.Fprintf(&b, " file=%s", inProperty(file))
			if at.Line > 0 {
				fmt.Fprintf(&b, ",line=%d", at.Line)
			}
			if at.Line > 0 && at.Col > 0 {
				fmt.Fprintf(&b, ",col=%d", at.Col)
			}
		}
		b.WriteString("::" + inData(SafeLines(at.Message)) + "\n")
	}
	return b.String()
}

// inProperty escapes a value in a command, inData the text at its end.
func inProperty(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(inData(s))
}

func inData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

// places are one or more for each of the errors that err consists of. Who ended the
// run knows that it ended.
func (a *Actions) places(err error) (all []fault.Place) {
	f := unfold(err)
	if several := joined(f.Err); several != nil {
		for _, one := range several {
			all = append(all, a.places(fault.In(f.Op, "", one))...)
		}
		return all
	}
	if f.Kind == fault.Canceled {
		return nil
	}
	if all = fault.Places(f.Err); len(all) > 0 {
		return all
	}
	at := fault.Place{Message: message(f)}
	if text := hint(f); text != "" {
		at.Message += "\nhint: " + text
	}
	for _, frame := range frames(f, map[*fault.Frame]bool{}) {
		if a.file(frame.File) != "" {
			at.File, at.Line, at.Col = frame.File, frame.Line, frame.Col
		}
	}
	return []fault.Place{at}
}

// file is the name of a file from the workspace on, with slashes; empty for what is
// no file there, such as a module of the standard library.
func (a *Actions) file(name string) string {
	if name == "" {
		return ""
	}
	for _, folder := range a.Folders {
		path := name
		if !filepath.IsAbs(name) {
			path = filepath.Join(folder, filepath.FromSlash(name))
		}
		if info, err := os.Stat(path); err != nil || info.IsDir() {
			continue
		}
		if a.Workspace == "" {
			return filepath.ToSlash(path)
		}
		path, err := filepath.Abs(path)
		if err != nil {
			return ""
		}
		if rel, err := filepath.Rel(a.Workspace, path); err == nil && filepath.IsLocal(rel) {
			return filepath.ToSlash(rel)
		}
	}
	return ""
}

// harmless is text without workflow commands in it: what a registry answers must
// not be able to give any. The runner looks for :: at the beginning of a line, and
// for the older ##[ anywhere.
func harmless(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		begin := strings.TrimLeft(line, " \t")
		if strings.HasPrefix(begin, "::") {
			line = line[:len(line)-len(begin)] + `\x3a` + begin[1:]
		}
		b.WriteString(strings.ReplaceAll(line, "##[", `#\x23[`))
	}
	return b.String()
}
