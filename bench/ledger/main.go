// Command ledger measures the ledger, and PostgreSQL beside it with the same load and the same questions, in one run.
//
//	go run ./bench/ledger                                   # 50 M pairs of disclosure and patient, 1 M patients
//	go run ./bench/ledger -patients 10e6 -postgres=false
//	go run ./bench/ledger -smoke                            # 20,000 pairs: shows that everything works, not how fast
//
// Every phase runs in a process of its own, so that each shows its own memory. Answers are compared: with a count that is
// made from the load alone, and between the two; a difference ends the run with status 1. ../README.md says how to read the
// table.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"time"

	"chaperone/cmd/thrift"
)

// options are the flags as they are typed; children get them as JSON.
type options struct {
	Pairs    int
	Patients int
	Names    bool          // each record bears a name
	Small    time.Duration // of each measurement of small commits
	Bulk     bool          // PostgreSQL builds its indexes after the load
	Dir      string
	Seed     uint64
	Profile  string // folder

	postgres bool
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

// results are figures by name; rows in table.go say which is shown where.
type results map[string]float64

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 3 && args[0] == "phase" {
		return runPhase(ctx, args[1], args[2], stdout)
	}
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if o.Dir, err = os.MkdirTemp(o.Dir, "chaperone-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(o.Dir)
	fmt.Fprintf(stdout, "%d disclosures of %d patients each, %d patients, %d receiving parties, %d days\n",
		o.events(), perEvent, o.Patients, receivers, days)
	all, err := measure(ctx, o, stderr)
	if err != nil {
		return err
	}
	var beside results
	if o.postgres {
		if beside, err = measurePostgres(ctx, o, stdout, stderr); err != nil {
			return err
		}
	}
	if err := agree(all, beside); err != nil {
		return err
	}
	print(stdout, o, all, beside)
	return nil
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("ledger", flag.ContinueOnError)
	f.SetOutput(stderr)
	pairs := f.Float64("pairs", 50e6, "`number` of pairs of disclosure and patient")
	patients := f.Float64("patients", 1e6, "`number` of patients")
	smoke := f.Bool("smoke", false, "20,000 pairs: shows that everything works, not how fast")
	f.BoolVar(&o.postgres, "postgres", true, "measure PostgreSQL too")
	f.BoolVar(&o.Names, "names", true, "each record bears a name, birth date and sex too")
	f.BoolVar(&o.Bulk, "bulk", false, "PostgreSQL builds its indexes after the load, not with it")
	f.DurationVar(&o.Small, "small", 5*time.Second, "`time` for each measurement of small commits")
	f.StringVar(&o.Dir, "dir", "", "`folder` to work in (default: the system's for temporary files)")
	f.Uint64Var(&o.Seed, "seed", 1, "fixes the load and the questions")
	f.StringVar(&o.Profile, "profile", "", "existing `folder` for a CPU profile of each phase")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if *smoke {
		*pairs, *patients, o.Small = 20_000, 2000, 200*time.Millisecond
	}
	o.Pairs, o.Patients = int(*pairs), int(*patients)
	if f.NArg() > 0 || *pairs < perEvent || *patients < 10*perEvent || *pairs > 1e10 || *patients > math.MaxInt32/2 {
		return o, fmt.Errorf("bench: -pairs is %d to 1e10, -patients %d to 1e9, and there are no arguments", perEvent, 10*perEvent)
	}
	return o, nil
}

// phases are the parts that run in processes of their own.
var phases = map[string]func(context.Context, options) (results, error){
	"load": load, "open to ask": reopen("open to ask", true), "open to write": reopen("open to write", false),
	"ask": ask, "count": count, "small": small, "rebuild": rebuild,
}

// measure takes the ledger through its phases.
func measure(ctx context.Context, o options, stderr io.Writer) (results, error) {
	all := results{}
	for _, name := range []string{"load", "open to ask", "open to write", "ask", "count", "small"} {
		if err := phase(ctx, o, name, all, stderr); err != nil {
			return nil, err
		}
		if name != "ask" {
			continue
		}
		if err := verify(ctx, o, all, stderr); err != nil {
			return nil, err
		}
	}
	// Without its index, and without the list of files that vouches for it.
	err := errors.Join(os.RemoveAll(filepath.Join(o.ledger(), "index")), os.RemoveAll(filepath.Join(o.ledger(), "closed")))
	if err != nil {
		return nil, err
	}
	return all, phase(ctx, o, "rebuild", all, stderr)
}

// phase runs one in a child and adds its figures, and its peak of memory.
func phase(ctx context.Context, o options, name string, all results, stderr io.Writer) error {
	fmt.Fprintf(stderr, "%s …\n", name)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	child := exec.CommandContext(ctx, self, "phase", name, string(text))
	child.Stderr = stderr
	out, err := child.Output()
	if err != nil {
		return fmt.Errorf("bench: %s: %w", name, err)
	}
	if err := json.Unmarshal(out, &all); err != nil {
		return fmt.Errorf("bench: %s: %w", name, err)
	}
	return nil
}

func runPhase(ctx context.Context, name, text string, stdout io.Writer) error {
	var o options
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	thrift.Begin() // as chaperone does
	do, ok := phases[name]
	if !ok {
		return fmt.Errorf("bench: no phase %q", name)
	}
	if o.Profile != "" {
		f, err := os.Create(filepath.Join(o.Profile, name+".pprof"))
		if err == nil {
			err = pprof.StartCPUProfile(f)
		}
		if err != nil {
			return err
		}
		defer f.Close()
		defer pprof.StopCPUProfile()
	}
	r, err := do(ctx, o)
	if err != nil {
		return err
	}
	if peak := peakMemory(); peak > 0 {
		r[name+" memory"] = peak
	}
	return json.NewEncoder(stdout).Encode(r)
}

func (o options) ledger() string { return filepath.Join(o.Dir, "ledger") }
func (o options) keys() string   { return filepath.Join(o.Dir, "keys") }
func (o options) events() int    { return o.Pairs / perEvent }

// agree compares the answers that both gave, and those that follow from the load.
func agree(all, beside results) error {
	for _, name := range []string{"answer 7 days", "answer 30 days", "answer history"} {
		if all[name] != all["counted"+name[len("answer"):]] {
			return fmt.Errorf("bench: %s: the ledger says %.0f, the load holds %.0f", name, all[name], all["counted"+name[len("answer"):]])
		}
	}
	for name, value := range beside {
		if mine, ok := all[name]; ok && len(name) > 3 && name[:3] == "sum" && mine != value {
			return fmt.Errorf("bench: %s: the ledger says %.0f, PostgreSQL %.0f", name, mine, value)
		}
	}
	return nil
}
