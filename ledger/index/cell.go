package index

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"time"

	"chaperone/ledger"
	"chaperone/ledger/people"
)

// Sums add up a set of disclosures. First and Last are zero without any.
type Sums struct {
	Disclosures, Records, Unidentified, Objects, Bytes int64
	First, Last                                        time.Time
}

// Add adds other sums.
func (s *Sums) Add(o Sums) {
	if o.Disclosures == 0 {
		return
	}
	if s.Disclosures == 0 || o.First.Before(s.First) {
		s.First = o.First
	}
	if s.Disclosures == 0 || o.Last.After(s.Last) {
		s.Last = o.Last
	}
	s.Disclosures += o.Disclosures
	s.Records += o.Records
	s.Unidentified += o.Unidentified
	s.Objects += o.Objects
	s.Bytes += o.Bytes
}

// A row of cells is what one way did in the hours of a day:
//
//	size      field
//	uvarint   hours: a bit for each hour that has something, hour 0 the lowest
//	          of each of these, uvarints: disclosures, records, unidentified records, objects, bytes; first time, µs since the
//	          hour began; last time, µs since the first
//	uvarint   base: the first disclosure
//	sequence  (disclosure - base) << 5 | hour
//	sequence  number << 5 | hour, of every hour in which it is
type cells struct {
	hours         [hours]cell
	base          uint64
	seqs, numbers sequence
}

// cell is what one way did in one hour.
type cell struct{ disclosures, records, unidentified, objects, bytes, first, last uint64 }

// hourBits are those of the hour, below a disclosure or number.
const hourBits = 5

func (c *cell) fields() [7]*uint64 {
	return [...]*uint64{&c.disclosures, &c.records, &c.unidentified, &c.objects, &c.bytes, &c.first, &c.last}
}

// add puts what another cell has to this one.
func (c *cell) add(o *cell) {
	if c.disclosures == 0 || o.first < c.first {
		c.first = o.first
	}
	c.last = max(c.last, o.last)
	c.disclosures += o.disclosures
	c.records += o.records
	c.unidentified += o.unidentified
	c.objects += o.objects
	c.bytes += o.bytes
}

// content is a row of cells in memory, to be written.
type content struct {
	hours   [hours]cell
	seqs    []uint64 // disclosure << 5 | hour
	numbers []uint64 // number << 5 | hour
}

func (c *content) reset() {
	c.hours = [hours]cell{}
	c.seqs, c.numbers = c.seqs[:0], c.numbers[:0]
}

// event puts one event to it. The caller puts disclosures and numbers in order afterwards.
func (c *content) event(e *event, numbers []ledger.Number) {
	hour, when := uint64(e.hour()), uint64(e.time%hourMicros)
	c.hours[hour].add(&cell{
		disclosures: 1, records: uint64(e.records), unidentified: uint64(e.unidentified), objects: uint64(e.objects),
		bytes: uint64(e.bytes), first: when, last: when,
	})
	c.seqs = append(c.seqs, e.seq<<hourBits|hour)
	for _, n := range numbers {
		c.numbers = append(c.numbers, uint64(n)<<hourBits|hour)
	}
}

// row puts what is in a row to it, whose disclosures are later. The caller puts numbers in order afterwards.
func (c *content) row(o *cells) (err error) {
	for hour := range o.hours {
		if o.hours[hour].disclosures > 0 {
			c.hours[hour].add(&o.hours[hour])
		}
	}
	at := len(c.seqs)
	if c.seqs, err = appendTo(c.seqs, &o.seqs); err != nil {
		return err
	}
	for i := range c.seqs[at:] {
		c.seqs[at+i] += o.base << hourBits
	}
	if at > 0 && c.seqs[at] <= c.seqs[at-1] {
		return fmt.Errorf("%w: runs of a day overlap", ErrDamaged)
	}
	c.numbers, err = appendTo(c.numbers, &o.numbers)
	return err
}

// appendTo writes the row. Disclosures must be ascending; numbers are put in order.
func (c *content) appendTo(b []byte) []byte {
	there := uint64(0)
	for hour := range c.hours {
		if c.hours[hour].disclosures > 0 {
			there |= 1 << hour
		}
	}
	b = binary.AppendUvarint(b, there)
	for hour := range c.hours {
		if one := c.hours[hour]; one.disclosures > 0 {
			one.last -= one.first
			for _, f := range one.fields() {
				b = binary.AppendUvarint(b, *f)
			}
		}
	}
	base := c.seqs[0] >> hourBits
	b = binary.AppendUvarint(b, base)
	for i := range c.seqs {
		c.seqs[i] -= base << hourBits
	}
	slices.Sort(c.numbers)
	c.numbers = slices.Compact(c.numbers)
	return appendSequence(appendSequence(b, c.seqs), c.numbers)
}

// parse reads a row.
func (c *cells) parse(b []byte) (err error) {
	c.hours = [hours]cell{}
	there, b, err := uvarint(b, "hours of a row")
	if err != nil {
		return err
	}
	if there == 0 || there >= 1<<hours {
		return fmt.Errorf("%w: a row of the hours %b", ErrDamaged, there)
	}
	disclosures := uint64(0)
	for ; there != 0; there &= there - 1 {
		one := &c.hours[bits.TrailingZeros64(there)]
		for _, f := range one.fields() {
			if *f, b, err = uvarint(b, "cell"); err != nil {
				return err
			}
		}
		if one.disclosures == 0 || one.first >= uint64(hourMicros) || one.last >= uint64(hourMicros)-one.first {
			return fmt.Errorf("%w: a cell that is empty, or does not lie in its hour", ErrDamaged)
		}
		one.last += one.first
		disclosures += one.disclosures
	}
	if c.base, b, err = uvarint(b, "base of a row"); err != nil {
		return err
	}
	if c.seqs, b, err = parseSequence(b); err != nil {
		return err
	}
	if c.numbers, b, err = parseSequence(b); err != nil {
		return err
	}
	if len(b) > 0 || disclosures != uint64(c.seqs.n) || c.base > maxValue>>hourBits || c.numbers.last>>hourBits > math.MaxUint32 {
		return fmt.Errorf("%w: a row of cells does not end where it should, or has other disclosures than it says", ErrDamaged)
	}
	return nil
}

// ofHours appends to a slice what a sequence has in the hours from <= hour < until, without the hours. It checks the sequence
// as appendTo does.
func ofHours[T ~uint32 | ~uint64](values []T, s *sequence, from, until int) ([]T, error) {
	if err := s.count(); err != nil || s.n == 0 {
		return values, err
	}
	begin, filled := len(values), 0
	values = slices.Grow(values, s.n)
	out := values[begin : begin+s.n]
	k, l, mask, span := 0, int(s.l), uint64(1)<<s.l-1, uint64(until-from)
	before, disorder := ^uint64(0), uint64(0)
	for at := 0; at < len(s.high); at += 8 {
		for w := word(s.high, at); w != 0; w &= w - 1 {
			bit := k * l
			v := uint64(at*8+bits.TrailingZeros64(w)-k)<<s.l | word(s.low, bit>>3)>>(bit&7)&mask
			disorder |= v - before - 1 // its highest bit says that v is not greater
			before = v
			k++
			out[filled] = T(v >> hourBits) // the next one is written over it when it is not within
			if v&(1<<hourBits-1)-uint64(from) < span {
				filled++
			}
		}
	}
	if disorder>>63 != 0 || before != s.last {
		return values[:begin], fmt.Errorf("%w: a sequence out of order", ErrDamaged)
	}
	return values[:begin+filled], nil
}

// lent is memory for the reading of rows.
type lent struct {
	cells   cells
	numbers []ledger.Number
}

// count adds the numbers of some hours to a set and their sums to others; both may be nil.
func (l *lent) count(day ledger.Day, from, until int, into *people.Bits, sums *Sums) (err error) {
	c := &l.cells
	if into != nil {
		if l.numbers, err = ofHours(l.numbers[:0], &c.numbers, from, until); err != nil {
			return err
		}
		into.AddSorted(l.numbers)
	}
	if sums == nil {
		return nil
	}
	var all cell // its times since the day began
	for hour := from; hour < until; hour++ {
		if one := c.hours[hour]; one.disclosures > 0 {
			one.first += uint64(hour) * uint64(hourMicros)
			one.last += uint64(hour) * uint64(hourMicros)
			all.add(&one)
		}
	}
	start := day.Time()
	sums.Add(Sums{
		Disclosures: int64(all.disclosures), Records: int64(all.records), Unidentified: int64(all.unidentified),
		Objects: int64(all.objects), Bytes: int64(all.bytes),
		First: start.Add(time.Duration(all.first) * time.Microsecond),
		Last:  start.Add(time.Duration(all.last) * time.Microsecond),
	})
	return nil
}
