package evtx

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"chaperone/format"
)

// A record is: signature u32, size u32, record id u64, time of writing u64 (FILETIME), BinXML, size u32 again.
const (
	recordMark = "\x2A\x2A\x00\x00"
	recordHead = 24
	recordTail = 4
)

// maxNumbered bounds how many records a chunk's header can claim: no event is smaller than 64 bytes.
const maxNumbered = chunkSize / 64

// chunk is the piece of the file that is being read.
type chunk struct {
	b       []byte
	pos     int
	free    int // end of its records as far as it is known, else -1
	whole   bool
	claimed int    // records its header claims, 0 when that is not known
	first   uint64 // their first id
	found   int    // records of the claimed ones that were found
	lost    int
	last    uint64 // id of the record before
	scan    bool   // pos is not where a record must be
	hole    bool   // pos was left without a record, and it is not known whether one was there
	damaged bool
}

// open begins the chunk at the start of the window. It reports false when there is nothing to read in it.
func (r *Reader) open() bool {
	le := binary.LittleEndian
	b := r.window[:min(r.have, chunkSize)]
	c := chunk{b: b, free: -1, pos: chunkHeader}
	signed := len(b) >= 8 && string(b[:8]) == chunkMark
	if signed && len(b) >= chunkHeader {
		sum := crc32.Update(crc32.ChecksumIEEE(b[:120]), crc32.IEEETable, b[128:chunkHeader])
		if free := le.Uint32(b[48:]); sum == le.Uint32(b[124:]) && free >= chunkHeader && free <= chunkSize {
			c.free = int(free)
			c.first = le.Uint64(b[8:])
			if n := le.Uint64(b[16:]) - c.first; n < maxNumbered {
				c.claimed = int(n) + 1
			}
			c.whole = c.free <= len(b) && crc32.ChecksumIEEE(b[chunkHeader:c.free]) == le.Uint32(b[52:])
		}
	}
	if !c.whole { // it may have lost a part: then the next one begins inside
		c.b = b[:r.nextMark(len(b))]
	}
	r.used = len(c.b)
	if !signed {
		if len(bytes.TrimLeft(c.b, "\x00")) == 0 {
			if len(c.b) == chunkSize {
				r.stats.Chunks++
				r.stats.Empty++
			}
			return false
		}
		if bytes.Contains(c.b, []byte(recordMark)) {
			c.scan, c.pos = true, 0
		}
	}
	if signed {
		r.signed = true
	}
	r.stats.Chunks++
	switch r.chunk = c; {
	case !signed:
		r.damage("a chunk without its header", 0)
	case len(b) < chunkSize:
		r.damage("a chunk that is cut off", len(b))
	case !c.whole:
		r.damage("a chunk with a wrong checksum", 0)
	}
	r.decoder.chunk(c.b, r.offset)
	return true
}

// nextMark gives the offset of the next chunk in the window, or n. A mark alone may be text in an event: the header
// size that every chunk has must follow.
func (r *Reader) nextMark(n int) int {
	for at := 1; at < n; at++ {
		i := bytes.Index(r.window[at:r.have], []byte(chunkMark))
		if i < 0 {
			break
		}
		if at += i; at < n && r.have-at >= 44 && binary.LittleEndian.Uint32(r.window[at+40:]) == 128 {
			return at
		}
	}
	return n
}

// close counts what the chunk has lost and whether it held anything.
func (r *Reader) close() {
	c := &r.chunk
	if c.b == nil {
		return
	}
	c.lost = max(c.lost, c.claimed-c.found)
	if c.lost > 0 {
		r.damage("records that cannot be read", 0)
	}
	r.stats.Lost += c.lost
	if c.whole && c.free == chunkHeader {
		r.stats.Empty++
	}
	r.chunk = chunk{}
}

// damage counts the chunk once.
func (r *Reader) damage(what string, at int) {
	if !r.chunk.damaged {
		r.chunk.damaged = true
		r.stats.Damaged++
	}
	r.note(what, r.offset+int64(at), format.ErrMalformed)
}

// record gives the next record of the chunk, nil when there are no more. Records follow each other; where one does not,
// the next is searched for. Behind the end that the header knows there may be newer records, when the log was copied
// while it was written, or remains of older ones: both are given as carved, and remains that cannot be read are not
// missed.
func (r *Reader) record() *Record {
	c := &r.chunk
	for c.pos+recordHead+recordTail <= len(c.b) {
		size := frame(c.b[c.pos:])
		if size == 0 {
			r.search()
			continue
		}
		at := c.pos
		id := binary.LittleEndian.Uint64(c.b[at+8:])
		remains := c.free >= 0 && at >= c.free && id != c.last+1
		rec, err := r.decoder.record(at, at+size)
		if err != nil {
			if !remains {
				c.lost++
				if r.odd == nil {
					r.odd = err
				}
				r.damage("a record that cannot be read", at)
			}
			c.pos += size
			if c.scan { // what was found by its signature may be no record at all: look inside
				c.pos = at + len(recordMark)
			}
			continue
		}
		if c.hole {
			c.lost++
		}
		rec.Carved = !c.whole || c.scan || c.free < at+size
		if id-c.first < uint64(c.claimed) {
			c.found++
		}
		c.pos += size
		c.last, c.hole, c.scan = id, false, c.scan && c.whole
		return rec
	}
	if c.free > c.pos && c.pos < len(c.b) { // shorter than a record, and yet there is something
		r.damage("a record that is cut off", c.pos)
	}
	return nil
}

// search goes on to the next signature.
func (r *Reader) search() {
	c := &r.chunk
	marked := string(c.b[c.pos:c.pos+len(recordMark)]) == recordMark
	if !c.scan {
		c.scan = true
		switch {
		case c.free < 0 && !marked:
			c.hole = true
		case c.free < 0, c.pos < c.free:
			c.lost++
			r.damage("a record with a wrong size or signature", c.pos)
		}
	}
	c.pos++
	if i := bytes.Index(c.b[c.pos:], []byte(recordMark)); i >= 0 {
		c.pos += i
	} else {
		c.pos = len(c.b)
	}
}

// frame gives the size of the record that b begins with, 0 when there is none.
func frame(b []byte) int {
	le := binary.LittleEndian
	if string(b[:len(recordMark)]) != recordMark {
		return 0
	}
	size := le.Uint32(b[4:])
	if size < recordHead+recordTail || int64(size) > int64(len(b)) || le.Uint32(b[size-recordTail:]) != size {
		return 0
	}
	return int(size)
}
