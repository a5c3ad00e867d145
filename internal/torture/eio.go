package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"chaperone/internal/torture/faultfs"
)

// failingCalls lets each single call of a small piece of work fail, one a run, of each kind, until a run comes to its end
// untouched. After it the power fails too: what a store took for durable after a failed fsync is gone then.
func failingCalls(ctx context.Context, o options) error {
	r := rand.New(rand.NewPCG(o.seed, 12))
	dir := filepath.Join(o.dir, "eio")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	runs, refused := 0, 0
	for kind := range faultfs.Kinds {
		for n, more := 1, true; more && (o.n == 0 || n <= o.n); n += o.every {
			if err := ctx.Err(); err != nil {
				return err
			}
			d, b := faultfs.New(), newBooks(uint32(n))
			d.FailAt(kind, n)
			hit, err := b.failOnce(ctx, d, dir)
			stopped := b.refused
			if err == nil && hit != nil {
				if n%2 == 1 {
					d.Drop()
				} else {
					d.Cut(r)
				}
				err = onDisk(d, dir, func() error { return b.recheck(ctx, dir, 1) })
			}
			switch {
			case err != nil && hit == nil:
				return fmt.Errorf("without a failed call: %w", err)
			case err != nil:
				return fmt.Errorf("%v %d failed, of %s: %w", kind, n, hit.Path, err)
			}
			more = hit != nil
			if more {
				runs++
			}
			if more && stopped {
				refused++
			}
		}
	}
	fmt.Fprintf(o.stdout, "eio: %d calls failed, one at a time; after %d of them a batch was refused\n", runs, refused)
	return nil
}

// failOnce is one run. hit is the call that failed, nil when there were not so many.
func (b *books) failOnce(ctx context.Context, d *faultfs.Disk, dir string) (hit *faultfs.Fault, err error) {
	status, said := 0, ""
	err = onDisk(d, dir, func() error {
		var err error
		status, said, err = b.do(ctx, "few", dir, 0)
		return err
	})
	hit = d.Hit()
	switch {
	case err != nil:
		return hit, err
	case hit == nil && status == 0:
		return nil, nil
	case hit == nil || status != 0 && status != exitFailed:
		return hit, broken("the worker ended with status %d: %s", status, said)
	case b.afterRefusal && ofRecord(hit):
		return hit, broken("acknowledged after a write of the record had failed and a batch had been refused: %w", errors.New(said))
	}
	return hit, nil
}

// ofRecord reports whether it is not known any more what of the record is on disk.
func ofRecord(f *faultfs.Fault) bool {
	return (f.Kind == faultfs.Write || f.Kind == faultfs.Fsync) && strings.HasPrefix(f.Path, "ledger/record")
}
