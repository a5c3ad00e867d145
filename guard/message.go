package guard

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"chaperone/format/hl7"
	"chaperone/wire"
	"chaperone/wire/mllp"
)

// message is what is read of a frame. Of several messages in one frame it is all of them together: they are decided as one.
type message struct {
	first   []byte // the first of them
	parts   []part
	one     [1]part // room for parts, nearly always enough
	content hl7.Content
	word    string
	role    wire.Role
	query   bool
	named   int   // how many a query names by number; 0: others, or nobody
	nobody  bool  // a query that names nobody
	awaited bool  // its sender asks for an answer
	again   bool  // it names nobody, and has nothing of anybody but what an answer says again of its message, or a query of what it asks for
	err     error // it cannot be read in one way
}

// part is one of the messages of a frame.
type part struct {
	raw             []byte
	id, ack, ackFor string    // MSH-10, MSA-1 and MSA-2
	bears           bool      // a patient
	commits         bool      // it says no more than that a message was taken, or not (CA, CE, CR; enhanced mode, chapter 2)
	once            bool      // its sender asks for such an answer alone
	answers         *question // from behind the guard: nil when nobody asked it
}

// before is what a message leaves to the next of its direction: what nearly all of them say alike, and room.
type before struct {
	claims   hl7.Claims
	segments []hl7.Segment
}

// clear lets go of the bytes of a message, which may be many, and keeps the room.
func (b *before) clear() {
	if cap(b.segments) > mostSegments {
		b.segments = nil
	}
	clear(b.segments[:cap(b.segments)])
}

// parse reads a frame.
func parse(payload []byte, last *before) (m *message) {
	if err := sound(func() error { m = parseSound(payload, last); return nil }); err != nil {
		m = &message{err: err}
	}
	return m
}

func parseSound(payload []byte, last *before) *message {
	defer last.clear()
	m := &message{err: hl7.Strict(payload), again: true}
	m.parts = m.one[:0]
	wrong := func(why string) { m.err = errors.Join(m.err, errors.New(why)) }
	parts, more := hl7.Split(payload)
	if more {
		wrong("more messages in a frame than are read")
	}
	var first hl7.Message
	for i, raw := range parts {
		var room []hl7.Segment
		if i == 0 {
			room = last.segments
		}
		one, err := hl7.ParseInto(raw, room)
		if err == nil && one.Odd != "" {
			err = errors.New(one.Odd)
		}
		if err != nil {
			m.err = errors.Join(m.err, err)
			m.parts = append(m.parts, part{raw: raw})
			continue
		}
		one.Claims = &last.claims
		content := one.Read()
		content.Records = content.Bearing()
		bears, role := len(content.Records)+len(content.Merges) > 0, mllp.RoleOf(content)
		m.again = m.again && (content.Again || !bears)
		m.parts = append(m.parts, part{
			raw: one.Raw, id: content.ControlID, ack: content.Ack, ackFor: content.AckFor,
			bears: bears, commits: strings.HasPrefix(content.Ack, "C"), once: commitOnly(content.Wanted),
		})
		m.awaited = m.awaited || awaited(content.Wanted, role)
		if answers := slices.IndexFunc(one.Segments, isMSA); answers >= 0 && slices.ContainsFunc(one.Segments[answers+1:], isMSA) {
			wrong("it answers twice")
		}
		if role == wire.Query && len(parts) > 1 {
			wrong("a query is not alone in its frame")
		}
		if i == 0 || m.word == "" {
			first, m.first, m.content, m.word, m.role = one, one.Raw, content, mllp.Action(content), role
			last.segments = one.Segments
			continue
		}
		m.content.Records = append(m.content.Records, content.Records...)
		m.content.Merges = append(m.content.Merges, content.Merges...)
		if content.From != m.content.From || content.To != m.content.To || role != m.role {
			wrong("messages of several kinds in one frame")
		}
	}
	if m.query = m.role == wire.Query; m.query {
		if !m.asks(&first) {
			wrong("a query asks twice, or brings a record")
		}
	}
	if len(parts) == 0 {
		wrong("no message in a frame")
	}
	if m.err != nil {
		if m.word == "" && len(parts) > 0 {
			m.calledBy(parts[0])
		}
		for i := range m.parts { // what each answers its MSA alone says
			p := &m.parts[i]
			if code, id := answerIn(p.raw); id != "" {
				p.ack, p.ackFor, p.commits = code, id, strings.HasPrefix(code, "C")
			}
		}
	}
	return m
}

// calledBy finds out what a message that cannot be read is called, by its header, so that it can be answered. Who has none stays without a name.
func (m *message) calledBy(raw []byte) {
	header, _, _ := bytes.Cut(raw, []byte{carriage})
	one, err := hl7.Parse(header)
	if err != nil {
		return
	}
	m.first, m.content = header, one.Read() // of the rest nothing is believed
	m.content.Ack, m.content.AckFor = answerIn(raw)
	m.word, m.role = mllp.Action(m.content), mllp.RoleOf(m.content)
	if whole, err := hl7.Parse(raw); err == nil { // a query's answer says which one again
		m.first, m.role = raw, mllp.RoleOf(whole.Read())
	}
}

func isMSA(s hl7.Segment) bool { return s.Is("MSA") }

// mostSegments is how many segments room is kept for.
const mostSegments = 256

// bears reports whether a message bears a patient.
func (m *message) bears() bool { return len(m.content.Records)+len(m.content.Merges) > 0 }

// asks finds out whom a query is about. It reports whether that can be told: it asks once, and brings nothing. What it says beside
// that of an appointment is of what it asks for, and its answer is decided by whom that shows.
func (m *message) asks(first *hl7.Message) bool {
	queries := 0
	for _, s := range first.Segments {
		if !s.Asks() {
			continue
		}
		queries++
		numbers, names := s.Named()
		m.named, m.nobody = numbers, numbers+names == 0
		if names > 0 {
			m.named = 0
		}
	}
	return queries == 1 && m.again
}

// awaited tells whether a message will have an answer whatever becomes of it: in original mode unless it is an answer itself, and where MSH-15
// or MSH-16 say always. One that is sent in case of an error only, or of success, is not waited for.
func awaited(w hl7.Wanted, role wire.Role) bool {
	return role != wire.Control && (w.Accept == "AL" || w.Application == "AL" || w == hl7.Wanted{} && role != wire.Reply)
}

// commitOnly tells whether a message asks for no answer of the application: in enhanced mode, where MSH-16 does not ask for one.
func commitOnly(w hl7.Wanted) bool {
	return w.Application == "NE" || w.Accept != "" && w.Application == ""
}
