package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// scenario is one measurement; it prints its rows through report.
type scenario struct {
	name string
	run  func(ctx context.Context, b *bench) error
}

// scenarios in the order of their figures in README.md.
var scenarios = []scenario{
	{"start", benchStart},
	{"mutations", benchMutations},
	{"changes", benchChanges},
	{"fanout", benchFanOut},
	{"queries", benchQueries},
	{"screen", benchScreen},
	{"subscriptions", benchSubscriptions},
	{"refresh", benchRefresh},
	{"verify", benchVerify},
	{"flood", benchFlood},
	{"people", benchPeople},
	{"texts", benchTexts},
	{"vectors", benchVectors},
	{"contention", benchContention},
	{"pushes", benchPushes},
	{"modules", benchModules},
	{"stalled", benchStalled},
	{"idle", benchIdle},
	{"churn", benchChurn},
	{"fleet", benchFleet},
	{"backup", benchBackup},
}

// bench is what every scenario gets.
type bench struct {
	binary string
	root   string        // of the repository
	length time.Duration // of one measurement
	scale  float64       // of the tables that are searched; 1 is a million texts and 100,000 vectors
	house  *house        // started before the first scenario that needs it
	out    io.Writer
}

func main() {
	pattern := flag.String("run", "", "only scenarios whose name matches this regular expression")
	length := flag.Duration("for", 10*time.Second, "how long one measurement takes")
	scale := flag.Float64("scale", 1, "size of the tables that are searched; 1 is a million texts, and 100,000 vectors")
	binary := flag.String("binary", "bin/lentil", "the binary to measure")
	write := flag.String("write", "", "also write the figures into this file, below its line about figures")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *pattern, *binary, *write, *length, *scale); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// run plays the scenarios one after the other, each on a fresh house.
func run(ctx context.Context, pattern, binary, write string, length time.Duration, scale float64) error {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	var figures strings.Builder
	out := io.MultiWriter(os.Stdout, &figures)
	fmt.Fprintf(out, "%s\n\n| scenario | figure |\n|---|---|\n", machine())
	for _, s := range scenarios {
		if !re.MatchString(s.name) {
			continue
		}
		b := &bench{binary: binary, root: ".", length: length, scale: scale, out: out}
		err := s.run(ctx, b)
		b.house.stop()
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	if write == "" {
		return nil
	}
	old, err := os.ReadFile(write)
	if err != nil {
		return err
	}
	head, _, ok := strings.Cut(string(old), figuresLine)
	if !ok {
		return fmt.Errorf("%s has no line %q", write, figuresLine)
	}
	return os.WriteFile(write, []byte(head+figuresLine+"\n\nMeasured on "+figures.String()), 0o644)
}

// figuresLine stands in README.md where the figures begin.
const figuresLine = "<!-- figures: written by make bench -->"

// report prints one row.
func (b *bench) report(name, format string, args ...any) {
	fmt.Fprintf(b.out, "| %s | %s |\n", name, fmt.Sprintf(format, args...))
}

// machine names what the figures were measured on.
func machine() string {
	cpu := "unknown processor"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
				cpu = strings.TrimSpace(v)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d cores, %s/%s, %s, %s", cpu, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), time.Now().Format(time.DateOnly))
}

// spread is a set of measured times.
type spread []time.Duration

// at is the time below which the share q of all times lies.
func (s spread) at(q float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	slices.Sort(s)
	return s[min(int(q*float64(len(s))), len(s)-1)]
}

// String gives median and tail.
func (s spread) String() string {
	r := func(d time.Duration) time.Duration {
		if d > 10*time.Millisecond {
			return d.Round(100 * time.Microsecond)
		}
		return d.Round(time.Microsecond)
	}
	return fmt.Sprintf("p50 %v, p99 %v, max %v (n=%d)", r(s.at(.5)), r(s.at(.99)), r(s.at(1)), len(s))
}
