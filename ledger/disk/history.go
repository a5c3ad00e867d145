package disk

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"chaperone/ledger"
	"chaperone/ledger/index"
)

// Disclosures gives rows in the order of time, then of recording. It reads day by day, so that memory stays flat.
func (l *Ledger) Disclosures(ctx context.Context, q ledger.Query, each func(ledger.Row) error) error {
	a, err := l.take(&q)
	if err != nil {
		return err
	}
	a.unlock()
	defer a.close()
	h := history{question: a, each: each}
	for range maxWorkers() {
		h.readers = append(h.readers, l.reader(a.view))
	}
	var waiting []uint64
	for i, day := range a.days {
		if err := ctx.Err(); err != nil {
			return err
		}
		seqs, err := a.seqs(day)
		if err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
		waiting = append(waiting, seqs...)
		if i+1 < len(a.days) && len(waiting) < enough {
			continue // days with little are read together
		}
		if err := h.give(ctx, waiting); err != nil {
			return err
		}
		waiting = waiting[:0]
	}
	return nil
}

// seqs gives the disclosures of a day that may be meant, ascending: their time and way are to be looked at.
func (a *question) seqs(day ledger.Day) ([]uint64, error) {
	var seqs []uint64
	add := func(seq uint64) error { seqs = append(seqs, seq); return nil }
	switch {
	case a.query.Patient != nil:
		for _, n := range a.person {
			if err := a.view.Postings(n, day, day+1, add); err != nil {
				return nil, err
			}
		}
	case len(a.meant) == len(a.ways):
		err := a.view.Places(day, func(p index.Place) error {
			for i := range uint64(p.Count) {
				seqs = append(seqs, p.First+i)
			}
			return nil
		})
		return seqs, err
	default:
		ways, err := a.waysOf(day)
		if err != nil {
			return nil, err
		}
		from, until, cut := a.hours(day)
		if err := a.view.Seqs(day, ways, from, until, add); err != nil {
			return nil, err
		}
		for _, hour := range cut {
			if err := a.view.Seqs(day, ways, hour, hour+1, add); err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(seqs)
	return slices.Compact(seqs), nil
}

// enough disclosures are read and sorted together; of more, only times are kept while sorting.
const enough = 1 << 13

// history reads rows and gives them in order.
type history struct {
	*question
	readers []*reader
	each    func(ledger.Row) error
}

// stamp is when a disclosure was, and its number among others.
type stamp struct {
	micro int64
	seq   uint64
}

func (s stamp) compare(o stamp) int {
	if s.micro != o.micro {
		return cmp.Compare(s.micro, o.micro)
	}
	return cmp.Compare(s.seq, o.seq)
}

// give gives the disclosures with these numbers that are meant.
func (h *history) give(ctx context.Context, seqs []uint64) error {
	if len(seqs) <= enough {
		return h.rows(seqs, true)
	}
	stamps := make([]stamp, 0, len(seqs))
	for i, seq := range seqs {
		if i%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		d, _, err := h.readers[0].row(seq)
		if err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
		if h.means(d.Way) && h.query.InTime(d.Time) {
			stamps = append(stamps, stamp{d.Time.UnixMicro(), seq})
		}
	}
	slices.SortFunc(stamps, stamp.compare)
	part := make([]uint64, 0, enough)
	for i := range stamps {
		part = append(part, stamps[i].seq)
		if len(part) == enough || i+1 == len(stamps) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := h.rows(part, false); err != nil {
				return err
			}
			part = part[:0]
		}
	}
	return nil
}

// rows reads some rows on all processors and gives those that are meant: by time, or in the order in which they are asked for.
func (h *history) rows(seqs []uint64, sort bool) error {
	rows := make([]ledger.Row, len(seqs))
	meant := make([]bool, len(seqs))
	workers := min(len(h.readers), 1+len(seqs)/64)
	errs := make([]error, workers)
	run := func(w int) {
		h.ledger.dictionary.RLock()
		defer h.ledger.dictionary.RUnlock()
		for i := w * len(seqs) / workers; i < (w+1)*len(seqs)/workers; i++ {
			d, batch, err := h.readers[w].row(seqs[i])
			if err == nil && h.means(d.Way) && h.query.InTime(d.Time) {
				meant[i] = true
				rows[i], err = h.ledger.spell(d, seqs[i], batch)
			}
			if err != nil {
				errs[w] = err
				return
			}
		}
	}
	var all sync.WaitGroup
	for w := 1; w < workers; w++ {
		all.Go(func() { run(w) })
	}
	run(0)
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
	}
	order := make([]stamp, 0, len(rows))
	for i := range rows {
		if meant[i] {
			order = append(order, stamp{rows[i].Time.UnixMicro(), uint64(i)})
		}
	}
	if sort {
		slices.SortFunc(order, stamp.compare)
	}
	for _, s := range order {
		if err := h.each(rows[s.seq]); err != nil {
			return err
		}
	}
	return nil
}

func maxWorkers() int { return min(runtime.GOMAXPROCS(0), 8) }
