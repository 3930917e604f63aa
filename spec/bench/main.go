// Command bench measures policy beside other tools and beside what the same
// libraries could reach at best, all in one run, and writes RESULTS.md.
//
// It is called by "make bench" and runs in its own folder:
//
//	go run . [-run REGEX] [-n N] [-json FILE] [-peers DIR]
//
// Each job runs its programs in turn, A B C A B C …, so that whatever else the
// machine does hits all of them. A bar that does not hold is a word in the table,
// never an exit code: machines differ, and no test may depend on a clock. A
// program that fails or gives a wrong answer is an error, and ends with exit 1.
//
// Fixtures and programs are kept in .cache, which may be deleted at any time.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	// A child's peak memory is never below its parent's at the moment of the fork:
	// this program has to stay smaller than all it measures.
	debug.SetGCPercent(20)
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	only := flag.String("run", "", "measure only the jobs whose name matches this `regex`; RESULTS.md is then left alone")
	runs := flag.Int("n", 0, "run each program `N` times, whatever its job asks for")
	jsonFile := flag.String("json", "", "write every sample to this `file`, as JSON")
	peers := flag.String("peers", "", "use the tools in this `folder` instead of building them")
	flag.Parse()
	pattern, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	b, err := newBench(*runs)
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.gather(ctx, *peers); err != nil {
		return err
	}
	report := newReport(b)
	var failed []error
	for _, j := range jobs() {
		if !pattern.MatchString(j.name) {
			continue
		}
		began := time.Now()
		result, err := b.measure(ctx, j)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", j.name, err))
			fmt.Fprintf(os.Stderr, "%s: %v\n", j.name, err)
			continue
		}
		report.add(result)
		fmt.Fprintf(os.Stderr, "%s: %.0f s\n", j.name, time.Since(began).Seconds())
	}
	report.finish()
	report.markdown(os.Stdout)
	err = errors.Join(failed...)
	if *jsonFile != "" {
		err = errors.Join(err, report.writeJSON(*jsonFile))
	}
	if *only == "" && err == nil {
		err = report.writeMarkdown(filepath.Join(b.here, "RESULTS.md"))
	}
	return err
}
