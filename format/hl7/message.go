// Package hl7 reads HL7 v2 messages in ER7 encoding (HL7 v2.x chapter 2): separators, segments, fields,
// repetitions, components and escapes. It keeps slices of the message and copies nothing but the values that are asked for.
package hl7

import (
	"bytes"
	"fmt"

	"chaperone/format"
)

// Separators are the characters MSH-1 and MSH-2 declare (chapter 2, message delimiters).
type Separators struct {
	Field, Component, Repetition, Escape, Subcomponent byte
}

// DefaultSeparators are those nearly everybody uses.
var DefaultSeparators = Separators{'|', '^', '~', '\\', '&'}

// Bounds of one message, and of the messages in one frame.
const (
	maxSegments    = 100_000
	maxIdentifiers = 100_000
	maxMessages    = 10_000
)

// Segment is one line of a message: its name and its bytes, name included.
type Segment struct {
	Name [3]byte
	raw  []byte
	sep  Separators
}

// Is reports whether the segment has that name.
func (s Segment) Is(name string) bool { return string(s.Name[:]) == name }

// Message is one parsed message. It refers to the bytes it was parsed from.
type Message struct {
	Segments []Segment
	Raw      []byte
	Charset  format.Charset
	// Odd says what is outside the strict grammar although it could be read; "" for a clean message.
	Odd string

	identified int // identifiers read so far
	// Claims may be those of the message before, to be used again; nil is none.
	Claims *Claims
}

// Header gives the MSH segment; a fragment that lost it has none.
func (m *Message) Header() (Segment, bool) {
	if len(m.Segments) > 0 && m.Segments[0].Is("MSH") {
		return m.Segments[0], true
	}
	return Segment{}, false
}

// Parse reads one message that starts with MSH.
//
// Errors: format.ErrMalformed when it does not start with a usable MSH, format.ErrLimit for too many segments.
func Parse(raw []byte) (Message, error) { return ParseInto(raw, nil) }

// ParseInto is Parse with room for the segments: those of a message that is no longer needed.
func ParseInto(raw []byte, room []Segment) (Message, error) {
	raw = trimStart(raw)
	if !bytes.HasPrefix(raw, []byte("MSH")) {
		return Message{}, fmt.Errorf("hl7: no MSH at the start: %w", format.ErrMalformed)
	}
	sep, err := separators(raw)
	if err != nil {
		return Message{}, err
	}
	m := Message{Raw: raw, Segments: room[:0]}
	if err := m.split(raw, sep); err != nil {
		return Message{}, err
	}
	if charset := m.Segments[0].Field(18).Repetition(0).Component(1); isLatin1(charset) {
		m.Charset = format.Latin1
	}
	return m, nil
}

// ParseFragment reads the segments of a message whose beginning is missing, with the default separators.
// The first line is not used: it may be the rest of a segment that was cut.
func ParseFragment(raw []byte) (Message, error) {
	m := Message{Raw: raw, Odd: "the beginning of the message is missing"}
	cut := bytes.IndexAny(raw, "\r\n")
	if cut < 0 {
		return m, nil
	}
	return m, m.split(raw[cut+1:], DefaultSeparators)
}

// separators reads MSH-1 and MSH-2. Characters that MSH-2 leaves out take their defaults (older versions).
func separators(raw []byte) (Separators, error) {
	if len(raw) < 4 {
		return Separators{}, fmt.Errorf("hl7: MSH of %d bytes: %w", len(raw), format.ErrMalformed)
	}
	sep := DefaultSeparators
	sep.Field = raw[3]
	encoding := raw[4:]
	if end := bytes.IndexByte(encoding, sep.Field); end >= 0 {
		encoding = encoding[:end]
	}
	slots := []*byte{&sep.Component, &sep.Repetition, &sep.Escape, &sep.Subcomponent}
	for i, slot := range slots {
		if i < len(encoding) && encoding[i] != '\r' && encoding[i] != '\n' {
			*slot = encoding[i]
		}
	}
	all := []byte{sep.Field, sep.Component, sep.Repetition, sep.Escape, sep.Subcomponent}
	for i, c := range all {
		if c <= ' ' || c > '~' || alphanumeric(c) || bytes.IndexByte(all[:i], c) >= 0 {
			return sep, fmt.Errorf("hl7: MSH separator %d is not usable: %w", i+1, format.ErrMalformed)
		}
	}
	return sep, nil
}

// split cuts a message into segments. CR ends a segment; where a message has no CR at all, LF does. A line that does
// not begin like a segment belongs to the one before (raw line breaks inside a text field).
func (m *Message) split(raw []byte, sep Separators) error {
	end := byte('\r')
	if bytes.IndexByte(raw, '\r') < 0 {
		end = '\n'
	}
	if m.Segments == nil {
		m.Segments = make([]Segment, 0, 16)
	}
	for len(raw) > 0 {
		line := raw
		if i := bytes.IndexByte(raw, end); i >= 0 {
			line, raw = raw[:i], raw[i+1:]
		} else {
			raw = nil
		}
		if len(line) > 0 && line[0] == '\n' {
			line = line[1:]
		}
		if len(line) == 0 {
			continue
		}
		name, ok := segmentName(line, sep.Field)
		if !ok {
			m.Odd = "a line does not begin like a segment"
			continue
		}
		if len(m.Segments) == maxSegments {
			return fmt.Errorf("hl7: more than %d segments: %w", maxSegments, format.ErrLimit)
		}
		m.Segments = append(m.Segments, Segment{name, line, sep})
	}
	return nil
}

func segmentName(line []byte, field byte) (name [3]byte, ok bool) {
	if len(line) < 3 || len(line) > 3 && line[3] != field {
		return name, false
	}
	copy(name[:], line)
	for i, c := range name {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
			name[i] = c
		}
		if !(c >= 'A' && c <= 'Z' || i > 0 && c >= '0' && c <= '9') {
			return name, false
		}
	}
	return name, true
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// trimStart drops what senders put before MSH: line ends, NULs, blanks, a UTF-8 byte order mark.
func trimStart(raw []byte) []byte {
	return bytes.TrimPrefix(bytes.TrimLeft(raw, "\r\n\x00 "), []byte("\xEF\xBB\xBF"))
}

// Split cuts the payload of one frame into messages: one for each MSH that begins a line. Batch headers and trailers
// (FHS, BHS, BTS, FTS) fall away. The slices are parts of payload. more says that it holds more messages than are read.
func Split(payload []byte) (messages [][]byte, more bool) {
	payload = trimStart(payload)
	if single(payload) {
		return [][]byte{payload}, false
	}
	start := -1
	for at := 0; at < len(payload); {
		line := payload[at:]
		if isLine(line, "MSH") || isLine(line, "BTS") || isLine(line, "FTS") || isLine(line, "BHS") || isLine(line, "FHS") {
			if start >= 0 {
				messages = append(messages, payload[start:at])
				start = -1
			}
			if len(messages) == maxMessages {
				return messages, true
			}
			if line[0] == 'M' {
				start = at
			}
		}
		next := bytes.IndexAny(line, "\r\n")
		if next < 0 {
			break
		}
		at += next + 1
	}
	if start >= 0 {
		messages = append(messages, payload[start:])
	}
	return messages, false
}

// single is the usual case: MSH at the start and nowhere else.
func single(payload []byte) bool {
	return bytes.HasPrefix(payload, []byte("MSH")) && !bytes.Contains(payload[3:], []byte("MSH")) &&
		!bytes.Contains(payload, []byte("\rBTS"))
}

func isLine(line []byte, name string) bool {
	return len(line) > 3 && string(line[:3]) == name && !alphanumeric(line[3]) && line[3] > ' '
}

func isLatin1(charset []byte) bool {
	switch string(charset) {
	case "8859/1", "8859-1", "ISO-8859-1", "iso-8859-1", "ISO8859-1", "ISO_8859-1":
		return true
	}
	return false
}
