package index

import (
	"encoding/binary"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"chaperone/ledger"
)

// TestFilterLearnsMemory: a filter that is made anew also knows the ids that are not among the rows yet.
func TestFilterLearnsMemory(t *testing.T) {
	x, err := Create(Options{Dir: "index", fs: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	id := func(n uint64) (id [16]byte) { binary.BigEndian.PutUint64(id[:], n); return id }
	add := func(seq uint64) {
		t.Helper()
		if err := x.Add(Event{Seq: seq, ID: id(seq), Time: testDay.Time(), Numbers: []ledger.Number{1}}); err != nil {
			t.Fatal(err)
		}
	}
	add(0)
	if err := x.Flush(); err != nil {
		t.Fatal(err)
	}
	add(1)
	x.filters.drop(testDay)
	if _, ok, err := x.Find(id(2), testDay); ok || err != nil { // the filter is made here
		t.Fatalf("a new id: got %v %v", ok, err)
	}
	if x.filters.old[testDay] {
		t.Error("the filter was not made")
	}
	if err := x.Flush(); err != nil {
		t.Fatal(err)
	}
	for seq := range uint64(2) {
		if got, ok, err := x.Find(id(seq), testDay); err != nil || !ok || got != seq {
			t.Errorf("find %d: got %d %v %v", seq, got, ok, err)
		}
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFiltersFit: the days that were not used for longest make room, and the books stay right.
func TestFiltersFit(t *testing.T) {
	const ids = 150_000 // a few days of as many are too much
	id := func(day ledger.Day, n int) (id [16]byte) {
		binary.BigEndian.PutUint64(id[:], uint64(day))
		binary.BigEndian.PutUint64(id[8:], uint64(n))
		return id
	}
	f := newFilters()
	add := func(day ledger.Day) {
		for n := range ids {
			id := id(day, n)
			f.add(day, &id)
		}
	}
	asked := id(1, ids)
	day := ledger.Day(1)
	for ; !f.old[2]; day++ {
		if day > 1000 {
			t.Fatal("no day makes room")
		}
		add(day)
		if !f.isNew(1, &asked) {
			t.Fatalf("day 1 is not known when %d days came, though it is asked for", day)
		}
	}
	if f.old[3] || f.days[2] != nil {
		t.Error("more went, or less, than the day that was not used for longest")
	}
	known := id(2, ids/2)
	if f.isNew(2, &known) {
		t.Error("an id of the day that went is called new")
	}
	f.forget(3) // purged
	if !f.isNew(3, &known) {
		t.Error("an id of a purged day is not new")
	}
	words := 0
	for _, one := range f.days {
		words += one.size()
	}
	if words != f.size || words > mostFilters {
		t.Errorf("got %d words and %d in the books, want as many and at most %d", words, f.size, mostFilters)
	}
}

// TestFilterWaits: a day that is hardly asked for is not read as a whole for it.
func TestFilterWaits(t *testing.T) {
	o := Options{Dir: "index", fs: vfs.NewMem()}
	x, err := Create(o)
	if err != nil {
		t.Fatal(err)
	}
	id := func(n uint64) (id [16]byte) { binary.BigEndian.PutUint64(id[:], n); return id }
	const rows = 4 * patienceOfOld
	for seq := range uint64(rows) {
		if err := x.Add(Event{Seq: seq, ID: id(seq), Time: testDay.Time(), Numbers: []ledger.Number{1}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	if x, err = Open(o); err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	for n := range uint64(4) {
		if x.filters.days[testDay] != nil {
			t.Errorf("the filter is there after %d look-ups", n)
		}
		if _, ok, err := x.Find(id(rows+n), testDay); ok || err != nil {
			t.Fatalf("a new id: got %v %v", ok, err)
		}
	}
	if x.filters.days[testDay] == nil || x.filters.old[testDay] {
		t.Error("the filter is not there after 4 look-ups")
	}
}
