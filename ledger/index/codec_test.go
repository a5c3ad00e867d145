package index

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"testing"

	"chaperone/ledger"
	"chaperone/ledger/people"
)

// sequences are ascending values of many shapes.
func sequences() map[string][]uint64 {
	random := rand.New(rand.NewPCG(5, 6))
	all := map[string][]uint64{
		"none": nil, "zero": {0}, "one": {1}, "greatest": {maxValue}, "both ends": {0, maxValue},
	}
	for name, shape := range map[string]struct {
		n, step uint64
	}{"dense": {700, 1}, "half": {700, 2}, "sparse": {300, 9_000}, "very sparse": {40, 1 << 50}, "bytes": {64, 8}} {
		var values []uint64
		v := random.Uint64N(shape.step)
		for uint64(len(values)) < shape.n {
			values = append(values, v)
			v += 1 + random.Uint64N(shape.step)
		}
		all[name] = values
	}
	clustered := []uint64{}
	for i := range uint64(10) {
		for j := range uint64(200) {
			clustered = append(clustered, i*1_000_000+j)
		}
	}
	all["clustered"] = clustered
	return all
}

func TestSequence(t *testing.T) {
	for name, want := range sequences() {
		t.Run(name, func(t *testing.T) {
			b := appendSequence([]byte("before"), want)[len("before"):]
			s, rest, err := parseSequence(append(b, "after"...))
			if err != nil || string(rest) != "after" {
				t.Fatalf("got %q %v, want what follows", rest, err)
			}
			got, err := appendTo([]uint64(nil), &s)
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("got %v %v, want %v", got, err, want)
			}
			for _, from := range append([]uint64{0, 1, 255, 1 << 20, maxValue}, want...) {
				until := from + 1 + from/16
				var part, some []uint64
				for _, v := range want {
					if from <= v && v < until {
						some = append(some, v)
					}
				}
				err := s.within(from, until, func(v uint64) error { part = append(part, v); return nil })
				if err != nil || !slices.Equal(part, some) {
					t.Fatalf("%d to %d: got %v %v, want %v", from, until, part, err, some)
				}
			}
		})
	}
}

// A number reads as encoding/binary does, whatever follows it, and however many bytes it takes.
func TestUvarint(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for n := range 20_000 {
		b := binary.AppendUvarint(nil, random.Uint64()>>random.IntN(64))
		switch n % 4 {
		case 1: // longer than it need be
			b[len(b)-1] |= 0x80
			b = append(b, 0)
		case 2: // cut off
			b = b[:len(b)-1]
		}
		for range random.IntN(12) {
			b = append(b, byte(random.Uint32()))
		}
		want, size := binary.Uvarint(b)
		got, rest, err := uvarint(b, "number")
		if size <= 0 {
			if !errors.Is(err, ErrDamaged) {
				t.Fatalf("%x: got %d and %v, want an error", b, got, err)
			}
			continue
		}
		if err != nil || got != want || len(rest) != len(b)-size {
			t.Fatalf("%x: got %d with %d bytes behind and %v, want %d with %d", b, got, len(rest), err, want, len(b)-size)
		}
	}
}

// FuzzSequence: no bytes make it panic, and what it takes has as many values as it says, ascending.
func FuzzSequence(f *testing.F) {
	for _, values := range sequences() {
		f.Add(appendSequence(nil, values), uint64(3), uint64(1<<40))
	}
	f.Fuzz(func(t *testing.T, b []byte, from, until uint64) {
		s, _, err := parseSequence(b)
		if err != nil {
			return
		}
		values, err := appendTo([]uint64(nil), &s)
		if err == nil && (len(values) != s.n || ascending(values) != nil) {
			t.Fatalf("got %d values out of order, want %d", len(values), s.n)
		}
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
		if len(b) > 1<<12 {
			return
		}
		got := 0
		if withinErr := s.within(from, until, func(uint64) error { got++; return nil }); err == nil && withinErr == nil {
			want := 0
			for _, v := range values {
				if from <= v && v < until {
					want++
				}
			}
			if got != want {
				t.Fatalf("got %d values within, want %d", got, want)
			}
		}
	})
}

func FuzzPostings(f *testing.F) {
	f.Add(appendPostings(nil, 1000, 9, []uint64{5, 600, 3<<9 | 17}), uint64(3))
	f.Add(appendPostings(nil, 0, 0, []uint64{0, 1, 511}), uint64(511))
	f.Fuzz(func(t *testing.T, b []byte, place uint64) {
		p, err := parsePostings(b)
		if err != nil {
			return
		}
		before := uint64(0)
		_ = p.of(place%groupSize, func(seq uint64) error {
			if seq < p.base || seq < before {
				t.Fatalf("got disclosure %d after %d, base %d", seq, before, p.base)
			}
			before = seq
			return nil
		})
	})
}

// FuzzCells: no bytes make it panic, the parts of a day add up to the day, and what is taken can be written again.
func FuzzCells(f *testing.F) {
	var c content
	c.event(&event{seq: 4, time: 3*hourMicros + 5, records: 4, bytes: 1 << 40}, []ledger.Number{1, 70, 71})
	c.event(&event{seq: 9, time: 24*hourMicros - 1, records: 1}, []ledger.Number{70})
	f.Add(c.appendTo(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var l lent
		if err := l.cells.parse(b); err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		if l.cells.numbers.last>>hourBits > 1<<24 {
			return // a set of so great numbers is only slow
		}
		var all, halves people.Bits
		var sums, both Sums
		if err := l.count(testDay, 0, hours, &all, &sums); err != nil {
			return
		}
		for _, half := range [][2]int{{0, 7}, {7, hours}} {
			if err := l.count(testDay, half[0], half[1], &halves, &both); err != nil {
				t.Fatal(err)
			}
		}
		if all.Len() != halves.Len() || sums != both {
			t.Fatalf("got %+v for the day, %+v for its parts", sums, both)
		}
		var c content
		if c.row(&l.cells) != nil {
			return
		}
		var again lent
		if err := again.cells.parse(c.appendTo(nil)); err != nil || again.cells.hours != l.cells.hours {
			t.Fatalf("got %v for what it wrote itself", err)
		}
	})
}

func FuzzPlaces(f *testing.F) {
	f.Add(appendPlaces(nil, []Place{{1, 2, 3, 0, 5, 6, 7, 8}, {9, 10, 11, 0, 12, 3, 14, 15}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		places, err := parsePlaces(nil, 0, b)
		if err != nil {
			return
		}
		again, err := parsePlaces(nil, 0, appendPlaces(nil, places))
		if err != nil || !slices.Equal(again, places) {
			t.Fatalf("got %v %v, want %v", again, err, places)
		}
	})
}

func FuzzRuns(f *testing.F) {
	r := run{day: testDay, number: 3, first: 1, next: 9, disclosures: 8, pairs: 70, tables: 1, size: 4000}
	f.Add(appendRuns(nil, []run{r}), false)
	f.Add(appendHead(nil, &r, []Way{1, 5}), true)
	f.Fuzz(func(t *testing.T, b []byte, head bool) {
		if head {
			var r run
			_, _ = parseHead(b, &r, nil)
		} else {
			_, _ = parseRuns(b)
		}
	})
}

// TestNewer: rows and lists of a later version are refused, and told apart from damage.
func TestNewer(t *testing.T) {
	head := appendHead(nil, &run{}, nil)
	head[0] = version + 1
	if _, err := parseHead(head, &run{}, nil); !errors.Is(err, ErrNewer) {
		t.Errorf("head: got %v, want %v", err, ErrNewer)
	}
	list := appendRuns(nil, nil)
	list[len(runsMagic)+4] = version + 1
	if _, err := parseRuns(resum(list)); !errors.Is(err, ErrNewer) {
		t.Errorf("list: got %v, want %v", err, ErrNewer)
	}
}

// resum makes a list's checksum right again.
func resum(b []byte) []byte {
	const head = len(runsMagic) + 4
	binary.BigEndian.PutUint32(b[len(runsMagic):], crc32.Checksum(b[head:], castagnoli))
	return b
}
