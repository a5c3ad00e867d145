// Command torture does to a ledger, and to a guard that records in one, what machines, disks and people do, and checks that nothing it acknowledged is lost and
// that it never says anything wrong:
//
//	go run ./internal/torture kill9    --n 1000   # kill -9 at any moment, of opening too
//	go run ./internal/torture powercut --n 200    # the power fails: what was not fsynced is lost or torn
//	go run ./internal/torture imagecuts --n 200   # the same for the images that a guard keeps
//	go run ./internal/torture enospc   --n 20     # the disk is full
//	go run ./internal/torture eio                 # each single call fails once with an input/output error
//	go run ./internal/torture damage   --n 1000   # flipped bits, cut and swapped files
//	go run ./internal/torture guard    --kills 200 # a chaperone guard between two systems is killed at any moment
//	go run ./internal/torture spool    --kills 200 # one that keeps messages for a system that comes and goes
//	go run ./internal/torture images   --kills 100 # one that keeps images for an archive that comes and goes
//	go run ./internal/torture dicom    --kills 200 # one through which images are stored, found, brought and moved
//	go run ./internal/torture reload   --n 1000   # it reads its site file under load, a bad one now and then
//	go run ./internal/torture handover --n 20     # it hands its socket over to the next one under load
//	go run ./internal/torture standby  --n 6      # one of two machines fails, and the other takes its address
//	go run ./internal/torture loris    --n 10000  # so many clients send a byte at a time
//	go run ./internal/torture crowd    --n 2000   # twice as many of them as the listener takes
//	go run ./internal/torture overload --n 10     # three times what it can carry, for so many seconds
//	go run ./internal/torture all
//
// powercut and imagecuts --ignore-fsync, spool --forget and images --forget are the controls: on a disk whose fsync does nothing, and when what is kept is deleted, the run
// must fail.
//
// The seed is printed; it fixes the choices, not the kernel's timing. The exit status is 1 when a promise was broken.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"chaperone/internal/torture/faultfs"
)

// options are the flags as they are typed.
type options struct {
	n           int
	seed        uint64
	every       int
	ignoreFsync bool
	forget      bool
	dir         string
	stdout      io.Writer
}

// modes are the tortures, with how often each is done unless --n says otherwise.
var modes = []struct {
	name string
	n    int
	run  func(context.Context, options) error
}{
	{"kill9", 1000, killNine},
	{"powercut", 200, powerCut},
	{"imagecuts", 200, imageCuts},
	{"enospc", 20, fullDisk},
	{"eio", 0, failingCalls},
	{"damage", 1000, damage},
	{"guard", 200, killGuard},
	{"spool", 200, killSpool},
	{"images", 100, killImages},
	{"dicom", 200, killDICOM},
	{"reload", 1000, reloadGuard},
	{"handover", 20, handOver},
	{"standby", 6, standBy},
	{"loris", 10000, slowLoris},
	{"crowd", 2000, crowd},
	{"overload", 10, overload},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		os.Exit(work(ctx, os.Args[2:], os.Stdin, os.Stdout, os.Stderr))
	}
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
	if len(args) == 0 {
		return fmt.Errorf("torture: name a mode: %s", modeNames())
	}
	o := options{stdout: stdout}
	f := flag.NewFlagSet("torture", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.n, "n", 0, "how often (eio: up to which call; default: all)")
	f.IntVar(&o.n, "kills", 0, "the same, of guard, spool, images and dicom")
	f.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "fixes the choices")
	f.IntVar(&o.every, "every", 1, "eio: try each k-th call only")
	f.BoolVar(&o.ignoreFsync, "ignore-fsync", false, "powercut and imagecuts: a disk that lies; the run must fail")
	f.BoolVar(&o.forget, "forget", false, "spool and images: what is kept is deleted at each kill; the run must fail")
	f.StringVar(&o.dir, "dir", "", "folder to work in (default: the system's for temporary files)")
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	if f.NArg() > 0 || o.n < 0 || o.every < 1 {
		return errors.New("torture: --n is 0 or more, --every is 1 or more, and one mode is named")
	}
	return runModes(ctx, args[0], o)
}

func runModes(ctx context.Context, mode string, o options) error {
	dir, err := os.MkdirTemp(o.dir, "chaperone-torture-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o.dir = dir
	ran := false
	for _, m := range modes {
		if mode != m.name && mode != "all" {
			continue
		}
		ran = true
		o := o
		if o.n == 0 {
			o.n = m.n
		}
		began := time.Now()
		err := m.run(ctx, o)
		if ctx.Err() != nil {
			return context.Cause(ctx) // how a worker ended that was interrupted too is nothing to go by
		}
		if err != nil {
			return fmt.Errorf("torture %s --seed %d: %w", m.name, o.seed, err)
		}
		if os.Getenv(apart) != "" {
			continue // the one that started this says so
		}
		fmt.Fprintf(o.stdout, "%s: passed in %.1f s (seed %d)\n", m.name, time.Since(began).Seconds(), o.seed)
	}
	if !ran {
		return fmt.Errorf("torture: no mode %q; there are %s", mode, modeNames())
	}
	return nil
}

func modeNames() string {
	names := []string{"all"}
	for _, m := range modes {
		names = append(names, m.name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// onDisk runs a step with a disk mounted, and takes it down after.
func onDisk(d *faultfs.Disk, dir string, step func() error) error {
	m, err := faultfs.NewMount(d, dir)
	if err != nil {
		return err
	}
	err = step()
	return errors.Join(err, m.Close())
}
