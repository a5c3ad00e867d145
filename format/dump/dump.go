// Package dump reads tables about people as thieves offer them: delimited text (RFC 4180 and what exporters make of it)
// in any of the usual encodings, with or without a header.
//
// It streams: memory is bounded by one row. A row that cannot be read is counted and skipped. Values leave the package
// as chaperone.PHI only.
package dump

import (
	"bytes"
	"fmt"
	"io"

	"chaperone"
	"chaperone/format"
)

// Bounds of one table. A row over them is a bad one.
const (
	maxField   = 64 << 10
	maxRow     = 1 << 20
	maxColumns = 512
)

// Meaning says what a column holds.
type Meaning uint8

// What a column can hold. Everything is about the person of the row: columns about a guarantor, a doctor or the next of
// kin are Unknown.
const (
	Unknown Meaning = iota
	Number          // the number a clinic gave the patient: medical record, chart, account
	SSN             // social security number
	FirstName
	MiddleName
	LastName
	FullName
	Birth
	Sex
	Phone
	Address
	City
	State
	Zip
	Insurer
	Email
)

var meaningNames = [...]string{
	"unknown", "number", "ssn", "first name", "middle name", "last name", "full name", "birth date", "sex", "phone",
	"address", "city", "state", "zip", "insurer", "e-mail",
}

func (m Meaning) String() string { return meaningNames[m] }

// identifies reports whether a row that lacks such a column no longer says who it is about.
func (m Meaning) identifies() bool { return m >= Number && m <= Birth }

// Column is one column of a table.
type Column struct {
	Name  string // as the header has it; "" without a header
	Means Meaning

	sure bool // only a table about people has such a column
}

// Stats counts the rows read so far. Headers, empty lines and rows without any value are neither.
type Stats struct {
	Rows int64
	Bad  int64 // skipped: another width than the table's, or over a bound
}

// Row is one row. Its values are valid until the next call of Next.
type Row struct {
	Line int64 // of its beginning, from 1

	reader *Reader // the values are its; a pointer, so that no verb of fmt reaches them
}

// Len gives the number of values: that of the columns, or fewer.
func (r Row) Len() int { return len(r.reader.fields) }

// At gives the value of column i, from 0. It is empty when the row is shorter, and for what exporters write instead of
// no value: NULL, \N.
func (r Row) At(i int) chaperone.PHI {
	if i < 0 || i >= r.Len() {
		return chaperone.PHI{}
	}
	raw := bytes.Trim(r.field(i), " \t\r\n\x00")
	switch string(raw) {
	case "NULL", "(null)", `\N`: // capitals only: there are people called Null
		return chaperone.PHI{}
	}
	return chaperone.NewPHI(format.Text(raw, format.Guess))
}

// Of gives the first value there is in the columns of that meaning.
func (r Row) Of(m Meaning) chaperone.PHI {
	for i, column := range r.reader.columns {
		if column.Means != m {
			continue
		}
		if value := r.At(i); !value.Empty() {
			return value
		}
	}
	return chaperone.PHI{}
}

// field is the value as it was written, without its quotes.
func (r Row) field(i int) []byte { return r.reader.fields[i] }

// Format hides the values from every verb of fmt.
func (r Row) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[row]") }
