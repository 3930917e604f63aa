package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// bench is one run: where things are and which programs there are.
type bench struct {
	here   string // spec/bench
	root   string // the product's module
	cache  string // what can be made again but takes long
	work   string // emptied before and after each run
	runs   int    // 0: what the job says
	tools  map[string]tool
	absent []string // tools that could not be had, and why
	scale  float64  // how slow this machine is, see calibrate
	server *server  // started by the first job that needs it
}

// job is one line of the table: what is measured, and what is asked of it.
type job struct {
	name    string // for -run
	title   string
	remark  string
	measure func(context.Context, *bench) ([]series, error)
	bars    []bar
}

// outcome is a job with what was seen.
type outcome struct {
	job
	series   []series
	verdicts []verdict
}

func newBench(runs int) (*bench, error) {
	here, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	b := &bench{
		here:  here,
		root:  filepath.Dir(filepath.Dir(here)),
		cache: filepath.Join(here, ".cache"),
		runs:  runs,
		tools: map[string]tool{},
		scale: 1,
	}
	if _, err := os.Stat(filepath.Join(b.root, "cmd", "policy")); err != nil {
		return nil, errors.New("run it in spec/bench: go run .")
	}
	b.work = filepath.Join(b.cache, "work")
	if err := os.RemoveAll(b.work); err != nil {
		return nil, err
	}
	return b, errors.Join(os.MkdirAll(filepath.Join(b.work, "home"), 0o755), os.MkdirAll(filepath.Join(b.work, "tmp"), 0o755))
}

func (b *bench) close() {
	if b.server != nil {
		b.server.stop()
	}
	if err := os.RemoveAll(b.work); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
}

func (b *bench) measure(ctx context.Context, j job) (outcome, error) {
	all, err := j.measure(ctx, b)
	if err != nil {
		return outcome{}, err
	}
	o := outcome{job: j, series: all}
	for _, bar := range j.bars {
		o.verdicts = append(o.verdicts, bar.judge(b, all))
	}
	return o, nil
}

// folder is a new empty folder of this run.
func (b *bench) folder(name string) (string, error) {
	dir := filepath.Join(b.work, name)
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// fixture is a folder of the cache, filled by make the first time. The name
// changes with the content.
func (b *bench) fixture(name string, make func(dir string) error) (string, error) {
	dir := filepath.Join(b.cache, "fixtures", name)
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return dir, err
	}
	fmt.Fprintf(os.Stderr, "making the fixture %s\n", name)
	half := dir + ".half"
	if err := os.RemoveAll(half); err != nil {
		return "", err
	}
	if err := os.MkdirAll(half, 0o755); err != nil {
		return "", err
	}
	if err := make(half); err != nil {
		return "", fmt.Errorf("fixture %s: %w", name, err)
	}
	return dir, os.Rename(half, dir)
}
