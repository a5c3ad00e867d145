package record

import (
	"bytes"
	"io"
)

// tape reads a file forward in large steps.
type tape struct {
	file   io.ReaderAt
	size   int64
	buffer []byte
	start  int64 // of buffer in the file
}

// read gives n bytes at an offset, valid until the next call. off+n is not above size, so that memory is only taken for
// bytes that are there. It reads up to ahead bytes at once.
func (t *tape) read(off int64, n, ahead int) ([]byte, error) {
	end := t.start + int64(len(t.buffer))
	if off >= t.start && off+int64(n) <= end {
		return t.buffer[off-t.start:][:n:n], nil
	}
	want := int(min(int64(max(n, ahead)), t.size-off))
	var kept []byte
	if off >= t.start && off < end {
		kept = t.buffer[off-t.start:]
	}
	into := t.buffer
	if cap(into) < want {
		into = make([]byte, want)
	}
	into = into[:want]
	have := copy(into, kept)
	t.buffer, t.start = into[:0], off
	if err := readFull(t.file, into[have:], off+int64(have)); err != nil {
		return nil, err
	}
	t.buffer = into
	return into[:n:n], nil
}

// find gives the first place of a mark from an offset on. Error: io.EOF, and the file's.
func (t *tape) find(mark string, off int64) (int64, error) {
	const step = 1 << 20
	for t.size-off >= int64(len(mark)) {
		n := int(min(t.size-off, step))
		b, err := t.read(off, n, n)
		if err != nil {
			return 0, err
		}
		if i := bytes.Index(b, []byte(mark)); i >= 0 {
			return off + int64(i), nil
		}
		off += int64(n - len(mark) + 1)
	}
	return 0, io.EOF
}
