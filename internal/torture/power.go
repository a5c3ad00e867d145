package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"chaperone/internal/torture/faultfs"
)

// powerCut lets the power fail after any number of changes of the disk, of opening and recovery too. From that moment the
// worker gets errors, and acknowledges nothing that counts; then what was not fsynced is lost or torn.
func powerCut(ctx context.Context, o options) error {
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
		d.PowerFailsAfter(changes(r))
		err := onDisk(d, dir, func() error {
			c, err := b.start(dir, uint32(2*i))
			if err != nil {
				return err
			}
			if err := c.wait(); err != nil {
				return err
			}
			if !d.Dead() {
				return broken("the worker ended while there was power: %s", c.tail())
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("round %d: %w", i, err)
		}
		d.Cut(r)
		acked += b.len() - before
		if r.IntN(3) == 0 && i%lap != lap-1 && i != o.n-1 {
			continue // the next cut meets the recovery from this one
		}
		if err := onDisk(d, dir, func() error { return b.reopen(ctx, dir, uint32(2*i+1)) }); err != nil {
			return fmt.Errorf("round %d: %w", i, err)
		}
		checks++
	}
	fmt.Fprintf(o.stdout, "powercut: %d cuts, %d disclosures acknowledged, all compared %d times\n", o.n, acked, checks)
	return nil
}

// changes draws after how many changes the power fails: as often between 1 and 10 as between 100 and 1000.
func changes(r *rand.Rand) int { return int(math.Pow(10, 3*r.Float64())) }
