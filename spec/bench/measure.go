package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// program is one of those that a job compares.
type program struct {
	name string // of the table; the first of a job is policy
	// command gives the words of one run, the first is the executable.
	command func(run int) []string
	before  func(run int) error // not measured, may be nil
	store   string              // policy's store root, if it needs one
	want    string              // what standard output must contain
}

// always is the command of a program whose words are the same each time.
func always(words ...string) func(int) []string {
	return func(int) []string { return words }
}

// series is what the runs of one program took. Memory is the peak of the
// largest process, in bytes.
type series struct {
	Name    string    `json:"name"`
	Command string    `json:"command,omitempty"`
	Seconds []float64 `json:"seconds,omitempty"`
	CPU     []float64 `json:"cpu_seconds,omitempty"`
	RSS     []int64   `json:"peak_rss_bytes,omitempty"`
	Bytes   int64     `json:"bytes,omitempty"` // the size of a file, for the job that compares sizes
}

func (s series) time() float64   { return median(s.Seconds) }
func (s series) min() float64    { return slices.Min(s.Seconds) }
func (s series) cpu() float64    { return median(s.CPU) }
func (s series) memory() float64 { return float64(median(s.RSS)) }

func median[T int64 | float64](all []T) T {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

// alternate runs the programs in turn, runs times each, after one round that
// is not counted and warms the caches.
func (b *bench) alternate(ctx context.Context, runs int, programs ...program) ([]series, error) {
	if b.runs > 0 {
		runs = b.runs
	}
	all := make([]series, len(programs))
	for run := range runs + 1 {
		for i, p := range programs {
			words := p.command(run)
			s, err := b.once(ctx, p, run, words)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
			if run == 0 {
				all[i] = series{Name: p.name, Command: b.shorten(words)}
				continue
			}
			all[i].Seconds = append(all[i].Seconds, s.seconds)
			all[i].CPU = append(all[i].CPU, s.cpu)
			all[i].RSS = append(all[i].RSS, s.rss)
		}
	}
	return all, nil
}

type sample struct {
	seconds float64
	cpu     float64
	rss     int64
}

const longest = 5 * time.Minute

// once measures one process from start to exit, and looks at its answer.
func (b *bench) once(ctx context.Context, p program, run int, words []string) (sample, error) {
	if p.before != nil {
		if err := p.before(run); err != nil {
			return sample{}, err
		}
	}
	// Files, not pipes: nothing of ours runs while the program does.
	out, err := os.Create(filepath.Join(b.work, "stdout"))
	if err != nil {
		return sample{}, err
	}
	defer out.Close()
	diagnosis, err := os.Create(filepath.Join(b.work, "stderr"))
	if err != nil {
		return sample{}, err
	}
	defer diagnosis.Close()
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Dir = b.work
	cmd.Env = b.environment(p.store)
	cmd.Stdout, cmd.Stderr = out, diagnosis
	began := time.Now()
	err = cmd.Run()
	took := time.Since(began)
	answer, readErr := os.ReadFile(out.Name())
	if readErr != nil {
		return sample{}, readErr
	}
	if err != nil {
		said, _ := os.ReadFile(diagnosis.Name())
		return sample{}, fmt.Errorf("%s: %w\n%s", b.shorten(words), err, bytes.TrimSpace(append(answer, said...)))
	}
	if !bytes.Contains(answer, []byte(p.want)) {
		return sample{}, fmt.Errorf("%s: wanted %q, got %q", b.shorten(words), p.want, answer)
	}
	state := cmd.ProcessState
	return sample{took.Seconds(), (state.UserTime() + state.SystemTime()).Seconds(), peak(state)}, nil
}

// environment is the same for all programs, whoever runs the benchmark.
func (b *bench) environment(store string) []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + filepath.Join(b.work, "home"),
		"TMPDIR=" + filepath.Join(b.work, "tmp"),
		"LANG=C.UTF-8",
	}
	if store != "" {
		env = append(env, "POLICY_FILE_STORE_ROOT="+store)
	}
	return env
}

// shorten is a command without the folders of this machine.
func (b *bench) shorten(words []string) string {
	words = slices.Clone(words)
	words[0] = filepath.Base(words[0])
	line := strings.Join(words, " ")
	for _, dir := range []string{b.work, filepath.Join(b.cache, "fixtures"), b.root} {
		line = strings.ReplaceAll(line, dir+string(filepath.Separator), "")
	}
	return line
}
