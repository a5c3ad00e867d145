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
	"chaperone/ledger"
)

// failingCalls lets each single call of a small piece of work fail, one a run, of each kind, until a run comes to its end
// untouched. After it the power fails too: what a store took for durable after a failed fsync is gone then.
func failingCalls(ctx context.Context, o options) error {
	r := rand.New(rand.NewPCG(o.seed, 12))
	dir := filepath.Join(o.dir, "eio")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	runs, fenced := 0, 0
	for kind := range faultfs.Kinds {
		for n := 1; o.n == 0 || n <= o.n; n += o.every {
			if err := ctx.Err(); err != nil {
				return err
			}
			hit, stopped, err := failOnce(ctx, r, dir, kind, n)
			if hit == nil && err == nil {
				break
			}
			if err != nil {
				path := "nothing yet"
				if hit != nil {
					path = hit.Path
				}
				return fmt.Errorf("%v %d failed, of %s: %w", kind, n, path, err)
			}
			runs++
			if stopped {
				fenced++
			}
		}
	}
	fmt.Fprintf(o.stdout, "eio: %d calls failed, one at a time; %d of them fenced the ledger\n", runs, fenced)
	return nil
}

// failOnce is one run. hit is the call that failed, nil when there were not so many.
func failOnce(ctx context.Context, r *rand.Rand, dir string, kind faultfs.Kind, n int) (hit *faultfs.Fault, fenced bool, err error) {
	d, b := faultfs.New(), newBooks(uint32(n))
	d.FailAt(kind, n)
	err = onDisk(d, dir, func() error {
		return within(ctx, "the work", func(ctx context.Context) error {
			var err error
			fenced, err = b.work(ctx, d, dir)
			return err
		})
	})
	hit = d.Hit()
	if hit != nil && errors.Is(err, faultfs.ErrBusy) && !errors.Is(err, errPromise) {
		err = nil // the index's engine leaves files open when opening it fails
	}
	if err != nil {
		return hit, fenced, err
	}
	if n%2 == 1 {
		d.Drop()
	} else {
		d.Cut(r)
	}
	err = onDisk(d, dir, func() error { return b.reopen(ctx, dir, 1) })
	return hit, fenced, err
}

// work records and asks a little. Everything may fail, and what does not must be right.
func (b *books) work(ctx context.Context, d *faultfs.Disk, home string) (fenced bool, err error) {
	s, err := open(ctx, home, false)
	if err != nil {
		return false, nil
	}
	unsure := false // a write of the record failed: nothing may be acknowledged any more
	for i := range uint32(24) {
		next := batch(place{seed: b.seed, writer: 1, batch: i})
		_, err := s.Record(ctx, next)
		if err == nil && unsure {
			return false, errors.Join(broken("acknowledged although an earlier write of the record had failed"), s.Close())
		}
		if err == nil {
			_ = b.add(next)
		}
		b.refused = b.refused || err != nil
		fenced = fenced || errors.Is(err, ledger.ErrFenced)
		unsure = unsure || err != nil && ofRecord(d.Hit())
		if i%8 == 7 && d.Hit() == nil {
			if err := b.check(ctx, s, false); err != nil && d.Hit() == nil {
				return false, errors.Join(err, s.Close())
			}
		}
	}
	if err := b.check(ctx, s, false); errors.Is(err, errPromise) {
		return false, errors.Join(err, s.Close())
	}
	_ = s.Close()
	return fenced, nil
}

// ofRecord reports whether it is not known any more what of the record is on disk.
func ofRecord(f *faultfs.Fault) bool {
	return f != nil && (f.Kind == faultfs.Write || f.Kind == faultfs.Fsync) && strings.HasPrefix(f.Path, "ledger/record")
}
