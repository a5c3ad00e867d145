package record

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"chaperone/ledger"
)

// WalkOptions say what of a record is wanted. The zero value is everything, checked.
type WalkOptions struct {
	From        uint64                // number of the first batch; of earlier ones only headers are read, and only those of its segment
	HeadersOnly bool                  // leave the parts out and their sums unchecked: a torn part is not noticed
	NoSums      bool                  // leave the sums of the parts unchecked
	Purged      func(ledger.Day) bool // days whose entries parts need not be what they were; nil: none
}

// Walker goes over the frames of a record in their order, reading forward. It takes as the record what the files hold when
// it comes to them. It is not safe for concurrent use.
type Walker struct {
	dir      string
	id       [16]byte
	options  WalkOptions
	segments []uint32
	next     int // index in segments
	file     *os.File
	version  uint32 // of the segment
	tape     tape
	at       Position
	before   uint64 // disclosures before at
	counted  bool   // whether before is known
	blank    int64  // bytes behind at, at the end
	err      error
}

// Walk begins a walk over the record of a ledger. A folder without segments is an empty record.
func Walk(dir string, id [16]byte, o WalkOptions) (*Walker, error) {
	segments, err := Segments(dir)
	if err != nil {
		return nil, err
	}
	w := &Walker{dir: dir, id: id, options: o, segments: segments}
	for i := len(segments) - 1; i > 0 && o.From > 0; i-- {
		if h, err := w.head(segments[i]); err == nil && h.ID == id && h.First <= o.From {
			w.next, w.at.Batch = i, h.First
			break
		}
	}
	w.counted = w.at.Batch == 0
	return w, nil
}

func (w *Walker) head(segment uint32) (Head, error) {
	f, err := OpenSegment(w.dir, segment)
	if err != nil {
		return Head{}, err
	}
	defer func() { _ = f.Close() }()
	return ReadHead(f)
}

// At gives the place behind the last frame that Next gave: where to append after io.EOF, and of what is wrong after a
// Damage.
func (w *Walker) At() Position { return w.at }

// Before gives the number of disclosures before At, once a frame was read.
func (w *Walker) Before() uint64 { return w.before }

// Close ends the walk.
func (w *Walker) Close() error {
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

// Next gives the next frame, whose memory is valid until the next call.
//
// Errors: io.EOF at the end of the record, *Damage, ErrNewer, and the file system's. After an error it gives the same.
func (w *Walker) Next() (Frame, error) {
	for w.err == nil {
		f, err := w.step()
		if err != nil {
			w.err = err
			break
		}
		if f.Batch >= w.options.From {
			return f, nil
		}
	}
	return Frame{}, w.err
}

func (w *Walker) step() (Frame, error) {
	for w.file == nil || w.at.Offset == w.tape.size {
		if w.next == len(w.segments) {
			return Frame{}, io.EOF
		}
		if err := w.open(); err != nil {
			return Frame{}, err
		}
	}
	off, left := w.at.Offset, w.tape.size-w.at.Offset
	b, err := w.tape.read(off, int(min(left, HeaderSize)), w.ahead())
	if err != nil {
		return Frame{}, err
	}
	h, err := ParseHeader(b)
	switch {
	case err != nil && w.ended():
		return Frame{}, io.EOF
	case left < HeaderSize:
		return Frame{}, w.damaged("the file ends in a header")
	case err != nil:
		return Frame{}, w.damaged("the header is not what was written")
	case h.Version != w.version:
		return Frame{}, w.contradicted(fmt.Sprintf("the header is of version %d, in a segment of version %d", h.Version, w.version))
	case h.Batch != w.at.Batch:
		return Frame{}, w.contradicted(fmt.Sprintf("batch %d stands here", h.Batch))
	case w.counted && h.Before != w.before:
		return Frame{}, w.contradicted(fmt.Sprintf("%d disclosures come before it, not %d", w.before, h.Before))
	case h.Size() > left:
		return Frame{}, w.damaged("the file ends in a frame")
	}
	f := Frame{Header: h, Leaf: b, Offset: off}
	if !w.options.HeadersOnly && h.Batch >= w.options.From {
		if b, err = w.tape.read(off, int(h.Size()), w.ahead()); err != nil {
			return Frame{}, err
		}
		f = frameOf(h, b, off)
		if !w.options.NoSums && f.Check(w.purged(h.Day)) != nil {
			d := w.damaged("a part is not what was written")
			d.Part = true
			return Frame{}, d
		}
	}
	f.Segment = w.at.Segment
	w.at.Offset += h.Size()
	w.at.Batch++
	w.before, w.counted = h.Before+uint64(h.Disclosures), true
	return f, nil
}

// open goes to the next segment.
func (w *Walker) open() error {
	n := uint32(w.next)
	w.at.Segment, w.at.Offset = n, 0
	if w.segments[w.next] != n {
		return w.contradicted("the segment is missing")
	}
	w.next++
	if w.file != nil {
		_ = w.file.Close()
		w.file = nil
	}
	f, err := OpenSegment(w.dir, n)
	if err != nil {
		return err
	}
	w.file = f
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	w.tape = tape{file: f, size: info.Size(), buffer: w.tape.buffer[:0]}
	if w.tape.size < HeadSize {
		return w.damaged("the file ends in its head")
	}
	b, err := w.tape.read(0, HeadSize, w.ahead())
	if err != nil {
		return err
	}
	h, err := ParseHead(b)
	switch {
	case errors.Is(err, ErrNewer):
		return fmt.Errorf("record: %s: %w", f.Name(), ErrNewer)
	case err != nil && (w.tape.size <= HeadSize || w.zeros(0)):
		return w.damaged("the head was not written")
	case err != nil: // the head is on disk before anything is appended: no cut off write explains it
		return w.contradicted("the head is not what was written")
	case h.ID != w.id:
		return w.contradicted("the file belongs to another ledger")
	case h.Segment != n:
		return w.contradicted(fmt.Sprintf("the file is that of segment %d", h.Segment))
	case h.First != w.at.Batch:
		return w.contradicted(fmt.Sprintf("the file begins with batch %d", h.First))
	}
	w.version, w.at.Offset = h.Version, HeadSize
	return nil
}

func (w *Walker) purged(day ledger.Day) bool { return w.options.Purged != nil && w.options.Purged(day) }

// ahead gives how much is read at once. Headers alone lie far apart.
func (w *Walker) ahead() int {
	if w.options.HeadersOnly || w.at.Batch < w.options.From {
		return 16 << 10
	}
	return 1 << 20
}

// damaged tells of bytes that are not what was written at At.
func (w *Walker) damaged(what string) *Damage {
	d := w.contradicted(what)
	d.Follows = w.follows()
	d.Torn = w.next == len(w.segments)
	return d
}

// contradicted tells of what no crash can explain.
func (w *Walker) contradicted(what string) *Damage {
	return &Damage{
		File: filepath.Join(w.dir, SegmentName(w.at.Segment)), Offset: w.at.Offset, Batch: w.at.Batch, What: what,
	}
}

// follows counts the whole frames after the one at At, which is not.
func (w *Walker) follows() (count int) {
	for off := w.at.Offset; w.tape.size-off >= HeaderSize; {
		b, err := w.tape.read(off, HeaderSize, 1<<20)
		if err != nil {
			return count
		}
		h, err := ParseHeader(b)
		if err != nil || h.Size() > w.tape.size-off {
			if off, err = w.tape.find(headerMagic, off+1); err != nil {
				return count
			}
			continue
		}
		if b, err = w.tape.read(off, int(h.Size()), 1<<20); err != nil {
			return count
		}
		f := frameOf(h, b, off)
		if h.Batch > w.at.Batch && f.Check(w.purged(h.Day)) == nil {
			count++
		}
		off += h.Size()
	}
	return count
}
