// Package smb reads file sharing: SMB 2.0.2 to 3.1.1 (MS-SMB2) over TCP or NetBIOS sessions. It says who logged on to
// which server, which shares and files were opened, and how much of a file was read. What the files hold passes by:
// only headers and the bodies that name something are kept. Of SMB1, of sealed and of compressed messages nothing is
// read but that they are there.
//
// A piece of a file whose request was not seen, or was about a file that no answer named, has the zero ID. Folders and
// failed opens have no size, -1.
//
// A session keeps at most Limits.Pending requests without an answer, as many tree connects and as many logons that are
// under way; when there are more, the oldest is forgotten, and what is said of it later says less.
package smb

import (
	"fmt"
	"slices"

	"chaperone"
	"chaperone/format"
	"chaperone/wire"
)

// Protocol is the entry for the list of protocols.
var Protocol = wire.Protocol{
	Name:  chaperone.SMB,
	Sniff: Sniff,
	New:   func(l wire.Limits, midstream bool) wire.Session { return New(l, midstream) },
}

// Session decodes one connection. See wire.Session.
type Session struct {
	limits  wire.Limits
	half    [2]half
	asks    wire.Dir // the direction of requests
	known   bool     // which direction that is
	server  wire.FileServer
	pending []request    // without their answer, oldest first
	trees   []tree       // oldest first
	logons  []wire.Logon // under way, oldest first
	events  []wire.Event
}

// half is one direction: a frame, in it a chain of messages, and what is kept of the current one.
type half struct {
	offset   int64
	lost     bool    // looking for the next frame
	scan     []byte  // the last bytes seen while looking
	head     [4]byte // of the frame
	have     int
	left     int // bytes of the frame still to come, 0 between frames
	part     part
	readable bool   // the current message is read when it ends
	size     int    // of the current message, as far as it is known
	passed   int    // bytes of it that passed
	want     int    // how many of its first bytes are kept
	kept     []byte // those that are
	header   header
	chain    chain
}

// part is where in a message a direction stands.
type part uint8

const (
	naming  part = iota // the four bytes that name the protocol
	heading             // the rest of the header
	holding             // what is kept of the body
	passing             // what is not
)

// New opens a session. midstream: the connection may be inside a frame, and its sides mistaken for each other.
func New(l wire.Limits, midstream bool) *Session {
	s := &Session{limits: l, asks: wire.FromClient, known: !midstream}
	s.half[0].lost, s.half[1].lost = midstream, midstream
	return s
}

// Feed takes the next bytes of one direction.
func (s *Session) Feed(d wire.Dir, p []byte, at chaperone.Mark) []wire.Event {
	s.events = s.events[:0]
	h := &s.half[d]
	for len(p) > 0 {
		switch {
		case h.lost:
			p = h.find(p)
		case h.left == 0:
			p = s.frame(d, p, at)
		case h.part == passing:
			n := min(len(p), h.size-h.passed)
			p = p[n:]
			s.pass(d, n, at)
		default:
			n := min(len(p), h.want-len(h.kept))
			h.kept = append(h.kept, p[:n]...)
			p = p[n:]
			s.pass(d, n, at)
		}
	}
	return s.events
}

// Gap says that the next n bytes of that direction were not seen. In what is not kept they count as any others. In a
// header or a kept body they cost the message, and the framing goes on behind it as far as its length was seen.
func (s *Session) Gap(d wire.Dir, n int64, at chaperone.Mark) []wire.Event {
	s.events = s.events[:0]
	h := &s.half[d]
	for n > 0 && !h.lost && h.left > 0 {
		switch h.part {
		case naming, heading:
			h.skip()
		case holding:
			h.part, h.readable = passing, false
		}
		k := min(n, int64(h.size-h.passed))
		n -= k
		s.pass(d, int(k), at)
	}
	if n > 0 {
		h.offset += n + int64(len(h.scan))
		h.lose()
	}
	return s.events
}

// Close gives what is still open: the part of a file that passed before the connection ended.
func (s *Session) Close(at chaperone.Mark) []wire.Event {
	s.events = s.events[:0]
	for d := range s.half {
		h := &s.half[d]
		if !h.lost && h.left > 0 && h.part == passing && h.readable && h.header.isData() {
			s.message(wire.Dir(d), at)
		}
	}
	return s.events
}

// Clone gives an independent copy.
func (s *Session) Clone() wire.Session {
	copied := *s
	for d := range copied.half {
		h := &copied.half[d]
		h.scan, h.kept = slices.Clone(h.scan), slices.Clone(h.kept)
	}
	copied.pending, copied.trees, copied.logons = slices.Clone(s.pending), slices.Clone(s.trees), slices.Clone(s.logons)
	copied.events = nil
	return &copied
}

// begin starts the next message of a frame.
func (h *half) begin() {
	h.part, h.readable, h.size, h.passed, h.want = naming, false, h.left, 0, 4
	if h.kept = h.kept[:0]; cap(h.kept) > 4<<10 {
		h.kept = nil
	}
}

// skip passes by what is left of the frame.
func (h *half) skip() {
	h.part, h.readable, h.size = passing, false, h.passed+h.left
}

// lose starts the search for the next frame.
func (h *half) lose() {
	h.lost, h.have, h.left, h.scan, h.kept = true, 0, 0, nil, nil
}

// pass counts n bytes of the current message, and reads it when it is over or enough of it is there.
func (s *Session) pass(d wire.Dir, n int, at chaperone.Mark) {
	h := &s.half[d]
	h.offset += int64(n)
	h.left -= n
	h.passed += n
	if h.part != passing && len(h.kept) == h.want {
		s.enough(d, at)
	}
	if h.lost || h.passed < h.size {
		return
	}
	if h.readable {
		s.message(d, at)
	} else {
		h.chain = chain{} // what follows in the chain may be about what was not read
	}
	if h.left > 0 {
		h.begin()
	}
}

// enough goes on to the next part of a message.
func (s *Session) enough(d wire.Dir, at chaperone.Mark) {
	h := &s.half[d]
	switch h.part {
	case naming:
		s.named(d, at)
	case heading:
		s.headed(d, at)
	case holding:
		h.part, h.readable = passing, true
	}
}

// named goes by the protocol identifier of a message (MS-SMB2 sections 2.2.1, 2.2.41 and 2.2.42, MS-CIFS section 2.2.3.1).
func (s *Session) named(d wire.Dir, at chaperone.Mark) {
	h := &s.half[d]
	id := h.kept[0]
	switch {
	case !isProtocol(h.kept):
		s.malformed(d, at, "frame of %d bytes at offset %d is no SMB message", h.left+h.passed, h.offset-int64(h.passed))
		h.lose()
	case id == smb1:
		h.part, h.want = holding, min(h.size, smb1Kept)
	case id == smb2 && h.size >= headerSize:
		h.part, h.want = heading, headerSize
	case id == smb2:
		s.malformed(d, at, "message of %d bytes at offset %d is shorter than a header", h.size, h.offset-4)
		h.skip()
	default:
		if id == sealed {
			server := s.server
			server.Encrypted = true
			s.agree(d, server, at)
		}
		h.skip()
	}
}

// headed reads a header, and decides how much of the body is kept.
func (s *Session) headed(d wire.Dir, at chaperone.Mark) {
	h := &s.half[d]
	h.header = parseHeader(h.kept)
	next := int(h.header.next)
	if h.header.bad || next != 0 && (next%8 != 0 || next < headerSize || next > h.left+h.passed-headerSize) {
		s.malformed(d, at, "header at offset %d", h.offset-headerSize)
		h.skip()
		return
	}
	if next != 0 {
		h.size = next
	}
	h.want = headerSize + min(h.header.keeps(s.limits), h.size-headerSize)
	h.part = holding
	if len(h.kept) == h.want {
		s.enough(d, at)
	}
}

func (s *Session) note(d wire.Dir, f wire.Fact, at chaperone.Mark) {
	s.events = append(s.events, wire.Event{Stage: wire.Noted, Fact: f, Dir: d, End: s.half[d].offset, At: at})
}

// agree notes what is known of the server, when that is news.
func (s *Session) agree(d wire.Dir, now wire.FileServer, at chaperone.Mark) {
	if now != s.server {
		s.server = now
		s.note(d, now, at)
	}
}

func (s *Session) malformed(d wire.Dir, at chaperone.Mark, how string, numbers ...any) {
	err := fmt.Errorf("smb: %s: %w", fmt.Sprintf(how, numbers...), format.ErrMalformed)
	s.events = append(s.events, wire.Event{Stage: wire.Malformed, Dir: d, End: s.half[d].offset, At: at, Err: err})
}
