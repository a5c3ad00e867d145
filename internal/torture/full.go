package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"

	"chaperone/internal/torture/faultfs"
	"chaperone/ledger"
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
		if err := onDisk(d, dir, func() error { return b.fillUp(ctx, d, dir, more) }); err != nil {
			return fmt.Errorf("round %d: %w", i, err)
		}
		acked += b.len()
		d.Limit(0)
		if i%2 == 1 {
			d.Cut(r) // a full disk is often followed by somebody who switches it off
		}
		if err := onDisk(d, dir, func() error { return b.reopen(ctx, dir, 1) }); err != nil {
			return fmt.Errorf("round %d, with space again: %w", i, err)
		}
	}
	fmt.Fprintf(o.stdout, "enospc: the disk was full %d times, %d disclosures acknowledged\n", o.n, acked)
	return nil
}

// fillUp opens a new ledger, takes all space but a little away, and records until nothing more is taken.
func (b *books) fillUp(ctx context.Context, d *faultfs.Disk, home string, more int64) error {
	return within(ctx, "recording until the disk is full", func(ctx context.Context) error {
		s, err := open(ctx, home, false)
		if err != nil {
			return err
		}
		free, all := d.Space()
		d.Limit(all - free + more)
		err = drive(ctx, s, b.seed, 0, 1<<20, b.add)
		b.refused = true
		if !errors.Is(err, ledger.ErrFull) && !errors.Is(err, ledger.ErrFenced) && !errors.Is(err, syscall.ENOSPC) {
			err = broken("on a full disk: got the error %w, want that it is full", err)
			return errors.Join(err, s.Close())
		}
		// What is acknowledged from here on counts too.
		_ = drive(ctx, s, b.seed, 2, 2, b.add)
		if err := b.check(ctx, s, false); err != nil {
			return errors.Join(fmt.Errorf("asked while the disk is full: %w", err), s.Close())
		}
		_ = s.Close() // it may say that it could not write its last checkpoint
		return nil
	})
}
