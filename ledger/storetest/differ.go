package storetest

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"chaperone"
	"chaperone/ledger"
)

// differ says how one thing differs, nil when it does not.
func differ(what string, got, want any) error {
	if reflect.DeepEqual(got, want) {
		return nil
	}
	return fmt.Errorf("%s: got %+v, want %+v", what, got, want)
}

// differScope compares two answers but for their seals.
func differScope(got, want ledger.Scope) error {
	if !got.First.Equal(want.First) || !got.Last.Equal(want.Last) {
		return fmt.Errorf("scope: got %v to %v, want %v to %v", got.First, got.Last, want.First, want.Last)
	}
	for _, s := range []*ledger.Scope{&got, &want} {
		slices.SortFunc(s.Protocols, func(a, b ledger.ProtocolCounts) int { return cmp.Compare(a.Protocol, b.Protocol) })
		for i := range s.Edges {
			e := &s.Edges[i]
			e.From.Addr, e.To.Addr = e.From.Addr.Unmap(), e.To.Addr.Unmap()
		}
		slices.SortFunc(s.Edges, func(a, b ledger.EdgeCounts) int { return cmp.Compare(name(a), name(b)) })
		for _, runs := range [][]ledger.Seen{s.Seen, s.Near} {
			for i := range runs {
				runs[i].From, runs[i].Until = runs[i].From.UTC(), runs[i].Until.UTC()
			}
		}
	}
	return firstOf(
		differ("counts", got.Counts, want.Counts), differ("days", list(got.Days), list(want.Days)), differ("protocols", list(got.Protocols), list(want.Protocols)),
		differ("edges", list(got.Edges), list(want.Edges)), differ("seen", list(got.Seen), list(want.Seen)), differ("near", list(got.Near), list(want.Near)),
		differ("purged days", list(got.Purged), list(want.Purged)),
	)
}

func name(e ledger.EdgeCounts) string { return fmt.Sprintf("%+v", [2]chaperone.Party{e.From, e.To}) }

// list makes an empty list of none.
func list[T any](l []T) []T { return append([]T{}, l...) }

// firstOf gives the first error of some.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func differFindings(got, want []chaperone.Finding) error {
	if len(got) != len(want) {
		return fmt.Errorf("got %d findings, want %d", len(got), len(want))
	}
	for i := range got {
		for _, f := range []*chaperone.Finding{&got[i], &want[i]} {
			f.First, f.Last = f.First.UTC(), f.Last.UTC()
			f.From.Addr, f.To.Addr = f.From.Addr.Unmap(), f.To.Addr.Unmap()
		}
		if err := differ(fmt.Sprintf("finding %d", i), got[i], want[i]); err != nil {
			return err
		}
	}
	return nil
}

// differNotes compares notes; those of a purge have a time and a text of their own.
func differNotes(got, want []ledger.Note) error {
	if len(got) != len(want) {
		return fmt.Errorf("got %d notes, want %d", len(got), len(want))
	}
	for i := range got {
		for _, n := range []*ledger.Note{&got[i], &want[i]} {
			if n.Kind == ledger.Purge {
				*n = ledger.Note{Kind: ledger.Purge, Day: n.Day}
			}
			n.At, n.Seen.From, n.Seen.Until = n.At.UTC(), n.Seen.From.UTC(), n.Seen.Until.UTC()
		}
		if err := differ(fmt.Sprintf("note %d", i), got[i], want[i]); err != nil {
			return err
		}
	}
	return nil
}

// ids are the public ids of two stores that are known to be one person's.
type ids struct {
	got  map[ledger.PatientID]ledger.PatientID // by want
	back map[ledger.PatientID]ledger.PatientID
	list []ledger.PatientID // of want, in the order in which they were learned
}

func newIDs() *ids {
	return &ids{got: map[ledger.PatientID]ledger.PatientID{}, back: map[ledger.PatientID]ledger.PatientID{}}
}

// any gives two ids of one person; k chooses.
func (x *ids) any(k int) (want, got ledger.PatientID, ok bool) {
	if len(x.list) == 0 {
		return want, got, false
	}
	want = x.list[(k*7+len(x.list)/2)%len(x.list)]
	return want, x.got[want], true
}

// differRows compares two answers row by row.
func (x *ids) differRows(got, want []ledger.Row) error {
	if len(got) != len(want) {
		return fmt.Errorf("got %d rows, want %d", len(got), len(want))
	}
	for i := range got {
		g, w := got[i], want[i]
		if err := differ(fmt.Sprintf("row %d", i), plain(g), plain(w)); err != nil {
			return err
		}
		if len(g.People) != len(w.People) || g.Weak != w.Weak || g.Patients != nil {
			return fmt.Errorf("row %d: got %d people, %d weak, %d tokens; want %d, %d, 0", i, len(g.People), g.Weak, len(g.Patients), len(w.People), w.Weak)
		}
		for k := 1; k < len(g.People); k++ {
			if bytes.Compare(g.People[k-1][:], g.People[k][:]) >= 0 {
				return fmt.Errorf("row %d: the people are not distinct and in the order of bytes", i)
			}
		}
	}
	return firstOf(inSequence(got, want), x.samePeople(got, want))
}

// inSequence checks the numbers of rows: what was recorded in a later batch has a greater one. Within a batch their order is
// the store's own.
func inSequence(got, want []ledger.Row) error {
	order := make([]int, len(want))
	taken := map[uint64]bool{}
	for i := range order {
		order[i] = i
		if taken[got[i].Seq] {
			return fmt.Errorf("row %d: its number %d is another's", i, got[i].Seq)
		}
		taken[got[i].Seq] = true
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(want[a].Seq, want[b].Seq) })
	var before, now ledger.Row // the greatest number and batch of the batches before, and with this one
	for k, i := range order {
		if k > 0 && want[order[k-1]].Batch != want[i].Batch {
			before = now
		}
		if want[i].Batch != want[order[0]].Batch && (got[i].Seq <= before.Seq || got[i].Batch <= before.Batch) {
			return fmt.Errorf("row %d: got number %d of batch %d, which is not after number %d of batch %d", i, got[i].Seq, got[i].Batch, before.Seq, before.Batch)
		}
		now.Seq, now.Batch = max(now.Seq, got[i].Seq), max(now.Batch, got[i].Batch)
	}
	return nil
}

// samePeople checks that the people of two answers are the same under other ids. Who is in the same rows cannot be told
// apart by this answer; whoever is alone in that is learned, and must not change.
func (x *ids) samePeople(got, want []ledger.Row) error {
	gots, wants := groups(got), groups(want)
	for _, rows := range slices.Sorted(maps.Keys(wants)) { // sorted: a history goes the same way every time
		people, others := wants[rows], gots[rows]
		if len(people) != len(others) {
			return fmt.Errorf("of people who are in the same rows: got %d, want %d", len(others), len(people))
		}
		for _, id := range people {
			if known, ok := x.got[id]; ok && !slices.Contains(others, known) {
				return fmt.Errorf("a person has another id than before, or another's")
			}
		}
		if len(people) != 1 {
			continue
		}
		if _, ok := x.got[people[0]]; !ok {
			if _, taken := x.back[others[0]]; taken {
				return fmt.Errorf("an id is given to another person than before")
			}
			x.got[people[0]], x.back[others[0]] = others[0], people[0]
			x.list = append(x.list, people[0])
		}
	}
	return nil
}

// groups gives the ids that are in exactly the same rows.
func groups(rows []ledger.Row) map[string][]ledger.PatientID {
	in := map[ledger.PatientID]string{}
	for i, r := range rows {
		for _, id := range r.People {
			in[id] += fmt.Sprint(i, " ")
		}
	}
	out := map[string][]ledger.PatientID{}
	for id, where := range in {
		out[where] = append(out[where], id)
	}
	return out
}
