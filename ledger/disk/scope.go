package disk

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/index"
	"chaperone/ledger/people"
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
	total := a.tally()
	defer a.done(total)
	if q.Patient != nil {
		err = a.byRows(ctx, &s, total)
	} else {
		err = a.byCells(ctx, &s, total)
	}
	if err != nil {
		return s, nil, fmt.Errorf("ledger: %w", err)
	}
	s.Counts = a.counts(total)
	s.First, s.Last = total.sums.First, total.sums.Last
	if list {
		l.dictionary.people.PersonsOf(total.bits, func(n ledger.Number) { ids = append(ids, l.names.ID(n)) })
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
		s.Cover(&q, n.Seen)
	}
	return s, ids, nil
}

// byCells answers from the index.
func (a *question) byCells(ctx context.Context, s *ledger.Scope, total *tally) error {
	tallies := []*tally{total}
	for len(tallies) < workersFor(len(a.days)) {
		tallies = append(tallies, a.tally())
	}
	defer a.done(tallies[1:]...)
	days := make([]ledger.DayCounts, len(a.days))
	readers := a.readers()
	err := parallel(ctx, len(a.days), func(worker, at int) error {
		day := a.days[at]
		ways, err := a.waysOf(day)
		if err != nil {
			return err
		}
		if !a.query.Detail {
			return a.collect(day, ways, readers[worker], tallies[worker])
		}
		one := a.tally()
		defer a.done(one)
		if err := a.collect(day, ways, readers[worker], one); err != nil {
			return err
		}
		days[at] = ledger.DayCounts{Day: day, Counts: a.counts(one)}
		tallies[worker].add(one)
		return nil
	})
	if err != nil {
		return err
	}
	for _, t := range tallies[1:] {
		total.add(t)
	}
	if !a.query.Detail {
		return nil
	}
	s.Days = slices.DeleteFunc(days, func(d ledger.DayCounts) bool { return d.Disclosures == 0 })
	return a.edges(ctx, s)
}

// readers gives one for each goroutine.
func (a *question) readers() []*reader {
	all := make([]*reader, maxWorkers())
	for i := range all {
		all[i] = a.ledger.reader(a.view)
	}
	return all
}

// edge is a pair of parties, without their ports.
type edge struct{ from, to chaperone.Party }

// edges answers for each pair of parties, and for each protocol.
func (a *question) edges(ctx context.Context, s *ledger.Scope) error {
	byEdge := map[edge][]index.Way{}
	byProtocol := map[chaperone.Protocol][]index.Way{}
	for _, way := range a.everyWay() {
		p := &a.ledger.dictionary.parties[way.Number()-1]
		e := edge{p.from, p.to}
		byEdge[e] = append(byEdge[e], way)
		byProtocol[p.protocol] = append(byProtocol[p.protocol], way)
	}
	err := byPart(ctx, a, byEdge, func(e edge, c ledger.Counts) {
		s.Edges = append(s.Edges, ledger.EdgeCounts{From: e.from, To: e.to, Counts: c})
	})
	if err == nil {
		err = byPart(ctx, a, byProtocol, func(p chaperone.Protocol, c ledger.Counts) {
			s.Protocols = append(s.Protocols, ledger.ProtocolCounts{Protocol: p, Counts: c})
		})
	}
	sortParts(s)
	return err
}

// byPart answers for the ways of each part over all days, and gives the parts that have something. A goroutine works on one
// part at a time, so that memory stays flat.
func byPart[K comparable](ctx context.Context, a *question, parts map[K][]index.Way, each func(K, ledger.Counts)) error {
	names := slices.Collect(maps.Keys(parts))
	counts := make([]ledger.Counts, len(names))
	readers := a.readers()
	err := parallel(ctx, len(names), func(worker, at int) error {
		t := a.tally()
		defer a.done(t)
		for _, day := range a.days {
			if err := a.collect(day, parts[names[at]], readers[worker], t); err != nil {
				return err
			}
		}
		counts[at] = a.counts(t)
		return nil
	})
	for i, c := range counts {
		if err == nil && c.Disclosures > 0 {
			each(names[i], c)
		}
	}
	return err
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
		m[k] = &tally{bits: new(people.Bits)}
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
