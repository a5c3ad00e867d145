package main

import (
	"context"
	"sync"

	"chaperone/ledger"
)

// writers is how many goroutines record at a time.
const writers = 8

// drive records from several goroutines, each so many batches, until one is refused. It calls acked after each Record that
// returned without an error, from several goroutines. The error is the first that Record gave.
func drive(ctx context.Context, s ledger.Store, seed, round uint32, batches int, acked func(ledger.Batch) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wait sync.WaitGroup
	for w := range uint16(writers) {
		wait.Go(func() {
			for i := range uint32(batches) {
				if ctx.Err() != nil {
					return
				}
				b := batch(place{seed: seed, round: round, writer: w, batch: i})
				if _, err := s.Record(ctx, b); err != nil {
					cancel(err)
					return
				}
				if err := acked(b); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	wait.Wait()
	return context.Cause(ctx)
}
