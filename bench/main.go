// Command bench measures chaperone side by side with what a user would pick instead, on the same files, in one run.
// chaperone watch --json beside tshark, which decodes the same protocols, and bare TCP reassembly by gopacket, which decodes
// none; chaperone investigate --json beside tshark, evtxexport and sha256sum, with which a person would begin.
//
//	go run ./bench           # three captures of 500 MB, and a folder of evidence
//	go run ./bench -smoke    # 10 MB each, for CI
//
// It makes its captures itself (internal/clinicsim), checks every answer of chaperone against their truth, and ends with
// 1 when one differs. README.md says why the comparison is fair. Only the ratios mean anything on another machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// options are the flags as they are typed.
type options struct {
	size  int64 // of a capture, in bytes
	runs  int
	kinds []string
	dir   string
	keep  bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// jobs are the parts that run in a process of their own: a child's peak memory begins with its parent's, so the one that
// measures stays small.
var jobs = map[string]func(args []string, stdout io.Writer) error{
	"evidence": func(args []string, _ io.Writer) error { return makeEvidence(args[0], args[1]) },
	"judge":    func(args []string, _ io.Writer) error { return judge(args[0], args[1]) },
	"make":     func(args []string, _ io.Writer) error { return makeCapture(args[0], args[1], args[2]) },
	"check":    func(args []string, _ io.Writer) error { return check(args[0], args[1]) },
	"gopacket": func(args []string, stdout io.Writer) error { return countStreams(args[0], stdout) },
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && jobs[args[0]] != nil {
		return jobs[args[0]](args[1:], stdout)
	}
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(o.dir, "chaperone-bench-")
	if err != nil {
		return err
	}
	if o.keep {
		defer fmt.Fprintln(stdout, "kept:", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	contenders, err := prepare(ctx, dir, stdout)
	if err != nil {
		return err
	}
	for _, k := range o.kinds {
		if k == evidence {
			if err := measureEvidence(ctx, o, dir, stdout); err != nil {
				return err
			}
			continue
		}
		if err := measureKind(ctx, o, k, filepath.Join(dir, k), contenders, stdout); err != nil {
			return err
		}
	}
	return nil
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	size := f.Int64("size", 500, "`MB` of each capture")
	smoke := f.Bool("smoke", false, "10 MB and one run: shows that everything works, not how fast")
	f.IntVar(&o.runs, "runs", 3, "times each contender runs; the best counts")
	names := f.String("kinds", strings.Join(append(kindNames(), evidence), ","), "`kinds` of traffic")
	f.StringVar(&o.dir, "dir", "", "`folder` for the captures (default: the system's for temporary files)")
	f.BoolVar(&o.keep, "keep", false, "keep the captures")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.size = *size * 1e6
	if *smoke {
		o.size, o.runs = 10e6, 1
	}
	o.kinds = strings.Split(*names, ",")
	for _, k := range o.kinds {
		if all := append(kindNames(), evidence); !slices.Contains(all, k) {
			return o, fmt.Errorf("bench: -kinds: one or more of %s, with commas", strings.Join(all, ","))
		}
	}
	if o.size <= 0 || o.runs <= 0 || f.NArg() > 0 {
		return o, errors.New("bench: -size and -runs are numbers above 0, and there are no arguments")
	}
	return o, nil
}

// prepare builds chaperone and says who takes part.
func prepare(ctx context.Context, dir string, stdout io.Writer) ([]contender, error) {
	binary := filepath.Join(dir, "chaperone")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "chaperone/cmd/chaperone")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("bench: go build: %w\n%s", err, out)
	}
	if err := os.WriteFile(filepath.Join(dir, "token.key"), []byte(strings.Repeat("0", 64)), 0o600); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	contenders := []contender{
		{name: "chaperone", command: []string{binary, "watch", "--json", "--keys", dir}, checked: true},
		{name: "gopacket", command: []string{self, "gopacket"}},
	}
	version, err := exec.CommandContext(ctx, "tshark", "--version").Output()
	if err != nil {
		fmt.Fprintln(stdout, "tshark is not installed: going on WITHOUT it (Debian: apt install tshark)")
		return contenders, nil
	}
	line, _, _ := strings.Cut(string(version), "\n")
	fmt.Fprintln(stdout, line)
	return append(contenders, contender{name: "tshark", command: tsharkCommand}), nil
}

// measureKind makes one capture, lets everybody read it in turn, and prints the table.
func measureKind(ctx context.Context, o options, kind, dir string, contenders []contender, stdout io.Writer) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if !o.keep {
		defer os.RemoveAll(dir)
	}
	if err := job(ctx, "make", kind, strconv.FormatInt(o.size, 10), dir); err != nil {
		return err
	}
	want, err := readTruth(dir)
	if err != nil {
		return err
	}
	info, err := os.Stat(filepath.Join(dir, captureName))
	if err != nil {
		return err
	}
	best := make([]measure, len(contenders))
	for range o.runs {
		for i, c := range contenders {
			m, err := c.measure(ctx, dir, filepath.Join(dir, captureName))
			if err != nil {
				return err
			}
			if c.checked {
				if err := job(ctx, "check", dir, filepath.Join(dir, c.name+".out")); err != nil {
					return err
				}
			}
			best[i].better(m)
		}
	}
	printTable(stdout, kind, info.Size(), want.Counters["packets"], contenders, best)
	return nil
}

// job runs a part of this program in a process of its own.
func job(ctx context.Context, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, self, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s(bench %s: %w)", out, args[0], err)
	}
	return nil
}
