package main

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"chaperone/ledger"
	"chaperone/ledger/disk"
)

// A home is a folder that holds a ledger and its keys.
func open(ctx context.Context, home string, readOnly bool) (ledger.Store, error) {
	l, err := disk.Open(ctx, disk.Options{
		Dir: filepath.Join(home, "ledger"), Keys: filepath.Join(home, "keys"), ReadOnly: readOnly,
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// patience is how long any one step may take. Nothing takes nearly as long, on a busy machine either.
const patience = 30 * time.Second

// within runs a step that must end. One that does not is left behind: the run is over.
func within(ctx context.Context, what string, step func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- step(ctx) }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience + time.Second):
		return broken("%s: no end after %v", what, patience)
	}
}

// reopen opens a ledger, which recovers it, compares everything, records some more and closes it.
func (b *books) reopen(ctx context.Context, home string, round uint32) error {
	return within(ctx, "opening and reading all", func(ctx context.Context) error {
		s, err := open(ctx, home, false)
		if err != nil {
			return broken("opening: %w", err)
		}
		b.refused = false
		if err := b.check(ctx, s, false); err != nil {
			return errors.Join(err, s.Close())
		}
		if err := drive(ctx, s, b.seed, round, 2, b.add); err != nil {
			return errors.Join(broken("recording on: %w", err), s.Close())
		}
		return s.Close()
	})
}
