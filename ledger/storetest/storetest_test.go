package storetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/mem"
)

// faulty is a store with one fault.
type faulty struct {
	*mem.Store
	record func(*ledger.Batch)
	ask    func(*ledger.Query)
	scope  func(*ledger.Scope)
	rows   func([]ledger.Row) []ledger.Row
}

func (f *faulty) Record(ctx context.Context, b ledger.Batch) (ledger.Receipt, error) {
	if f.record != nil {
		b.Disclosures, b.Merges, b.Findings, b.Notes = slices.Clone(b.Disclosures), slices.Clone(b.Merges), slices.Clone(b.Findings), slices.Clone(b.Notes)
		f.record(&b)
	}
	return f.Store.Record(ctx, b)
}

func (f *faulty) Scope(ctx context.Context, q ledger.Query) (ledger.Scope, error) {
	if f.ask != nil {
		f.ask(&q)
	}
	s, err := f.Store.Scope(ctx, q)
	if f.scope != nil {
		f.scope(&s)
	}
	return s, err
}

func (f *faulty) Disclosures(ctx context.Context, q ledger.Query, each func(ledger.Row) error) error {
	if f.ask != nil {
		f.ask(&q)
	}
	rows, err := rowsOf(ctx, f.Store, q)
	if f.rows != nil {
		rows = f.rows(rows)
	}
	for _, r := range rows {
		if err := each(r); err != nil {
			return err
		}
	}
	return err
}

// TestFaults: the histories notice every fault that a store is likely to have.
func TestFaults(t *testing.T) {
	eachRow := func(change func(*ledger.Row)) func([]ledger.Row) []ledger.Row {
		return func(rows []ledger.Row) []ledger.Row {
			for i := range rows {
				change(&rows[i])
			}
			return rows
		}
	}
	for _, test := range []struct {
		name  string
		fault faulty
	}{
		{"the end counts", faulty{ask: func(q *ledger.Query) {
			if !q.Until.IsZero() {
				q.Until = q.Until.Add(1)
			}
		}}},
		{"ranges grow to whole hours", faulty{ask: func(q *ledger.Query) { q.From = q.From.Truncate(time.Hour) }}},
		{"sources do not matter", faulty{ask: func(q *ledger.Query) { q.Sources = nil }}},
		{"the first party only", faulty{ask: func(q *ledger.Query) { q.Parties = q.Parties[:min(1, len(q.Parties))] }}},
		{"no merges", faulty{record: func(b *ledger.Batch) { b.Merges = nil }}},
		{"no undoing", faulty{record: func(b *ledger.Batch) {
			b.Merges = slices.DeleteFunc(b.Merges, func(m ledger.Merge) bool { return m.Undo })
		}}},
		{"merges without their times", faulty{record: func(b *ledger.Batch) {
			for i := range b.Merges {
				b.Merges[i].At = at(0, "00:00:00")
			}
		}}},
		{"a merge of the first two only", faulty{record: func(b *ledger.Batch) {
			for i := range b.Merges {
				b.Merges[i].Prior = b.Merges[i].Prior[:1]
			}
		}}},
		{"no likeness", faulty{record: covering(func(c *ledger.Covered) {
			if !c.Weak() {
				c.Demographic = chaperone.PatientToken{}
			}
		})}},
		{"the first number only", faulty{record: covering(func(c *ledger.Covered) { c.Numbers = c.Numbers[:min(1, len(c.Numbers))] })}},
		{"priors are numbered before survivors", faulty{record: func(b *ledger.Batch) {
			for i := range b.Merges {
				m := &b.Merges[i]
				m.Survivor, m.Prior = m.Prior, m.Survivor
			}
		}}},
		{"disclosures in another order", faulty{record: func(b *ledger.Batch) {
			slices.Reverse(b.Disclosures)
		}}},
		{"a day too few findings", faulty{record: func(b *ledger.Batch) {
			b.Findings = slices.DeleteFunc(b.Findings, func(f chaperone.Finding) bool { return ledger.DayOf(f.First) == first })
		}}},
		{"notes without ids", faulty{record: func(b *ledger.Batch) {
			for i := range b.Notes {
				b.Notes[i].ID = [16]byte{}
			}
		}}},
		{"objects are records", faulty{scope: func(s *ledger.Scope) { s.Objects = s.Records }}},
		{"no coverage", faulty{scope: func(s *ledger.Scope) { s.Seen = nil }}},
		{"purged days are not told", faulty{scope: func(s *ledger.Scope) { s.Purged = nil }}},
		{"the first moment", faulty{scope: func(s *ledger.Scope) { s.First = s.First.Truncate(time.Millisecond) }}},
		{"edges by protocol", faulty{scope: func(s *ledger.Scope) {
			if len(s.Edges) > 0 {
				s.Edges = append(s.Edges, s.Edges[0])
			}
		}}},
		{"the latest first", faulty{rows: func(rows []ledger.Row) []ledger.Row { slices.Reverse(rows); return rows }}},
		{"the order of recording", faulty{rows: func(rows []ledger.Row) []ledger.Row {
			slices.SortStableFunc(rows, func(a, b ledger.Row) int { return int(a.Seq) - int(b.Seq) })
			return rows
		}}},
		{"numbers again and again", faulty{rows: eachRow(func(r *ledger.Row) { r.Seq %= 4 })}},
		{"numbers turned round", faulty{rows: eachRow(func(r *ledger.Row) { r.Seq = 1000 - r.Seq })}},
		{"ports are lost", faulty{rows: eachRow(func(r *ledger.Row) { r.To.Port = 0 })}},
		{"who asked is lost", faulty{rows: eachRow(func(r *ledger.Row) { r.RequestedBy = nil })}},
		{"ids of the row", faulty{rows: eachRow(func(r *ledger.Row) {
			for i := range r.People {
				r.People[i][0] = byte(r.Seq)
			}
			slices.SortFunc(r.People, func(a, b ledger.PatientID) int { return slices.Compare(a[:], b[:]) })
		})}},
	} {
		t.Run(test.name, func(t *testing.T) {
			const most = 400
			for seed := range most {
				f := test.fault
				f.Store = mem.New()
				opened := Opened{Store: &f, Purge: func(day ledger.Day) error { return f.Store.Purge(day, time.Now()) }}
				if live(t.Context(), histories.Example(seed), opened) != nil {
					return
				}
			}
			t.Errorf("%d histories did not notice it", most)
		})
	}
	t.Run("a crash loses the last batch", func(t *testing.T) {
		const most = 400
		for seed := range most {
			f := &forgetful{Store: mem.New()}
			opened := Opened{Store: f, Crash: func() ledger.Store { return f.crash(t) }}
			if live(t.Context(), histories.Example(seed), opened) != nil {
				return
			}
		}
		t.Errorf("%d histories did not notice it", most)
	})
}

// covering changes what disclosures say of people.
func covering(change func(*ledger.Covered)) func(*ledger.Batch) {
	return func(b *ledger.Batch) {
		for i := range b.Disclosures {
			d := &b.Disclosures[i]
			d.Covered = slices.Clone(d.Covered)
			for k := range d.Covered {
				change(&d.Covered[k])
			}
		}
	}
}

// forgetful keeps all batches, and after a crash all but the last.
type forgetful struct {
	*mem.Store
	batches []ledger.Batch
}

func (f *forgetful) Record(ctx context.Context, b ledger.Batch) (ledger.Receipt, error) {
	f.batches = append(f.batches, b)
	return f.Store.Record(ctx, b)
}

func (f *forgetful) crash(t *testing.T) ledger.Store {
	f.Store = mem.New()
	f.batches = f.batches[:max(0, len(f.batches)-1)]
	for _, b := range f.batches {
		if _, err := f.Store.Record(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	return f
}
