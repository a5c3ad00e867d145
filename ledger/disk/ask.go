package disk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"chaperone/ledger"
	"chaperone/ledger/index"
	"chaperone/ledger/people"
	"chaperone/ledger/record"
)

// question is a query against a state between two groups. The dictionary is read-locked from take to done: what it says of
// joins and merges must not change under an answer.
type question struct {
	ledger *Ledger
	query  *ledger.Query
	view   *index.View
	days   []ledger.Day
	known  uint32          // ways that are defined
	all    bool            // all of them are meant, and what follows is empty
	ways   []bool          // by way - 1: whether it is meant
	meant  []index.Way     // the ways that are, ascending
	person []ledger.Number // all numbers of Query.Patient
}

// take begins a question.
func (l *Ledger) take(q *ledger.Query) (*question, error) {
	l.commit.Lock()
	defer l.commit.Unlock()
	if l.closed {
		return nil, ledger.ErrClosed
	}
	if err := l.over(); errors.Is(err, index.ErrLater) {
		return nil, fmt.Errorf("ledger: %w; make room on the disk of %s and ask again", err, l.dir)
	} else if err != nil {
		return nil, fmt.Errorf("ledger: the index cannot be read: %w; close this ledger and run ledger reindex", err)
	}
	v, err := l.index.View()
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	l.asking.Add(1)
	l.dictionary.RLock()
	a := &question{ledger: l, query: q, view: v, known: uint32(len(l.dictionary.parties))}
	if a.all = len(q.Parties)+len(q.Sources)+len(q.Protocols) == 0; !a.all {
		a.choose()
	}
	for _, day := range v.Days() {
		if lo, hi := a.span(day); lo.Before(hi) && !l.dictionary.purged(day) {
			a.days = append(a.days, day)
		}
	}
	if q.Patient != nil {
		if a.person, err = l.person(q.Patient); err != nil {
			a.unlock()
			a.close()
			return nil, err
		}
	}
	return a, nil
}

// choose finds the ways that are meant.
func (a *question) choose() {
	d := a.ledger.dictionary
	a.ways = make([]bool, a.known)
	for i := range a.ways {
		p := &d.parties[i]
		if a.query.FitsWay(p.from, p.to, p.protocol) {
			a.ways[i] = true
			a.meant = append(a.meant, d.inIndex.Of(uint32(i+1)))
		}
	}
	slices.Sort(a.meant)
}

// everyWay gives the ways that are meant, ascending.
func (a *question) everyWay() []index.Way {
	if !a.all {
		return a.meant
	}
	all := make([]index.Way, a.known)
	for i := range all {
		all[i] = a.ledger.dictionary.inIndex.Of(uint32(i + 1))
	}
	slices.Sort(all)
	return all
}

// unlock lets the dictionary change: for questions that call somebody back.
func (a *question) unlock() { a.ledger.dictionary.RUnlock() }

func (a *question) close() {
	_ = a.view.Close() // it was only read
	a.ledger.asking.Done()
}

// span gives the part of a day that the query means.
func (a *question) span(day ledger.Day) (lo, hi time.Time) {
	lo, hi = day.Time(), (day + 1).Time()
	if a.query.From.After(lo) {
		lo = a.query.From
	}
	if !a.query.Until.IsZero() && a.query.Until.Before(hi) {
		hi = a.query.Until
	}
	return lo, hi
}

// hours splits the part of a day that the query means into whole hours, from <= hour < until, and hours that it cuts.
func (a *question) hours(day ledger.Day) (from, until int, cut []int) {
	lo, hi := a.span(day)
	start := day.Time()
	first, last := lo.Sub(start), hi.Sub(start)
	from, until = int((first+time.Hour-1)/time.Hour), int(last/time.Hour)
	if first%time.Hour != 0 {
		cut = append(cut, int(first/time.Hour))
	}
	if last%time.Hour != 0 && (len(cut) == 0 || cut[0] != int(last/time.Hour)) {
		cut = append(cut, int(last/time.Hour))
	}
	return from, max(from, until), cut
}

// waysOf gives the ways of a day that are meant: those of the day when most are meant, else those that are meant.
func (a *question) waysOf(day ledger.Day) ([]index.Way, error) {
	if !a.all && 4*len(a.meant) < len(a.ways) {
		return a.meant, nil
	}
	all, err := a.view.Ways(day)
	if err != nil || a.all {
		return all, err
	}
	return slices.DeleteFunc(all, func(w index.Way) bool { return !a.means(w.Number()) }), nil
}

func (a *question) means(way uint32) bool {
	return way > 0 && way <= a.known && (a.all || a.ways[way-1])
}

// tally is what a part of an answer adds up to.
type tally struct {
	bits *people.Bits
	sums index.Sums
}

// tally lends an empty one; done takes it back.
func (a *question) tally() *tally { return &tally{bits: a.ledger.dictionary.people.Lend()} }

func (a *question) done(tallies ...*tally) {
	for _, t := range tallies {
		a.ledger.dictionary.people.Return(t.bits)
	}
}

func (t *tally) add(o *tally) {
	t.bits.Or(o.bits)
	s := &t.sums
	s.Disclosures += o.sums.Disclosures
	s.Records += o.sums.Records
	s.Unidentified += o.sums.Unidentified
	s.Objects += o.sums.Objects
	s.Bytes += o.sums.Bytes
	if !o.sums.First.IsZero() {
		t.when(o.sums.First)
		t.when(o.sums.Last)
	}
}

// count adds one disclosure.
func (t *tally) count(d *record.Disclosure, objects int) {
	t.bits.AddSorted(d.Numbers)
	s := &t.sums
	s.Disclosures++
	s.Records += int64(d.Records)
	s.Unidentified += int64(d.Unidentified)
	s.Objects += int64(objects)
	s.Bytes += d.Bytes
	t.when(d.Time)
}

func (t *tally) when(at time.Time) {
	if t.sums.First.IsZero() || at.Before(t.sums.First) {
		t.sums.First = at
	}
	if at.After(t.sums.Last) {
		t.sums.Last = at
	}
}

// objects gives how many DICOM objects a disclosure moved.
func (a *question) objects(d *record.Disclosure) int {
	dict := a.ledger.dictionary
	return ledger.Objects(dict.parties[d.Way-1].protocol, dict.text(dict.ways[d.Way-1].Action), d.Records)
}

// collect adds up some ways of a day.
func (a *question) collect(day ledger.Day, ways []index.Way, r *reader, into *tally) error {
	from, until, cut := a.hours(day)
	if from < until {
		if err := a.view.Cells(day, ways, from, until, into.bits, &into.sums); err != nil {
			return err
		}
	}
	for _, hour := range cut {
		err := a.view.Seqs(day, ways, hour, hour+1, func(seq uint64) error {
			d, _, err := r.row(seq)
			if err != nil || !a.query.InTime(d.Time) {
				return err
			}
			into.count(d, a.objects(d))
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// parallel does n pieces of work on all processors. work gets the number of the goroutine and of the piece.
func parallel(ctx context.Context, n int, work func(worker, at int) error) error {
	workers := workersFor(n)
	errs := make([]error, workers)
	var next atomic.Int64
	run := func(worker int) {
		for errs[worker] == nil {
			at := int(next.Add(1)) - 1
			if at >= n {
				return
			}
			if errs[worker] = ctx.Err(); errs[worker] == nil {
				errs[worker] = work(worker, at)
			}
		}
	}
	var all sync.WaitGroup
	for worker := 1; worker < workers; worker++ {
		all.Go(func() { run(worker) })
	}
	run(0)
	all.Wait()
	return cmp.Or(errs...)
}

// workersFor gives how many goroutines parallel uses.
func workersFor(n int) int { return max(1, min(maxWorkers(), n)) }

// counts turns a tally into numbers.
func (a *question) counts(t *tally) ledger.Counts {
	c := a.ledger.dictionary.people.Answer(t.bits)
	return ledger.Counts{
		Patients: c.Patients, Weak: c.Weak, Unmerged: c.Unmerged, Min: c.Min, Max: c.Max,
		Unidentified: t.sums.Unidentified, Disclosures: t.sums.Disclosures, Records: t.sums.Records,
		Objects: t.sums.Objects, Bytes: t.sums.Bytes,
	}
}
