// Command guard measures the guard in line, and HAProxy beside it, with the same clients and the same receiver, in one run.
//
//	go run ./bench/guard           # HL7: 1, 16 and 256 connections, TLS on both sides
//	go run ./bench/guard -decide   # what one decision takes, and the memory of its windows
//	go run ./bench/guard -smoke    # shows that everything works, not how fast
//
// HAProxy neither decodes nor records: it is the least that a proxy with TLS on both sides can do. The guard is the real
// program with a ledger on disk. Every message and every answer is compared with what was sent. README.md says how to read it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"
)

// options are the flags as they are typed.
type options struct {
	For    time.Duration // each measurement
	Dir    string
	Smoke  bool
	HL7    bool
	DICOM  bool
	Only   string // one contender; "": all
	Crowd  []int  // numbers of connections
	Decide bool
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

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 2 && args[0] == unrecordedWord {
		return unrecorded(ctx, args[1], stderr)
	}
	if len(args) == 4 && args[0] == relayWord {
		return relay(ctx, args[1], args[2], args[3])
	}
	var o options
	flags := flag.NewFlagSet("guard", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.DurationVar(&o.For, "for", 10*time.Second, "`time` for each measurement")
	flags.StringVar(&o.Dir, "dir", "", "`folder` to work in (default: the system's for temporary files)")
	flags.BoolVar(&o.Smoke, "smoke", false, "half a second each: shows that everything works, not how fast")
	flags.BoolVar(&o.HL7, "hl7", true, "measure HL7 too, before DICOM")
	flags.BoolVar(&o.DICOM, "dicom", true, "measure DICOM")
	flags.StringVar(&o.Only, "only", "", "one `contender` of HL7, as the table names it (default: all)")
	flags.Func("connections", "`numbers` of connections of HL7, with commas (default: 1,16,256)", o.crowd)
	flags.BoolVar(&o.Decide, "decide", false, "measure one decision and the memory of its windows, and nothing else")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.Smoke {
		o.For = 500 * time.Millisecond
	}
	if o.Decide {
		return decisions(ctx, o, stdout)
	}
	if len(o.Crowd) == 0 {
		o.Crowd = []int{1, 16, 256}
		if o.Smoke {
			o.Crowd = o.Crowd[:2]
		}
	}
	dir, err := os.MkdirTemp(o.Dir, "chaperone-bench-guard-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o.Dir = dir
	c, err := newClinic(ctx, dir)
	if err != nil {
		return err
	}
	defer c.close()
	if o.HL7 {
		if err := measure(ctx, o, c, stdout); err != nil {
			return err
		}
	}
	if !o.DICOM {
		return nil
	}
	return images(ctx, o, c, stdout)
}

// crowd reads the numbers of connections that are measured.
func (o *options) crowd(typed string) error {
	for one := range strings.SplitSeq(typed, ",") {
		n, err := strconv.Atoi(one)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is no number of connections", one)
		}
		o.Crowd = append(o.Crowd, n)
	}
	return nil
}

// measure lets each contender work, one after the other, and prints a table.
func measure(ctx context.Context, o options, c *clinic, stdout io.Writer) error {
	disk, err := fdatasyncs(o)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "one fdatasync of 600 bytes: median %s, 99th percentile %s: %.0f a second\n\n", at(disk, 0.5), at(disk, 0.99), float64(time.Second)/float64(mean(disk)))
	fmt.Fprintf(stdout, "%-22s %11s %12s %10s %10s %12s\n", "HL7, TLS both sides", "connections", "messages/s", "median", "99 %", "hop, µs each")
	for _, n := range o.Crowd {
		rates := map[string]float64{}
		for _, x := range c.contenders() {
			if o.Only != "" && o.Only != x.name {
				continue
			}
			r, err := contest(ctx, o, c, x, n)
			if err != nil {
				return fmt.Errorf("%s with %d connections: %w", x.name, n, err)
			}
			hop := "-"
			if x.process != nil {
				hop = fmt.Sprintf("%.1f", float64(r.processor.Microseconds())/float64(r.messages))
			}
			rates[x.name] = float64(r.messages) / r.took.Seconds()
			fmt.Fprintf(stdout, "%-22s %11d %12.0f %10s %10s %12s\n", x.name, n, rates[x.name], r.median, r.p99, hop)
		}
		compare(stdout, rates, n, mean(disk))
	}
	return nil
}

// compare says what the guard's rate is of the others', and of what a proxy as quick as HAProxy would reach that waits for one
// fdatasync before it passes a message on.
func compare(stdout io.Writer, rates map[string]float64, connections int, disk time.Duration) {
	mine, proxy := rates["guard"], rates["HAProxy"]
	if mine == 0 || len(rates) == 1 {
		return
	}
	fmt.Fprint(stdout, "  the guard's rate:")
	if connections == 1 {
		fmt.Fprintf(stdout, " %.2f of one fdatasync each;", mine*disk.Seconds())
		if proxy > 0 {
			fmt.Fprintf(stdout, " %.2f of HAProxy's way and one fdatasync, one after the other;", mine*(disk.Seconds()+1/proxy))
		}
	}
	if proxy > 0 {
		fmt.Fprintf(stdout, " %.2f of HAProxy's;", mine/proxy)
	}
	if bare := rates[bareRelay]; bare > 0 {
		fmt.Fprintf(stdout, " %.2f of the bare relay's", mine/bare)
		if proxy > 0 {
			fmt.Fprintf(stdout, ", which has %.2f of HAProxy's", bare/proxy)
		}
		fmt.Fprint(stdout, ";")
	}
	if off := rates["guard, recording off"]; off > 0 {
		fmt.Fprintf(stdout, " %.2f of its own with recording off;", mine/off)
	}
	fmt.Fprintln(stdout)
}
