// Package mllp decodes HL7 v2 over MLLP: frames, the messages in them, and which answer belongs to which message.
//
// A message is decided whole: its Head comes with all its records when its frame has passed. A frame larger than
// Limits.Message is decided by its beginning; the rest streams as Body.
package mllp

import (
	"fmt"

	"chaperone"
	"chaperone/format"
	"chaperone/format/hl7"
	"chaperone/wire"
)

// Protocol is the entry for the list of protocols.
var Protocol = wire.Protocol{
	Name:  chaperone.HL7,
	Sniff: Sniff,
	New:   func(l wire.Limits, midstream bool) wire.Session { return New(l, midstream) },
}

// Session decodes one connection. See wire.Session.
type Session struct {
	limits   wire.Limits
	half     [2]half
	pending  [2][]pending // messages that wait for an answer, by their direction, oldest first
	taken    [2][]pending // those that have one, which says that they were taken: that of the application may still come
	events   []wire.Event
	seq      uint64        // of the last message
	segments []hl7.Segment // room for those of the next message
}

// half is the framing of one direction.
type half struct {
	state   state
	offset  int64 // of the next byte
	start   int64 // of the current frame
	startAt chaperone.Mark
	buffer  []byte        // the frame so far, if it did not come in one piece
	begun   bool          // its start block was seen
	cut     bool          // bytes of the frame are missing
	over    *wire.Message // the message of a frame beyond the limit, while it streams
	claims  hl7.Claims
	noisy   bool // noise was reported since the last frame began
}

// pending is a message without an answer.
type pending struct {
	id      string // MSH-10
	message *wire.Message
	brought bool // it is a push, and brought records or merges
}

// New opens a session. midstream: the connection may be inside a frame.
func New(l wire.Limits, midstream bool) *Session {
	s := &Session{limits: l}
	if midstream {
		s.half[wire.FromClient].lose()
		s.half[wire.FromServer].lose()
	}
	return s
}

// Clone gives an independent copy.
func (s *Session) Clone() wire.Session {
	c := &Session{limits: s.limits, seq: s.seq, half: s.half}
	copies := map[*wire.Message]*wire.Message{}
	clone := func(m *wire.Message) *wire.Message {
		if m != nil && copies[m] == nil {
			copied := *m
			copies[m] = &copied
		}
		return copies[m]
	}
	for d := range c.half {
		c.half[d].buffer = append([]byte(nil), s.half[d].buffer...)
		c.half[d].claims = hl7.Claims{}
		c.half[d].over = clone(s.half[d].over)
		for _, p := range s.pending[d] {
			c.pending[d] = append(c.pending[d], pending{p.id, clone(p.message), p.brought})
		}
		for _, p := range s.taken[d] {
			c.taken[d] = append(c.taken[d], pending{p.id, clone(p.message), p.brought})
		}
	}
	return c
}

// Feed takes the next bytes of one direction.
func (s *Session) Feed(d wire.Dir, p []byte, at chaperone.Mark) []wire.Event {
	s.events = s.events[:0]
	h := &s.half[d]
	for len(p) > 0 {
		n := 0
		if h.state == body || h.state == lost {
			n = plain(p)
		}
		switch {
		case n == 0:
			s.step(d, p[0], at)
			n = 1
		case h.state == body && h.empty() && n <= s.limits.Message && n+1 < len(p) && p[n] == endBlock && p[n+1] == carriage:
			h.offset += int64(n + 2) // the usual case: the whole frame lies in this chunk and needs no copy
			h.state = idle
			s.frame(d, p[:n], true, at)
			n += 2
		default:
			h.offset += int64(n)
			s.keep(d, p[:n], at)
		}
		p = p[n:]
	}
	if h.over != nil {
		s.emit(wire.Event{Stage: wire.Body, Message: h.over, Dir: d, End: h.offset, At: at})
	}
	return s.events
}

// empty reports whether nothing of the current frame has passed.
func (h *half) empty() bool { return len(h.buffer) == 0 && !h.cut && h.over == nil }

// keep adds bytes to the current frame; they are already counted in offset.
func (s *Session) keep(d wire.Dir, p []byte, at chaperone.Mark) {
	h := &s.half[d]
	if h.state == lost && len(h.buffer) == 0 {
		h.start, h.startAt = h.offset-int64(len(p)), at
	}
	switch free := max(0, s.limits.Message-len(h.buffer)); { // gap marks may lie beyond the limit
	case h.over != nil:
		h.over.Bytes += int64(len(p))
	case len(p) <= free:
		h.buffer = append(h.buffer, p...)
	case h.state == lost:
		h.buffer = append(h.buffer, p[:free]...)
	default:
		s.overflow(d, p[:free], at)
		if h.state == lost {
			s.keep(d, p[free:], at)
		}
	}
}

// step takes one byte that may change the state.
func (s *Session) step(d wire.Dir, b byte, at chaperone.Mark) {
	h := &s.half[d]
	was := h.state
	t := transitions[was][classify(b)]
	h.offset++
	h.state = t.next
	switch t.act {
	case begin:
		h.begin(at)
	case keep:
		s.keep(d, []byte{b}, at)
	case finish:
		s.finish(d, true, at)
	case noise:
		if !h.noisy {
			s.malformed(d, at, fmt.Errorf("mllp: byte outside a frame at offset %d: %w", h.offset-1, format.ErrMalformed))
		}
		h.noisy = true
	case restart:
		if was == body && h.empty() { // start blocks in a row: said once
			if !h.noisy {
				s.malformed(d, at, fmt.Errorf("mllp: start block behind a start block at offset %d: %w", h.offset-1, format.ErrMalformed))
			}
			h.begin(at)
			h.noisy = true
			return
		}
		if was == body {
			s.malformed(d, at, fmt.Errorf("mllp: a frame starts inside the frame at offset %d: %w", h.start, format.ErrMalformed))
			h.cut = true
			h.buffer = dropCutField(h.buffer)
		}
		s.finish(d, false, at)
		h.begin(at)
	case unend:
		s.malformed(d, at, fmt.Errorf("mllp: end block without CR at offset %d: %w", h.offset-1, format.ErrMalformed))
		s.keep(d, []byte{endBlock}, at)
		if t.next != end1 {
			s.keep(d, []byte{b}, at)
		}
	case finishBad:
		s.malformed(d, at, fmt.Errorf("mllp: end block without CR at offset %d: %w", h.offset-1, format.ErrMalformed))
		s.finish(d, true, at)
		h.begin(at)
	}
}

// begin opens a frame whose start block was just taken.
func (h *half) begin(at chaperone.Mark) {
	h.state, h.start, h.startAt, h.begun = body, h.offset-1, at, true
	h.buffer, h.cut, h.over, h.noisy = h.buffer[:0], false, nil, false
}

// finish ends a frame that was collected in the buffer. ended: its last byte passed.
func (s *Session) finish(d wire.Dir, ended bool, at chaperone.Mark) {
	h := &s.half[d]
	if m := h.over; m != nil {
		h.over = nil
		s.tail(d, m, ended, at)
	} else {
		s.frame(d, h.buffer, ended, at)
	}
	if h.buffer = h.buffer[:0]; cap(h.buffer) > 1<<14 {
		h.buffer = nil // a large document does not pin its memory for the life of the connection
	}
	h.cut = false
}

// Held gives the bytes that are kept of frames which are not whole yet, of both directions.
func (s *Session) Held() int {
	return cap(s.half[wire.FromClient].buffer) + cap(s.half[wire.FromServer].buffer)
}

// overflow decides a frame by its beginning.
func (s *Session) overflow(d wire.Dir, p []byte, at chaperone.Mark) {
	h := &s.half[d]
	held := append(h.buffer, p...)
	h.buffer = nil
	s.malformed(d, at, fmt.Errorf("mllp: frame at offset %d of more than %d bytes: %w", h.start, s.limits.Message, format.ErrLimit))
	m, err := hl7.Parse(dropCutLine(held))
	if err != nil {
		s.malformed(d, at, err)
		h.lose()
		return
	}
	h.over = s.head(d, &m, m.Read(), h.cut, at)
	h.over.Bytes = h.offset - h.start
}

// lose forgets the current frame: what comes next may be the middle of another.
func (h *half) lose() {
	h.state, h.cut, h.begun = lost, true, false
}

// Gap says that n bytes were not seen.
func (s *Session) Gap(d wire.Dir, n int64, at chaperone.Mark) []wire.Event {
	s.events = s.events[:0]
	h := &s.half[d]
	h.offset += n
	switch {
	case h.over != nil:
		h.over.Bytes += n
		h.cut = true
		h.state = body
	case h.state == body || h.state == end1:
		h.buffer = append(dropCutLine(h.buffer), gapMark...)
		h.cut = true
		h.state = body
	case h.state == lost:
		h.buffer = append(dropCutLine(h.buffer), gapMark...)
	default:
		h.buffer = h.buffer[:0]
		h.lose()
	}
	return s.events
}

// Close gives what is still open.
func (s *Session) Close(at chaperone.Mark) []wire.Event {
	s.events = s.events[:0]
	for d := range s.half {
		h := &s.half[d]
		if h.over != nil || len(h.buffer) > 0 && h.state != idle {
			if h.state != end1 { // behind the end block nothing of it is missing
				h.buffer = dropCutField(h.buffer)
			}
			h.cut = true
			s.finish(wire.Dir(d), false, at)
		}
	}
	for d := range s.pending {
		for _, p := range s.pending[d] {
			s.answer(p.message, "", at)
		}
		s.pending[d] = nil
	}
	return s.events
}

func (s *Session) emit(e wire.Event) { s.events = append(s.events, e) }

func (s *Session) malformed(d wire.Dir, at chaperone.Mark, err error) {
	s.emit(wire.Event{Stage: wire.Malformed, Dir: d, End: s.half[d].offset, At: at, Err: err})
}

// next numbers a message.
func (s *Session) next() uint64 {
	s.seq++
	return s.seq
}
