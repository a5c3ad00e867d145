package mem

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"

	"chaperone"
	"chaperone/ledger"
)

// view is the store at one moment, and what follows from it.
type view struct {
	store  *Store
	rows   []row
	weak   []bool
	merged persons         // persons as they are
	parted persons         // as if no merge had been said
	likely persons         // also joining equal name, birth date and sex
	asked  []ledger.Number // the persons that the question names; nil for everybody
}

// look concludes who is who. The lock is not held while the answer is given.
func (s *Store) look() *view {
	p := &s.people
	merges := p.merges()
	return &view{
		store: s, rows: s.rows, weak: p.weak,
		merged: p.conclude(p.joined, merges), parted: p.conclude(p.joined), likely: p.conclude(p.joined, merges, p.alike),
	}
}

// ask gives the view, and the rows that a query means, in the order of time and then of recording.
func (s *Store) ask(ctx context.Context, q ledger.Query) (*view, []row, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if s.closed {
		return nil, nil, ledger.ErrClosed
	}
	v := s.look()
	if q.Patient != nil {
		if v.asked = v.who(*q.Patient); len(v.asked) == 0 {
			return nil, nil, ledger.ErrUnknown
		}
	}
	var meant []row
	for _, r := range v.rows {
		if q.Fits(&r.disclosure) && (v.asked == nil || v.covers(r)) {
			meant = append(meant, r)
		}
	}
	slices.SortStableFunc(meant, func(a, b row) int { return a.disclosure.Time.Compare(b.disclosure.Time) })
	return v, meant, nil
}

// who gives the persons that a question names.
func (v *view) who(w ledger.Who) []ledger.Number {
	var persons []ledger.Number
	if w.ID != (ledger.PatientID{}) {
		if n := v.store.number(w.ID); n > 0 && int(n) <= len(v.weak) {
			persons = append(persons, v.merged.person(n))
		}
		return persons
	}
	for _, t := range w.Tokens {
		if n, ok := v.store.people.numbers[t]; ok {
			persons = append(persons, v.merged.person(n))
		}
	}
	return persons
}

func (v *view) covers(r row) bool {
	return slices.ContainsFunc(r.numbers, func(n ledger.Number) bool { return slices.Contains(v.asked, v.merged.person(n)) })
}

// Scope counts the disclosures that are meant.
func (s *Store) Scope(ctx context.Context, q ledger.Query) (ledger.Scope, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	v, rows, err := s.ask(ctx, q)
	if err != nil {
		return ledger.Scope{}, err
	}
	scope := ledger.Scope{Counts: v.counts(rows), Seal: ledger.Seal{Batches: s.batches}}
	if len(rows) > 0 {
		scope.First, scope.Last = rows[0].disclosure.Time, rows[len(rows)-1].disclosure.Time
	}
	for _, n := range s.notes {
		if n.Kind == ledger.Coverage {
			scope.Cover(&q, n.Seen)
		}
	}
	empty := !q.Until.IsZero() && !q.From.Before(q.Until)
	for day := range s.purged {
		if !empty && (q.Until.IsZero() || day.Time().Before(q.Until)) && (q.From.IsZero() || (day + 1).Time().After(q.From)) {
			scope.Purged = append(scope.Purged, day)
		}
	}
	slices.Sort(scope.Purged)
	if q.Detail {
		v.detail(&scope, rows)
	}
	return scope, nil
}

// detail counts by day, by protocol and by edge.
func (v *view) detail(scope *ledger.Scope, rows []row) {
	type edge struct{ from, to chaperone.Party }
	days, protocols, edges := map[ledger.Day][]row{}, map[chaperone.Protocol][]row{}, map[edge][]row{}
	for _, r := range rows {
		d := r.disclosure
		e := edge{d.From, d.To}
		e.from.Port, e.to.Port = 0, 0
		days[ledger.DayOf(d.Time)] = append(days[ledger.DayOf(d.Time)], r)
		protocols[d.Protocol] = append(protocols[d.Protocol], r)
		edges[e] = append(edges[e], r)
	}
	for day, part := range days {
		scope.Days = append(scope.Days, ledger.DayCounts{Day: day, Counts: v.counts(part)})
	}
	for protocol, part := range protocols {
		scope.Protocols = append(scope.Protocols, ledger.ProtocolCounts{Protocol: protocol, Counts: v.counts(part)})
	}
	for e, part := range edges {
		scope.Edges = append(scope.Edges, ledger.EdgeCounts{From: e.from, To: e.to, Counts: v.counts(part)})
	}
	slices.SortFunc(scope.Days, func(a, b ledger.DayCounts) int { return cmp.Compare(a.Day, b.Day) })
	slices.SortFunc(scope.Protocols, func(a, b ledger.ProtocolCounts) int { return cmp.Compare(a.Protocol, b.Protocol) })
	slices.SortFunc(scope.Edges, func(a, b ledger.EdgeCounts) int {
		return cmp.Or(cmp.Compare(b.Patients, a.Patients), compare(a.From, b.From), compare(a.To, b.To))
	})
}

func compare(a, b chaperone.Party) int {
	return cmp.Or(a.Addr.Compare(b.Addr), strings.Compare(a.Claimed, b.Claimed), strings.Compare(a.Proven, b.Proven))
}

// counts adds some rows up.
func (v *view) counts(rows []row) ledger.Counts {
	var c ledger.Counts
	merged, parted, likely := map[ledger.Number]bool{}, map[ledger.Number]bool{}, map[ledger.Number]bool{}
	for _, r := range rows {
		d := &r.disclosure
		c.Disclosures++
		c.Records += int64(d.Records)
		c.Unidentified += int64(d.Unidentified)
		c.Bytes += d.Bytes
		c.Objects += int64(ledger.Objects(d.Protocol, d.Action, d.Records))
		for _, n := range r.numbers {
			merged[v.merged.person(n)], parted[v.parted.person(n)], likely[v.likely.person(n)] = true, true, true
		}
	}
	c.Patients, c.Unmerged, c.Min = len(merged), len(parted), len(likely)
	for person := range merged {
		c.Max += len(v.merged.members[person])
		c.Weak += v.namesOnly(person)
	}
	return c
}

// namesOnly counts a person's identifiers that are a name only.
func (v *view) namesOnly(person ledger.Number) int {
	count := 0
	for _, n := range v.merged.members[person] {
		if v.weak[n-1] {
			count++
		}
	}
	return count
}

// Disclosures gives the rows that are meant.
func (s *Store) Disclosures(ctx context.Context, q ledger.Query, each func(ledger.Row) error) error {
	s.mu.RLock()
	v, rows, err := s.ask(ctx, q)
	s.mu.RUnlock()
	if err != nil {
		return err
	}
	for _, r := range rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := each(v.row(r)); err != nil {
			return err
		}
	}
	return nil
}

// row makes what the caller gets: nothing of it is the store's own.
func (v *view) row(r row) ledger.Row {
	out := ledger.Row{Disclosure: kept(r.disclosure), Seq: r.seq, Batch: r.batch}
	persons := map[ledger.Number]bool{}
	for _, n := range r.numbers {
		persons[v.merged.person(n)] = true
	}
	out.Persons = len(persons)
	for person := range persons {
		out.Weak += v.namesOnly(person)
		if v.asked == nil || slices.Contains(v.asked, person) {
			out.People = append(out.People, v.store.id(v.merged.least(person)))
		}
	}
	slices.SortFunc(out.People, func(a, b ledger.PatientID) int { return bytes.Compare(a[:], b[:]) })
	return out
}

// Findings gives the findings whose first act lies in the query's range, in the order of that time, then of recording.
func (s *Store) Findings(ctx context.Context, q ledger.Query, each func(chaperone.Finding) error) error {
	s.mu.RLock()
	closed, list := s.closed, slices.Clone(s.findings)
	s.mu.RUnlock()
	if closed {
		return ledger.ErrClosed
	}
	slices.SortStableFunc(list, func(a, b chaperone.Finding) int { return a.First.Compare(b.First) })
	for _, f := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !q.InTime(f.First) {
			continue
		}
		if err := each(f); err != nil {
			return err
		}
	}
	return nil
}

// Notes gives all notes.
func (s *Store) Notes(ctx context.Context, each func(ledger.Note) error) error {
	s.mu.RLock()
	closed, list := s.closed, slices.Clone(s.notes)
	s.mu.RUnlock()
	if closed {
		return ledger.ErrClosed
	}
	for _, n := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := each(n); err != nil {
			return err
		}
	}
	return nil
}
