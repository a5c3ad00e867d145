package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"chaperone/internal/torture/faultfs"
)

// powerCut lets the power fail after any number of changes of the disk, of opening and recovery too. From that moment the
// worker gets errors, and acknowledges nothing that counts; then what was not fsynced is lost or torn.
func powerCut(ctx context.Context, o options) error {
	return cutPower(ctx, o, "record", "check", "disclosures")
}

// cutPower lets the power fail under a task, and the other one look what is left. what is what they acknowledge.
func cutPower(ctx context.Context, o options, task, check, what string) error {
	r := rand.New(rand.NewPCG(o.seed, 10))
	dir := filepath.Join(o.dir, "power")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	var d *faultfs.Disk
	var b *books
	acked, checks := 0, 0
	for i := range o.n {
		if err := ctx.Err(); err != nil {
			return err
		}
		if i%lap == 0 {
			d, b = faultfs.New(), newBooks(uint32(i+1))
			if o.ignoreFsync {
				d.IgnoreFsync()
			}
		}
		before := b.len()
		failed, after := d.PowerFailsAfter(changes(r)), time.Duration(r.IntN(20))*time.Millisecond
		err := onDisk(d, dir, func() error { return b.cutOnce(ctx, task, dir, uint32(2*i), failed, after) })
		if err != nil {
			return fmt.Errorf("round %d: %w", i, err)
		}
		d.Cut(r)
		acked += b.len() - before
		if r.IntN(3) == 0 && i%lap != lap-1 && i != o.n-1 {
			continue // the next cut meets the recovery from this one
		}
		if err := onDisk(d, dir, func() error { return b.must(ctx, check, dir, uint32(2*i+1)) }); err != nil {
			return fmt.Errorf("round %d: %w", i, err)
		}
		checks++
	}
	fmt.Fprintf(o.stdout, "power: %d cuts, %d %s acknowledged, all compared %d times\n", o.n, acked, what, checks)
	return nil
}

// cutOnce lets a worker work until the power fails, and a moment on: what it acknowledges of what failed counts too.
func (b *books) cutOnce(ctx context.Context, task, dir string, round uint32, failed <-chan struct{}, after time.Duration) error {
	c, err := b.start(ctx, task, dir, round)
	if err != nil {
		return err
	}
	select {
	case <-failed:
		time.Sleep(after)
		_ = c.cmd.Process.Kill() // it may have ended
		if err := c.wait(); !errors.Is(err, errPromise) {
			return err
		}
		return nil // without power, how it ended is nothing to go by
	case err := <-c.read: // it ended before; wait says why
		c.read <- err
	case <-time.After(patience):
	}
	if err := c.wait(); err != nil {
		return err
	}
	select {
	case <-failed:
		return nil
	default:
		return broken("the worker ended while there was power: %s", c.said())
	}
}

// changes draws after how many changes the power fails: as often between 1 and 10 as between 100 and 1000.
func changes(r *rand.Rand) int { return int(math.Pow(10, 3*r.Float64())) }
