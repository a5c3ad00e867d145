package disk

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/index"
)

// Scope answers how many: exactly, from the rows of whole hours, and from the record itself where the range cuts an hour.
func (l *Ledger) Scope(ctx context.Context, q ledger.Query) (ledger.Scope, error) {
	s, _, err := l.scope(ctx, q, false)
	return s, err
}

// People answers like Scope and lists the persons, by public id in the order of bytes.
func (l *Ledger) People(ctx context.Context, q ledger.Query) (ledger.Scope, []ledger.PatientID, error) {
	return l.scope(ctx, q, true)
}

func (l *Ledger) scope(ctx context.Context, q ledger.Query, list bool) (s ledger.Scope, ids []ledger.PatientID, err error) {
	a, err := l.take(&q)
	if err != nil {
		return s, nil, err
	}
	defer a.close()
	defer a.unlock()
	var total tally
	if q.Patient != nil {
		err = a.byRows(ctx, &s, &total)
	} else {
		err = a.byCells(ctx, &s, &total)
	}
	if err != nil {
		return s, nil, fmt.Errorf("ledger: %w", err)
	}
	s.Counts = a.counts(&total)
	s.First, s.Last = total.sums.First, total.sums.Last
	if list {
		l.dictionary.people.PersonsOf(&total.bits, func(n ledger.Number) { ids = append(ids, l.names.ID(n)) })
		slices.SortFunc(ids, func(a, b ledger.PatientID) int { return bytes.Compare(a[:], b[:]) })
	}
	s.Seal = l.Seal()
	for day := range l.dictionary.gone {
		if lo, hi := a.span(day); lo.Before(hi) {
			s.Purged = append(s.Purged, day)
		}
	}
	slices.Sort(s.Purged)
	for _, n := range l.dictionary.seen {
		if n := n.Seen; (q.Until.IsZero() || n.From.Before(q.Until)) && (q.From.IsZero() || !n.Until.Before(q.From)) {
			s.Seen = append(s.Seen, n)
		}
	}
	return s, ids, nil
}

// byCells answers from the index.
func (a *question) byCells(ctx context.Context, s *ledger.Scope, total *tally) error {
	workers := max(1, min(len(a.days), maxWorkers()))
	tallies := make([]tally, workers)
	readers := make([]*reader, workers)
	days := make([]ledger.DayCounts, len(a.days))
	for i := range readers {
		readers[i] = a.ledger.reader(a.view)
	}
	err := a.parallel(ctx, func(worker int, day ledger.Day) error {
		ways, err := a.waysOf(day)
		if err != nil {
			return err
		}
		if !a.query.Detail {
			return a.collect(day, ways, readers[worker], &tallies[worker])
		}
		var one tally
		if err := a.collect(day, ways, readers[worker], &one); err != nil {
			return err
		}
		i, _ := slices.BinarySearch(a.days, day)
		days[i] = ledger.DayCounts{Day: day, Counts: a.counts(&one)}
		tallies[worker].add(&one)
		return nil
	})
	if err != nil {
		return err
	}
	for i := range tallies {
		total.add(&tallies[i])
	}
	if !a.query.Detail {
		return nil
	}
	s.Days = slices.DeleteFunc(days, func(d ledger.DayCounts) bool { return d.Disclosures == 0 })
	return a.edges(ctx, s, readers[0])
}

// edge is a pair of parties, without their ports.
type edge struct{ from, to chaperone.Party }

// edges answers for each pair of parties, one after the other so that memory stays flat, and so for each protocol.
func (a *question) edges(ctx context.Context, s *ledger.Scope, r *reader) error {
	byEdge := map[edge][]index.Way{}
	byProtocol := map[chaperone.Protocol][]index.Way{}
	var edges []edge
	var protocols []chaperone.Protocol
	for _, way := range a.meant {
		p := &a.ledger.dictionary.parties[way.Number()-1]
		e := edge{p.from, p.to}
		if byEdge[e] == nil {
			edges = append(edges, e)
		}
		byEdge[e] = append(byEdge[e], way)
		if byProtocol[p.protocol] == nil {
			protocols = append(protocols, p.protocol)
		}
		byProtocol[p.protocol] = append(byProtocol[p.protocol], way)
	}
	for _, e := range edges {
		c, err := a.of(ctx, byEdge[e], r)
		if err != nil {
			return err
		}
		if c.Disclosures > 0 {
			s.Edges = append(s.Edges, ledger.EdgeCounts{From: e.from, To: e.to, Counts: c})
		}
	}
	for _, p := range protocols {
		c, err := a.of(ctx, byProtocol[p], r)
		if err != nil {
			return err
		}
		if c.Disclosures > 0 {
			s.Protocols = append(s.Protocols, ledger.ProtocolCounts{Protocol: p, Counts: c})
		}
	}
	sortParts(s)
	return nil
}

// of answers for some ways over all days.
func (a *question) of(ctx context.Context, ways []index.Way, r *reader) (ledger.Counts, error) {
	var t tally
	for _, day := range a.days {
		if err := ctx.Err(); err != nil {
			return ledger.Counts{}, err
		}
		if err := a.collect(day, ways, r, &t); err != nil {
			return ledger.Counts{}, err
		}
	}
	return a.counts(&t), nil
}

// byRows answers about one person, from the disclosures that cover them.
func (a *question) byRows(ctx context.Context, s *ledger.Scope, total *tally) error {
	days, edges, protocols := map[ledger.Day]*tally{}, map[edge]*tally{}, map[chaperone.Protocol]*tally{}
	r := a.ledger.reader(a.view)
	for _, day := range a.days {
		if err := ctx.Err(); err != nil {
			return err
		}
		seqs, err := a.seqs(day)
		if err != nil {
			return err
		}
		for _, seq := range seqs {
			d, _, err := r.row(seq)
			if err != nil {
				return err
			}
			if !a.means(d.Way) || !a.query.InTime(d.Time) {
				continue
			}
			p := &a.ledger.dictionary.parties[d.Way-1]
			into := []*tally{total}
			if a.query.Detail {
				into = append(into, part(days, day), part(edges, edge{p.from, p.to}), part(protocols, p.protocol))
			}
			for _, t := range into {
				t.count(d, a.objects(d))
			}
		}
	}
	for day, t := range days {
		s.Days = append(s.Days, ledger.DayCounts{Day: day, Counts: a.counts(t)})
	}
	for e, t := range edges {
		s.Edges = append(s.Edges, ledger.EdgeCounts{From: e.from, To: e.to, Counts: a.counts(t)})
	}
	for p, t := range protocols {
		s.Protocols = append(s.Protocols, ledger.ProtocolCounts{Protocol: p, Counts: a.counts(t)})
	}
	sortParts(s)
	return nil
}

func part[K comparable](m map[K]*tally, k K) *tally {
	if m[k] == nil {
		m[k] = new(tally)
	}
	return m[k]
}

// sortParts puts days and protocols in order, and edges by patients.
func sortParts(s *ledger.Scope) {
	slices.SortFunc(s.Days, func(a, b ledger.DayCounts) int { return cmp.Compare(a.Day, b.Day) })
	slices.SortFunc(s.Protocols, func(a, b ledger.ProtocolCounts) int { return cmp.Compare(a.Protocol, b.Protocol) })
	slices.SortFunc(s.Edges, func(a, b ledger.EdgeCounts) int {
		return cmp.Or(cmp.Compare(b.Patients, a.Patients), compareParties(a.From, b.From), compareParties(a.To, b.To))
	})
}

func compareParties(a, b chaperone.Party) int {
	return cmp.Or(a.Addr.Compare(b.Addr), strings.Compare(a.Claimed, b.Claimed), strings.Compare(a.Proven, b.Proven))
}
