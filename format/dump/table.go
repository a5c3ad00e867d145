package dump

import (
	"bytes"
	"fmt"

	"chaperone/format"
)

const (
	delimiters  = ",;\t|"
	sampleLines = 200
)

// shape is what the lines of a sample look like with one delimiter.
type shape struct {
	delimiter byte
	width     int
	columns   []Column
	headed    bool
	first     int // line of the header, or of the first row
	score     float64
}

// recognise decides on the delimiter, the columns and the header, and drops what is written above the table.
func (r *Reader) recognise(sample []byte, whole bool) error {
	r.newline = '\n'
	if bytes.IndexByte(sample, '\n') < 0 && bytes.IndexByte(sample, '\r') >= 0 {
		r.newline = '\r'
	}
	lines := splitLines(sample, r.newline, whole)
	var best shape
	for _, delimiter := range []byte(delimiters) {
		s := measure(lines, delimiter)
		if s.width > maxColumns {
			return fmt.Errorf("dump: more than %d columns: %w", maxColumns, format.ErrLimit)
		}
		if s.score > best.score || s.score == best.score && s.width > best.width {
			best = s
		}
	}
	if best.width < 2 {
		return fmt.Errorf("dump: no table in the first %d bytes: %w", len(sample), format.ErrMalformed)
	}
	r.delimiter, r.columns, r.need = best.delimiter, best.columns, best.width
	for i, column := range r.columns {
		if column.Means.identifies() {
			r.need = i + 1
		}
	}
	if best.headed {
		for range best.first {
			_, next, _ := r.line(0)
			r.use(next)
		}
		end, next, _ := r.line(0)
		r.header = bytes.Clone(r.rest()[:end])
		r.use(next)
	}
	return nil
}

// splitLines gives the first lines of a sample; the last one may be cut, unless the sample is the whole.
func splitLines(sample []byte, newline byte, whole bool) (lines [][]byte) {
	for len(sample) > 0 && len(lines) < sampleLines {
		line, rest, found := bytes.Cut(sample, []byte{newline})
		if !found && !whole && len(lines) > 0 {
			break
		}
		lines = append(lines, bytes.TrimSuffix(line, []byte{'\r'}))
		sample = rest
	}
	return lines
}

// measure finds the usual width of the lines. Lines within a quoted field are lines of their own here, and count as
// odd ones: what matters is which delimiter and width explain most.
func measure(lines [][]byte, delimiter byte) shape {
	s := shape{delimiter: delimiter}
	cut := splitter{delimiter: delimiter}
	widths, filled := map[int]int{}, 0
	for _, line := range lines {
		if blank(line) {
			continue
		}
		filled++
		cut.split(line)
		n := len(cut.fields)
		if n < 2 {
			continue
		}
		widths[n]++
		if len(widths) > 1 || widths[n] > 1 {
			continue
		}
		if headed, _ := header(cut.fields); headed {
			widths[n] += len(lines) // no better witness than a header above everything else
		}
	}
	for n, count := range widths {
		if count > widths[s.width] || count == widths[s.width] && n > s.width {
			s.width = n
		}
	}
	if s.width < 2 || s.width > maxColumns {
		return s
	}
	s.judge(lines, filled)
	return s
}

// judge finds the header and what the columns mean.
func (s *shape) judge(lines [][]byte, filled int) {
	cut := splitter{delimiter: s.delimiter}
	values := make([]sample, s.width)
	rows := 0
	for i, line := range lines {
		cut.split(line)
		if len(cut.fields) != s.width {
			continue
		}
		if rows++; rows == 1 {
			s.first = i
			if s.headed, s.columns = header(cut.fields); s.headed {
				continue
			}
			s.columns = make([]Column, s.width)
		}
		for k, field := range cut.fields {
			values[k].add(bytes.TrimSpace(field))
		}
	}
	guess(s.columns, values, s.headed)
	known := 0
	for _, column := range s.columns {
		if column.Means != Unknown {
			known++
		}
	}
	s.score = float64(rows*(1+known)) / float64(max(filled, 1))
	if s.headed {
		s.score += float64(known) // also where most lines are inside of quoted notes
	}
}

// Sniff reports whether the first bytes of a file, a few KiB of them, look like a table about people: several rows, nearly
// all of the same width, with columns that only such a table has.
func Sniff(first []byte) bool {
	if len(first) > sampleSize {
		first = first[:sampleSize]
	}
	if byteOrder(first) == nil && !readable(first) || startsOtherwise(first) {
		return false
	}
	r, err := NewReader(bytes.NewReader(first))
	if err != nil || !r.aboutPeople() {
		return false
	}
	for {
		if _, err := r.Next(); err != nil {
			break
		}
	}
	rows := r.stats.Rows
	if r.header == nil && rows < 3 || rows < 1 {
		return false
	}
	return 4*(r.stats.Bad-1) <= rows // one is forgiven: the last row may be cut
}

// aboutPeople asks for two different meanings, one of which only a table about people has. A log of what users did to
// records has them too, but is no list of people.
func (r *Reader) aboutPeople() bool {
	sure, kinds, logged := false, map[Meaning]bool{}, 0
	for _, column := range r.columns {
		if column.Means != Unknown {
			kinds[column.Means] = true
			sure = sure || column.sure
		} else if logWords[squeeze(column.Name)] {
			logged++
		}
	}
	return sure && len(kinds) >= 2 && logged < 2
}

// readable reports whether bytes hold little of what text does not.
func readable(b []byte) bool {
	odd := 0
	for _, c := range b {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f' {
			odd++
		}
	}
	return odd*200 <= len(b)
}

// startsOtherwise recognises formats that use the same delimiters, and have readers of their own.
func startsOtherwise(b []byte) bool {
	b = bytes.TrimLeft(bytes.TrimPrefix(b, []byte("\xEF\xBB\xBF")), " \t\r\n\x0b")
	for _, start := range []string{"MSH|", "FHS|", "BHS|", "{", "[", "<", "ISA*", "-- ", "/*", "INSERT "} {
		if bytes.HasPrefix(b, []byte(start)) {
			return true
		}
	}
	return false
}
