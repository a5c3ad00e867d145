package record

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Writer appends frames to a record. After any error of the file system it is dead: what is on disk is not known, and every
// later call gives the same error until the record is walked over and opened anew. It is not safe for concurrent use.
type Writer struct {
	Limit int64 // a segment grows no larger, unless one append does; 0: MaxSegment

	dir    string
	id     [16]byte
	at     Position
	file   *os.File // nil before the first segment
	end    int64    // of the file: from at to there it is blank
	roll   bool
	older  bool // the open segment is of an older version: nothing is appended to it
	joined []byte
	err    error
}

// OpenAt opens a record for appending at its end, as a Walker gives it. A record without segments is made by the first
// Append. What stands before the end is durable when it returns.
//
// Errors: the end is somewhere else (see Cut), the segment is another ledger's, and the file system's.
func OpenAt(dir string, id [16]byte, at Position) (*Writer, error) {
	segments, err := Segments(dir)
	if err != nil {
		return nil, err
	}
	expected := int(at.Segment) + 1
	if at.Offset == 0 {
		expected--
	}
	if len(segments) != expected {
		return nil, fmt.Errorf("record: %s has %d segments, not %d: cut the record first", dir, len(segments), expected)
	}
	w := &Writer{dir: dir, id: id, at: at, end: at.Offset}
	if at.Offset == 0 {
		return w, w.prepare()
	}
	if w.file, err = os.OpenFile(w.name(), os.O_RDWR, 0); err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	if err := errors.Join(w.check(), w.prepare()); err != nil {
		_ = w.file.Close()
		return nil, err
	}
	return w, nil
}

// check compares the open segment with what it should be.
func (w *Writer) check() error {
	h, err := ReadHead(w.file)
	if err != nil {
		return err
	}
	if h.ID != w.id || h.Segment != w.at.Segment {
		return fmt.Errorf("record: %s is not this ledger's segment %d", w.name(), w.at.Segment)
	}
	info, err := w.file.Stat()
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if info.Size() != w.at.Offset {
		return fmt.Errorf("record: %s has %d bytes, not %d: cut the record first", w.name(), info.Size(), w.at.Offset)
	}
	w.older = h.Version < Version
	return nil
}

// prepare makes the folder, and durable what a process before this one may have left in the kernel's memory.
func (w *Writer) prepare() error {
	if err := os.MkdirAll(w.dir, 0o700); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if w.file != nil {
		if err := w.file.Sync(); err != nil {
			return fmt.Errorf("record: %w", err)
		}
	}
	return errors.Join(syncFolder(w.dir), syncFolder(filepath.Dir(w.dir)))
}

// At gives the end of the record.
func (w *Writer) At() Position { return w.at }

// Append writes whole frames, one or more in each slice, in one write, and gives where the first begins. They are not
// durable before Sync. Frames that do not follow the record's last one are refused, and nothing is written.
func (w *Writer) Append(frames ...[]byte) (Position, error) {
	if w.err != nil {
		return w.at, w.err
	}
	group := w.join(frames)
	batch := w.at.Batch
	var made time.Time
	for rest := group; len(rest) > 0; batch++ {
		h, err := ParseHeader(rest[:min(len(rest), HeaderSize)])
		if err != nil {
			return w.at, err
		}
		if h.Version != Version {
			return w.at, fmt.Errorf("record: batch %d is of format version %d, where %d is written", h.Batch, h.Version, Version)
		}
		if h.Batch != batch || h.Size() > int64(len(rest)) {
			return w.at, fmt.Errorf("record: batch %d of %d bytes does not follow as batch %d", h.Batch, len(rest), batch)
		}
		if batch == w.at.Batch {
			made = h.Written
		}
		rest = rest[h.Size():]
	}
	if len(group) == 0 {
		return w.at, nil
	}
	if w.file == nil || w.full(len(group)) {
		if err := w.begin(made); err != nil {
			return w.at, w.dead(err)
		}
	}
	at := w.at
	if _, err := w.file.WriteAt(group, at.Offset); err != nil {
		return at, w.dead(err)
	}
	w.at.Offset += int64(len(group))
	w.at.Batch = batch
	if err := w.lengthen(len(group)); err != nil {
		return at, w.dead(err)
	}
	return at, nil
}

func (w *Writer) join(frames [][]byte) []byte {
	if len(frames) == 1 {
		return frames[0]
	}
	w.joined = w.joined[:0]
	for _, f := range frames {
		w.joined = append(w.joined, f...)
	}
	return w.joined
}

// full reports whether a group goes into a segment of its own. One of this version that has no frames yet takes any.
func (w *Writer) full(size int) bool {
	limit := w.Limit
	if limit == 0 {
		limit = MaxSegment
	}
	return w.older || w.at.Offset > HeadSize && (w.roll || w.at.Offset+int64(size) > limit)
}

// begin makes the next segment. The one before is durable first, so that only the last one is ever torn.
func (w *Writer) begin(made time.Time) error {
	if w.file != nil {
		err := errors.Join(w.trim(), syncData(w.file), w.file.Close())
		w.file = nil
		if err != nil {
			return err
		}
		w.at.Segment++
		w.at.Offset, w.end = 0, 0
	}
	w.roll, w.older = false, false
	f, err := os.OpenFile(w.name(), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	w.file = f
	h := Head{Version: Version, ID: w.id, Segment: w.at.Segment, First: w.at.Batch, Made: made}
	if _, err := f.WriteAt(h.Append(nil), 0); err != nil {
		return err
	}
	w.at.Offset, w.end = HeadSize, HeadSize
	return errors.Join(f.Sync(), syncFolder(w.dir))
}

// Roll lets the next Append begin a new segment.
func (w *Writer) Roll() { w.roll = true }

// Sync makes durable what was appended.
func (w *Writer) Sync() error {
	if w.err != nil || w.file == nil {
		return w.err
	}
	if err := syncData(w.file); err != nil {
		return w.dead(err)
	}
	return nil
}

// Settle writes what stands in the last segment from an offset on once more, and makes it durable. After a sync that gave an
// error, the kernel may show bytes that it will never write: whoever opens the record anew cannot trust what it reads
// beyond the place known to be durable.
func (w *Writer) Settle(from int64) error {
	for off := max(from, HeadSize); w.err == nil && w.file != nil && off < w.at.Offset; {
		b := make([]byte, min(w.at.Offset-off, 1<<20))
		if err := readFull(w.file, b, off); err != nil {
			return w.dead(err)
		}
		if _, err := w.file.WriteAt(b, off); err != nil {
			return w.dead(err)
		}
		off += int64(len(b))
	}
	return w.Sync()
}

// Close closes the file. It makes nothing durable, and leaves the blank: see Trim.
func (w *Writer) Close() error {
	if w.err == nil {
		w.err = fmt.Errorf("record: %w", os.ErrClosed)
	}
	if w.file == nil {
		return nil
	}
	err := w.file.Close()
	w.file = nil
	return err
}

func (w *Writer) name() string { return filepath.Join(w.dir, SegmentName(w.at.Segment)) }

func (w *Writer) dead(err error) error {
	w.err = fmt.Errorf("record: segment %s: %w", w.name(), err)
	return w.err
}
