// Package fhir reads people from FHIR bulk data: Patient resources (R4 and later), one JSON text a line (NDJSON).
//
// It streams: memory is bounded by one line. JSON is read strictly, so that a line has one reading or none.
package fhir

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"chaperone/format"
)

// maxLine bounds one resource. A photograph may be inside of it.
const maxLine = 16 << 20

// Reader reads the Patient resources of one stream. It is not safe for concurrent use.
type Reader struct {
	source *bufio.Reader
	parser parser
	buf    []byte
	line   int64
	others int64
}

// NewReader makes one.
func NewReader(source io.Reader) *Reader { return &Reader{source: bufio.NewReaderSize(source, 64<<10)} }

// Line is the number of the line that Next read last, from 1.
func (r *Reader) Line() int64 { return r.line }

// Others counts the resources of other types, which were passed over.
func (r *Reader) Others() int64 { return r.others }

// Next gives the next person.
//
// Errors: io.EOF at the end; format.ErrMalformed or format.ErrLimit when this line cannot be read: reading may go on behind
// it; otherwise the source cannot be read further.
func (r *Reader) Next() (Patient, error) {
	for {
		line, err := r.next()
		if err != nil {
			return Patient{}, err
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		person, ok, err := r.parser.patient(line)
		if err != nil || ok {
			return person, err
		}
		r.others++
	}
}

// next gives the next line. One that an error of the source has cut is none.
func (r *Reader) next() ([]byte, error) {
	r.line++
	r.buf = r.buf[:0]
	for size := 0; ; {
		part, err := r.source.ReadSlice('\n')
		if size += len(part); size <= maxLine {
			r.buf = append(r.buf, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && size == 0:
			return nil, io.EOF
		case err != nil && !errors.Is(err, io.EOF):
			return nil, fmt.Errorf("fhir: line %d: %w", r.line, err)
		case size > maxLine:
			return nil, fmt.Errorf("fhir: a line of more than %d bytes: %w", maxLine, format.ErrLimit)
		case r.line == 1:
			return bytes.TrimPrefix(r.buf, []byte("\xEF\xBB\xBF")), nil
		}
		return r.buf, nil
	}
}

// Parse reads one resource. ok is false when it is of another type.
//
// Errors: format.ErrMalformed, format.ErrLimit.
func Parse(b []byte) (person Patient, ok bool, err error) {
	var p parser
	return p.patient(b)
}

func (p *parser) patient(b []byte) (person Patient, ok bool, err error) {
	if err := p.parse(b); err != nil {
		return Patient{}, false, err
	}
	if p.nodes[0].kind != object {
		return Patient{}, false, fmt.Errorf("fhir: not a resource: %w", format.ErrMalformed)
	}
	kind, err := p.string(0, "resourceType")
	if err == nil && kind == "" {
		err = fmt.Errorf("fhir: no resourceType: %w", format.ErrMalformed)
	}
	if err != nil || kind != "Patient" {
		return Patient{}, false, err
	}
	person, err = p.read()
	if err != nil {
		return Patient{}, false, err
	}
	return person, true, nil
}
