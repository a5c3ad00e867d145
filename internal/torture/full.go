package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"chaperone/internal/torture/faultfs"
)

// fullDisk lets the disk run full while a ledger records, and gives space again. What was acknowledged stays, what is asked
// meanwhile is answered, and the ledger that is opened anew records again.
func fullDisk(ctx context.Context, o options) error {
	r := rand.New(rand.NewPCG(o.seed, 11))
	dir := filepath.Join(o.dir, "full")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	acked := 0
	for i := range o.n {
		if err := ctx.Err(); err != nil {
			return err
		}
		d, b := faultfs.New(), newBooks(uint32(i+1))
		more := int64(r.IntN(256 << 10))
		if err := onDisk(d, dir, func() error { return b.fill(ctx, d, dir, more) }); err != nil {
			return fmt.Errorf("round %d: %w", i, err)
		}
		acked += b.len()
		d.Limit(0)
		if i%2 == 1 {
			d.Cut(r) // a full disk is often followed by somebody who switches it off
		}
		if err := onDisk(d, dir, func() error { return b.recheck(ctx, dir, 2) }); err != nil {
			return fmt.Errorf("round %d, with space again: %w", i, err)
		}
	}
	fmt.Fprintf(o.stdout, "enospc: the disk was full %d times, %d disclosures acknowledged\n", o.n, acked)
	return nil
}

// fill lets a worker begin, takes all space but a little away, and waits until nothing more is taken.
func (b *books) fill(ctx context.Context, d *faultfs.Disk, home string, more int64) error {
	c, err := b.start(ctx, "fill", home, 0)
	if err != nil {
		return err
	}
	select {
	case <-c.first:
		free, all := d.Space()
		d.Limit(all - free + more)
	case err := <-c.read: // it ended before; wait says why
		c.read <- err
	case <-time.After(patience):
	}
	if err := c.wait(); err != nil {
		return err
	}
	if status := c.cmd.ProcessState.ExitCode(); status != 0 {
		return broken("the worker ended with status %d: %s", status, c.said())
	}
	return nil
}
