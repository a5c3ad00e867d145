package verify

import (
	"os"
	"slices"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/ledger/index"
)

// TestRecountOfPatients gives the patients of one disclosure to another by the same way in the same hour: no count changes,
// but the histories of these patients do.
func TestRecountOfPatients(t *testing.T) {
	h := newHouse(t, false)
	h.week(2)
	deep := func(o *Options) { o.Deep = true }
	places, events := h.indexed()
	h.reindex(places, events)
	h.whole(h.verify(deep))
	a, b := h.likes(events)
	events[a].Numbers, events[b].Numbers = events[b].Numbers, events[a].Numbers
	h.reindex(places, events)
	h.whole(h.verify())
	h.noticed(h.verify(deep), "index", "disclosures of some patient")
}

// likes gives two disclosures by the same way in the same hour, with other patients.
func (h *house) likes(events []index.Event) (a, b int) {
	h.Helper()
	for b := range events {
		for a := range b {
			x, y := &events[a], &events[b]
			if x.Way == y.Way && x.Time.Truncate(time.Hour).Equal(y.Time.Truncate(time.Hour)) && !slices.Equal(x.Numbers, y.Numbers) {
				return a, b
			}
		}
	}
	h.Fatal("no two are alike")
	return 0, 0
}

// indexed gives what the index was made of.
func (h *house) indexed() (places []index.Place, events []index.Event) {
	h.Helper()
	x, err := index.Open(index.Options{Dir: h.path("index"), ReadOnly: true})
	h.must(err)
	v, err := x.View()
	h.must(err)
	events = make([]index.Event, x.Next())
	for _, day := range v.Days() {
		h.must(v.Places(day, func(p index.Place) error { places = append(places, p); return nil }))
		ways, err := v.Ways(day)
		h.must(err)
		for _, way := range ways {
			h.must(v.Seqs(day, []index.Way{way}, 0, 24, func(seq uint64) error { events[seq].Way = way; return nil }))
		}
		h.must(v.Pairs(day, func(n ledger.Number, seq uint64) error {
			events[seq].Numbers = append(events[seq].Numbers, n)
			return nil
		}))
	}
	h.must(v.Close())
	h.must(x.Close())
	l, err := disk.Open(h.Context(), disk.Options{Dir: h.dir, Keys: h.keys, ReadOnly: true})
	h.must(err)
	h.must(l.Disclosures(h.Context(), ledger.Query{}, func(r ledger.Row) error {
		e := &events[r.Seq]
		e.Seq, e.ID, e.Time = r.Seq, r.ID, r.Time
		e.Records, e.Unidentified, e.Bytes = r.Records, r.Unidentified, r.Bytes
		e.Objects = ledger.Objects(chaperone.DICOM, r.Action, r.Records)
		slices.Sort(e.Numbers)
		return nil
	}))
	h.must(l.Close())
	slices.SortFunc(places, func(a, b index.Place) int { return int(a.Batch) - int(b.Batch) })
	return places, events
}

// reindex makes the index anew and signs it.
func (h *house) reindex(places []index.Place, events []index.Event) {
	h.Helper()
	h.must(os.RemoveAll(h.path("index")))
	x, err := index.Create(index.Options{Dir: h.path("index")})
	h.must(err)
	for _, p := range places {
		h.must(x.Batch(p))
		for i := range uint64(p.Count) {
			h.must(x.Add(events[p.First+i]))
		}
	}
	h.must(x.Close())
	h.signClosed()
}

// TestRecountOfIDs gives a disclosure another id in the index, so that it would be recorded again; and has it recorded again: the honest
// index of that record counts it twice.
func TestRecountOfIDs(t *testing.T) {
	h := newHouse(t, false)
	h.week(2)
	deep := func(o *Options) { o.Deep = true }
	places, events := h.indexed()
	h.n = 0
	again := h.batch(3) // what was recorded first
	for i := range again.Disclosures {
		d := &again.Disclosures[i]
		at := slices.IndexFunc(events, func(e index.Event) bool { return e.ID == d.ID })
		d.Time = events[at].Time
		events[at].ID[0] ^= 1
	}
	h.reindex(places, events)
	h.whole(h.verify())
	h.noticed(h.verify(deep), "index", "in the id of disclosure")
	l := h.open()
	h.record(l, again)
	h.must(l.Close())
	h.must(disk.Reindex(h.Context(), disk.Options{Dir: h.dir, Keys: h.keys, Now: func() time.Time { return h.now }}))
	h.whole(h.verify())
	r := h.verify(deep)
	h.noticed(r, "record/", "is on record twice, and counted twice (as 3 of")
	if r.Recounted || len(r.Problems) != 1 {
		t.Errorf("got %d problems, recounted %t", len(r.Problems), r.Recounted)
	}
}
