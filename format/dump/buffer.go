package dump

import (
	"bytes"
	"errors"
	"io"
)

// rest is what was read and not yet used.
func (r *Reader) rest() []byte { return r.buf[r.at:r.end] }

// use drops n bytes of the rest and counts the lines in them. They stay where they are until more is read.
func (r *Reader) use(n int) {
	r.lines += int64(max(1, bytes.Count(r.buf[r.at:r.at+n], []byte{r.newline})))
	r.at += n
	r.used += int64(n)
}

// line finds the end of the line that holds an offset of the rest, and the beginning of the next. whole is false when the
// line is too long or was cut by an error: a cut identifier is no identifier. At the end of the source, next is the length
// of the rest.
func (r *Reader) line(from int) (end, next int, whole bool) {
	for seen := from; ; {
		if i := bytes.IndexByte(r.buf[r.at+seen:r.end], r.newline); i >= 0 {
			end, next = seen+i, seen+i+1
			break
		}
		seen = r.end - r.at
		if seen > maxRow {
			return seen, seen, false
		}
		if !r.read(seen + 1) {
			if !errors.Is(r.err, io.EOF) {
				return seen, seen, false
			}
			end, next = seen, seen
			break
		}
	}
	if r.newline == '\n' && end > from && r.buf[r.at+end-1] == '\r' {
		end--
	}
	return end, next, true
}

// skipLine drops the line at the beginning of the rest, however long.
func (r *Reader) skipLine() {
	for {
		if i := bytes.IndexByte(r.rest(), r.newline); i >= 0 {
			r.use(i + 1)
			return
		}
		r.used += int64(len(r.rest()))
		r.at = r.end
		if !r.read(1) {
			r.lines++
			return
		}
	}
}

// read makes the rest n bytes long, or as long as the source allows; it reports which.
func (r *Reader) read(n int) bool {
	if r.end-r.at >= n {
		return true
	}
	if r.err != nil {
		return false
	}
	if n > len(r.buf)-r.at {
		r.makeRoom(n)
	}
	for idle := 0; r.end-r.at < n; {
		got, err := r.source.Read(r.buf[r.end:])
		r.end += got
		if idle++; got > 0 {
			idle = 0
		}
		if err == nil && idle == 100 {
			err = io.ErrNoProgress
		}
		if err != nil {
			r.err = err
			break
		}
	}
	return r.end-r.at >= n
}

// makeRoom moves the rest to the front, of a larger buffer where it has to be.
func (r *Reader) makeRoom(n int) {
	to := r.buf
	if n > len(to) {
		to = make([]byte, min(max(2*n, 4*sampleSize), max(n, bufferSize)))
	}
	r.end = copy(to, r.rest())
	r.at, r.buf = 0, to
}
