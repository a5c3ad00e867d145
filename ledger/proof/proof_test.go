package proof_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"iter"
	"math/bits"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/proof"
	"chaperone/ledger/record"
	"chaperone/ledger/seal"
	"chaperone/ledger/witness"
)

var update = flag.Bool("update", false, "write testdata anew")

const (
	origin  = "chaperone.ledger/0011223344556677"
	day     = ledger.Day(20785)
	batches = 300
	purged  = 123 // a batch whose key is gone
	empty   = 124 // a batch without entries
	large   = 290 // a batch of 250 blocks
)

var dayKey, dictionaryKey = record.NewMaster([32]byte{1}), record.NewMaster([32]byte{2})

// numbers gives the same bytes every time.
type numbers struct{ n uint64 }

func (f *numbers) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(sha256.Sum256(binary.BigEndian.AppendUint64(nil, f.n))[0])
		f.n++
	}
	return len(b), nil
}

// scene is a small ledger without its disk.
type scene struct {
	source      proof.Source
	keys        proof.Keys
	vkeys       []string // of the log and its witness
	frames      [][]byte
	disclosures []record.Disclosure // in the order of recording
	batch       []uint64            // of each
}

// disclosuresIn is how many disclosures a batch has.
func disclosuresIn(n int) int {
	switch n {
	case empty:
		return 0
	case large:
		return 1997
	}
	return 1 + n*7%11
}

func newScene(t testing.TB) *scene {
	t.Helper()
	s := &scene{}
	builder := record.Builder{Random: &numbers{}}
	for n := range batches {
		builder.Dictionary(record.AppendWord(nil, "word"))
		h := record.Header{Batch: uint64(n), Written: day.Time().Add(time.Hour), Day: day, Before: uint64(len(s.disclosures))}
		for range disclosuresIn(n) {
			i := len(s.disclosures)
			d := record.Disclosure{
				Time: day.Time().Add(time.Duration(i%2000) * 41 * time.Second), Way: uint32(i%3 + 1), FromPort: 104,
				ToPort: uint16(40000 + i), Outcome: chaperone.Delivered, Unseen: i%5 == 0, Unidentified: i % 4, Records: 2 + i%3,
				Bytes: int64(1000 * i), Evidence: record.Evidence{File: 4, Packet: int64(10 * i), Offset: int64(7 * i)},
			}
			binary.BigEndian.PutUint64(d.ID[:], uint64(i)+1)
			for k := range 9 {
				d.Numbers = append(d.Numbers, ledger.Number(1+i%200+k*100_000))
			}
			builder.Entry(record.AppendDisclosure(nil, day, &d))
			s.disclosures = append(s.disclosures, d)
			s.batch = append(s.batch, uint64(n))
		}
		if n%6 == 0 && n != empty {
			builder.Entry(record.AppendNote(nil, &record.Note{Kind: ledger.Remark, At: h.Written, Text: 1}))
		}
		frame, _, err := builder.Frame(nil, h, dictionaryKey, dayKey)
		if err != nil {
			t.Fatal(err)
		}
		s.frames = append(s.frames, frame)
	}
	s.seal(t)
	s.source.Batch = s.readBatch
	words := []string{"", "dicom", "C-STORE", "hl7", "eve.pcap", "PACS", "CLOUD", "ORU^R01"}
	s.source.Words = func(n uint32) string { return words[n] }
	s.source.Way = func(n uint32) (record.Way, bool) {
		w := record.Way{From: record.Side{Claimed: 5, Addr: netip.MustParseAddr("192.0.2.1")}, To: record.Side{Claimed: 6}, Protocol: 1, Action: 2, Protection: 1}
		if n == 2 {
			w.Protocol, w.Action, w.Requested, w.Requester = 3, 7, true, w.To
		}
		return w, n <= 3
	}
	return s
}

func (s *scene) readBatch(n uint64) (header, entries []byte, key *record.PartKey, err error) {
	h, err := record.ParseHeader(s.frames[n][:record.HeaderSize])
	if err != nil || n == purged {
		return s.frames[n][:record.HeaderSize], nil, nil, err
	}
	entries = s.frames[n][h.EntriesAt():]
	if nonce, ok := record.PartNonce(entries); ok {
		k := dayKey.PartKey(nonce)
		key = &k
	}
	return s.frames[n][:record.HeaderSize], entries, key, nil
}

// seal signs and cosigns all batches.
func (s *scene) seal(t testing.TB) {
	ctx := context.Background()
	skey, vkey, err := note.GenerateKey(&numbers{}, origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, _ := note.NewSigner(skey)
	s.keys.Log, _ = note.NewVerifier(vkey)
	cosigner, err := seal.NewCosigner("w1.example", [32]byte{3})
	if err != nil {
		t.Fatal(err)
	}
	cosigner.Now = func() time.Time { return time.Unix(1800000000, 0) }
	s.vkeys = []string{vkey, cosigner.VerifierKey()}
	away, dir := t.TempDir(), t.TempDir()
	if err := witness.AddLog(away, vkey); err != nil {
		t.Fatal(err)
	}
	w, err := witness.Open(away, cosigner)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w)
	defer server.Close()
	policy := "need 1\nw1 " + server.URL + " " + cosigner.VerifierKey() + "\n"
	if err := os.WriteFile(filepath.Join(dir, "witnesses"), []byte(policy), 0o644); err != nil {
		t.Fatal(err)
	}
	if s.keys.Witnesses, err = seal.ReadWitnesses(dir); err != nil {
		t.Fatal(err)
	}
	l, err := seal.Open(dir, s.keys.Log, signer)
	if err != nil {
		t.Fatal(err)
	}
	leaves := func(from uint64) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			for _, frame := range s.frames[from:] {
				if !yield(frame[:record.HeaderSize], nil) {
					return
				}
			}
		}
	}
	if err := l.Load(ctx, batches, leaves); err != nil {
		t.Fatal(err)
	}
	if err := l.Checkpoint(ctx, batches); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Cosign(ctx, server.Client(), s.keys.Witnesses); err != nil || l.WitnessedSize() != batches {
		t.Fatal("not cosigned", err)
	}
	s.source.Log = l
}

// text writes a document as a file has it.
func text(t testing.TB, doc *proof.Document) []byte {
	t.Helper()
	b, err := json.MarshalIndent(doc, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

func TestDisclosure(t *testing.T) {
	s := newScene(t)
	for i := 0; i < len(s.disclosures); i += 7 {
		d := &s.disclosures[i]
		doc, err := proof.Disclosure(&s.source, s.batch[i], uint64(i))
		if s.batch[i] == purged {
			if !errors.Is(err, proof.ErrPurged) {
				t.Errorf("purged: got %v, want ErrPurged", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		v, err := proof.Verify(text(t, doc), s.keys)
		if err != nil {
			t.Fatalf("disclosure %d: %v", i, err)
		}
		p := v.Disclosure
		if p.Records != d.Records || p.Bytes != d.Bytes || len(p.Identifiers) != 9 || p.Packet != d.Packet || p.Way != d.Way {
			t.Errorf("got %+v, want %+v", p, d)
		}
		if len(v.Cosigned) != 1 || v.Cosigned[0].Time.Unix() != 1800000000 || v.Claimed.Ways[0].To.Claimed != "CLOUD" || v.Claimed.File != "eve.pcap" {
			t.Errorf("got cosignatures %v and claims %+v", v.Cosigned, v.Claimed)
		}
	}
	if _, err := proof.Disclosure(&s.source, 3, uint64(len(s.disclosures))); !errors.Is(err, ledger.ErrUnknown) {
		t.Errorf("a disclosure of another batch: got %v, want ErrUnknown", err)
	}
	if _, err := proof.Disclosure(&s.source, batches, 0); !errors.Is(err, proof.ErrNotSigned) {
		t.Errorf("a batch that is not signed: got %v, want ErrNotSigned", err)
	}
}

// TestCount compares counts with ones made without any of this.
func TestCount(t *testing.T) {
	s := newScene(t)
	ctx := context.Background()
	for _, test := range []struct {
		name       string
		first, end uint64
		filter     proof.Filter
	}{
		{"everything", 0, batches, proof.Filter{}},
		{"one batch", 7, 8, proof.Filter{}},
		{"nothing in it", empty, empty + 1, proof.Filter{}},
		{"over the purged one", 100, 140, proof.Filter{Ways: []uint32{3, 1, 1}}},
		{"an hour", 0, batches, proof.Filter{From: day.Time().Add(2 * time.Hour), Until: day.Time().Add(3 * time.Hour)}},
		{"a way that is not used", 5, 20, proof.Filter{Ways: []uint32{9}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			doc, err := proof.Count(ctx, &s.source, test.first, test.end, test.filter)
			if err != nil {
				t.Fatal(err)
			}
			v, err := proof.Verify(text(t, doc), s.keys)
			if err != nil {
				t.Fatal(err)
			}
			var want proof.Counted
			identifiers := map[ledger.Number]bool{}
			objects := int64(0)
			for i, d := range s.disclosures {
				f := test.filter
				switch {
				case s.batch[i] < test.first || s.batch[i] >= test.end:
					continue
				case s.batch[i] == purged:
					want.ClosedDisclosures++
					continue
				case len(f.Ways) > 0 && !slices.Contains(f.Ways, d.Way), !f.From.IsZero() && d.Time.Before(f.From), !f.Until.IsZero() && !d.Time.Before(f.Until):
					continue
				}
				want.Disclosures++
				want.Records += int64(d.Records)
				want.Unidentified += int64(d.Unidentified)
				want.Bytes += d.Bytes
				if d.Way != 2 {
					objects += int64(d.Records)
				}
				for _, n := range d.Numbers {
					identifiers[n] = true
				}
			}
			got := v.Count
			if got.Disclosures != want.Disclosures || got.Records != want.Records || got.Unidentified != want.Unidentified || got.Bytes != want.Bytes ||
				got.ClosedDisclosures != want.ClosedDisclosures || got.Identifiers != len(identifiers) || *v.Claimed.Objects != objects {
				t.Errorf("got %+v, %d objects, want %+v, %d identifiers, %d objects", got, *v.Claimed.Objects, want, len(identifiers), objects)
			}
		})
	}
	for _, r := range [][2]uint64{{5, 5}, {6, 5}, {0, 1 << 40}} {
		if _, err := proof.Count(ctx, &s.source, r[0], r[1], proof.Filter{}); err == nil {
			t.Errorf("range %v is no error", r)
		}
	}
	if _, err := proof.Count(ctx, &s.source, 0, batches+1, proof.Filter{}); !errors.Is(err, proof.ErrNotSigned) {
		t.Errorf("more than is signed: got %v, want ErrNotSigned", err)
	}
}

// TestLies changes what is proven, in ways that a maker of documents would.
func TestLies(t *testing.T) {
	s := newScene(t)
	ctx := context.Background()
	count := func() *proof.Document {
		doc, err := proof.Count(ctx, &s.source, 10, 20, proof.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		return doc
	}
	of := func(i int) *proof.Document {
		doc, err := proof.Disclosure(&s.source, s.batch[i], uint64(i))
		if err != nil {
			t.Fatal(err)
		}
		return doc
	}
	one := func() *proof.Document { return of(40) }
	first := slices.Index(s.batch, large)
	far, far2 := func() *proof.Document { return of(first + 1000) }, func() *proof.Document { return of(first + 1016) }
	for name, lie := range map[string]func() *proof.Document{
		"a batch left out": func() *proof.Document {
			d := count()
			d.Batches = slices.Delete(d.Batches, 4, 5)
			return d
		},
		"the last batch left out": func() *proof.Document { d := count(); d.Batches = d.Batches[:9]; return d },
		"two batches swapped": func() *proof.Document {
			d := count()
			d.Batches[3], d.Batches[4] = d.Batches[4], d.Batches[3]
			return d
		},
		"shifted":                   func() *proof.Document { d := count(); d.First++; return d },
		"a batch not opened":        func() *proof.Document { d := count(); d.Batches[3].Entries, d.Batches[3].Key = nil, nil; return d },
		"one identifier less":       func() *proof.Document { d := count(); d.Count.Identifiers--; return d },
		"fewer bytes":               func() *proof.Document { d := count(); d.Count.Bytes -= 1000; return d },
		"another period":            func() *proof.Document { d := count(); d.Count.Until = "2026-01-01T00:00:00Z"; return d },
		"not a period":              func() *proof.Document { d := count(); d.Count.Until = "today"; return d },
		"only some ways":            func() *proof.Document { d := count(); d.Count.Ways = []uint32{1}; return d },
		"a way not named":           func() *proof.Document { d := count(); d.Claimed.Ways = d.Claimed.Ways[1:]; return d },
		"another number of objects": func() *proof.Document { d := count(); *d.Claimed.Objects++; return d },
		"another kind":              func() *proof.Document { d := count(); d.Kind = proof.OfDisclosure; return d },
		"the key of another part":   func() *proof.Document { d := count(); d.Batches[1].Key = d.Batches[2].Key; return d },
		"another disclosure":        func() *proof.Document { d := one(); d.Disclosure.Number--; return d },
		"another time": func() *proof.Document {
			d := one()
			d.Disclosure.Time = strings.Replace(d.Disclosure.Time, "T0", "T1", 1)
			return d
		},
		"another patient": func() *proof.Document { d := one(); d.Disclosure.Identifiers[3]++; return d },
		"another way":     func() *proof.Document { d := one(); d.Claimed.Ways[0].Number++; return d },
		"a cosignature removed": func() *proof.Document {
			d := one()
			lines := strings.SplitAfter(d.Checkpoint, "\n")
			d.Checkpoint = strings.Join(lines[:len(lines)-2], "")
			return d
		},
		"another block":      func() *proof.Document { d := far(); *d.Batches[0].Block++; return d },
		"a block beyond all": func() *proof.Document { d := far(); *d.Batches[0].Block = 1 << 20; return d },
		"another block's place": func() *proof.Document {
			d, other := far(), far2()
			d.Batches[0].Block, d.Batches[0].Path = other.Batches[0].Block, other.Batches[0].Path
			return d
		},
		"another block's disclosure": func() *proof.Document { d := far(); d.Batches = far2().Batches; return d },
		"a path that is cut":         func() *proof.Document { d := far(); p := &d.Batches[0]; p.Path = p.Path[1:]; return d },
		"a path with one more": func() *proof.Document {
			d := far()
			p := &d.Batches[0]
			p.Path = append(p.Path, p.Path[0])
			return d
		},
		"a short hash": func() *proof.Document { d := far(); p := &d.Batches[0]; p.Path[2] = p.Path[2][:31]; return d },
		"fewer blocks": func() *proof.Document { d := far(); d.Batches[0].Entries[59]--; return d },
		"a block that is cut": func() *proof.Document {
			d := far()
			b := &d.Batches[0]
			b.Entries = b.Entries[:len(b.Entries)-1]
			return d
		},
		"no block":               func() *proof.Document { d := far(); b := &d.Batches[0]; b.Entries = b.Entries[:60]; return d },
		"half a head":            func() *proof.Document { d := far(); b := &d.Batches[0]; b.Entries = b.Entries[:30]; return d },
		"not opened":             func() *proof.Document { d := far(); b := &d.Batches[0]; b.Entries, b.Key = nil, nil; return d },
		"a whole part as one":    func() *proof.Document { d := far(); d.Batches[0].Block, d.Batches[0].Path = nil, nil; return d },
		"a block in a count":     func() *proof.Document { d := count(); d.Batches[0].Block = new(uint32); return d },
		"a block in version 1":   func() *proof.Document { d := far(); d.Version = 1; return d },
		"a path without a block": func() *proof.Document { d := count(); d.Batches[0].Path = [][]byte{make([]byte, 32)}; return d },
		"other words":            func() *proof.Document { d := far(); d.Learn = "Nothing."; return d },
		"no checkpoint":          func() *proof.Document { d := one(); d.Checkpoint = ""; return d },
		"a newer version":        func() *proof.Document { d := one(); d.Version++; return d },
	} {
		if _, err := proof.Verify(text(t, lie()), s.keys); err == nil {
			t.Errorf("%s: the proof holds", name)
		}
	}
	for name, doc := range map[string]*proof.Document{"count": count(), "one": one(), "far": far()} {
		if _, err := proof.Verify(text(t, doc), s.keys); err != nil {
			t.Errorf("%s, as it was: %v", name, err)
		}
	}
}

// TestSize keeps the proof of one disclosure small, however many were recorded together: 2 KB without the words for people, in a
// ledger of 100 million disclosures.
func TestSize(t *testing.T) {
	s := newScene(t)
	for _, batch := range []uint64{6, large} {
		i := slices.Index(s.batch, batch)
		doc, err := proof.Disclosure(&s.source, batch, uint64(i))
		if err != nil {
			t.Fatal(err)
		}
		b := &doc.Batches[0]
		path := bits.Len(uint(100_000_000 / disclosuresIn(int(batch))))
		binary := len(b.Header) + len(b.Entries) + len(b.Key) + len(doc.Checkpoint) + 32*(len(b.Path)+path)
		if binary > 2048 {
			t.Errorf("got %d bytes, want 2048 at most", binary)
		}
		t.Logf("in a batch of %d disclosures: %d bytes; as JSON, under %d batches: %d", disclosuresIn(int(batch)), binary, batches, len(text(t, doc)))
	}
}

// TestOlder: what was made by version 1, of a record of version 1, still holds.
func TestOlder(t *testing.T) {
	s := newScene(t)
	for _, name := range []string{"disclosure-v1.json", "count-v1.json"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if v, err := proof.Verify(b, s.keys); err != nil || v.Version != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestGolden keeps documents that other verifiers are tested with, and the format from changing.
func TestGolden(t *testing.T) {
	s := newScene(t)
	one, err := proof.Disclosure(&s.source, s.batch[40], 40)
	if err != nil {
		t.Fatal(err)
	}
	count, err := proof.Count(context.Background(), &s.source, 118, 130, proof.Filter{Ways: []uint32{1, 2}, From: day.Time()})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]byte{
		"disclosure.json": text(t, one), "count.json": text(t, count), "keys.txt": []byte(strings.Join(s.vkeys, "\n") + "\n"),
	} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what is made now; if that is right: go test ./ledger/proof -update", path)
		}
	}
}

// FuzzVerify reads whatever comes.
func FuzzVerify(f *testing.F) {
	var keys proof.Keys
	for _, name := range []string{"disclosure.json", "count.json", "disclosure-v1.json", "count-v1.json"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	b, _ := os.ReadFile(filepath.Join("testdata", "keys.txt"))
	vkey, _, _ := strings.Cut(string(b), "\n")
	keys.Log, _ = note.NewVerifier(vkey)
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = proof.Verify(b, keys) })
}
