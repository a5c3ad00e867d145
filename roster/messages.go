package roster

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"chaperone"
	"chaperone/format/hl7"
)

// maxMessage bounds one message, and one line outside of messages.
const maxMessage = 1 << 20

// readMessages reads HL7 v2 messages, one behind the other, with or without the envelopes of batches and of MLLP. Segments
// end with CR, LF or both.
func readMessages(source *bufio.Reader, s *Stats, each func(*Person) error) error {
	lines := lines{source: source}
	var message []byte
	var began int64 // line of the message's MSH; 0 outside of a message
	tooLong := false
	finish := func() error {
		if began == 0 {
			return nil
		}
		line := began
		began = 0
		if tooLong {
			tooLong = false
			s.bad(line, fmt.Sprintf("a message of more than %d bytes", maxMessage))
			return nil
		}
		return takeMessage(message, line, s, each)
	}
	for {
		line, whole, err := lines.next()
		if errors.Is(err, io.EOF) {
			return finish()
		}
		if err != nil {
			return fmt.Errorf("roster: line %d: %w", lines.count, err)
		}
		if lines.count == 1 {
			line = bytes.TrimPrefix(line, []byte("\xEF\xBB\xBF"))
		}
		line = bytes.Trim(line, "\x0b\x1c") // MLLP's block characters
		switch {
		case begins(line, "MSH"):
			if err := finish(); err != nil {
				return err
			}
			message, began = message[:0], lines.count
		case begins(line, "BHS"), begins(line, "FHS"), begins(line, "BTS"), begins(line, "FTS"):
			if err := finish(); err != nil {
				return err
			}
		}
		if began > 0 && len(line) > 0 {
			tooLong = tooLong || !whole || len(message)+len(line) > maxMessage
			if !tooLong {
				message = append(append(message, line...), '\r')
			}
		}
	}
}

// takeMessage hands the people of one message on. The others in it, next of kin and guarantors, are none of them.
func takeMessage(raw []byte, line int64, s *Stats, each func(*Person) error) error {
	m, err := hl7.Parse(raw)
	if err != nil {
		s.bad(line, err.Error())
		return nil
	}
	records := m.Read().Records // one for each PID, in order
	if len(records) == 0 {
		s.Other++
		return nil
	}
	for _, segment := range m.Segments {
		if !segment.Is("PID") || len(records) == 0 {
			continue
		}
		p := Person{Record: records[0], Line: line}
		records = records[1:]
		address(&p, &m, segment)
		if err := s.take(&p, each); err != nil {
			return err
		}
	}
	return nil
}

// address reads what a message says of where somebody lives (XAD) and can be called (XTN).
func address(p *Person, m *hl7.Message, pid hl7.Segment) {
	home := pid.Field(11)
	part := func(n int) string { return home.Text(home.Subcomponent(n, 1), m.Charset) }
	street := part(1)
	if more := part(2); street != "" && more != "" {
		street += ", " + more
	}
	p.Street, p.City, p.Zip = chaperone.NewPHI(street), chaperone.NewPHI(part(3)), chaperone.NewPHI(part(5))
	p.State = state(part(4))
	phone := pid.Field(13)
	if p.Phone = phone.PHI(phone.Component(1), m.Charset); p.Phone.Empty() {
		p.Phone = phone.PHI(phone.Component(12), m.Charset)
	}
	if ssn := pid.Field(19); len(p.Record.Alternates) == 0 { // package hl7 gives it only for somebody without a number
		if digits := strings.ReplaceAll(ssn.Text(ssn.Component(1), m.Charset), "-", ""); digits != "" {
			p.Record.Alternates = []chaperone.Identifier{{Kind: chaperone.SSN, Value: chaperone.NewPHI(digits)}}
		}
	}
}

// lines reads lines that end with CR, LF or both.
type lines struct {
	source *bufio.Reader
	count  int64 // lines read
	buf    []byte
	cr     bool // the line before ended with CR: an LF that follows belongs to it
}

// next gives the next line without its end. whole is false when it is longer than maxMessage: its beginning is given.
func (l *lines) next() (line []byte, whole bool, err error) {
	l.buf, whole = l.buf[:0], true
	l.count++
	if l.cr {
		l.cr = false
		if c, err := l.source.ReadByte(); err == nil && c != '\n' {
			_ = l.source.UnreadByte() // it was read just now
		}
	}
	for some := false; ; some = true {
		c, err := l.source.ReadByte()
		switch {
		case errors.Is(err, io.EOF) && some:
			return l.buf, whole, nil
		case err != nil:
			return nil, false, err
		case c == '\r' || c == '\n':
			l.cr = c == '\r'
			return l.buf, whole, nil
		case len(l.buf) == maxMessage:
			whole = false
		default:
			l.buf = append(l.buf, c)
		}
	}
}
