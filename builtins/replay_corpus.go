package builtins

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/policyhost/policy/builtins/internal/engine"
	"github.com/policyhost/policy/runtime/fault"
)

// read gives the documents of the corpus in its order.
func (r *replayer) read(e *Env, yield func(document) error) error {
	read := 0
	each := func(d document) error {
		if r.First > 0 && read >= r.First {
			return errEnough
		}
		read++
		if !r.sampled(d.text) {
			return nil
		}
		return yield(d)
	}
	for _, typed := range r.Corpus {
		err := e.corpus(typed, func(file string, in io.Reader) error {
			return engine.Split(file, in, func(n int, text string) error { return each(document{file, n, text}) })
		})
		if errors.Is(err, errEnough) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// corpus opens what a name of a corpus stands for, one file after the other.
func (e *Env) corpus(typed string, yield func(file string, in io.Reader) error) error {
	if typed == "-" {
		if e.In == nil {
			return fault.New(fault.Usage, "-", "there is no standard input here").WithHint("write what it has to a file")
		}
		return yield("standard input", e.In)
	}
	files, err := e.corpusFiles(typed)
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := e.corpusFile(file, yield); err != nil {
			return err
		}
	}
	return nil
}

func (e *Env) corpusFile(file string, yield func(file string, in io.Reader) error) error {
	if isYAML(file) {
		text, err := readAll(e.Files, file, maxText)
		if err != nil {
			return err
		}
		if text, err = engine.YAMLToJSON(file, text); err != nil {
			return err
		}
		return yield(file, bytes.NewReader(text))
	}
	f, err := e.Files.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return yield(file, f)
}

// corpusFiles are the files that a name stands for: itself, those of a folder that
// look like a corpus, or those that fit a pattern.
func (e *Env) corpusFiles(typed string) ([]string, error) {
	folder, err := isFolder(e.Files, typed)
	if err != nil && strings.ContainsAny(typed, "*?[") {
		found, globErr := e.Files.Glob(typed)
		if globErr == nil && len(found) == 0 {
			globErr = fault.New(fault.NotFound, typed, "no file fits the pattern")
		}
		return found, globErr
	}
	if err != nil || !folder {
		return []string{typed}, err
	}
	found, err := e.Files.Glob(path.Join(typed, "**"))
	found = slices.DeleteFunc(found, func(name string) bool { return !slices.Contains(corpusEndings, path.Ext(name)) })
	if err == nil && len(found) == 0 {
		return nil, fault.New(fault.NotFound, typed, "the folder has no file that ends in %s", strings.Join(corpusEndings, " "))
	}
	return found, err
}

// corpusEndings are those of the files that are taken from a folder.
var corpusEndings = []string{".json", ".jsonl", ".ndjson", ".log", ".gz", ".yaml", ".yml"}

func isFolder(files Files, name string) (bool, error) {
	f, err := files.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	return err == nil && info.Mode()&fs.ModeDir != 0, fault.File(name, err)
}

// where is the place of a document, for messages.
func (d document) where() string { return d.file + ":" + strconv.Itoa(d.n) }
