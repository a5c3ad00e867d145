package roster

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"chaperone"
	"chaperone/format"
	"chaperone/format/dump"
)

// table says which columns hold what.
type table struct {
	dayFirst bool
	numbers  []number
	parts    [dump.Email + 1][]int // columns by meaning
}

// number is a column of patients' numbers, and that of their authority, -1 without one.
type number struct{ value, authority int }

// readTable reads a table with a header, whose words say what the columns hold.
func readTable(source io.Reader, options Options, s *Stats, each func(*Person) error) error {
	r, err := dump.NewReader(source)
	switch {
	case errors.Is(err, format.ErrMalformed) || errors.Is(err, format.ErrLimit):
		return fmt.Errorf("roster: neither a table, nor HL7 v2, nor FHIR as NDJSON: %w: %w", ErrRoster, err)
	case err != nil:
		return fmt.Errorf("roster: %w", err)
	case !r.Headed():
		return fmt.Errorf("roster: a table without a header; put one above it, such as: mrn,last name,first name,birth date: %w", ErrRoster)
	}
	t := columns(r.Columns())
	t.dayFirst = options.DayFirst
	if len(t.numbers) == 0 && len(t.parts[dump.SSN]) == 0 && len(t.parts[dump.LastName]) == 0 && len(t.parts[dump.FullName]) == 0 {
		return fmt.Errorf("roster: the header names no column of numbers (mrn, patient id) and none of names: %w", ErrRoster)
	}
	for last := int64(1); ; { // the header stands on a line of its own
		bad := r.Stats().Bad
		row, err := r.Next()
		if n := r.Stats().Bad - bad; n > 0 {
			s.bad(last+1, "this row, or one close behind it, has another number of columns than the table, or is too long")
			s.Bad += n - 1
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("roster: %w", err)
		}
		last = row.Line
		p := t.person(row)
		if err := s.take(&p, each); err != nil {
			return err
		}
	}
}

// columns sorts the columns by meaning. An authority belongs to the numbers before it; one that stands before all of them
// belongs to the first.
func columns(all []dump.Column) table {
	var t table
	before := -1
	for i, column := range all {
		switch {
		case isAuthority(column.Name):
			if len(t.numbers) == 0 {
				before = i
				continue
			}
			for n := len(t.numbers) - 1; n >= 0 && t.numbers[n].authority < 0; n-- {
				t.numbers[n].authority = i
			}
		case column.Means == dump.Number:
			t.numbers = append(t.numbers, number{i, before})
			before = -1
		default:
			t.parts[column.Means] = append(t.parts[column.Means], i)
		}
	}
	return t
}

// isAuthority recognises the column that says who gave a number: "assigning authority", "MRN_Authority", "issuer".
func isAuthority(name string) bool {
	key := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' {
			return c
		}
		return -1
	}, strings.ToLower(name))
	return strings.HasSuffix(key, "authority") || strings.HasSuffix(key, "issuer") || key == "issuerofpatientid" || key == "assigner"
}

func (t *table) person(row dump.Row) Person {
	p := Person{
		Line: row.Line, Street: t.all(row, dump.Address), City: t.first(row, dump.City), Zip: t.first(row, dump.Zip), Phone: t.first(row, dump.Phone),
		State: state(t.first(row, dump.State).Reveal()), // a state alone names nobody
	}
	for _, n := range t.numbers {
		if value := row.At(n.value); !value.Empty() {
			p.Record.Identifiers = append(p.Record.Identifiers,
				chaperone.Identifier{Kind: chaperone.HL7PatientID, Authority: row.At(n.authority), Value: value})
		}
	}
	ssn := strings.ReplaceAll(t.first(row, dump.SSN).Reveal(), "-", "") // compared as messages write it, and hidden again
	if ssn != "" {
		p.Record.Alternates = append(p.Record.Alternates, chaperone.Identifier{Kind: chaperone.SSN, Value: chaperone.NewPHI(ssn)})
	}
	p.Record.Name = t.name(row)
	p.Record.Birth = chaperone.NewPHI(birth(t.first(row, dump.Birth).Reveal(), t.dayFirst)) // written as messages write it, and hidden again
	p.Record.Sex = chaperone.NewPHI(sex(t.first(row, dump.Sex).Reveal()))                   // likewise
	return p
}

// first gives the first value there is in the columns of a meaning.
func (t *table) first(row dump.Row, m dump.Meaning) chaperone.PHI {
	for _, i := range t.parts[m] {
		if value := row.At(i); !value.Empty() {
			return value
		}
	}
	return chaperone.PHI{}
}

// all joins the values in the columns of a meaning: address 1, address 2.
func (t *table) all(row dump.Row, m dump.Meaning) chaperone.PHI {
	var values []string
	for _, i := range t.parts[m] {
		if value := row.At(i); !value.Empty() {
			values = append(values, value.Reveal()) // joined, and hidden again
		}
	}
	return chaperone.NewPHI(strings.Join(values, ", "))
}

// name gives family^given^middle.
func (t *table) name(row dump.Row) chaperone.PHI {
	part := func(m dump.Meaning) string { return t.first(row, m).Reveal() } // joined, and hidden again
	family, given, middle := part(dump.LastName), part(dump.FirstName), part(dump.MiddleName)
	if family == "" && given == "" {
		family, given, middle = divide(part(dump.FullName))
	}
	return chaperone.NewPHI(strings.TrimRight(family+"^"+given+"^"+middle, "^"))
}

// divide takes a full name apart: "Muster, Erika Anna", "Erika Anna Muster", or MUSTER^ERIKA^ANNA.
func divide(full string) (family, given, middle string) {
	if strings.Contains(full, "^") {
		parts := append(strings.Split(full, "^"), "", "")
		return parts[0], parts[1], parts[2]
	}
	var others []string
	if last, rest, ok := strings.Cut(full, ","); ok {
		family, others = strings.TrimSpace(last), strings.Fields(rest)
	} else if words := strings.Fields(full); len(words) > 0 {
		family, others = words[len(words)-1], words[:len(words)-1]
	}
	if len(others) > 0 {
		given, middle = others[0], strings.Join(others[1:], " ")
	}
	return family, given, middle
}
