package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/proof"
	"chaperone/ledger/record"
)

// forger has all keys of a ledger and signs what it likes: no document of its may show what is not under its own signature, or two
// things under one.
type forger struct {
	t      *testing.T
	signer note.Signer
	mine   keys
	theirs proof.Keys
}

func newForger(t *testing.T) *forger {
	secret, public, err := note.GenerateKey(rand.Reader, "chaperone.ledger/forger")
	if err != nil {
		t.Fatal(err)
	}
	f := &forger{t: t}
	f.signer, _ = note.NewSigner(secret)
	f.theirs.Log, _ = note.NewVerifier(public)
	if f.mine.log, err = parseKey(public, 1); err != nil {
		t.Fatal(err)
	}
	return f
}

const forgedDay = ledger.Day(20000)

// forgedKey is that of all its parts.
var forgedKey = make([]byte, 32)

// forgedEntry is disclosure i, or a note when i is below 0.
func forgedEntry(i int) []byte {
	if i < 0 {
		return record.AppendNote(nil, &record.Note{Kind: ledger.Remark, At: forgedDay.Time(), Text: 1})
	}
	d := record.Disclosure{Time: forgedDay.Time().Add(time.Duration(i) * time.Second), Way: 1, Outcome: chaperone.Delivered, Records: 1 + i, Numbers: []ledger.Number{ledger.Number(i + 1)}}
	binary.BigEndian.PutUint64(d.ID[:], uint64(i)+1)
	return record.AppendDisclosure(nil, forgedDay, &d)
}

// sequence gives numbers from one to another, without that.
func sequence(from, until int) (list []int) {
	for ; from < until; from++ {
		list = append(list, from)
	}
	return list
}

// forged is a part.
type forged struct {
	head, whole []byte
	blocks      [][]byte
}

// forge makes a part of n blocks, of which these are there.
func forge(n int, blocks ...[]int) (p forged) {
	p.head = append(make([]byte, 24), sum([]byte("chaperone/part/v1"), forgedKey)...)
	p.head = binary.BigEndian.AppendUint32(p.head, uint32(n))
	c, _ := aes.NewCipher(forgedKey)
	gcm, _ := cipher.NewGCM(c)
	var ends, all []byte
	for i, entries := range blocks {
		var plain []byte
		for _, entry := range entries {
			e := forgedEntry(entry)
			plain = append(binary.AppendUvarint(plain, uint64(len(e))), e...)
		}
		sealed := gcm.Seal(nil, binary.BigEndian.AppendUint32(slices.Clone(p.head[12:20]), uint32(i)), plain, nil)
		p.blocks, all = append(p.blocks, sealed), append(all, sealed...)
		ends = binary.BigEndian.AppendUint32(ends, uint32(len(all)))
	}
	p.whole = slices.Concat(p.head, ends, all)
	return p
}

func leaf(block []byte) []byte { return sum([]byte{0}, block) }

func node(left, right []byte) []byte { return sum([]byte{1}, left, right) }

// sum gives what a header would have of the part if its tree had this root.
func (p *forged) sum(root []byte) [32]byte {
	return sha256.Sum256(slices.Concat([]byte("chaperone/blocks/v1"), p.head, root))
}

// shows makes a document that says that disclosure i has a number; the batch has a Block or not.
func (f *forger) shows(h record.Header, b proof.Batch, number uint64, i int) []byte {
	h.Version, h.Day = max(h.Version, 1), forgedDay
	b.Header = h.Append(nil)
	if len(b.Entries) > 0 {
		b.Key = forgedKey
	}
	var e record.Entry
	if err := record.Decode(forgedEntry(i), forgedDay, &e); err != nil {
		f.t.Fatal(err)
	}
	d := &e.Disclosure
	doc := proof.Document{Format: "chaperone proof", Version: 2, Kind: proof.OfDisclosure, Path: [][]byte{}, Batches: []proof.Batch{b}, Disclosure: &proof.Disclosed{
		Number: number, ID: fmt.Sprintf("%x", d.ID), Time: d.Time.UTC().Format(time.RFC3339Nano), Way: 1, Outcome: string(d.Outcome), Identifiers: []uint32{uint32(i + 1)}, Records: d.Records,
	}}
	doc.Claimed.Ways = []proof.Way{{Number: 1}}
	return f.signed(&doc)
}

// signed signs for the document's one batch, with the words that belong to it.
func (f *forger) signed(doc *proof.Document) []byte {
	text := fmt.Sprintf("%s\n1\n%s\n", f.signer.Name(), base64.StdEncoding.EncodeToString(leaf(doc.Batches[0].Header)))
	checkpoint, err := note.Sign(&note.Note{Text: text}, f.signer)
	if err != nil {
		f.t.Fatal(err)
	}
	doc.Checkpoint = string(checkpoint)
	doc.Learn, doc.Trust = doc.Words()
	b, err := json.Marshal(doc)
	if err != nil {
		f.t.Fatal(err)
	}
	return b
}

// verdicts gives those of both verifiers.
func (f *forger) verdicts(doc []byte) (mine, theirs error) {
	_, theirs = proof.Verify(doc, f.theirs)
	return check(doc, f.mine, io.Discard), theirs
}

// TestForger has documents of somebody who has all the keys. Those that are honest hold, so that the test looks at something.
func TestForger(t *testing.T) {
	f := newForger(t)
	zero := make([]byte, 32)
	at := func(n uint32) *uint32 { return &n }
	piece := func(p forged, block []byte, n uint32, path ...[]byte) proof.Batch {
		return proof.Batch{Entries: append(slices.Clone(p.head), block...), Block: at(n), Path: path}
	}
	header := func(p forged, entries, disclosures uint32, root []byte) record.Header {
		return record.Header{Version: 2, EntriesSize: uint32(len(p.whole)), Entries: entries, Disclosures: disclosures, EntriesSum: p.sum(root)}
	}

	even := forge(3, sequence(0, 8), sequence(8, 16), sequence(16, 20))
	a, b, c := leaf(even.blocks[0]), leaf(even.blocks[1]), leaf(even.blocks[2])
	root := node(node(a, b), c)
	h := header(even, 20, 20, root)
	old := h
	old.Version, old.EntriesSum = 1, sha256.Sum256(even.whole)

	uneven := forge(3, sequence(0, 9), sequence(9, 17), sequence(17, 24))
	ua, ub, uc := leaf(uneven.blocks[0]), leaf(uneven.blocks[1]), leaf(uneven.blocks[2])
	uh := header(uneven, 24, 24, node(node(ua, ub), uc))

	late := forge(3, append([]int{-1}, sequence(0, 7)...), sequence(7, 15), []int{15})
	la, lb, lc := leaf(late.blocks[0]), leaf(late.blocks[1]), leaf(late.blocks[2])
	lh := header(late, 17, 16, node(node(la, lb), lc))

	more := forge(2, sequence(0, 8), sequence(8, 16))
	ma, mb := leaf(more.blocks[0]), leaf(more.blocks[1])
	few := forge(2, sequence(0, 8), sequence(8, 12))
	one := forge(2, sequence(0, 8))
	empty := forge(0)

	half := forge(1, append([]int{-1, -1, -1, -1}, sequence(0, 4)...))
	wrapped := header(half, 8, 8, leaf(half.blocks[0]))
	wrapped.Before = 1<<64 - 4

	for _, test := range []struct {
		name  string
		doc   []byte
		holds bool
	}{
		{"honest: a block", f.shows(h, piece(even, even.blocks[1], 1, a, c), 9, 9), true},
		{"honest: the last block", f.shows(h, piece(even, even.blocks[2], 2, node(a, b)), 19, 19), true},
		{"honest: a whole part", f.shows(h, proof.Batch{Entries: even.whole}, 9, 9), true},
		{"honest: of version 1", f.shows(old, proof.Batch{Entries: even.whole}, 9, 9), true},

		{"a sum without a root, path too long", f.shows(header(even, 20, 20, nil), piece(even, even.blocks[0], 0, zero, zero, zero), 3, 3), false},
		{"a sum without a root, a short hash", f.shows(header(even, 20, 20, nil), piece(even, even.blocks[0], 0, zero[:31], zero), 3, 3), false},
		{"a sum without a root, no path", f.shows(header(even, 20, 20, nil), piece(even, even.blocks[0], 0), 3, 3), false},
		{"a node with one child", f.shows(header(one, 16, 16, sum([]byte{1}, leaf(one.blocks[0]))), piece(one, one.blocks[0], 0), 3, 3), false},
		{"a node with a short child", f.shows(header(one, 16, 16, node(leaf(one.blocks[0]), zero[:31])), piece(one, one.blocks[0], 0, zero[:31]), 3, 3), false},
		{"a block of a part of version 1 by a tree", f.shows(record.Header{Version: 1, EntriesSize: h.EntriesSize, Entries: 20, Disclosures: 20, EntriesSum: h.EntriesSum}, piece(even, even.blocks[1], 1, a, c), 9, 9), false},
		{"a block beyond all, the root as its path", f.shows(h, piece(even, even.blocks[1], 3, root), 25, 9), false},
		{"a block far beyond all", f.shows(h, piece(even, even.blocks[1], 1<<31, root), 25, 9), false},
		{"a node as a block", f.shows(h, piece(even, slices.Concat(a, b), 0, c), 3, 3), false},
		{"another block's place", f.shows(h, piece(even, even.blocks[0], 1, b, c), 8, 0), false},
		{"a block of a part of version 1", f.shows(old, piece(even, even.blocks[1], 1, a, c), 9, 9), false},
		{"a whole part of version 1 by a tree", f.shows(record.Header{Version: 1, EntriesSize: h.EntriesSize, Entries: 20, Disclosures: 20, EntriesSum: h.EntriesSum}, proof.Batch{Entries: even.whole}, 9, 9), false},
		{"a whole part of version 2 by its SHA-256", f.shows(record.Header{Version: 2, EntriesSize: h.EntriesSize, Entries: 20, Disclosures: 20, EntriesSum: old.EntriesSum}, proof.Batch{Entries: even.whole}, 9, 9), false},

		{"blocks that are not full, one of them", f.shows(uh, piece(uneven, uneven.blocks[0], 0, ub, uc), 8, 8), false},
		{"blocks that are not full, whole", f.shows(uh, proof.Batch{Entries: uneven.whole}, 8, 8), false},
		{"a note first, its block", f.shows(lh, piece(late, late.blocks[0], 0, lb, lc), 1, 0), false},
		{"a note first, whole", f.shows(lh, proof.Batch{Entries: late.whole}, 0, 0), false},
		{"a note first, the block behind", f.shows(lh, piece(late, late.blocks[1], 1, la, lc), 8, 7), true}, // it is what number 8 is, and nothing else holds
		{"more blocks than entries need", f.shows(header(more, 8, 8, node(ma, mb)), piece(more, more.blocks[0], 0, mb), 3, 3), false},
		{"more blocks than entries need, whole", f.shows(header(more, 8, 8, node(ma, mb)), proof.Batch{Entries: more.whole}, 3, 3), false},
		{"fewer entries than the header says", f.shows(header(few, 16, 16, node(leaf(few.blocks[0]), leaf(few.blocks[1]))), piece(few, few.blocks[1], 1, leaf(few.blocks[0])), 9, 9), false},
		{"fewer entries than the header says, whole", f.shows(header(few, 16, 16, node(leaf(few.blocks[0]), leaf(few.blocks[1]))), proof.Batch{Entries: few.whole}, 9, 9), false},
		{"fewer disclosures than there are", f.shows(header(more, 16, 9, node(ma, mb)), piece(more, more.blocks[1], 1, ma), 8, 8), false},
		{"more disclosures than entries", f.shows(header(more, 16, 40, node(ma, mb)), proof.Batch{Entries: more.whole}, 8, 8), false},
		{"more disclosures than entries, a block", f.shows(header(even, 20, 4_000_000_000, root), piece(even, even.blocks[1], 1, a, c), 9, 9), false},
		{"a block of nothing", f.shows(record.Header{Version: 2, Entries: 20, Disclosures: 20, EntriesSum: h.EntriesSum}, piece(even, even.blocks[1], 1, a, c), 9, 9), false},
		{"a path beside a whole part", f.shows(h, proof.Batch{Entries: even.whole, Path: [][]byte{zero}}, 9, 9), false},
		{"numbers that begin anew", f.shows(wrapped, proof.Batch{Entries: half.whole}, 0, 0), false},
		{"another number", f.shows(h, piece(even, even.blocks[1], 1, a, c), 8, 9), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if mine, theirs := f.verdicts(test.doc); (mine == nil) != test.holds || (theirs == nil) != test.holds {
				t.Errorf("got %v, and of ledger/proof %v; holds: want %v", mine, theirs, test.holds)
			}
		})
	}
	for name, batch := range map[string]struct {
		proof.Batch
		record.Header
		holds bool
	}{
		"an empty batch":                  {proof.Batch{}, record.Header{Version: 2, EntriesSum: sha256.Sum256(nil)}, true},
		"an empty batch with another sum": {proof.Batch{}, record.Header{Version: 2, EntriesSum: [32]byte{1}}, false},
		"no blocks":                       {proof.Batch{Entries: empty.head, Key: forgedKey}, record.Header{Version: 2, EntriesSize: 60, EntriesSum: empty.sum(nil)}, false},
		"entries in nothing":              {proof.Batch{}, record.Header{Version: 2, Entries: 3, Disclosures: 3, EntriesSum: sha256.Sum256(nil)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			batch.Batch.Header = batch.Header.Append(nil)
			doc := proof.Document{Format: "chaperone proof", Version: 2, Kind: proof.OfCount, Count: &proof.Counted{Batches: 1}, Path: [][]byte{}, Batches: []proof.Batch{batch.Batch}}
			doc.Claimed.Ways, doc.Claimed.Objects = []proof.Way{}, new(int64)
			if mine, theirs := f.verdicts(f.signed(&doc)); (mine == nil) != batch.holds || (theirs == nil) != batch.holds {
				t.Errorf("got %v, and of ledger/proof %v; holds: want %v", mine, theirs, batch.holds)
			}
		})
	}
	var doc proof.Document
	if err := json.Unmarshal(f.shows(h, proof.Batch{Entries: even.whole}, 9, 9), &doc); err != nil {
		t.Fatal(err)
	}
	doc.Batches = append(doc.Batches, doc.Batches[0])
	if err := new(document).read(f.signed(&doc)); err == nil {
		t.Error("two batches for one disclosure are taken for a proof")
	}
}
