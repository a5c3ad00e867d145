package verify

import (
	"errors"
	"strings"
	"testing"

	"chaperone/ledger/keys"
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

// TestVersionFlipped: one byte of ledger.json that says a later version was changed, and is not a later version's.
func TestVersionFlipped(t *testing.T) {
	whole := newHouse(t, false)
	whole.week(1)
	text := string(whole.read(keys.MetaFile))
	for _, version := range []string{`"version": 2`, `"version": 9`, `"version":11`} {
		h := whole.copied(t)
		h.write(keys.MetaFile, []byte(strings.Replace(text, `"version": 1`, version, 1)))
		h.noticed(h.verify(), keys.MetaFile, "changed after it had been signed")
	}
	seed, err := keys.LoadSigning(whole.keys)
	whole.must(err)
	meta, err := keys.ReadMeta(whole.dir)
	whole.must(err)
	signer, err := keys.Signer(seed, meta.Origin)
	whole.must(err)
	h := whole.copied(t)
	meta.Version = 2
	h.must(keys.WriteMeta(h.dir, meta, signer))
	if _, err := Run(t.Context(), Options{Dir: h.dir, Keys: h.keys}); !errors.Is(err, keys.ErrNewer) {
		t.Errorf("of a later version: got %v, want ErrNewer", err)
	}
}

// TestTooFewSaw: with two of three needed, one witness may have seen what the report calls unseen.
func TestTooFewSaw(t *testing.T) {
	r := Report{Batches: 5, Needed: 2, Witnesses: []Witness{{Name: "a", Size: 5}, {Name: "b"}, {Name: "c"}}}
	if got := strings.Join(r.Vouched(), " "); !strings.Contains(got, "So far fewer than the 2 witnesses that are needed have seen any batch") {
		t.Errorf("got %s", got)
	}
	r.Witnessed, r.Witnesses[1].Size = 3, 3
	if got := strings.Join(r.Vouched(), " "); !strings.Contains(got, ", fewer than the 2 witnesses that are needed have seen.") {
		t.Errorf("got %s", got)
	}
}
