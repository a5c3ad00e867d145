package record

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Position is a place between two frames of a record.
type Position struct {
	Segment uint32
	Offset  int64  // in the segment; 0 before its head
	Batch   uint64 // number of the frame that begins there
}

const suffix = ".seg"

// SegmentName gives the file name of a segment.
func SegmentName(n uint32) string { return fmt.Sprintf("%010d%s", n, suffix) }

// Segments gives the numbers of a record's segments, ascending. Other files are passed over, and a folder that is not
// there has none.
func Segments(dir string) ([]uint32, error) {
	entries, err := os.ReadDir(dir) // sorted by name
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	var numbers []uint32
	for _, entry := range entries {
		digits, ok := strings.CutSuffix(entry.Name(), suffix)
		n, err := strconv.ParseUint(digits, 10, 32)
		if ok && err == nil && entry.Name() == SegmentName(uint32(n)) {
			numbers = append(numbers, uint32(n))
		}
	}
	return numbers, nil
}

// OpenSegment opens a segment for reading. Its head is not checked.
func OpenSegment(dir string, n uint32) (*os.File, error) {
	f, err := os.Open(filepath.Join(dir, SegmentName(n)))
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	return f, nil
}

// ReadHead reads the head of a segment. Errors: ErrNewer, ErrMalformed, and the file's.
func ReadHead(f io.ReaderAt) (Head, error) {
	var b [HeadSize]byte
	if err := readFull(f, b[:], 0); err != nil {
		return Head{}, err
	}
	return ParseHead(b[:])
}

// ReadHeader reads the header of the frame at an offset of a segment. Errors: ErrMalformed, and the file's.
func ReadHeader(f io.ReaderAt, off int64) (Header, error) {
	var b [HeaderSize]byte
	if err := readFull(f, b[:], off); err != nil {
		return Header{}, err
	}
	return ParseHeader(b[:])
}

// ReadFrame reads the frame at an offset of a segment. Its sums are not checked: see Frame.Check. Errors: ErrMalformed, and
// the file's.
func ReadFrame(f io.ReaderAt, off int64) (Frame, error) {
	h, err := ReadHeader(f, off)
	if err != nil {
		return Frame{}, err
	}
	b, err := readGrowing(f, off, int(h.Size()))
	if err != nil {
		return Frame{}, err
	}
	return frameOf(h, b, off), nil
}

func frameOf(h Header, b []byte, off int64) Frame {
	at := h.EntriesAt()
	return Frame{Header: h, Leaf: b[:HeaderSize], Dictionary: b[HeaderSize:at], Entries: b[at:], Offset: off}
}

// readFull fills b. A file that ends before is malformed.
func readFull(f io.ReaderAt, b []byte, off int64) error {
	n, err := f.ReadAt(b, off)
	switch {
	case n == len(b):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return fmt.Errorf("record: %s ends %d bytes after offset %d, not %d: %w", nameOf(f), n, off, len(b), ErrMalformed)
	default:
		return fmt.Errorf("record: %s at byte %d: %w", nameOf(f), off, err)
	}
}

// readGrowing reads n bytes into new memory, which grows only as the bytes arrive: n may be a lie.
func readGrowing(f io.ReaderAt, off int64, n int) ([]byte, error) {
	const step = 1 << 20
	const room = 12 // for the nonce of a block: see unseal
	b := make([]byte, 0, min(n, step)+room)
	for len(b) < n {
		have := len(b)
		more := min(n-have, max(have, step))
		if cap(b) < have+more+room {
			b = append(make([]byte, 0, have+more+room), b...)
		}
		b = b[:have+more]
		if err := readFull(f, b[have:], off+int64(have)); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func nameOf(f io.ReaderAt) string {
	if named, ok := f.(interface{ Name() string }); ok {
		return named.Name()
	}
	return "the file"
}
