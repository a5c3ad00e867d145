package index

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"time"

	"chaperone/ledger"
)

// A row's key begins with the day and the run it is of. A run is what one flush wrote of one day, or several such united;
// runs of one day are in the order of their disclosures. No run is changed after it was written.
//
//	offset  size  field
//	     0     4  day
//	     4     4  number of the run
//	     8     1  kind of the row
//	     9        by kind: nothing; id, 16; group of numbers, 4; way, 8; first disclosure, 8
const (
	headRow     = iota // what the run holds: see head
	idRow              // of one disclosure; the value is its number, a uvarint
	postingsRow        // of groupSize numbers: see appendPostings
	cellsRow           // of one way: see cells
	placesRow          // of up to placesPerRow batches: see appendPlaces
	kinds
)

const (
	runKey       = 8 // bytes of a key that name the run
	groupBits    = 9
	groupSize    = 1 << groupBits
	placesPerRow = 64
	hours        = 24
)

// version is that of all rows. It is in every run's head.
const version = 1

// hour and day in the microseconds of which times are stored.
const (
	hourMicros = int64(time.Hour / time.Microsecond)
	dayMicros  = hours * hourMicros
)

func appendKey(b []byte, day ledger.Day, run uint32, kind byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(day))
	b = binary.BigEndian.AppendUint32(b, run)
	return append(b, kind)
}

// run is what is known of a run without reading it.
type run struct {
	day         ledger.Day
	number      uint32
	first, next uint64 // its disclosures: first <= seq < next
	place, past uint64 // those of its batches
	disclosures uint64
	pairs       uint64
	tables      uint64 // files that hold it, as Pebble lists them
	size        uint64 // bytes of them
}

func (r *run) fields() []*uint64 {
	return []*uint64{&r.first, &r.next, &r.place, &r.past, &r.disclosures, &r.pairs, &r.tables, &r.size}
}

// appendHead writes a run's head: the version, the first six fields of the run, and the ways in it.
func appendHead(b []byte, r *run, ways []Way) []byte {
	b = binary.AppendUvarint(b, version)
	for _, f := range r.fields()[:6] {
		b = binary.AppendUvarint(b, *f)
	}
	return appendSequence(b, ways)
}

// parseHead reads a run's head into r and appends its ways.
func parseHead(b []byte, r *run, ways []Way) ([]Way, error) {
	v, b, err := uvarint(b, "version of a run")
	if err != nil {
		return ways, err
	}
	if v != version {
		return ways, fmt.Errorf("%w: version %d, this program knows %d", ErrNewer, v, version)
	}
	for _, f := range r.fields()[:6] {
		if *f, b, err = uvarint(b, "head of a run"); err != nil {
			return ways, err
		}
	}
	s, rest, err := parseSequence(b)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%w: %d bytes after a run's head", ErrDamaged, len(rest))
	}
	if err != nil {
		return ways, err
	}
	return appendTo(ways, &s)
}

// Postings say in which disclosures the numbers of one group are: a sequence of place in the group and disclosure.
//
//	size      field
//	uvarint   base, the first disclosure that may be in it
//	1         w, the bits of a disclosure
//	sequence  place in the group << w | disclosure - base
func appendPostings(b []byte, base uint64, w uint, values []uint64) []byte {
	b = binary.AppendUvarint(b, base)
	return appendSequence(append(b, byte(w)), values)
}

// postings is one such row.
type postings struct {
	base uint64
	w    uint
	sequence
}

func parsePostings(b []byte) (p postings, err error) {
	if p.base, b, err = uvarint(b, "base of postings"); err != nil {
		return p, err
	}
	if len(b) == 0 || b[0] > 57-groupBits {
		return p, fmt.Errorf("%w: postings without a width", ErrDamaged)
	}
	p.w = uint(b[0])
	var rest []byte
	if p.sequence, rest, err = parseSequence(b[1:]); err != nil {
		return p, err
	}
	if len(rest) > 0 || p.last>>p.w >= groupSize || p.base > math.MaxUint64-1<<p.w {
		return p, fmt.Errorf("%w: postings of %d bytes too many or values too great", ErrDamaged, len(rest))
	}
	return p, nil
}

// of calls a function with the disclosures of one place in the group, ascending.
func (p *postings) of(place uint64, each func(seq uint64) error) error {
	return p.within(place<<p.w, (place+1)<<p.w, func(v uint64) error {
		return each(p.base + v&(1<<p.w-1))
	})
}

// width gives the bits that disclosures first <= seq < next take.
func width(first, next uint64) uint { return uint(bits.Len64(next - 1 - first)) }

// appendPlaces writes batches, each against the one before: uvarints of the differences, in the order of Place's fields
// without the day, which the key has.
func appendPlaces(b []byte, places []Place) []byte {
	var before Place
	for _, p := range places {
		b = binary.AppendUvarint(b, p.Batch-before.Batch)
		b = binary.AppendUvarint(b, p.First-before.First)
		b = binary.AppendUvarint(b, uint64(p.Count))
		b = binary.AppendUvarint(b, uint64(p.Segment-before.Segment))
		b = binary.AppendVarint(b, p.Offset-before.Offset)
		b = binary.AppendUvarint(b, uint64(p.EntriesAt))
		b = binary.AppendUvarint(b, uint64(p.EntriesSize))
		before = p
	}
	return b
}

func parsePlaces(places []Place, day ledger.Day, b []byte) ([]Place, error) {
	p := Place{Day: day}
	for len(b) > 0 {
		var f [7]uint64
		for i := range f {
			var err error
			if f[i], b, err = uvarint(b, "place of a batch"); err != nil {
				return places, err
			}
			if (i == 2 || i > 4 || i == 3) && f[i] > math.MaxUint32 {
				return places, fmt.Errorf("%w: place of a batch with a field of %d", ErrDamaged, f[i])
			}
		}
		p.Batch += f[0]
		p.First += f[1]
		p.Count = uint32(f[2])
		p.Segment += uint32(f[3])
		p.Offset += int64(f[4]>>1) ^ -int64(f[4]&1)
		p.EntriesAt, p.EntriesSize = uint32(f[5]), uint32(f[6])
		places = append(places, p)
	}
	return places, nil
}
