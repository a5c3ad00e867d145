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
	x.filters.drop()
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
