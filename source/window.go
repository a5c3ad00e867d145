package source

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// maxRecord bounds one packet or block, and with it the memory for one open file.
const maxRecord = 16 << 20

const windowSize = 128 << 10

// window is a read buffer that keeps what is not whole yet: a file that still grows is asked again later, and nothing
// is lost. It grows only with bytes that were really there.
type window struct {
	r        io.Reader
	buf      []byte
	from, to int
	at       int64 // offset of buf[from] in the (uncompressed) file
	record   int64 // offset of the packet or block that is being read
	err      error // what ended r for good
	zipped   bool  // r decompresses
}

// rest gives what was read and not consumed.
func (w *window) rest() []byte { return w.buf[w.from:w.to] }

// need gives the next n bytes, n ≤ maxRecord, without consuming them, valid until the next need or skip. With io.EOF it
// gives the fewer bytes that there are now; it may be asked again.
func (w *window) need(n int) ([]byte, error) {
	for idle := 0; w.to-w.from < n; {
		if w.err != nil {
			return w.rest(), w.err
		}
		w.makeRoom()
		m, err := w.r.Read(w.buf[w.to:])
		w.to += m
		switch {
		case err != nil && err != io.EOF:
			w.err = err
		case m > 0:
			idle = 0
		case err == io.EOF:
			return w.rest(), io.EOF
		default:
			if idle++; idle == 100 {
				w.err = io.ErrNoProgress
			}
		}
	}
	return w.buf[w.from : w.from+n], nil
}

func (w *window) makeRoom() {
	if w.from > 0 {
		w.to = copy(w.buf, w.buf[w.from:w.to])
		w.from = 0
	}
	if w.to == len(w.buf) {
		bigger := make([]byte, max(windowSize, 2*len(w.buf)))
		copy(bigger, w.buf)
		w.buf = bigger
	}
}

// consume passes over bytes that need gave. They stay valid until the next need or skip.
func (w *window) consume(n int) {
	w.from += n
	w.at += int64(n)
}

// skip passes over up to n bytes of any number and says how many there were.
func (w *window) skip(n int64) (int64, error) {
	for left := n; left > 0; {
		b, err := w.need(int(min(left, windowSize)))
		w.consume(len(b))
		left -= int64(len(b))
		if err != nil {
			return n - left, err
		}
	}
	return n, nil
}

// unzip reads on through gzip.
func (w *window) unzip() error {
	w.zipped = true
	raw := &expansion{from: io.MultiReader(bytes.NewReader(bytes.Clone(w.rest())), w.r)}
	z, err := gzip.NewReader(bufio.NewReaderSize(raw, windowSize/2))
	if err != nil {
		return err
	}
	raw.to = z
	w.r, w.from, w.to = (*expanded)(raw), 0, 0
	return nil
}

// Bounds of what compressed bytes may become. Captures shrink to a tenth at best.
const (
	maxExpansion = 200
	freely       = 64 << 20 // bytes that are given in any case
)

var errBomb = errors.New("the compressed data becomes more than 200 times as long: not read on, because no capture does")

// expansion counts compressed bytes and what they become.
type expansion struct {
	from, to io.Reader
	in, out  int64
}

func (e *expansion) Read(p []byte) (int, error) {
	n, err := e.from.Read(p)
	e.in += int64(n)
	return n, err
}

// expanded reads what an expansion gives.
type expanded expansion

func (e *expanded) Read(p []byte) (int, error) {
	n, err := e.to.Read(p)
	if e.out += int64(n); e.out > freely && e.out > maxExpansion*e.in {
		return n, errBomb
	}
	return n, err
}

// readError puts a read error in plain words, without the path that the caller names.
func readError(err error) error {
	var path *fs.PathError
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the compressed data ends too early; the file was not copied or written to its end")
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), errors.As(err, &corrupt):
		return errors.New("the compressed data is damaged")
	case errors.As(err, &path):
		return fmt.Errorf("reading failed: %w", path.Err)
	}
	return fmt.Errorf("reading failed: %w", err)
}
