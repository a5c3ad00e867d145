package index

import (
	"encoding/binary"
	"fmt"
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

// A cell is what one way did in one hour of a day. A row has all of one way and day, by hour:
//
//	size      field
//	1         hour, 0 to 23
//	uvarint   bytes of the cell that follow
//	uvarint   records, unidentified records, objects, bytes
//	uvarint   first time and last time, µs since the hour began
//	uvarint   base: the first disclosure
//	sequence  its disclosures, less the base
//	sequence  its numbers
type cell struct {
	records, unidentified, objects, bytes uint64
	first, last                           uint64
	base                                  uint64
	seqs, numbers                         sequence
}

// content is a cell in memory, to be written.
type content struct {
	sums        cell // without its sequences
	seqs        []uint64
	numbers     []ledger.Number
	scratch     []byte
	disclosures []uint64 // less the base
}

func (c *content) reset() {
	c.sums = cell{}
	c.seqs, c.numbers = c.seqs[:0], c.numbers[:0]
}

// appendTo writes the cell. Its disclosures and numbers must be ascending.
func (c *content) appendTo(b []byte, hour int) []byte {
	c.sums.base = c.seqs[0]
	c.disclosures = c.disclosures[:0]
	for _, seq := range c.seqs {
		c.disclosures = append(c.disclosures, seq-c.sums.base)
	}
	body := c.scratch[:0]
	for _, f := range c.sums.fields() {
		body = binary.AppendUvarint(body, *f)
	}
	body = appendSequence(body, c.disclosures)
	body = appendSequence(body, c.numbers)
	c.scratch = body
	return appendCell(b, hour, body)
}

func appendCell(b []byte, hour int, body []byte) []byte {
	return append(binary.AppendUvarint(append(b, byte(hour)), uint64(len(body))), body...)
}

// add puts what another cell has to this one. The caller puts numbers in order afterwards.
func (c *content) add(o *cell) (err error) {
	if len(c.seqs) == 0 || o.first < c.sums.first {
		c.sums.first = o.first
	}
	c.sums.last = max(c.sums.last, o.last)
	c.sums.records += o.records
	c.sums.unidentified += o.unidentified
	c.sums.objects += o.objects
	c.sums.bytes += o.bytes
	at := len(c.seqs)
	if c.seqs, err = appendTo(c.seqs, &o.seqs); err != nil {
		return err
	}
	for i := range c.seqs[at:] {
		c.seqs[at+i] += o.base
	}
	if at > 0 && c.seqs[at] <= c.seqs[at-1] {
		return fmt.Errorf("%w: runs of a day overlap", ErrDamaged)
	}
	c.numbers, err = appendTo(c.numbers, &o.numbers)
	return err
}

func (c *cell) fields() [7]*uint64 {
	return [...]*uint64{&c.records, &c.unidentified, &c.objects, &c.bytes, &c.first, &c.last, &c.base}
}

// nextCell takes one hour off the front of a row. Hours of a row ascend: the caller says which may come next.
func nextCell(b []byte, least int) (hour int, body, rest []byte, err error) {
	if len(b) == 0 || int(b[0]) < least || b[0] >= hours {
		return 0, nil, nil, fmt.Errorf("%w: a cell without its hour", ErrDamaged)
	}
	hour = int(b[0])
	n, rest, err := uvarint(b[1:], "length of a cell")
	if err == nil && n > uint64(len(rest)) {
		err = fmt.Errorf("%w: a cell of %d bytes in %d", ErrDamaged, n, len(rest))
	}
	if err != nil {
		return 0, nil, nil, err
	}
	return hour, rest[:n], rest[n:], nil
}

func parseCell(b []byte) (c cell, err error) {
	for _, f := range c.fields() {
		if *f, b, err = uvarint(b, "cell"); err != nil {
			return c, err
		}
	}
	if c.seqs, b, err = parseSequence(b); err != nil {
		return c, err
	}
	if c.numbers, b, err = parseSequence(b); err != nil {
		return c, err
	}
	if len(b) > 0 || c.seqs.n == 0 || c.first > c.last || c.last >= uint64(hourMicros) {
		return c, fmt.Errorf("%w: a cell does not end where it should, or is empty", ErrDamaged)
	}
	return c, nil
}

// count adds the cell's numbers to a set and its sums to others; both may be nil.
func (c *cell) count(start time.Time, buffer *[]ledger.Number, into *people.Bits, sums *Sums) (err error) {
	if into != nil {
		if *buffer, err = appendTo((*buffer)[:0], &c.numbers); err != nil {
			return err
		}
		into.AddSorted(*buffer)
	}
	if sums != nil {
		sums.Add(Sums{
			Disclosures: int64(c.seqs.n), Records: int64(c.records), Unidentified: int64(c.unidentified),
			Objects: int64(c.objects), Bytes: int64(c.bytes),
			First: start.Add(time.Duration(c.first) * time.Microsecond),
			Last:  start.Add(time.Duration(c.last) * time.Microsecond),
		})
	}
	return nil
}
