package evtx

import (
	"encoding/binary"
	"fmt"

	"chaperone/format"
)

// Tokens of BinXML (MS-EVEN6 section 2.2.12). With the bit more, an element has attributes and an attribute has a
// successor.
const (
	tokenEnd               = 0x00
	tokenOpen              = 0x01
	tokenCloseStart        = 0x02
	tokenCloseEmpty        = 0x03
	tokenEndElement        = 0x04
	tokenValue             = 0x05
	tokenAttribute         = 0x06
	tokenCDATA             = 0x07
	tokenCharRef           = 0x08
	tokenEntityRef         = 0x09
	tokenPITarget          = 0x0A
	tokenPIData            = 0x0B
	tokenTemplate          = 0x0C
	tokenSubstitution      = 0x0D
	tokenOptional          = 0x0E
	tokenFragment          = 0x0F
	more              byte = 0x40
)

// Bounds of one record and one chunk. Work counts bytes looked at, and some for each token: templates let a few bytes
// stand for many.
const (
	maxDepth   = 32      // open elements, and fragments inside fragments
	maxValues  = 1024    // values of all templates that are open
	maxText    = 1 << 20 // bytes of the text of one record
	workRecord = 1 << 20
	workChunk  = 4 << 20
	workToken  = 16
)

// decoder reads the BinXML of records. Nesting is a stack of spans, never recursion.
type decoder struct {
	b      []byte // the chunk: names and template definitions are found by their offset in it
	offset int64  // of the chunk
	index  [chunkSize]uint16
	names  []string // by index-1
	left   int      // work left for the chunk
	budget int      // for the record
	spans  [maxDepth]span
	depth  int
	values []value
	event  event
}

// span is a fragment that is being read: the record's own, a template definition, or a value that is BinXML.
type span struct {
	pos, end int
	values   int  // index of its first value
	bare     bool // a value: its elements have no dependency id
}

// value is a substitution value of an open template.
type value struct {
	kind     byte
	pos, end int
}

// chunk turns to another chunk.
func (d *decoder) chunk(b []byte, offset int64) {
	d.b, d.offset = b, offset
	clear(d.index[:])
	d.names = d.names[:0]
	d.left = workChunk
}

// record reads the record from b[at] to b[end].
func (d *decoder) record(at, end int) (*Record, error) {
	d.budget = min(workRecord, d.left)
	before := d.budget
	err := d.read(at+recordHead, end-recordTail)
	d.left -= before - max(d.budget, 0)
	if err != nil {
		return nil, err
	}
	rec := d.event.record()
	if rec == nil {
		return nil, d.fail("no event", at, format.ErrMalformed)
	}
	le := binary.LittleEndian
	if rec.ID == 0 {
		rec.ID = le.Uint64(d.b[at+8:])
	}
	rec.Offset = d.offset + int64(at)
	if rec.Time.IsZero() {
		rec.Time = filetime(le.Uint64(d.b[at+16:]))
	}
	return rec, nil
}

// read goes through the tokens of a record and those of all it refers to.
func (d *decoder) read(pos, end int) error {
	d.event.reset()
	d.values = d.values[:0]
	d.spans[0] = span{pos: pos, end: end}
	d.depth = 1
	for d.depth > 0 {
		s := &d.spans[d.depth-1]
		if s.pos >= s.end || d.b[s.pos] == tokenEnd {
			d.values = d.values[:s.values]
			d.depth--
			continue
		}
		if err := d.token(s); err != nil {
			return err
		}
		if d.budget -= workToken; d.budget < 0 || len(d.event.text) > maxText {
			return d.fail("a record that takes too much work", s.pos, format.ErrLimit)
		}
	}
	return nil
}

// token reads the token at s.pos and goes on behind it.
func (d *decoder) token(s *span) error {
	at := s.pos
	token := d.b[at]
	s.pos++
	switch token {
	case tokenFragment:
		return d.skip(s, 3) // version and flags
	case tokenOpen, tokenOpen | more:
		return d.open(s, token&more != 0)
	case tokenCloseStart:
		d.event.content()
	case tokenCloseEmpty:
		d.event.content()
		return d.closeElement(at)
	case tokenEndElement:
		return d.closeElement(at)
	case tokenAttribute, tokenAttribute | more:
		name, next, ok := d.name(s.pos, s.end)
		if !ok {
			return d.malformed("an attribute without name", at)
		}
		s.pos = next
		d.event.attribute(name)
	case tokenValue, tokenValue | more:
		if s.pos >= s.end || d.b[s.pos] != kindString {
			return d.malformed("a text that is no string", at)
		}
		s.pos++
		return d.text(s, true)
	case tokenCDATA, tokenCDATA | more:
		return d.text(s, true)
	case tokenPIData: // processing instructions are no data
		return d.text(s, false)
	case tokenPITarget:
		_, next, ok := d.name(s.pos, s.end)
		if !ok {
			return d.malformed("an instruction without name", at)
		}
		s.pos = next
	case tokenCharRef, tokenCharRef | more:
		if s.end-s.pos < 2 {
			return d.malformed("a cut character", at)
		}
		d.event.text = appendUTF16(d.event.text, d.b[s.pos:s.pos+2])
		s.pos += 2
	case tokenEntityRef, tokenEntityRef | more:
		name, next, ok := d.name(s.pos, s.end)
		if !ok {
			return d.malformed("an entity without name", at)
		}
		s.pos = next
		d.event.text = append(d.event.text, entity(name)...)
	case tokenTemplate:
		return d.template(s)
	case tokenSubstitution, tokenOptional:
		return d.substitution(s, token == tokenOptional)
	default:
		return d.malformed("an unknown token", at)
	}
	return nil
}

func (d *decoder) skip(s *span, n int) error {
	if s.end-s.pos < n {
		return d.malformed("a cut token", s.pos)
	}
	s.pos += n
	return nil
}

// open begins an element: dependency id u16, size u32, name, and the size u32 of its attributes. The sizes are not
// needed. Inside a value the dependency id is missing.
func (d *decoder) open(s *span, attributes bool) error {
	at := s.pos
	var name string
	next, ok := 0, false
	if s.bare {
		name, next, ok = d.name(at+4, s.end)
	}
	if !ok {
		name, next, ok = d.name(at+6, s.end)
	}
	if !ok {
		return d.malformed("an element without name", at)
	}
	s.pos = next
	if attributes {
		if err := d.skip(s, 4); err != nil {
			return err
		}
	}
	if !d.event.open(name) {
		return d.fail("elements nested too deep", at, format.ErrLimit)
	}
	return nil
}

func (d *decoder) closeElement(at int) error {
	if !d.event.close() {
		return d.malformed("the end of no element", at)
	}
	return nil
}

// text reads a string with its length in characters in front.
func (d *decoder) text(s *span, keep bool) error {
	if s.end-s.pos < 2 {
		return d.malformed("a cut text", s.pos)
	}
	n := 2 * int(binary.LittleEndian.Uint16(d.b[s.pos:]))
	s.pos += 2
	if n > s.end-s.pos {
		return d.malformed("a text that is too long", s.pos)
	}
	if keep {
		d.event.text = appendUTF16(d.event.text, d.b[s.pos:s.pos+n])
		d.budget -= n
	}
	s.pos += n
	return nil
}

func (d *decoder) malformed(what string, at int) error { return d.fail(what, at, format.ErrMalformed) }

func (d *decoder) fail(what string, at int, sentinel error) error {
	return fmt.Errorf("evtx: %s at offset %d: %w", what, d.offset+int64(at), sentinel)
}
