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
		r := l.reader(a.view)
		r.keeps = q.Patient != nil // everybody's would take the place of one's that is asked again
		h.readers = append(h.readers, r)
	}
	atOnce := 1
	if q.Patient != nil {
		atOnce = ahead
	}
	var waiting []uint64
	for days := range slices.Chunk(a.days, atOnce) {
		lists, err := a.lists(ctx, days)
		if err != nil {
			return err
		}
		for _, seqs := range lists {
			if waiting = append(waiting, seqs...); len(waiting) < together {
				continue
			}
			if err := h.give(ctx, waiting); err != nil {
				return err
			}
			waiting = waiting[:0]
		}
	}
	return h.give(ctx, waiting)
}

// ahead is how many days are searched for a patient at a time: what a day has of one is little, and in a file of its own.
const ahead = 64

// lists gives the disclosures that may be meant, ascending, of each of some days.
func (a *question) lists(ctx context.Context, days []ledger.Day) ([][]uint64, error) {
	lists := make([][]uint64, len(days))
	err := parallel(ctx, len(days), func(_, at int) (err error) {
		lists[at], err = a.seqs(days[at])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return lists, nil
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
	case a.all:
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

const (
	together = 1 << 10 // disclosures, up to which days with little are read together
	enough   = 1 << 13 // disclosures that are read and sorted together; of more, only times are kept while sorting
)

// history reads rows and gives them in order.
type history struct {
	*question
	readers []*reader
	rows    []ledger.Row // memory for those that are read together
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
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(seqs) <= enough {
		return h.read(seqs)
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
			if err := h.read(part); err != nil {
				return err
			}
			part = part[:0]
		}
	}
	return nil
}

// read reads some rows on all processors, in the order of the record, and gives those that are meant in the order of time.
func (h *history) read(seqs []uint64) error {
	slices.Sort(seqs)
	h.rows = slices.Grow(h.rows[:0], len(seqs))[:len(seqs)]
	workers := min(len(h.readers), 1+len(seqs)/leastPortion)
	shares := portions{rest: len(seqs), workers: workers}
	orders := make([][]stamp, workers)
	errs := make([]error, workers)
	run := func(w int) {
		h.ledger.dictionary.RLock()
		defer h.ledger.dictionary.RUnlock()
		for from, until := shares.next(); from < until && errs[w] == nil; from, until = shares.next() {
			orders[w], errs[w] = h.share(h.readers[w], seqs, from, until, orders[w])
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
	order := slices.Concat(orders...)
	slices.SortFunc(order, stamp.compare)
	for _, s := range order {
		if err := h.each(h.rows[s.seq]); err != nil {
			return err
		}
	}
	return nil
}

// share reads one worker's rows, from <= i < until, and appends when those are that are meant. The dictionary is locked by
// the caller.
func (h *history) share(r *reader, seqs []uint64, from, until int, order []stamp) ([]stamp, error) {
	asked := h.asked()
	for i := from; i < until; i++ {
		d, _, err := r.row(seqs[i])
		if err != nil {
			return order, err
		}
		if !h.means(d.Way) || !h.query.InTime(d.Time) {
			continue
		}
		if err := r.spell(&h.rows[i], seqs[i], asked); err != nil {
			return order, err
		}
		order = append(order, stamp{d.Time.UnixMicro(), uint64(i)})
	}
	return order, nil
}

// asked gives the persons that the question names, nil for everybody: numbers that were several persons' may be one's by now.
func (a *question) asked() []ledger.Number {
	var persons []ledger.Number
	for _, n := range a.person {
		if p := a.ledger.dictionary.people.Person(n); !slices.Contains(persons, p) {
			persons = append(persons, p)
		}
	}
	return persons
}

// portions shares work out: large pieces first, so that neighbours stay together and all workers still come to an end at
// the same time.
type portions struct {
	mu      sync.Mutex
	at      int
	rest    int
	workers int
}

// leastPortion is some batches' worth of rows: the head of a batch is best opened by one worker alone.
const leastPortion = 64

// next gives a piece, from <= i < until, which is empty when all is given.
func (p *portions) next() (from, until int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := min(p.rest, max(leastPortion, p.rest/(2*p.workers)))
	from = p.at
	p.at += n
	p.rest -= n
	return from, p.at
}

func maxWorkers() int { return min(runtime.GOMAXPROCS(0), 8) }
