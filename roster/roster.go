// Package roster joins a hospital's own patient index back on to the persons that a ledger knows by token only: it gives
// the list of people to notify of a breach, and what the law makes of their number.
//
// A roster is a table (CSV and what exporters make of it, with a header), a file of HL7 v2 messages, or FHIR Patient
// resources one a line; its content decides. It is streamed: memory is bounded by one row and by the number of affected
// people, not by the roster.
package roster

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"chaperone"
)

// Format says what a roster is.
type Format string

// Formats of rosters.
const (
	Table     Format = "table"
	Messages  Format = "HL7 v2"
	Resources Format = "FHIR"
)

// Person is one row of a roster.
type Person struct {
	Record chaperone.Record
	Street chaperone.PHI
	City   chaperone.PHI
	Zip    chaperone.PHI
	Phone  chaperone.PHI
	State  string // a code of the United States' post, "IL"; what else was given, 40 bytes of it; "" when nothing was
	Line   int64  // where the row, or its message, begins, from 1

	foreign bool // the authorities are URIs, which no message of HL7 v2 or DICOM names: numbers count as bare too
}

// Options say what a roster does not say of itself.
type Options struct {
	// Authorities are those that gave the numbers for which the roster names none, as messages write them (CX-4).
	Authorities []string
	// DayFirst reads 1/2/2006 as the first of February. A date that can only be read in one way is read so anyhow.
	DayFirst bool
}

// Stats counts what was read.
type Stats struct {
	Format Format
	Rows   int64 // people
	Bad    int64 // rows, messages or lines that could not be read
	First  []Bad // of them, maxListed at most
	Other  int64 // messages without a person, and resources of other types: passed over
}

// Bad says where and why a row could not be read, without what is in it.
type Bad struct {
	Line int64
	Why  string
}

const maxListed = 100

func (s *Stats) bad(line int64, why string) {
	if s.Bad++; len(s.First) < maxListed {
		s.First = append(s.First, Bad{line, why})
	}
}

// nobody is why a row without a number and a name is a bad one.
const nobody = "neither a number nor a name"

// take counts a row and hands it on.
func (s *Stats) take(p *Person, each func(*Person) error) error {
	if len(p.Record.Identifiers) == 0 && len(p.Record.Alternates) == 0 && p.Record.Name.Empty() {
		s.bad(p.Line, nobody)
		return nil
	}
	s.Rows++
	return each(p)
}

// ErrRoster says that a file is no roster, or that nothing in it could be read.
var ErrRoster = errors.New("not a roster that can be read")

// Read hands every person of a roster on, in order; it keeps none, and each may. A row that cannot be read is counted.
//
// Errors: ErrRoster; that of each, which ends it; otherwise the source cannot be read.
func Read(source io.Reader, options Options, each func(*Person) error) (Stats, error) {
	r := bufio.NewReaderSize(source, 64<<10)
	format, err := recognise(r)
	if err != nil {
		return Stats{}, err
	}
	s := Stats{Format: format}
	switch format {
	case Messages:
		err = readMessages(r, &s, each)
	case Resources:
		err = readResources(r, &s, each)
	default:
		err = readTable(r, options, &s, each)
	}
	if err == nil && s.Rows == 0 {
		err = fmt.Errorf("roster: nobody in it; rows that could not be read: %d: %w", s.Bad, ErrRoster)
		if len(s.First) > 0 {
			err = fmt.Errorf("roster: none of %d rows could be read; line %d: %s: %w", s.Bad, s.First[0].Line, s.First[0].Why, ErrRoster)
		}
	}
	return s, err
}

// packed are beginnings of files that hold a roster at most in a form that is not read.
var packed = []struct{ magic, advice string }{
	{"PK\x03\x04", "a spreadsheet or an archive; save the sheet as CSV, or unpack it"},
	{"\x1f\x8b", "compressed; unpack it"},
	{"\xd0\xcf\x11\xe0", "an old spreadsheet; save the sheet as CSV"},
	{"%PDF", "a PDF; export a table instead"},
}

// recognise tells the format by the first bytes.
func recognise(r *bufio.Reader) (Format, error) {
	head, err := r.Peek(4 << 10)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("roster: %w", err)
	}
	for _, p := range packed {
		if bytes.HasPrefix(head, []byte(p.magic)) {
			return "", fmt.Errorf("roster: %s: %w", p.advice, ErrRoster)
		}
	}
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xEF\xBB\xBF")), " \t\r\n\x0b")
	switch {
	case len(head) == 0:
		return "", fmt.Errorf("roster: empty: %w", ErrRoster)
	case begins(head, "MSH") || begins(head, "FHS") || begins(head, "BHS"):
		return Messages, nil
	case head[0] == '{':
		return Resources, nil
	case head[0] == '[':
		return "", fmt.Errorf("roster: a JSON list; export Patient resources as NDJSON, one a line: %w", ErrRoster)
	case head[0] == '<':
		return "", fmt.Errorf("roster: XML; export a table, HL7 v2 or FHIR as NDJSON: %w", ErrRoster)
	}
	return Table, nil
}

// begins reports whether a line is a segment of HL7 v2 with that name: a separator follows.
func begins(line []byte, name string) bool {
	if len(line) < 4 || string(line[:3]) != name {
		return false
	}
	c := line[3]
	return c > ' ' && c <= '~' && !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == ',' || c == ';')
}
