package record

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"chaperone/ledger/durable"
)

// Zeros behind the last frame of a record are a blank: the Writer leaves one after a small frame, so that the next ones lie
// within the file. While a file does not grow, its file system has nothing to note, and an fsync takes about half as long. A
// crash may leave a blank; Trim and a new segment take it back.
const (
	MaxBlank    = 64 << 10 // zeros behind a frame
	blankBehind = 16 << 10 // the largest frame that gets some: of a larger one the bytes are what takes time
	blankEnds   = 4 << 10  // a multiple of this is where it ends: file systems keep bytes in such blocks
)

var zeros [MaxBlank]byte

// Blank gives how many bytes of the last segment are no part of the record.
func (w *Writer) Blank() int64 { return w.end - w.at.Offset }

// lengthen writes a blank behind a frame that did not fit into the one before. A disk without room for it has none.
func (w *Writer) lengthen(frame int) error {
	if w.at.Offset <= w.end {
		return nil
	}
	w.end = w.at.Offset
	if frame > blankBehind {
		return nil
	}
	n, err := w.file.WriteAt(zeros[w.end%blankEnds:], w.end)
	w.end += int64(n)
	if durable.NoRoom(err) {
		return nil
	}
	return err
}

// Trim takes the blank back: the last segment ends with its last frame, and that is durable.
func (w *Writer) Trim() error {
	if w.err != nil {
		return w.err
	}
	if err := w.trim(); err != nil {
		return w.dead(err)
	}
	return nil
}

func (w *Writer) trim() error {
	if w.Blank() == 0 {
		return nil
	}
	if err := shorten(w.file, w.at.Offset); err != nil {
		return err
	}
	w.end = w.at.Offset
	return nil
}

// Blank gives how many zeros stand behind At, once Next gave io.EOF. Cut takes them away.
func (w *Walker) Blank() int64 { return w.blank }

// ended reports whether only a blank stands behind At. The walk ends there.
func (w *Walker) ended() bool {
	left := w.tape.size - w.at.Offset
	if w.next < len(w.segments) || left > MaxBlank || !w.zeros(w.at.Offset) {
		return false
	}
	w.blank, w.tape.size = left, w.at.Offset
	return true
}

// zeros reports whether nothing but zeros stands in the segment from an offset on.
func (w *Walker) zeros(off int64) bool {
	for off < w.tape.size {
		b, err := w.tape.read(off, int(min(w.tape.size-off, MaxBlank)), 0)
		if err != nil {
			return false
		}
		for _, c := range b {
			if c != 0 {
				return false
			}
		}
		off += int64(len(b))
	}
	return true
}

// Cut removes what stands behind a place in the last segment, and the segment itself when its head is not whole. It is for
// what a crash left behind and nobody was told of: a blank, or a frame that is not whole.
func Cut(dir string, at Position) error {
	segments, err := Segments(dir)
	if err != nil {
		return err
	}
	if len(segments) > int(at.Segment)+1 {
		return fmt.Errorf("record: segments follow %s: it is not cut", SegmentName(at.Segment))
	}
	name := filepath.Join(dir, SegmentName(at.Segment))
	if at.Offset < HeadSize {
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("record: %w", err)
		}
		return syncFolder(dir)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if err := errors.Join(shorten(f, at.Offset), f.Close()); err != nil {
		return fmt.Errorf("record: %s: %w", name, err)
	}
	return nil
}

func shorten(f *os.File, size int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() < size {
		return fmt.Errorf("it has %d bytes and cannot be cut at %d", info.Size(), size)
	}
	if err := f.Truncate(size); err != nil {
		return err
	}
	return f.Sync()
}
