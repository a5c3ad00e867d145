package record_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"chaperone/ledger/record"
)

// seal makes a frame of words and of disclosures, each of which is followed by a note.
func seal(t testing.TB, words, disclosures int) record.Frame {
	t.Helper()
	var b record.Builder
	for range words {
		b.Dictionary(record.AppendWord(nil, "word"))
	}
	for i := range disclosures {
		d := disclosure(i)
		b.Entry(record.AppendNote(nil, &record.Note{Text: uint32(i)}))
		b.Entry(record.AppendDisclosure(nil, day, &d))
	}
	most, entries := b.Size(), b.Len()
	frame, h, err := b.Frame(nil, record.Header{Batch: 5, Written: written, Day: day}, dictionaryKey, dayKey)
	if err != nil {
		t.Fatal(err)
	}
	if len(frame) > most || int64(len(frame)) != h.Size() || entries != words+2*disclosures || b.Len() != 0 {
		t.Errorf("frame of %d bytes, at most %d, header says %d; %d entries before, %d after",
			len(frame), most, h.Size(), entries, b.Len())
	}
	f, err := record.ReadFrame(bytes.NewReader(frame), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Check(false); err != nil || f.Header != h {
		t.Fatalf("got %+v and %v, want %+v", f.Header, err, h)
	}
	return f
}

func TestBuilder(t *testing.T) {
	for _, n := range []int{0, 1, 7, 8, 9, 64, 65, 1000} {
		f := seal(t, n, n)
		if int(f.Disclosures) != n || int(f.Header.Entries) != 2*n {
			t.Errorf("%d: got %d disclosures of %d entries", n, f.Disclosures, f.Header.Entries)
		}
		part, err := record.OpenPart(f.Entries, dayKey)
		if err != nil {
			t.Fatal(err)
		}
		if want := (2*n + 7) / record.EntriesBlock; part.Blocks() != want {
			t.Errorf("%d: got %d blocks, want %d", n, part.Blocks(), want)
		}
		var e record.Entry
		var block []byte
		for i := range n { // at random places
			if i%record.EntriesBlock == 0 {
				if block, err = part.Open(i/record.EntriesBlock, block[:0]); err != nil {
					t.Fatal(err)
				}
			}
			var entry []byte
			if entry, block, err = record.Next(block); err != nil {
				t.Fatal(err)
			}
			if err := record.Decode(entry, day, &e); err != nil || e.Disclosure.ID != disclosure(i).ID {
				t.Fatalf("disclosure %d of %d: got %+v and %v", i, n, e, err)
			}
		}
		count := 0
		if err := part.Each(func(entry []byte) error { // from the first to the last
			if err := record.Decode(entry, day, &e); err != nil {
				return err
			}
			if (e.Kind == record.KindNote) != (count >= n) {
				t.Errorf("entry %d of %d is of kind %d: disclosures come first", count, 2*n, e.Kind)
			}
			if e.Kind == record.KindNote && int(e.Note.Text) != count-n {
				t.Errorf("note %d stands at %d", e.Note.Text, count-n)
			}
			count++
			return nil
		}); err != nil || count != 2*n {
			t.Errorf("got %d entries and %v, want %d", count, err, 2*n)
		}
		words, err := record.OpenPart(f.Dictionary, dictionaryKey)
		if err != nil {
			t.Fatal(err)
		}
		if want := (n + 63) / record.DictionaryBlock; words.Blocks() != want {
			t.Errorf("%d: got %d blocks of words, want %d", n, words.Blocks(), want)
		}
	}
}

func TestReadPart(t *testing.T) {
	for _, n := range []int{1, 100, 5000} { // the last one's table is longer than one read
		f := seal(t, 1, n)
		file := bytes.NewReader(slices.Concat(f.Leaf, f.Dictionary, f.Entries))
		opened, err := record.ReadPart(file, f.EntriesAt(), len(f.Entries), dayKey)
		if err != nil {
			t.Fatal(err)
		}
		part, err := record.OpenPart(f.Entries, dayKey)
		if err != nil || part.Blocks() != opened.Blocks() {
			t.Fatalf("%v: got %d blocks, want %d", err, opened.Blocks(), part.Blocks())
		}
		var scratch []byte
		for i := range part.Blocks() {
			want, err := part.Open(i, []byte("before"))
			if err != nil {
				t.Fatal(err)
			}
			got, err := opened.Block(file, i, scratch)
			if err != nil || string(got) != strings.TrimPrefix(string(want), "before") {
				t.Fatalf("block %d: got %d bytes and %v, want %d", i, len(got), err, len(want)-6)
			}
			scratch = got
		}
		for _, i := range []int{-1, part.Blocks()} {
			if _, err := opened.Block(file, i, nil); !errors.Is(err, record.ErrMalformed) {
				t.Errorf("block %d: got %v, want ErrMalformed", i, err)
			}
		}
		if got := testing.AllocsPerRun(100, func() {
			scratch, err = opened.Block(file, 0, scratch)
		}); got != 0 || err != nil {
			t.Errorf("Block: got %v allocations and %v, want 0", got, err)
		}
		if got := testing.AllocsPerRun(100, func() {
			scratch, err = part.Open(0, scratch[:0])
		}); got != 0 || err != nil {
			t.Errorf("Open: got %v allocations and %v, want 0", got, err)
		}
	}
}

// A part that the first read holds as a whole needs its file no more; a longer one does.
func TestSmallPart(t *testing.T) {
	var small, large int
	for n := range 60 {
		f := seal(t, 0, n+1)
		opened, err := record.ReadPart(bytes.NewReader(f.Entries), 0, len(f.Entries), dayKey)
		if err != nil {
			t.Fatal(err)
		}
		part, err := record.OpenPart(f.Entries, dayKey)
		if err != nil {
			t.Fatal(err)
		}
		nothing := bytes.NewReader(nil)
		for i := range part.Blocks() {
			want, _ := part.Open(i, nil)
			got, err := opened.Block(nothing, i, nil)
			switch whole := len(f.Entries) <= 4096; {
			case whole && (err != nil || !bytes.Equal(got, want)):
				t.Errorf("%d bytes: block %d: got %d bytes and %v, want %d", len(f.Entries), i, len(got), err, len(want))
			case !whole && !errors.Is(err, record.ErrMalformed):
				t.Errorf("%d bytes: block %d: got %v, want ErrMalformed", len(f.Entries), i, err)
			case whole:
				small++
			default:
				large++
			}
		}
	}
	if small == 0 || large == 0 {
		t.Errorf("got %d blocks of small parts and %d of large ones", small, large)
	}
}

func TestPartKeys(t *testing.T) {
	f := seal(t, 0, 9)
	nonce, ok := record.PartNonce(f.Entries)
	if !ok {
		t.Fatal("no nonce")
	}
	key := dayKey.PartKey(nonce)
	if _, err := record.OpenPartWith(f.Entries, key); err != nil {
		t.Errorf("its own key: %v", err)
	}
	if _, err := record.OpenPart(f.Entries, notThisDaysKey); !errors.Is(err, record.ErrKey) {
		t.Errorf("another day's key: got %v, want ErrKey", err)
	}
	if _, err := record.ReadPart(bytes.NewReader(f.Entries), 0, len(f.Entries), notThisDaysKey); !errors.Is(err, record.ErrKey) {
		t.Errorf("another day's key: got %v, want ErrKey", err)
	}
	if _, err := record.OpenPartWith(seal(t, 0, 9).Entries, key); !errors.Is(err, record.ErrKey) {
		t.Errorf("another part: got %v, want ErrKey", err)
	}
	if part, err := record.OpenPart(nil, nil); err != nil || part.Blocks() != 0 {
		t.Errorf("an empty part: got %v", err)
	}
	if _, ok := record.PartNonce(f.Dictionary); ok {
		t.Error("an empty part has no nonce")
	}
}

// TestPartDamage flips, cuts and takes out of a part: what still opens is what was written.
func TestPartDamage(t *testing.T) {
	f := seal(t, 0, 40)
	want := map[int]string{}
	part, err := record.OpenPart(f.Entries, dayKey)
	if err != nil {
		t.Fatal(err)
	}
	for i := range part.Blocks() {
		block, err := part.Open(i, nil)
		if err != nil {
			t.Fatal(err)
		}
		want[i] = string(block)
	}
	rapid.Check(t, func(t *rapid.T) {
		b := damage(t, f.Entries)
		part, err := record.OpenPart(b, dayKey)
		opened, readErr := record.ReadPart(bytes.NewReader(b), 0, len(b), dayKey)
		if (err == nil) != (readErr == nil) && len(b) > 0 {
			t.Fatalf("OpenPart gives %v, ReadPart %v", err, readErr)
		}
		if err != nil {
			return
		}
		for i := range part.Blocks() {
			if got, err := part.Open(i, nil); err == nil && string(got) != want[i] {
				t.Fatalf("block %d is not what was written", i)
			}
			if got, err := opened.Block(bytes.NewReader(b), i, nil); err == nil && string(got) != want[i] {
				t.Fatalf("block %d read alone is not what was written", i)
			}
		}
	})
}

// damage draws one change of some bytes.
func damage(t *rapid.T, b []byte) []byte {
	b = slices.Clone(b)
	i := rapid.IntRange(0, len(b)-1).Draw(t, "at")
	switch rapid.IntRange(0, 3).Draw(t, "damage") {
	case 0:
		b[i] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
	case 1:
		b = b[:i]
	case 2:
		j := rapid.IntRange(i+1, len(b)).Draw(t, "until")
		b = slices.Delete(b, i, j)
	case 3:
		j := rapid.IntRange(i+1, len(b)).Draw(t, "until")
		clear(b[i:j])
	}
	return b
}

// TestLies declares lengths that the file does not have: no memory is taken for them.
func TestLies(t *testing.T) {
	h := record.Header{Version: record.Version, DictionarySize: record.MaxParts}
	part := slices.Clone(seal(t, 0, 1).Entries)
	binary.BigEndian.PutUint32(part[56:], 40_000_000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, frameErr := record.ReadFrame(bytes.NewReader(h.Append(nil)), 0)
	_, partErr := record.ReadPart(bytes.NewReader(part), 0, record.MaxParts, dayKey)
	_, openErr := record.OpenPart(part, dayKey)
	runtime.ReadMemStats(&after)
	for _, err := range []error{frameErr, partErr, openErr} {
		if !errors.Is(err, record.ErrMalformed) {
			t.Errorf("got %v, want ErrMalformed", err)
		}
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 4<<20 {
		t.Errorf("it took %d bytes", got)
	}
}

// TestGolden pins the layout: a frame of one word and one disclosure under nonces that are fixed. A frame in somebody's record
// never changes; if this test fails, the version of the format must change too. Those of older versions stay as they are.
func TestGolden(t *testing.T) {
	b := record.Builder{Random: &fixed{}}
	b.Dictionary(record.AppendWord(nil, "CT1"))
	d := disclosure(1)
	b.Entry(record.AppendDisclosure(nil, day, &d))
	h := record.Header{Batch: 258, Written: written, Day: day, Before: 259, Numbers: 260, Words: 261, Ways: 262}
	got, _, err := b.Frame(nil, h, dictionaryKey, dayKey)
	if err != nil {
		t.Fatal(err)
	}
	for version, header := range map[uint32]string{1: golden1, 2: golden2} {
		want, err := hex.DecodeString(strings.Join(strings.Fields(header+golden), ""))
		if err != nil {
			t.Fatal(err)
		}
		if version == record.Version && !bytes.Equal(got, want) {
			t.Errorf("got %s\nwant %s", hex.Dump(got), hex.Dump(want))
		}
		f, err := record.ReadFrame(bytes.NewReader(want), 0)
		if err != nil || f.Check(false) != nil || f.Version != version || !bytes.Equal(f.Append(nil), f.Leaf) {
			t.Errorf("a frame of version %d: got %+v, %v and %v", version, f.Header, err, f.Check(false))
		}
	}
}

// The headers, and the parts, which are the same in both versions.
const (
	golden1 = `
43484231792419970000000000000102000623a63fab540000004e2000000055
0000008f00000001000000000000010300000001000001040000010500000106
585bbace30665885b406283eb180eff13ed6171924e0d85db3c47130bc04b124
2e1356c49c25f1beb2a27d0750a1b14ecbf85de7d61cc464d1f87963c0abc741`
	golden2 = `
43484232d25d81d20000000000000102000623a63fab540000004e2000000055
0000008f00000001000000000000010300000001000001040000010500000106
2184ddcc1fb6cb45e6e613969df85bca8d165210734dadb4bf75d4b6d3e023bb
bbc128e8f8ed1900880d1b8c80eb8cb982d51f7b28fc646871ea5bc52a44f3fb`
	golden = `
afcdcdd5805d14a34c598d0bd21f76e699a35b1b22e87aae91120ec26ad2c519
dd2675b035c40a98bbab147653d743213410376f713b6a2e0000000100000015
f1523f1f955709979a5de4def98881fce5a5759115b15612421d53481670ea4d
07aa30e9a86afca60d45229705f042da6b0831ba719f568f0b974b0021c24d18
4d274562452b78baed1540e6fa000000010000004fafc5521f8bab03bb21ea84
7d6fff6c8740f5361402cd4946ff85815f42be02d7c3cf8d610644ff745851de
b7637b9ff0fca5d51695e0c5b32331fc128b0e1e6c7612ad9cb3e0d21fc32ed2
1e8fb37f`
)
