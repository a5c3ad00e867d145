package verify

import (
	"testing"
)

// TestKilledAtOnce: a ledger that was killed before anything, or before its first checkpoint over something, was signed is no
// evidence of anything.
func TestKilledAtOnce(t *testing.T) {
	for _, witnessed := range []bool{false, true} {
		h := newHouse(t, witnessed)
		l := h.open()
		killed := h.copied(t)
		r := killed.verify()
		killed.whole(r)
		said(killed, r, "nothing is on record, as its checkpoint says")
		h.record(l, h.batch(3))
		killed = h.copied(t)
		killed.whole(killed.verify(func(o *Options) { o.Deep = true }))
		again := *killed
		again.must(again.open().Close())
		again.whole(again.verify())
		h.must(l.Close())
		h.whole(h.verify())
	}
}

// TestEmptyPutBack: the checkpoint of nothing, and nothing on record, in the place of a ledger that a witness knows.
func TestEmptyPutBack(t *testing.T) {
	h := newHouse(t, true)
	l := h.open()
	empty := h.copied(t)
	h.must(l.Close())
	h.week(1)
	h.whole(h.verify())
	r := empty.verify()
	empty.noticed(r, checkpointName, "it saw")
	if r.Problems[0].Kind != Ahead {
		t.Errorf("got %v", r.Problems[0])
	}
	witnessedLog := h.read(cosignedName)
	empty.write(cosignedName, witnessedLog)
	empty.noticed(empty.verify(offline), checkpointName, "an older one was put back")
}
