package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"chaperone/ledger/durable"
	"chaperone/ledger/record"
)

// copier adds to a copy what is new.
type copier struct {
	from, to string
	id       [16]byte // of the ledger
	head     [16]byte // to be written into segments instead; zero: as they are
	have     record.Position
	end      record.Position
	copied   int64
	state    *state // of the log, once it is read
	live     bool   // another process may record: of the record only
	until    uint64 // so many batches are copied
}

// compare finds out how much of the record is there already. All of that must be what the ledger has: headers hold the sums
// of everything behind them.
func (c *copier) compare(ctx context.Context) error {
	theirs, err := record.Walk(segmentsIn(c.from), c.id, record.WalkOptions{HeadersOnly: true})
	if err != nil {
		return err
	}
	defer theirs.Close()
	ours, err := record.Walk(segmentsIn(c.to), c.id, record.WalkOptions{HeadersOnly: true})
	if err != nil {
		return err
	}
	defer ours.Close()
	more := true // in the copy
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		var have record.Frame
		if more {
			if have, err = ours.Next(); err != nil {
				more = false
				if err := whole(err); err != nil {
					return fmt.Errorf("the backup is damaged: %w", err)
				}
				c.have = ours.At()
			}
		}
		var f record.Frame
		// A copy that was made after a crash may have batches that are not under a checkpoint yet: they are compared as well.
		if err = io.EOF; !c.live || theirs.At().Batch < c.until || more {
			f, err = theirs.Next()
		}
		switch {
		case err == nil && !more:
		case err == nil && bytes.Equal(f.Leaf, have.Leaf) && f.Segment == have.Segment && f.Offset == have.Offset:
		case err == nil:
			return fmt.Errorf("batch %d of the ledger is not that of its backup: one of them was rewritten, keep both as evidence", f.Batch)
		case more && whole(err) == nil:
			return fmt.Errorf("the ledger has %d batches and its backup has more: it was rolled back, restore it from the backup", theirs.At().Batch)
		default:
			c.end = theirs.At()
			return whole(err)
		}
	}
}

// whole passes over the ends that a record may have: its end, or a write, or a copying, that was cut off.
func whole(err error) error {
	var d *record.Damage
	if errors.Is(err, io.EOF) || errors.As(err, &d) && d.Torn && d.Follows == 0 {
		return nil
	}
	return err
}

// record adds the bytes of the record that are new.
func (c *copier) record(ctx context.Context) error {
	folder := segmentsIn(c.to)
	if err := makeFolder(folder); err != nil {
		return err
	}
	if c.end.Offset == 0 {
		return nil
	}
	for n := c.have.Segment; n <= c.end.Segment; n++ {
		if err := c.segment(ctx, n); err != nil {
			return fmt.Errorf("%s: %w", record.SegmentName(n), err)
		}
	}
	return durable.SyncFolder(folder)
}

// segment copies what is missing of one.
func (c *copier) segment(ctx context.Context, n uint32) error {
	in, err := record.OpenSegment(segmentsIn(c.from), n)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	from, until := int64(0), info.Size()
	if n == c.have.Segment {
		from = c.have.Offset
	}
	if n == c.end.Segment {
		until = c.end.Offset
	}
	out, err := os.OpenFile(filepath.Join(segmentsIn(c.to), record.SegmentName(n)), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	err = out.Truncate(from) // behind the last whole frame is only what a copying left that was cut off
	if err == nil && from == 0 {
		from, err = c.first(in, out)
	}
	if err == nil {
		_, err = out.Seek(from, io.SeekStart)
	}
	if err == nil {
		var copied int64
		copied, err = io.CopyBuffer(struct{ io.Writer }{out}, &interrupted{ctx, io.NewSectionReader(in, from, until-from)}, make([]byte, 1<<20))
		c.copied += copied
	}
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

// first writes the head of a segment.
func (c *copier) first(in, out *os.File) (int64, error) {
	h, err := record.ReadHead(in)
	if err != nil {
		return 0, err
	}
	if c.head != [16]byte{} {
		h.ID = c.head
	}
	n, err := out.WriteAt(h.Append(nil), 0)
	c.copied += int64(n)
	return int64(n), err
}

// interrupted ends with its context.
type interrupted struct {
	ctx context.Context
	r   io.Reader
}

func (i *interrupted) Read(b []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(b)
}
