package watch

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"chaperone"
	"chaperone/exchange"
	"chaperone/ledger"
)

// Recording writes what a run sees to a ledger: each disclosure and merge, and at the end findings and what the run covers.
// A nil Recording records nothing.
type Recording struct {
	ctx     context.Context
	store   ledger.Store
	now     bool // do not wait for more: somebody follows a growing capture
	batch   ledger.Batch
	covered int
	receipt ledger.Receipt
	err     error // the first: nothing is recorded after it
	failed  atomic.Bool
}

// NewRecording makes one. With now, each disclosure is on disk before the next packet is looked at.
func NewRecording(ctx context.Context, store ledger.Store, now bool) *Recording {
	return &Recording{ctx: context.WithoutCancel(ctx), store: store, now: now}
}

// What is recorded together at most: it is on disk with one fsync.
const (
	batchDisclosures = 4096
	batchCovered     = 1 << 16
)

// Err tells why not everything is recorded, nil when it is. It is for when the run is over.
func (r *Recording) Err() error {
	if r == nil {
		return nil
	}
	return r.err
}

// stopped reports whether a run that records as it goes has to end: what passes now would be on no record.
func (r *Recording) stopped() bool { return r != nil && r.now && r.failed.Load() }

func (r *Recording) disclosure(d *exchange.Disclosed) {
	if r == nil || r.err != nil {
		return
	}
	out := ledger.Disclosure{Disclosure: d.Disclosure, Covered: make([]ledger.Covered, len(d.Who))}
	for i, who := range d.Who {
		out.Covered[i] = ledger.Covered{Numbers: who.Numbers, Demographic: who.Demographic}
	}
	r.batch.Disclosures = append(r.batch.Disclosures, out)
	r.covered += len(out.Covered)
	if r.now || len(r.batch.Disclosures) >= batchDisclosures || r.covered >= batchCovered {
		r.flush()
	}
}

// merge is for exchange.Recorder.Merged.
func (r *Recording) merge(survivor, prior []chaperone.PatientToken, undo bool, at time.Time) {
	if r.err == nil {
		r.batch.Merges = append(r.batch.Merges, ledger.Merge{Survivor: survivor, Prior: prior, Undo: undo, At: at})
	}
}

func (r *Recording) flush() {
	receipt, err := r.store.Record(r.ctx, r.batch)
	if err != nil {
		r.failed.Store(true)
		r.err = fmt.Errorf("not everything is recorded: %w; what the ledger took is safe, and reading the same evidence again records the rest", err)
	}
	r.receipt.Add(receipt)
	r.batch, r.covered = ledger.Batch{}, 0
}

// finish records the rest, and says in the result what became of it.
func (r *Recording) finish(result *Result) error {
	if r == nil || r.err != nil {
		return r.Err()
	}
	r.batch.Findings = result.Findings
	for _, s := range stretches(result.Shares) {
		r.batch.Notes = append(r.batch.Notes, coverageNote(s, result.Filter))
	}
	if r.flush(); r.err == nil {
		result.Receipt = &r.receipt
	}
	return r.err
}
