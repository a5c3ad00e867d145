package hl7

import (
	"bytes"
	"encoding/hex"
	"strings"

	"chaperone"
	"chaperone/format"
)

// Field is one field of a segment: repetitions of components of subcomponents.
type Field struct {
	raw []byte
	sep Separators
}

// Field gives SEG-n, n from 1. MSH-1 and MSH-2 are the separators themselves. A field that was not sent is empty.
func (s Segment) Field(n int) Field {
	if s.Is("MSH") {
		n-- // MSH-1 is the separator behind the name
	}
	rest := s.raw
	for ; n > 0; n-- {
		i := bytes.IndexByte(rest, s.sep.Field)
		if i < 0 {
			return Field{}
		}
		rest = rest[i+1:]
	}
	return Field{head(rest, s.sep.Field), s.sep}
}

// fields are the first fields of one segment, found in one pass: SEG-n is at n, MSH-1 left out.
type fields struct {
	raw [24][]byte
	sep Separators
}

// fields finds the first fields of a segment.
func (s Segment) fields() (f fields) {
	f.sep = s.sep
	at := 0
	if s.Is("MSH") {
		at = 1 // MSH-1 is the separator behind the name
	}
	rest := s.raw
	for ; at < len(f.raw); at++ {
		i := bytes.IndexByte(rest, s.sep.Field)
		if i < 0 {
			f.raw[at] = rest
			break
		}
		f.raw[at], rest = rest[:i], rest[i+1:]
	}
	return f
}

// at gives SEG-n.
func (f *fields) at(n int) Field { return Field{f.raw[n], f.sep} }

// Repetitions counts the repetitions; an empty field has one, which is empty.
func (f Field) Repetitions() int {
	if f.raw == nil {
		return 0
	}
	return bytes.Count(f.raw, []byte{f.sep.Repetition}) + 1
}

// Repetition gives the i-th repetition, from 0.
func (f Field) Repetition(i int) Field {
	rest := f.raw
	for ; i > 0; i-- {
		next := bytes.IndexByte(rest, f.sep.Repetition)
		if next < 0 {
			return Field{sep: f.sep}
		}
		rest = rest[next+1:]
	}
	return Field{head(rest, f.sep.Repetition), f.sep}
}

// Component gives the raw bytes of component n, from 1, of the first repetition.
func (f Field) Component(n int) []byte {
	return part(head(f.raw, f.sep.Repetition), f.sep.Component, n)
}

// Subcomponent gives the raw bytes of subcomponent m of component n, both from 1, of the first repetition.
func (f Field) Subcomponent(n, m int) []byte {
	return part(f.Component(n), f.sep.Subcomponent, m)
}

// Text decodes raw bytes of this field: escapes, character set, blanks around. The explicit null `""` is no value.
func (f Field) Text(raw []byte, charset format.Charset) string {
	if len(raw) == 0 {
		return ""
	}
	text := strings.TrimSpace(format.Text(Unescape(raw, f.sep), charset)) // a no-break space is one in the text only
	if text == `""` {
		return ""
	}
	return text
}

// PHI is Text, hidden.
func (f Field) PHI(raw []byte, charset format.Charset) chaperone.PHI {
	return chaperone.NewPHI(f.Text(raw, charset))
}

func head(b []byte, separator byte) []byte {
	if i := bytes.IndexByte(b, separator); i >= 0 {
		return b[:i]
	}
	return b
}

func part(b []byte, separator byte, n int) []byte {
	for ; n > 1; n-- {
		i := bytes.IndexByte(b, separator)
		if i < 0 {
			return nil
		}
		b = b[i+1:]
	}
	return head(b, separator)
}

// Unescape decodes the escape sequences that stand for data: \F\ \S\ \T\ \R\ \E\ and \Xhh..\ (chapter 2, use of
// escape sequences). Formatting and unknown sequences stay as they are, so that nothing disappears.
func Unescape(b []byte, sep Separators) []byte {
	if bytes.IndexByte(b, sep.Escape) < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		start := bytes.IndexByte(b, sep.Escape)
		if start < 0 {
			break
		}
		end := bytes.IndexByte(b[start+1:], sep.Escape)
		if end < 0 {
			break
		}
		sequence := b[start+1 : start+1+end]
		decoded, ok := unescape(sequence, sep)
		if !ok { // the second escape character may open the next sequence
			out = append(out, b[:start+1+end]...)
			b = b[start+1+end:]
			continue
		}
		out = append(append(out, b[:start]...), decoded...)
		b = b[start+end+2:]
	}
	return append(out, b...)
}

func unescape(sequence []byte, sep Separators) ([]byte, bool) {
	if len(sequence) == 1 {
		switch sequence[0] {
		case 'F':
			return []byte{sep.Field}, true
		case 'S':
			return []byte{sep.Component}, true
		case 'T':
			return []byte{sep.Subcomponent}, true
		case 'R':
			return []byte{sep.Repetition}, true
		case 'E':
			return []byte{sep.Escape}, true
		}
	}
	if len(sequence) > 2 && sequence[0] == 'X' {
		if decoded, err := hex.DecodeString(string(sequence[1:])); err == nil {
			return decoded, true
		}
	}
	return nil, false
}
