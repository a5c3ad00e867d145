package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"syscall"

	"chaperone/ledger"
)

// Whatever opens a ledger, or a spool, on a disk that fails is a child of its own. A process that serves a file system must not use it
// too: should it crash in a call of its own, the kernel waits for it for ever.

// task is what a worker does. It says on out what was acknowledged, after it was; books holds what was before.
type task func(ctx context.Context, b *books, home string, round uint32, out io.Writer) error

var tasks = map[string]task{"record": record, "check": recheck, "fill": fillUp, "few": recordFew, "keep": keepImages, "hand over": handImages}

// Exit statuses of a worker.
const (
	exitBroken = 3 // a promise was broken
	exitFailed = 4 // a call failed, which may be right
)

// work is the main function of a worker. It gives the exit status.
func work(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("torture worker", flag.ContinueOnError)
	f.SetOutput(stderr)
	name := f.String("task", "", "what to do")
	home := f.String("home", "", "`folder` of ledger and keys, or of a spool")
	seed := f.Uint64("seed", 0, "of the load")
	round := f.Uint64("round", 0, "of the run")
	if err := f.Parse(args); err != nil {
		return 2
	}
	// Without a parent it must end too.
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	b := newBooks(uint32(*seed))
	err := b.read(stdin, func() {})
	if do := tasks[*name]; err == nil && do != nil {
		err = do(ctx, b, *home, uint32(*round), stdout)
	}
	switch {
	case errors.Is(err, errPromise):
		fmt.Fprintln(stderr, err)
		return exitBroken
	case err != nil:
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	return 0
}

// record records until it is killed, or refused.
func record(ctx context.Context, b *books, home string, round uint32, out io.Writer) error {
	s, err := open(ctx, home, false)
	if err != nil {
		return err
	}
	err = drive(ctx, s, b.seed, round, math.MaxInt32, func(batch ledger.Batch) error { return writeAck(out, batch) })
	return errors.Join(err, s.Close())
}

// both notes a batch here and with the parent.
func (b *books) both(out io.Writer) func(ledger.Batch) error {
	return func(batch ledger.Batch) error { return errors.Join(b.add(batch), writeAck(out, batch)) }
}

// recheck opens a ledger, which recovers it, compares everything, and records some more. It must succeed.
func recheck(ctx context.Context, b *books, home string, round uint32, out io.Writer) error {
	s, err := open(ctx, home, false)
	if err != nil {
		return broken("opening: %w", err)
	}
	if err := b.check(ctx, s, false); err != nil {
		return errors.Join(broken("reading all: %w", err), s.Close())
	}
	if err := drive(ctx, s, b.seed, round, 2, b.both(out)); err != nil {
		return errors.Join(broken("recording on: %w", err), s.Close())
	}
	if err := s.Close(); err != nil {
		return broken("closing: %w", err)
	}
	return nil
}

// fillUp opens a ledger, says so, and records until the disk is full. What is asked then is answered.
func fillUp(ctx context.Context, b *books, home string, round uint32, out io.Writer) error {
	s, err := open(ctx, home, false)
	if err != nil {
		return err
	}
	err = drive(ctx, s, b.seed, round, 1<<20, b.both(out))
	if !errors.Is(err, ledger.ErrFull) && !errors.Is(err, ledger.ErrFenced) && !errors.Is(err, syscall.ENOSPC) {
		return errors.Join(broken("on a full disk: got the error %w, want that it is full", err), s.Close())
	}
	_ = drive(ctx, s, b.seed, round+1, 2, b.both(out)) // what is acknowledged from here on counts too
	if err := b.check(ctx, s, false); err != nil {
		return errors.Join(broken("asked while the disk is full: %w", err), s.Close())
	}
	_ = s.Close() // it may say that it could not write its last checkpoint
	return nil
}

// recordFew records and asks a little, goes on when it is refused, and says where. Everything may fail, and what does not
// must be right.
func recordFew(ctx context.Context, b *books, home string, round uint32, out io.Writer) error {
	s, err := open(ctx, home, false)
	if err != nil {
		return err
	}
	var failed error
	acked := b.both(out)
	for i := range uint32(24) {
		next := batch(place{seed: b.seed, round: round, writer: 1, batch: i})
		if _, err := s.Record(ctx, next); err != nil {
			failed = errors.Join(failed, err)
			if _, err := fmt.Fprintln(out, "r"); err != nil {
				return err
			}
			continue
		}
		if err := acked(next); err != nil {
			return err
		}
		if i == 8 {
			failed = errors.Join(failed, b.check(ctx, s, false))
		}
	}
	return errors.Join(failed, b.check(ctx, s, false), s.Close())
}
