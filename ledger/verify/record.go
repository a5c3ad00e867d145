package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/ledger/index"
	"chaperone/ledger/record"
	"chaperone/ledger/seal"
)

// work is one frame on its way from the goroutine that reads to the one that opens.
type work struct {
	frame  record.Frame
	buffer []byte
	done   chan struct{} // closed when a frame that was not copied was opened; else nil
}

// ahead is how many frames are read before they are opened. Larger ones than maxCopied are not copied and not waited beside,
// so that memory stays flat whatever the record holds.
const (
	ahead     = 8
	maxCopied = 2 << 20
)

// record goes once over the record: it reads and sums in this goroutine, which also compares the leaves with the hash tiles,
// and opens in another.
func (r *run) record(ctx context.Context, tree *tlog.Tree) error {
	before, seen := *r.report, r.seen
	total, err := r.recordSize()
	if err != nil {
		return err
	}
	w, err := record.Walk(filepath.Join(r.Dir, record.Folder), r.meta.ID, record.WalkOptions{Purged: r.ring.missing})
	if err != nil {
		return err
	}
	defer w.Close()
	c := newChecker(r)
	full, empty, opened := make(chan *work, ahead), make(chan *work, ahead+2), make(chan struct{})
	for range cap(empty) {
		empty <- new(work)
	}
	go func() {
		defer close(opened)
		for one := range full {
			c.batch(&one.frame)
			if one.done != nil {
				close(one.done)
			} else {
				empty <- one
			}
		}
	}()
	reader := &reader{run: r, walker: w, full: full, empty: empty, total: total}
	sealed := r.compare(ctx, tree, reader)
	close(full)
	<-opened
	if again, err := r.cameBack(ctx, reader.err); err != nil {
		return err
	} else if again {
		*r.report, r.seen = before, seen
		clear(r.days)
		clear(r.purges)
		r.objects, r.ways = nil, index.Ways{}
		return r.record(ctx, tree)
	}
	r.report.Bytes, r.end, r.blank = reader.read, w.At(), w.Blank()
	c.finish()
	if err := r.ended(reader.err, tree); err != nil {
		return err
	}
	if sealed != nil && !errors.Is(sealed, seal.ErrRewritten) && !errors.Is(sealed, seal.ErrRolledBack) && !errors.Is(sealed, seal.ErrTile) {
		return sealed
	}
	r.sealing(sealed, tree)
	return nil
}

// cameBack reports, where a record could not be read to its end, whether days were purged whose keys are there, which was not known
// yet: their bytes need not be what they were, and it is read again.
func (r *run) cameBack(ctx context.Context, damage error) (bool, error) {
	var d *record.Damage
	if !errors.As(damage, &d) || !d.Part || r.data == nil || r.ring.back != nil {
		return false, nil
	}
	purges, err := disk.Purges(ctx, r.Dir, r.meta.ID, r.ring.master)
	if err != nil {
		return false, err
	}
	maps.DeleteFunc(purges, func(day ledger.Day, _ bool) bool { return !r.ring.there[day] })
	r.ring.back = purges
	return len(purges) > 0, nil
}

// reader is the one that reads.
type reader struct {
	run         *run
	walker      *record.Walker
	full, empty chan *work
	read, total int64
	told        time.Time
	hasher      seal.Hasher
	err         error // why it ended, if not at the record's end
}

// compare lets the leaves of a record pass by its tiles. A record is always read to its end, also beyond what was signed.
func (r *run) compare(ctx context.Context, tree *tlog.Tree, in *reader) error {
	all := func(yield func([]byte, error) bool) {
		wanted := true
		for {
			f, err := in.next(ctx)
			if err != nil {
				return
			}
			if wanted {
				wanted = yield(f.Leaf, nil)
			}
			in.hand(f)
		}
	}
	if tree == nil || tree.N == 0 {
		all(func([]byte, error) bool { return false })
		return ctx.Err()
	}
	err := seal.CheckTiles(ctx, r.Dir, *tree, func(uint64) iter.Seq2[[]byte, error] { return all })
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (in *reader) next(ctx context.Context) (*record.Frame, error) {
	if in.err = ctx.Err(); in.err != nil {
		return nil, in.err
	}
	f, err := in.walker.Next()
	if err != nil {
		if in.err = err; errors.Is(err, io.EOF) {
			in.err = nil
		}
		return nil, err
	}
	in.hasher.Add(f.Leaf)
	in.run.noteSize(&in.hasher, &f)
	in.read += f.Size()
	if now := time.Now(); now.Sub(in.told) > time.Second/10 {
		in.told = now
		in.run.Progress(in.read, in.total)
	}
	return &f, nil
}

// hand gives a frame to be opened: as it is or, since the next read overwrites it, as a copy.
func (in *reader) hand(f *record.Frame) {
	size := len(f.Dictionary) + len(f.Entries)
	if size > maxCopied {
		one := &work{frame: *f, done: make(chan struct{})}
		in.full <- one
		<-one.done
		return
	}
	one := <-in.empty
	b := append(append(slices.Grow(one.buffer[:0], size), f.Dictionary...), f.Entries...)
	one.buffer, one.frame = b, *f
	one.frame.Leaf = nil
	one.frame.Dictionary, one.frame.Entries = b[:len(f.Dictionary)], b[len(f.Dictionary):]
	in.full <- one
}

// leaves reads the leaves alone.
func (r *run) leaves(from uint64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		w, err := record.Walk(filepath.Join(r.Dir, record.Folder), r.meta.ID, record.WalkOptions{From: from, HeadersOnly: true})
		if err != nil {
			yield(nil, err)
			return
		}
		defer w.Close()
		for {
			f, err := w.Next()
			if errors.Is(err, io.EOF) || !yield(f.Leaf, err) || err != nil {
				return
			}
		}
	}
}

// recordSize gives the bytes of the segments.
func (r *run) recordSize() (int64, error) {
	dir := filepath.Join(r.Dir, record.Folder)
	segments, err := record.Segments(dir)
	if err != nil {
		return 0, err
	}
	var total int64
	for _, n := range segments {
		info, err := os.Stat(filepath.Join(dir, record.SegmentName(n)))
		if err != nil {
			return 0, err
		}
		total += info.Size()
	}
	return total, nil
}

// ended says why the record could not be read to its end.
func (r *run) ended(err error, tree *tlog.Tree) error {
	var damage *record.Damage
	var unread *os.PathError
	switch {
	case err == nil:
		r.Progress(r.report.Bytes, r.report.Bytes)
		return nil
	case errors.As(err, &damage):
		r.damaged(damage, tree)
		return nil
	case errors.As(err, &unread):
		r.stopped = true
		r.report.problem(r.inside(unread.Path), r.end.Offset, int64(r.end.Batch), "it cannot be read: %v", unread.Err)
		return nil
	}
	return err
}

// damaged tells what a crash leaves of a write from everything else.
func (r *run) damaged(d *record.Damage, tree *tlog.Tree) {
	name := r.inside(d.File)
	c, err := disk.ReadClosed(r.Dir, r.verify) // which is taken away before anything is written
	short := err == nil && c.Batches > d.Batch
	if d.Torn && d.Follows == 0 && (tree == nil || d.Batch >= uint64(tree.N)) && !short {
		if err == nil {
			r.report.problem(name, d.Offset, -1, "something stands behind the end of the record, and there was nothing when the ledger was closed: no crash leaves it there; keep a copy of this folder as evidence, ledger reindex removes it")
			return
		}
		r.report.warn("%s, byte %d: the last write was cut off, as a crash leaves it (%s); the next opening for recording removes it", name, d.Offset, d.What)
		return
	}
	r.stopped = true
	what := d.What
	switch {
	case tree != nil && uint64(tree.N) > d.Batch:
		what += fmt.Sprintf("; %d batches are whole and %d were signed for", d.Batch, tree.N)
	case short:
		what += fmt.Sprintf("; %d batches are whole and there were %d when the ledger was closed", d.Batch, c.Batches)
	}
	if r.data == nil && d.Part {
		what += "; or its day was purged and its key came back, which only data.key can tell"
	}
	r.report.problem(name, d.Offset, int64(d.Batch), "%s; keep this ledger as evidence and restore a backup", what)
}

// inside gives a path as problems name it.
func (r *run) inside(path string) string {
	if name, err := filepath.Rel(r.Dir, path); err == nil {
		return filepath.ToSlash(name)
	}
	return filepath.ToSlash(path)
}
