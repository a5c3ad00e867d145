package disk

import (
	"context"
	"fmt"
	"time"

	"chaperone/ledger"
)

// Evidenced is one disclosure as whoever counts by its evidence needs it.
type Evidenced struct {
	File         string // of its evidence
	Time         time.Time
	Numbers      []ledger.Number // as Resolve gives them, with repetitions
	Unidentified int
	Unseen       bool // counted from an answer only
	Bytes        int64
}

// Evidenced tells of the disclosures from a time on whose evidence keep wants, day by day. What each gets is valid until it
// returns.
func (l *Ledger) Evidenced(ctx context.Context, since time.Time, keep func(file string) bool, each func(Evidenced) error) error {
	a, err := l.take(&ledger.Query{From: since})
	if err != nil {
		return err
	}
	defer a.close()
	defer a.unlock()
	r := l.reader(a.view)
	var out Evidenced
	for _, day := range a.days {
		seqs, err := a.seqs(day)
		if err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
		for _, seq := range seqs {
			if err := ctx.Err(); err != nil {
				return err
			}
			d, _, err := r.row(seq)
			if err != nil {
				return fmt.Errorf("ledger: %w", err)
			}
			if out.File = l.dictionary.text(d.Evidence.File); d.Time.Before(since) || !keep(out.File) {
				continue
			}
			out.Time = d.Time
			out.Numbers, out.Unidentified, out.Unseen, out.Bytes = d.Numbers, d.Unidentified, d.Unseen, d.Bytes
			if err := each(out); err != nil {
				return err
			}
		}
	}
	return nil
}
