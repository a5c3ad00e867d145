package main

import (
	"context"
	"path/filepath"
	"time"

	"chaperone/ledger"
	"chaperone/ledger/disk"
)

// open opens the ledger of a home: a folder that holds it and its keys.
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
