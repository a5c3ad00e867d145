package dump

import "bytes"

// maxStrays is how often a row is searched to its end for the quote that closes a field, in vain.
const maxStrays = 8

// splitter cuts rows into fields. The fields are slices of the row, or of room where quotes had to be taken out.
type splitter struct {
	delimiter byte
	fields    [][]byte
	room      []byte
}

// split cuts one row. A quote opens a field at its beginning only. In a quoted field, a quote closes it when the field's
// end follows; doubled it stands for itself (RFC 4180 section 2); any other is a stray one and stays.
//
// open is the offset of the first quote that opens a field and is not closed in the row, -1 without one. That field is read
// as if the quote were not there. A row of more than maxColumns is cut short behind one more.
func (s *splitter) split(row []byte) (open int) {
	s.fields, s.room, open = s.fields[:0], s.room[:0], -1
	strays := 0
	for at := 0; len(s.fields) <= maxColumns; {
		if start := skipBlanks(row, at); start < len(row) && row[start] == '"' {
			at = start + 1
			if strays < maxStrays {
				if end, after := closing(row[at:], s.delimiter, 0); end >= 0 {
					s.fields = append(s.fields, s.unquote(row[at:at+end]))
					if at += after + 1; at > len(row) {
						return open
					}
					continue
				}
			}
			if strays++; open < 0 {
				open = start
			}
		}
		end := bytes.IndexByte(row[at:], s.delimiter)
		if end < 0 {
			s.fields = append(s.fields, row[at:])
			return open
		}
		s.fields = append(s.fields, row[at:at+end])
		at += end + 1
	}
	return open
}

func skipBlanks(b []byte, at int) int {
	for at < len(b) && b[at] == ' ' {
		at++
	}
	return at
}

// closing finds the quote that closes a field; b begins behind the opening one. after is where the field ends: at a
// delimiter, at the end of the line, or of b. end is -1 without one in the length a field may have.
func closing(b []byte, delimiter, newline byte) (end, after int) {
	for at := 0; at <= maxField; {
		i := bytes.IndexByte(b[at:], '"')
		if i < 0 {
			break
		}
		end, after = at+i, at+i+1
		if after < len(b) && b[after] == '"' {
			at = after + 1
			continue
		}
		after = skipBlanks(b, after)
		if after == len(b) || b[after] == delimiter || endsLine(b[after:], newline) {
			return end, after
		}
		at = end + 1
	}
	return -1, -1
}

// endsLine reports whether b begins with the end of a line. Within a row that was cut out already, newline is 0.
func endsLine(b []byte, newline byte) bool {
	if newline == 0 {
		return false
	}
	return b[0] == newline || newline == '\n' && b[0] == '\r' && len(b) > 1 && b[1] == '\n'
}

// unquote takes one of each two quotes.
func (s *splitter) unquote(field []byte) []byte {
	i := bytes.IndexByte(field, '"')
	if i < 0 {
		return field
	}
	start := len(s.room)
	for ; i >= 0; i = bytes.IndexByte(field, '"') {
		s.room = append(s.room, field[:i+1]...)
		field = field[i+1:]
		if len(field) > 0 && field[0] == '"' {
			field = field[1:]
		}
	}
	s.room = append(s.room, field...)
	return s.room[start:len(s.room):len(s.room)]
}
