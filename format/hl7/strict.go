package hl7

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"unicode/utf8"

	"chaperone/format"
)

// Strict reports what of a frame's payload two receivers could read in two ways, nil for what all of them read alike: the
// grammar in which a proxy can tell what the receiver will see. It is narrower than the standard (HL7 v2.x chapter 2):
//
//   - Segments end with CR, and no other control character than TAB stands anywhere. Each line begins with a name of three
//     capitals or digits and the field separator; there is no empty line.
//   - Every header (MSH, FHS, BHS) declares the usual separators |^~\& and perhaps #. The short |^~\ of old versions will do
//     where there is no &.
//   - In a character set of several bytes none of them looks like a separator, since some receivers split before they decode.
//   - What names a patient or asks for one (PID, MRG, QPD, QRD, QRF) has no escape that stands for a control character or a
//     separator by its number, and none that changes the character set.
//   - Each segment belongs to a message: between a batch's header or trailer and the next MSH there is none.
//   - What some programs take for the end of a line (NEL, LS, PS) stands neither in what names a patient nor before what looks
//     like a segment, and a patient's number is of ASCII characters and escapes
//     that stand for one.
//   - Each message has a code (MSH-9) and a control ID of at most 199 characters (MSH-10), so that it can be answered.
//
// Errors: format.ErrMalformed with the offset and the rule, never the content.
func Strict(payload []byte) error {
	headers, within := 0, false
	ascii, clean := look(payload)
	utf := ascii || utf8.Valid(payload)
	for at := 0; at < len(payload); {
		line := head(payload[at:], '\r')
		if !clean {
			if err := strictControls(line, at); err != nil {
				return err
			}
		}
		if err := strictLine(line, at, headers == 0); err != nil {
			return err
		}
		header := isHeader(line)
		switch {
		case header, string(line[:3]) == "BTS", string(line[:3]) == "FTS":
			within = line[0] == 'M'
		case !within:
			return odd(at, "a segment stands outside of every message")
		}
		if !ascii {
			if err := strictBreaks(line, at, utf); err != nil {
				return err
			}
		}
		if err := strictNumbers(line, at); err != nil {
			return err
		}
		if header {
			headers++
			if err := strictHeader(line, at, payload); err != nil {
				return err
			}
		}
		at += len(line) + 1
	}
	if headers == 0 {
		return odd(0, "there is no header")
	}
	return nil
}

// look reports whether text is ASCII, and whether it has no control characters but TAB and CR: eight bytes at once.
func look(b []byte) (ascii, clean bool) {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	ascii, clean = true, true
	byByte := func(b []byte) {
		for _, c := range b {
			ascii = ascii && c < utf8.RuneSelf
			clean = clean && (c >= ' ' || c == '\t' || c == '\r')
		}
	}
	for ; len(b) >= 8; b = b[8:] {
		if x := binary.LittleEndian.Uint64(b); (x|(x-ones*' ')&^x)&tops != 0 { // a byte is no ASCII, or less than a blank
			byByte(b[:8])
		}
	}
	byByte(b)
	return ascii, clean
}

func odd(at int, why string) error {
	return fmt.Errorf("hl7: at offset %d %s: %w", at, why, format.ErrMalformed)
}

func isHeader(line []byte) bool {
	if len(line) < 3 {
		return false
	}
	switch string(line[:3]) {
	case "MSH", "FHS", "BHS":
		return true
	}
	return false
}

func strictControls(line []byte, at int) error {
	for i, c := range line {
		if c < ' ' && c != '\t' {
			return odd(at+i, "a control character stands in a segment")
		}
	}
	return nil
}

// strictLine looks at one segment. first: it has to be a header.
func strictLine(line []byte, at int, first bool) error {
	if len(line) < 3 || len(line) > 3 && line[3] != '|' {
		return odd(at, "a line does not begin with a segment's name and |")
	}
	for i, c := range line[:3] {
		if (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return odd(at+i, "a segment's name is not three capitals or digits")
		}
	}
	if first && !isHeader(line) {
		return odd(at, "the first segment is no header")
	}
	if names(line) {
		return strictEscapes(line, at)
	}
	return nil
}

// names reports whether a segment names a patient or asks for one.
func names(line []byte) bool {
	switch string(line[:3]) {
	case "PID", "MRG", "QPD", "QRD", "QRF":
		return true
	}
	return false
}

// strictBreaks refuses what is the end of a line for programs that go by Unicode (UAX #14, NEL, LS and PS), where that would make
// a segment of what is none or cut off what names a patient. utf: the payload is valid UTF-8.
func strictBreaks(line []byte, at int, utf bool) error {
	for i := 0; i < len(line); i++ {
		size := 0
		whole := true // also read as what the payload seems to be
		switch c := line[i]; {
		case c == 0x85:
			size, whole = 1, !utf || i > 0 && line[i-1] == 0xC2
		case c == 0xE2 && bytes.HasPrefix(line[i:], []byte("\xE2\x80")) && i+2 < len(line) && (line[i+2] == 0xA8 || line[i+2] == 0xA9):
			size = 3
		default:
			continue
		}
		if whole && (names(line) || isHeader(line)) || likeSegment(line[i+size:]) {
			return odd(at+i, "what some take for the end of a line stands in a segment")
		}
	}
	return nil
}

// Fields of PID and MRG that hold numbers of a patient.
var pidNumbers, mrgNumbers = []int{2, 3, 4, 18, 19}, []int{1, 2, 3, 4}

// strictNumbers looks at the fields of a PID or MRG that hold numbers of a patient.
func strictNumbers(line []byte, at int) error {
	var numbers []int
	switch string(line[:3]) {
	case "PID":
		numbers = pidNumbers
	case "MRG":
		numbers = mrgNumbers
	default:
		return nil
	}
	s := Segment{Name: [3]byte(line[:3]), raw: line, sep: DefaultSeparators}
	f := s.fields()
	for _, n := range numbers {
		field := f.at(n)
		if plain := Unescape(field.raw, DefaultSeparators); bytes.Count(field.raw, []byte{'\\'}) != escapes(field.raw) {
			return odd(at, "a patient's number has an escape that not all receivers decode alike")
		} else if !utf8.Valid(plain) && utf8.Valid(field.raw) {
			return odd(at, "an escape in a patient's number depends on the character set")
		}
		for i := range field.Repetitions() {
			for _, c := range field.Repetition(i).Component(1) {
				if c == '&' {
					return odd(at, "a patient's number has subcomponents, which it has in no version")
				}
				if c >= utf8.RuneSelf {
					return odd(at, "a patient's number has a character that depends on the character set")
				}
			}
		}
	}
	return nil
}

// escapes counts the escape characters of sequences that stand for a character.
func escapes(b []byte) (n int) {
	for {
		start := bytes.IndexByte(b, '\\')
		if start < 0 {
			return n
		}
		end := bytes.IndexByte(b[start+1:], '\\')
		if end < 0 {
			return n
		}
		if _, ok := unescape(b[start+1:start+1+end], DefaultSeparators); !ok {
			return n
		}
		n += 2
		b = b[start+end+2:]
	}
}

// likeSegment reports whether text begins like a segment, blanks before it left out.
func likeSegment(b []byte) bool {
	b = bytes.TrimLeft(b, " \t\xC2\xA0\x85")
	if len(b) < 3 || len(b) > 3 && alphanumeric(b[3]) {
		return false
	}
	for _, c := range b[:3] {
		if !alphanumeric(c) {
			return false
		}
	}
	return true
}

// strictHeader looks at the separators that a header declares, and at what of an MSH an answer needs.
func strictHeader(line []byte, at int, payload []byte) error {
	if len(line) < 4 {
		return odd(at, "a header ends behind its name")
	}
	switch encoding := head(line[4:], '|'); string(encoding) {
	case `^~\&`, `^~\&#`:
	case `^~\`:
		if bytes.IndexByte(payload, '&') >= 0 && !bytes.Contains(payload, []byte(`^~\&`)) {
			return odd(at+4, "a header leaves the subcomponent separator out, and & is used")
		}
	default:
		return odd(at+4, `a header declares other separators than |^~\&`)
	}
	if line[0] != 'M' {
		return nil
	}
	s := Segment{Name: [3]byte{'M', 'S', 'H'}, raw: line, sep: DefaultSeparators}
	f := s.fields()
	if kind := f.at(9); len(kind.Component(1)) == 0 {
		return odd(at, "MSH-9 is empty")
	}
	if n := len(f.raw[10]); n == 0 || n > 199 {
		return odd(at, "MSH-10 is empty or longer than 199")
	}
	if several(f.at(18)) && !utf8.Valid(payload) {
		for i := range len(payload) - 1 {
			if payload[i] >= utf8.RuneSelf && bytes.IndexByte([]byte("|^~\\&\r"), payload[i+1]) >= 0 {
				return odd(i, "a character of several bytes has one that looks like a separator")
			}
		}
	}
	return nil
}

// several reports whether MSH-18 names a character set that may take several bytes for a character (HL7 table 0211), in any
// of its repetitions. Names that are not known may.
func several(charsets Field) bool {
	for i := range charsets.Repetitions() {
		switch name := charsets.Repetition(i).Component(1); {
		case len(name) == 0, bytes.HasPrefix(name, []byte("8859")), bytes.HasPrefix(name, []byte("ISO-8859")),
			bytes.HasPrefix(name, []byte("ISO8859")), bytes.HasPrefix(name, []byte("ISO_8859")):
		case bytes.Equal(name, []byte("ASCII")), bytes.EqualFold(name, []byte("windows-1252")):
		default:
			return true
		}
	}
	return false
}

// strictEscapes refuses escape sequences that hide something from whoever splits first, or from whoever decodes first.
func strictEscapes(line []byte, at int) error {
	for i := 0; i < len(line); i++ {
		if line[i] != '\\' {
			continue
		}
		end := bytes.IndexByte(line[i+1:], '\\')
		if end < 0 {
			return nil
		}
		sequence := line[i+1 : i+1+end]
		if len(sequence) > 0 {
			switch sequence[0] {
			case 'C', 'M':
				return odd(at+i, "an escape changes the character set of a patient's data")
			case 'X':
				decoded, err := hex.DecodeString(string(sequence[1:]))
				for _, c := range decoded {
					if err != nil || c < ' ' || bytes.IndexByte([]byte("|^~\\&"), c) >= 0 {
						return odd(at+i, "an escape stands for a separator or a control character in a patient's data")
					}
				}
			}
		}
		i += end + 1
	}
	return nil
}
