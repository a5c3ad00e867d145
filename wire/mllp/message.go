package mllp

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"chaperone"
	"chaperone/format"
	"chaperone/format/hl7"
	"chaperone/wire"
)

// gapMark stands in the buffer where bytes are missing: the line it begins is never read as a segment.
const gapMark = "\r?"

// frame reads the messages of one frame. payload is the buffer or a part of the caller's chunk.
func (s *Session) frame(d wire.Dir, payload []byte, ended bool, at chaperone.Mark) {
	h := &s.half[d]
	if len(payload) == 1 && (payload[0] == commitACK || payload[0] == commitNAK) {
		return // release 2 commit acknowledgement: the HL7 acknowledgement follows
	}
	messages, more := hl7.Split(payload)
	if h.cut && len(messages) == 0 {
		s.fragment(d, payload, ended, at)
		return
	}
	if len(messages) == 0 {
		s.malformed(d, at, fmt.Errorf("mllp: frame at offset %d holds no HL7 message: %w", h.start, format.ErrMalformed))
		return
	}
	for i, raw := range messages {
		m, err := hl7.ParseInto(raw, s.segments)
		if err != nil {
			s.malformed(d, at, err)
			continue
		}
		s.segments, m.Claims = m.Segments, &h.claims
		content := m.Read()
		last := i == len(messages)-1
		if m.Odd != "" && !h.cut {
			s.malformed(d, at, fmt.Errorf("hl7: message at offset %d: %s: %w", h.start, m.Odd, format.ErrMalformed))
		}
		message := s.head(d, &m, content, h.cut && last, at)
		message.Bytes = int64(len(raw))
		if len(messages) == 1 {
			message.Bytes = h.offset - h.start
		}
		s.tail(d, message, ended || !last, at)
	}
	if more {
		s.malformed(d, at, fmt.Errorf("mllp: frame at offset %d of more than %d messages: %w", h.start, len(messages), format.ErrLimit))
	}
}

// fragment reads the rest of a message whose beginning was not seen. A frame that did begin but whose header is not
// whole counts as a record of nobody: never zero.
func (s *Session) fragment(d wire.Dir, payload []byte, ended bool, at chaperone.Mark) {
	h := &s.half[d]
	m, err := hl7.ParseFragment(payload)
	if err != nil {
		s.malformed(d, at, err)
		return
	}
	content := m.Read()
	if len(content.Bearing()) == 0 && (!h.begun || content.Ack != "") {
		return // an answer, or the rest of nobody knows what: its bytes are among the lost ones
	}
	content.Type = "?"
	message := s.head(d, &m, content, true, at)
	message.Bytes, message.Headless = int64(len(payload)), true
	s.tail(d, message, ended, at)
}

// head opens a message.
func (s *Session) head(d wire.Dir, m *hl7.Message, c hl7.Content, cut bool, at chaperone.Mark) *wire.Message {
	h := &s.half[d]
	message := &wire.Message{ // also one without a type has a word, without which it could not be put on record
		Seq: s.next(), Action: cmp.Or(Action(c), "?"), Role: RoleOf(c), Dir: d, Data: d, From: c.From, To: c.To,
		Start: h.start, At: h.startAt, Digest: sha256.Sum256(m.Raw), Outcome: chaperone.Unknown,
	}
	if message.Role == wire.Query {
		message.Data, message.Requester = d.Other(), c.From
		message.From, message.To = c.To, c.From // its records are those of the answer
		message.Everybody = !cut && m.Everybody()
	}
	records := c.Bearing()
	if cut && len(records) == 0 && message.Role == wire.Push {
		records = []chaperone.Record{{}} // its PID may have been in the part that is missing
	}
	if c.Again && message.Role == wire.Query && d == wire.FromClient {
		records = nil // of whom it asks for: the answer brings them. What a server sends without having been asked brings what it has
	}
	if c.Ack != "" {
		p, first := s.take(d.Other(), c.AckFor, strings.HasPrefix(c.Ack, "C"))
		asked := p.message
		if c.Again && (p.brought || asked == nil && message.Role == wire.Control) {
			records = nil // of whom the message brought: that was counted with it, and its sender learns of nobody else
		}
		if asked != nil {
			if asked.Role == wire.Query {
				message.Requester = asked.Requester
			}
			if first {
				s.answer(asked, c.Ack, at)
			}
		}
	}
	s.emit(wire.Event{Stage: wire.Head, Message: message, Records: records, Merges: c.Merges, Dir: d, End: h.offset, At: at})
	if message.Role == wire.Push || message.Role == wire.Query {
		s.pending[d] = append(s.pending[d], pending{c.ControlID, message, message.Role == wire.Push && len(records)+len(c.Merges) > 0})
	}
	return message
}

// tail closes a message. A reply is not answered in turn.
func (s *Session) tail(d wire.Dir, m *wire.Message, ended bool, at chaperone.Mark) {
	m.Ended = ended
	if !ended {
		m.Outcome = chaperone.Partial
	}
	s.emit(wire.Event{Stage: wire.Tail, Message: m, Dir: d, End: s.half[d].offset, At: at})
	switch m.Role {
	case wire.Reply:
		if ended {
			m.Outcome = chaperone.Delivered
		}
		s.emit(wire.Event{Stage: wire.Answer, Message: m, Dir: d, End: s.half[d].offset, At: at})
	case wire.Push, wire.Query:
		if !slices.ContainsFunc(s.pending[d], func(p pending) bool { return p.message == m }) {
			s.conclude(m, at) // it was answered while it passed
		} else if len(s.pending[d]) > s.limits.Pending {
			oldest := s.pending[d][0].message
			s.pending[d] = slices.Delete(s.pending[d], 0, 1)
			s.answer(oldest, "", at)
		}
	}
}

// take finds the message that an acknowledgement names: the oldest with that control ID, because senders use one
// again and again. An acknowledgement that names none belongs to the oldest of all. A commit (CA, CE, CR; enhanced mode, chapter 2) leaves
// it for the answer of the application, which is not the first then.
func (s *Session) take(d wire.Dir, id string, commit bool) (p pending, first bool) {
	names := func(p pending) bool { return p.id == id || id == "" }
	if i := slices.IndexFunc(s.pending[d], names); i >= 0 {
		p = s.pending[d][i]
		s.pending[d] = slices.Delete(s.pending[d], i, i+1)
		if commit {
			s.taken[d] = append(s.taken[d], p)
			s.taken[d] = slices.Delete(s.taken[d], 0, max(0, len(s.taken[d])-s.limits.Pending))
		}
		return p, true
	}
	if i := slices.IndexFunc(s.taken[d], names); i >= 0 && !commit {
		p = s.taken[d][i]
		s.taken[d] = slices.Delete(s.taken[d], i, i+1)
	}
	return p, false
}

// answer closes the life of a message with the code of its acknowledgement (MSA-1, HL7 table 0008), "" for none.
// The answer of a frame that still passes comes behind its tail.
func (s *Session) answer(m *wire.Message, code string, at chaperone.Mark) {
	m.Status = code
	if s.half[m.Dir].over != m {
		s.conclude(m, at)
	}
}

// conclude gives the answer of a message whose tail was given.
func (s *Session) conclude(m *wire.Message, at chaperone.Mark) {
	switch {
	case !m.Ended:
		m.Outcome = chaperone.Partial
	case m.Status == "AA" || m.Status == "CA":
		m.Outcome = chaperone.Delivered
	case m.Status != "":
		m.Outcome = chaperone.Refused
	}
	d := m.Dir.Other()
	s.emit(wire.Event{Stage: wire.Answer, Message: m, Dir: d, End: s.half[d].offset, At: at})
}

// Action gives what kind of message it is. MSH-9 is free text on the wire and may hold anything, so only codes of the usual
// form are repeated (HL7 2.9 2.14.9.9: three characters each); anything else is "?".
func Action(c hl7.Content) string {
	switch {
	case c.Type == "ACK", c.Type == "" && c.Ack != "": // version 2.1 leaves MSH-9 out of acknowledgements
		return "ACK"
	case !code(c.Type), !code(c.Event):
		return "?"
	case c.Event == "":
		return c.Type
	}
	return c.Type + "^" + c.Event
}

// code reports whether text has the form of a message code or a trigger event, or is empty.
func code(text string) bool {
	for _, b := range []byte(text) {
		if b != '_' && (b < '0' || b > '9') && (b < 'A' || b > 'Z') && (b < 'a' || b > 'z') {
			return false
		}
	}
	return len(text) <= 3
}

// RoleOf gives what a message does.
func RoleOf(c hl7.Content) wire.Role {
	switch {
	case Action(c) == "ACK" || c.Type == "MCF":
		return wire.Control
	case c.Ack != "":
		return wire.Reply
	case c.Query:
		return wire.Query
	}
	return wire.Push
}

// dropCutLine removes the last line, of which only a part is there: half an identifier is not an identifier.
func dropCutLine(b []byte) []byte {
	if i := bytes.LastIndexAny(b, "\r\n"); i >= 0 {
		return b[:i]
	}
	return b[:0]
}

// dropCutField removes the last field, of which only a part is there, and of a header all, since half of it says nothing of whose message it is.
func dropCutField(b []byte) []byte {
	end := byte('\r')
	if bytes.IndexByte(b, end) < 0 {
		end = '\n'
	}
	from := bytes.LastIndexByte(b, end) + 1
	line := bytes.TrimLeft(b[from:], " \t\n\x00")
	if len(line) < 4 || string(line[:3]) == "MSH" {
		return b[:from]
	}
	return b[:max(from, bytes.LastIndexByte(b, line[3]))] // its separator stands behind its name
}

// maxGreeting bounds the text that may stand in front of the first frame of a connection: blanks, line ends, a greeting.
const maxGreeting = 16

// greeting gives the length of the text at the start of b.
func greeting(b []byte) int {
	b = b[:min(len(b), maxGreeting+1)]
	for i, c := range b {
		if c != 0 && c != '\t' && c != '\r' && c != '\n' && (c < ' ' || c > '~') {
			return i
		}
	}
	return len(b)
}

// Sniff looks for a start block in front of an HL7 header.
func Sniff(client, server []byte, midstream bool) wire.Verdict {
	window := 4 << 10 // a frame that holds something else first
	if midstream {
		window = 64 << 10 // the rest of a document
	}
	for _, b := range [][]byte{client, server} {
		if n := greeting(b); !midstream && (n > maxGreeting || n < len(b) && b[n] != startBlock) {
			return wire.No
		}
	}
	for _, b := range [][]byte{client, server} {
		if contains(b) {
			return wire.Yes
		}
	}
	if len(client) > window || len(server) > window {
		return wire.No
	}
	return wire.Maybe
}

func contains(b []byte) bool {
	for {
		i := bytes.IndexByte(b, startBlock)
		if i < 0 || len(b) < i+4 {
			return false
		}
		switch string(b[i+1 : i+4]) {
		case "MSH", "FHS", "BHS":
			return true
		}
		b = b[i+1:]
	}
}
