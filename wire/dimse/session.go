// Package dimse decodes DICOM associations (PS3.8 upper layer) and the DIMSE messages in them (PS3.7).
//
// A C-STORE is decided when its data set has passed group 0010 and then streams: pixel data is counted, never kept.
// The matches of a C-FIND belong to the message that asked, one record each.
package dimse

import (
	"encoding/binary"
	"fmt"
	"slices"

	"chaperone"
	"chaperone/format"
	"chaperone/wire"
)

// Protocol is the entry for the list of protocols.
var Protocol = wire.Protocol{
	Name:  chaperone.DICOM,
	Sniff: Sniff,
	New:   func(l wire.Limits, midstream bool) wire.Session { return New(l, midstream) },
}

// Session decodes one connection. See wire.Session.
type Session struct {
	limits   wire.Limits
	half     [2]half
	contexts map[byte]context
	titles   [2]string     // AE title of the side that sends in this direction
	assoc    *wire.Message // the association, until it is answered
	assocDir wire.Dir      // the direction of its request
	events   []wire.Event
	seq      uint64 // of the last message
}

// half is one direction: the PDU being read, and the messages its fragments belong to.
type half struct {
	offset  int64
	header  [6]byte // of the PDU, or of the PDV inside it
	have    int
	start   int64 // where the current PDU began
	startAt chaperone.Mark
	pdu     byte   // type of the current PDU, 0 between PDUs
	left    uint32 // bytes of the current PDU still to come
	pdv     uint32 // bytes of the current PDV still to come
	context byte   // of the current PDV
	flags   byte   // of the current PDV: 1 command, 2 last fragment
	control []byte // body of a PDU that is read whole
	lost    bool   // looking for the next PDU
	scan    []byte // the last bytes seen while looking
	over    bool   // the association was aborted or the stream is not DICOM: the rest is not read
	reading map[byte]*reading
	pending []*request // requests of this direction without their final response, oldest first
}

// New opens a session. midstream: the connection may be inside a PDU.
func New(l wire.Limits, midstream bool) *Session {
	s := &Session{limits: l, contexts: map[byte]context{}}
	for d := range s.half {
		s.half[d].reading = map[byte]*reading{}
		s.half[d].lost = midstream
	}
	return s
}

// Feed takes the next bytes of one direction.
func (s *Session) Feed(d wire.Dir, p []byte, at chaperone.Mark) []wire.Event {
	s.events = s.events[:0]
	h := &s.half[d]
	for len(p) > 0 && !h.over {
		switch {
		case h.lost:
			p = s.find(d, p)
		case h.pdu == 0:
			p = s.pduHeader(d, p, at)
		case h.pdu != pData:
			p = s.controlBody(d, p, at)
		case h.pdv == 0:
			p = s.pdvHeader(d, p, at)
		default:
			n := min(len(p), int(h.pdv))
			h.consume(n)
			h.pdv -= uint32(n)
			s.fragment(d, p[:n], at)
			p = p[n:]
		}
	}
	h.offset += int64(len(p)) // of a connection that is over
	return s.events
}

// consume counts n bytes of the current PDU.
func (h *half) consume(n int) {
	h.offset += int64(n)
	h.left -= uint32(n)
	if h.left == 0 {
		h.pdu = 0
	}
}

// collect fills the header buffer up to n bytes and reports whether it is full.
func (h *half) collect(p []byte, n int) (rest []byte, full bool) {
	taken := copy(h.header[h.have:n], p)
	h.have += taken
	full = h.have == n
	if full {
		h.have = 0
	}
	return p[taken:], full
}

// pduHeader reads type(1) reserved(1) length(4, big endian) (PS3.8 section 9.3.1).
func (s *Session) pduHeader(d wire.Dir, p []byte, at chaperone.Mark) []byte {
	h := &s.half[d]
	if h.have == 0 {
		h.start, h.startAt = h.offset, at
	}
	rest, full := h.collect(p, 6)
	h.offset += int64(len(p) - len(rest))
	if !full {
		return rest
	}
	kind, length := h.header[0], binary.BigEndian.Uint32(h.header[2:])
	limit := uint32(maxControl)
	if kind == pData {
		limit = maxPDU
	}
	if kind < associateRQ || kind > abort || length > limit || length < 4 {
		sentinel := format.ErrMalformed
		if kind >= associateRQ && kind <= abort && length > limit {
			sentinel = format.ErrLimit
		}
		s.malformed(d, at, fmt.Errorf("dimse: PDU of type %d and %d bytes at offset %d: %w", kind, length, h.start, sentinel))
		s.lose(d)
		return rest
	}
	h.pdu, h.left, h.pdv = kind, length, 0
	h.control = h.control[:0]
	return rest
}

// pdvHeader reads length(4) context(1) control(1) of a presentation data value (PS3.8 section 9.3.5.1, annex E.2).
func (s *Session) pdvHeader(d wire.Dir, p []byte, at chaperone.Mark) []byte {
	h := &s.half[d]
	if int(h.left)+h.have < 6 {
		s.malformed(d, at, fmt.Errorf("dimse: %d bytes left over in the PDU at offset %d: %w", h.left, h.start, format.ErrMalformed))
		s.lose(d)
		return p
	}
	rest, full := h.collect(p, 6)
	h.offset += int64(len(p) - len(rest))
	h.left -= uint32(len(p) - len(rest))
	if !full {
		return rest
	}
	length := binary.BigEndian.Uint32(h.header[:])
	h.context, h.flags = h.header[4], h.header[5]
	if length < 2 || length-2 > h.left || h.flags > 3 {
		s.malformed(d, at, fmt.Errorf("dimse: PDV of %d bytes in the PDU at offset %d: %w", length, h.start, format.ErrMalformed))
		s.lose(d)
		return rest
	}
	h.pdv = length - 2
	if h.pdv == 0 {
		h.consume(0)
		s.fragment(d, nil, at)
	}
	return rest
}

// controlBody reads a PDU that is taken whole.
func (s *Session) controlBody(d wire.Dir, p []byte, at chaperone.Mark) []byte {
	h := &s.half[d]
	kind := h.pdu
	n := min(len(p), int(h.left))
	h.control = append(h.control, p[:n]...)
	h.consume(n)
	if h.pdu == 0 {
		s.controlPDU(d, kind, h.control, at)
		h.control = nil
	}
	return p[n:]
}

// lose starts the search for the next PDU. What is known of the open data sets stays; a command set that is not whole
// is forgotten, so that the next one is not taken for its rest.
func (s *Session) lose(d wire.Dir) {
	h := &s.half[d]
	for id, r := range h.reading {
		r.cut = true
		switch {
		case !r.inData:
			delete(h.reading, id)
		case r.walker != nil:
			r.walker.Break()
		}
	}
	h.lost, h.pdu, h.pdv, h.have, h.left = true, 0, 0, 0, 0
	h.scan = h.scan[:0]
}

// find looks for the beginning of a PDU and returns the bytes from there on. The bytes that wait in scan are not counted
// in offset: no event covers them.
func (s *Session) find(d wire.Dir, p []byte) []byte {
	h := &s.half[d]
	b := append(h.scan, p...)
	h.scan = nil
	for i := range b {
		ok, more := plausible(b[i:])
		if !ok && !more {
			continue
		}
		h.offset += int64(i)
		if more {
			h.scan = slices.Clone(b[i:]) // without the rest of the array
			return nil
		}
		h.lost = false
		return b[i:]
	}
	h.offset += int64(len(b))
	return nil
}

// Gap says that n bytes were not seen. A gap inside one fragment is counted and the framing goes on; any other one
// loses it until the next PDU.
func (s *Session) Gap(d wire.Dir, n int64, at chaperone.Mark) []wire.Event {
	s.events = s.events[:0]
	h := &s.half[d]
	if h.over {
		return nil
	}
	if !h.lost && h.pdu == pData && n <= int64(h.pdv) {
		h.consume(int(n))
		h.pdv -= uint32(n)
		s.fragmentGap(d, n, at)
		return s.events
	}
	h.offset += n + int64(len(h.scan))
	s.lose(d)
	return s.events
}

// Close gives what is still open.
func (s *Session) Close(at chaperone.Mark) []wire.Event {
	s.events = s.events[:0]
	s.finishAll(at)
	return s.events
}

func (s *Session) emit(d wire.Dir, stage wire.Stage, m *wire.Message, at chaperone.Mark, records ...chaperone.Record) {
	s.events = append(s.events, wire.Event{Stage: stage, Message: m, Records: records, Dir: d, End: s.half[d].offset, At: at})
}

func (s *Session) malformed(d wire.Dir, at chaperone.Mark, err error) {
	s.events = append(s.events, wire.Event{Stage: wire.Malformed, Dir: d, End: s.half[d].offset, At: at, Err: err})
}

// next numbers a message.
func (s *Session) next() uint64 {
	s.seq++
	return s.seq
}
