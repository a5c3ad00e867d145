package record_test

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/record"
)

const day = ledger.Day(20000)

var (
	id             = [16]byte{'a', ' ', 'l', 'e', 'd', 'g', 'e', 'r'}
	written        = day.Time().Add(13 * time.Hour)
	dictionaryKey  = record.NewMaster([32]byte{1})
	dayKey         = record.NewMaster([32]byte{2})
	notThisDaysKey = record.NewMaster([32]byte{3})
)

// fixed gives the same random bytes every time.
type fixed struct{ n uint64 }

func (f *fixed) Read(b []byte) (int, error) {
	for i := range b {
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, f.n))
		b[i] = sum[0]
		f.n++
	}
	return len(b), nil
}

// disclosure gives the i-th of some made up disclosures.
func disclosure(i int) record.Disclosure {
	d := record.Disclosure{
		Time: day.Time().Add(time.Duration(i) * time.Second), Way: uint32(i%5 + 1),
		FromPort: 2575, ToPort: uint16(40000 + i%20000), Outcome: chaperone.Delivered, Records: 1, Bytes: 700,
		Evidence: record.Evidence{File: 3, Packet: int64(10 * i), Offset: int64(7 * i)},
	}
	binary.BigEndian.PutUint64(d.ID[:], uint64(i)+1)
	for n := range 9 {
		d.Numbers = append(d.Numbers, ledger.Number(1+i+n*100_000))
	}
	return d
}

// frames makes n frames of a few entries, with random nonces of their own.
func frames(n int) [][]byte {
	builder := record.Builder{Random: &fixed{}}
	var all [][]byte
	for i := range n {
		builder.Dictionary(record.AppendWord(nil, "word"))
		for j := range 1 + 10*(i%3) {
			d := disclosure(j)
			builder.Entry(record.AppendDisclosure(nil, day, &d))
		}
		var before uint64
		for j := range i {
			before += uint64(1 + 10*(j%3))
		}
		h := record.Header{Batch: uint64(i), Written: written, Day: day, Before: before, Words: uint32(i)}
		frame, _, err := builder.Frame(nil, h, dictionaryKey, dayKey)
		if err != nil {
			panic(err)
		}
		all = append(all, frame)
	}
	return all
}

// write makes a record of segments with so many frames each.
func write(t testing.TB, counts ...int) (dir string, all [][]byte) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), record.Folder)
	total := 0
	for _, n := range counts {
		total += n
	}
	all = frames(total)
	w, err := record.OpenAt(dir, id, record.Position{})
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, n := range counts {
		w.Roll()
		if _, err := w.Append(all[at : at+n]...); err != nil {
			t.Fatal(err)
		}
		at += n
	}
	if err := errors.Join(w.Sync(), w.Trim(), w.Close()); err != nil {
		t.Fatal(err)
	}
	return dir, all
}

// walk gives the frames, whole, until the end or the error.
func walk(t testing.TB, dir string, o record.WalkOptions) (got []string, at record.Position, err error) {
	t.Helper()
	w, err := record.Walk(dir, id, o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	for {
		f, err := w.Next()
		if errors.Is(err, io.EOF) {
			return got, w.At(), nil
		}
		if err != nil {
			return got, w.At(), err
		}
		got = append(got, string(f.Leaf)+string(f.Dictionary)+string(f.Entries))
	}
}

func segment(dir string, n uint32) string { return filepath.Join(dir, record.SegmentName(n)) }

func load(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func store(t testing.TB, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
