package dump

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// The look-ahead that decides what the table looks like, and the room for reading: a row and a field behind it fit.
const (
	sampleSize = 64 << 10
	bufferSize = maxRow + 4*maxField
)

// Reader reads the rows of one table. It is not safe for concurrent use.
type Reader struct {
	splitter
	columns []Column
	header  []byte // the header as it was written; nil without one
	need    int    // a row with fewer values may lack who it is about
	newline byte
	stats   Stats

	source   io.Reader
	buf      []byte
	at, end  int   // what was read and not yet used is buf[at:end]
	lines    int64 // that were used
	used     int64 // bytes that were used
	searched int64 // bytes searched in vain for closing quotes
	err      error // what ended the source
}

// NewReader finds out what the table looks like.
//
// Errors: format.ErrMalformed when the beginning is no table, format.ErrLimit for too many columns; otherwise the source
// cannot be read.
func NewReader(source io.Reader) (*Reader, error) {
	r := &Reader{source: source, buf: make([]byte, sampleSize)}
	r.read(sampleSize)
	if order := byteOrder(r.rest()); order != nil {
		first := bytes.Clone(r.rest()[2:])
		r.source, r.at, r.end = newUTF16(io.MultiReader(bytes.NewReader(first), r.tail()), order), 0, 0
		r.err = nil
		r.read(sampleSize)
	}
	if bytes.HasPrefix(r.rest(), []byte("\xEF\xBB\xBF")) {
		r.at += 3
	}
	if r.err != nil && !errors.Is(r.err, io.EOF) {
		return nil, fmt.Errorf("dump: beginning: %w", r.err)
	}
	if err := r.recognise(r.rest(), r.err != nil); err != nil {
		return nil, err
	}
	return r, nil
}

// tail is the source behind what was read, with the error that ended it.
func (r *Reader) tail() io.Reader {
	if r.err != nil {
		return failing{r.err}
	}
	return r.source
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Columns gives the columns; they do not change.
func (r *Reader) Columns() []Column { return r.columns }

// Headed reports whether the table has a header.
func (r *Reader) Headed() bool { return r.header != nil }

// Stats counts what was read so far.
func (r *Reader) Stats() Stats { return r.stats }

// Format hides the values from every verb of fmt.
func (r *Reader) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[table]") }

// Next gives the next row that can be read. Its values are valid until the next call.
//
// Errors: io.EOF at the end; otherwise the source cannot be read further.
func (r *Reader) Next() (Row, error) {
	for {
		row := Row{Line: r.lines + 1, reader: r}
		end, next, whole := r.line(0)
		switch {
		case next == 0:
			if errors.Is(r.err, io.EOF) {
				return Row{}, io.EOF
			}
			return Row{}, fmt.Errorf("dump: line %d: %w", row.Line, r.err)
		case !whole:
			r.skipLine()
			r.stats.Bad++
			continue
		}
		open := r.split(r.rest()[:end])
		if open >= 0 && r.searched <= 8*r.used+maxRow { // so that a table full of stray quotes still takes linear time
			end, next = r.extend(open, end, next)
		}
		text := r.rest()[:end]
		r.use(next)
		switch {
		case r.empty(), r.header != nil && bytes.Equal(text, r.header), r.ruler():
		case r.fits(len(text)):
			r.stats.Rows++
			return row, nil
		default:
			r.stats.Bad++
		}
	}
}

// extend reads a row on over its line, when a field in it was opened and not closed. It leaves the fields split, of the
// longer row where that is the better reading: where it has the table's width, and the lines in it do not each look
// like a row of their own. Else the quote was a stray one, and the line is a row: it must not swallow those behind it.
func (r *Reader) extend(open, end, next int) (int, int) {
	longEnd, longNext, ok := r.extent(open)
	if ok {
		long := r.rest()[:longEnd]
		r.split(long)
		if r.fits(len(long)) && len(r.fields) == len(r.columns) && !r.rows(long) {
			return longEnd, longNext
		}
	}
	r.searched += int64(longNext)
	r.split(r.rest()[:end]) // again: reading on may have moved the bytes
	return end, next
}

// extent finds the end of a row that has a field open at an offset. Without one, ok is false and next says how far it looked.
func (r *Reader) extent(open int) (end, next int, ok bool) {
	for {
		r.read(open + 2*maxField)
		window := r.rest()[open+1 : min(open+2*maxField, len(r.rest()))]
		closed, after := closing(window, r.delimiter, r.newline)
		if closed < 0 {
			return 0, open + min(len(window), maxField), false
		}
		after += open + 1
		end, next, ok = r.line(after)
		if !ok || end > maxRow {
			return 0, next, false
		}
		if open = r.split(r.rest()[after:end]); open < 0 {
			return end, next, true
		}
		open += after
	}
}

// rows reports whether every line of a long row would be as wide as the table by itself. Tables of two columns say too little.
func (r *Reader) rows(long []byte) bool {
	if len(r.columns) < 3 {
		return false
	}
	for line := range bytes.SplitSeq(long, []byte{r.newline}) {
		if bytes.Count(line, []byte{r.delimiter})+1 != len(r.columns) {
			return false
		}
	}
	return true
}

// fits reports whether the fields are a row of this table, and drops the empty ones that some exporters put at the end.
func (r *Reader) fits(size int) bool {
	for len(r.fields) > len(r.columns) {
		last := len(r.fields) - 1
		if !blank(r.fields[last]) {
			return false
		}
		r.fields = r.fields[:last]
	}
	if len(r.fields) < r.need || size > maxRow {
		return false
	}
	if size > maxField {
		for _, field := range r.fields {
			if len(field) > maxField {
				return false
			}
		}
	}
	return true
}

// empty reports whether no field has a value.
func (r *Reader) empty() bool {
	for _, field := range r.fields {
		if !blank(field) {
			return false
		}
	}
	return true
}

// ruler reports whether this is the line of dashes that database clients draw under the header.
func (r *Reader) ruler() bool {
	if len(r.fields[0]) == 0 || r.fields[0][0] != '-' {
		return false
	}
	for _, field := range r.fields {
		if len(bytes.Trim(field, "- ")) > 0 {
			return false
		}
	}
	return true
}

func blank(field []byte) bool { return len(bytes.TrimSpace(field)) == 0 }
