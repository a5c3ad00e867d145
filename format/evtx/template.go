package evtx

import (
	"encoding/binary"

	"chaperone/format"
)

// definitionHead is: next u32, GUID, size u32.
const definitionHead = 24

// template begins an instance: u8, template id u32, offset u32 of the definition, which follows at once where it is used
// first; then the number of values u32, for each of them size u16, kind u8 and 0, and the values themselves.
func (d *decoder) template(s *span) error {
	le := binary.LittleEndian
	at := s.pos
	if s.end-at < 9 {
		return d.malformed("a cut template", at)
	}
	definition := int(le.Uint32(d.b[at+5:]))
	if definition < 0 || definition > len(d.b)-definitionHead {
		return d.malformed("a template outside the chunk", at)
	}
	// The id is the first part of the GUID: so an overwritten definition is noticed.
	if le.Uint32(d.b[at+1:]) != le.Uint32(d.b[definition+4:]) {
		return d.malformed("a template that is another one", at)
	}
	size := int(le.Uint32(d.b[definition+20:]))
	body := definition + definitionHead
	if size < 0 || size > len(d.b)-body {
		return d.malformed("a template over the end of the chunk", at)
	}
	s.pos = at + 9
	if s.pos == definition {
		s.pos = body + size
	}
	first := len(d.values)
	if err := d.readValues(s); err != nil {
		return err
	}
	if d.depth == maxDepth {
		return d.fail("templates nested too deep", at, format.ErrLimit)
	}
	d.spans[d.depth] = span{pos: body, end: body + size, values: first}
	d.depth++
	return nil
}

// readValues reads the list of values at s.pos.
func (d *decoder) readValues(s *span) error {
	le := binary.LittleEndian
	if s.end-s.pos < 4 {
		return d.malformed("a template without values", s.pos)
	}
	n := int(le.Uint32(d.b[s.pos:]))
	s.pos += 4
	if n < 0 || n > maxValues-len(d.values) {
		return d.fail("too many values", s.pos, format.ErrLimit)
	}
	if d.budget -= n; n > (s.end-s.pos)/4 {
		return d.malformed("cut values", s.pos)
	}
	pos := s.pos + 4*n
	for ; n > 0; n-- {
		size := int(le.Uint16(d.b[s.pos:]))
		if size > s.end-pos {
			return d.malformed("a value that is too long", s.pos)
		}
		d.values = append(d.values, value{d.b[s.pos+2], pos, pos + size})
		pos += size
		s.pos += 4
	}
	s.pos = pos
	return nil
}

// substitution puts in a value: number u16, kind u8. The kind that counts is the value's own.
func (d *decoder) substitution(s *span, optional bool) error {
	at := s.pos
	if s.end-at < 3 {
		return d.malformed("a cut substitution", at)
	}
	s.pos += 3
	number := s.values + int(binary.LittleEndian.Uint16(d.b[at:]))
	if number >= len(d.values) { // values of this span are the last
		return d.malformed("a substitution without value", at)
	}
	v := d.values[number]
	d.budget -= v.end - v.pos
	switch {
	case v.kind == kindXML:
		if d.depth == maxDepth {
			return d.fail("values nested too deep", at, format.ErrLimit)
		}
		d.spans[d.depth] = span{pos: v.pos, end: v.end, values: len(d.values), bare: true}
		d.depth++
	case v.kind == kindNull:
		d.event.null(optional)
	case v.kind&kindArray != 0:
		d.array(v.kind&^kindArray, d.b[v.pos:v.end])
	default:
		d.event.value(v.kind, d.b[v.pos:v.end])
	}
	return nil
}

// array puts in the items of an array. The element is repeated for each.
func (d *decoder) array(kind byte, b []byte) {
	for first := true; len(b) > 0 && d.budget >= 0; first = false {
		if !first {
			d.event.repeat()
		}
		n := itemSize(kind, b)
		d.event.value(kind, b[:n])
		b = b[n:]
		d.budget -= workToken
	}
}
