package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"chaperone/ledger"
	"chaperone/ledger/durable"
	"chaperone/ledger/index"
	"chaperone/ledger/keys"
	"chaperone/ledger/record"
	"chaperone/ledger/seal"
)

// writeCache is how much of the index is kept in memory by whoever records: what is read then is read once, to be united.
const writeCache = 4 << 20

// load brings the ledger into memory: as the last close left it, or from the record.
func (l *Ledger) load(ctx context.Context) error {
	if err := l.readable(); err != nil {
		return err
	}
	c, why := l.closedCleanly()
	if why == nil {
		why = l.asClosed(ctx, c)
	}
	if why == nil {
		if l.readOnly {
			return l.shutPurged()
		}
		if err := l.unclean(); err != nil {
			return err
		}
		if err := l.finishPurges(); err != nil {
			return err
		}
		return l.startWriter()
	}
	if final(why) {
		return why
	}
	if l.readOnly && errors.Is(why, fs.ErrNotExist) { // what a crash leaves; that the file is missing says nothing more
		return fmt.Errorf("%w; the index has to be made anew: run ledger reindex", errNotClosed)
	}
	if l.readOnly {
		return fmt.Errorf("%w (%w); the index has to be made anew: run ledger reindex", errNotClosed, why)
	}
	return l.anew(ctx)
}

// readable refuses what a later version wrote, before anything of it is touched: it is the last segment that tells. What the last close
// said is taken away later on: it is kept here.
func (l *Ledger) readable() error {
	c, err := ReadClosed(l.dir, l.verify)
	if errors.Is(err, keys.ErrNewer) {
		return err
	}
	if err == nil {
		l.before = c
	}
	segments, err := record.Segments(l.files.dir)
	if err != nil || len(segments) == 0 {
		return err
	}
	f, err := l.files.file(segments[len(segments)-1])
	if err != nil {
		return err
	}
	if _, err := record.ReadHead(f); errors.Is(err, record.ErrNewer) {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	return nil
}

// lag is how far a clock may be behind what was recorded last: it may have been set right since.
const lag = time.Hour

// clock refuses one that is behind what was recorded last, before anything is touched: what it would give its time would be lost
// among what is older. A segment begins with the first batch of a day at the latest.
func (l *Ledger) clock() error {
	segments, err := record.Segments(l.files.dir)
	if err != nil || len(segments) == 0 {
		return err
	}
	f, err := l.files.file(segments[len(segments)-1])
	if err != nil {
		return err
	}
	h, err := record.ReadHead(f)
	if err != nil {
		return nil // loading says what is wrong with it
	}
	if now := l.now(); now.Add(lag).Before(h.Made) {
		return fmt.Errorf("%s: the clock says %s, and this ledger was recorded into at %s: set the clock right, and try again, or record all the same (watch and investigate: --any-clock); nothing was touched",
			l.dir, now.UTC().Format(time.DateTime), h.Made.UTC().Format(time.DateTime))
	}
	return nil
}

// final reports whether making the index anew cannot help.
func final(err error) bool {
	return errors.Is(err, index.ErrNewer) || errors.Is(err, seal.ErrRolledBack) || errors.Is(err, seal.ErrRewritten) ||
		errors.Is(err, context.Canceled)
}

// asClosed takes what the last close left.
func (l *Ledger) asClosed(ctx context.Context, c *Closed) error {
	if err := l.endsAt(c.End); err != nil {
		return err
	}
	if err := l.loadPeople(); err != nil {
		return err
	}
	o := index.Options{Dir: filepath.Join(l.dir, indexFolder), ReadOnly: l.readOnly}
	if !l.readOnly {
		o.Cache = writeCache
	}
	x, err := index.Open(o)
	if err != nil {
		return err
	}
	l.index = x
	v, err := x.View()
	if err != nil {
		return err
	}
	for _, day := range v.Days() {
		l.recorded[day] = true
	}
	if err := v.Close(); err != nil {
		return err
	}
	l.batches, l.events, l.end, l.defined = c.Batches, c.Events, c.End, l.dictionary.counts()
	if err := l.log.Load(ctx, c.Batches, l.leaves); err != nil {
		_ = x.Close()
		l.index = nil
		return err
	}
	l.durable.Store(l.batches)
	return nil
}

// endsAt compares the files of the record with where it ended when the ledger was closed.
func (l *Ledger) endsAt(end record.Position) error {
	segments, err := record.Segments(l.files.dir)
	if err != nil {
		return err
	}
	if end.Offset == 0 && len(segments) == int(end.Segment) { // the next frame begins a segment
		return nil
	}
	if len(segments) == 0 || segments[len(segments)-1] != end.Segment || len(segments) != int(end.Segment)+1 {
		return fmt.Errorf("%s: has other segments than when the ledger was closed", l.files.dir)
	}
	info, err := os.Stat(filepath.Join(l.files.dir, record.SegmentName(end.Segment)))
	if err != nil {
		return err
	}
	if info.Size() != end.Offset {
		return fmt.Errorf("%s: has %d bytes and had %d when the ledger was closed", info.Name(), info.Size(), end.Offset)
	}
	return nil
}

// leaves gives the leaves of the record from a batch on.
func (l *Ledger) leaves(from uint64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		w, err := record.Walk(l.files.dir, l.meta.ID, record.WalkOptions{From: from, HeadersOnly: true})
		if err != nil {
			yield(nil, err)
			return
		}
		defer w.Close()
		for {
			f, err := w.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(f.Leaf, err) || err != nil {
				return
			}
		}
	}
}

// anew reads the whole record. What a crash left half written at its end is cut off, unless it was signed for.
func (l *Ledger) anew(ctx context.Context) error {
	if err := l.goesAsFar(); err != nil {
		return err
	}
	if err := l.unclean(); err != nil {
		return err
	}
	dir := filepath.Join(l.dir, indexFolder)
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(l.files.dir, 0o700); err != nil {
		return err
	}
	r, err := l.derive(ctx, dir)
	if err != nil {
		return err
	}
	if err := l.finishPurges(); err != nil {
		return err
	}
	if err := l.startWriter(); err != nil {
		return err
	}
	if l.end.Offset == 0 || r.settle == l.end {
		return nil
	}
	// A process before this one may have ended because the disk did not take what it wrote, and the kernel may show it.
	from := int64(record.HeadSize)
	if r.settle.Segment == l.end.Segment {
		from = max(from, r.settle.Offset)
	}
	return l.writer.Settle(from)
}

// derive makes the index in a folder, and what is in memory, from the record.
func (l *Ledger) derive(ctx context.Context, dir string) (*rebuild, error) {
	r, err := l.deriveWithout(ctx, dir, map[ledger.Day]bool{})
	var damage *record.Damage
	if !errors.As(err, &damage) || !damage.Part {
		return r, err
	}
	back, failed := l.cameBack(ctx)
	if failed != nil || len(back) == 0 {
		return nil, errors.Join(err, failed)
	}
	if err := errors.Join(l.index.Close(), os.RemoveAll(dir)); err != nil {
		return nil, err
	}
	l.index = nil
	l.files.close()
	return l.deriveWithout(ctx, dir, back)
}

// deriveWithout is derive that does not open some days.
func (l *Ledger) deriveWithout(ctx context.Context, dir string, days map[ledger.Day]bool) (*rebuild, error) {
	x, err := index.Create(index.Options{Dir: dir, Cache: writeCache})
	if err != nil {
		return nil, err
	}
	l.index = x
	l.dictionary, l.recorded = newDictionary(), map[ledger.Day]bool{}
	l.batches, l.events, l.end = 0, 0, record.Position{}
	r := &rebuild{ledger: l, signed: uint64(l.log.Tree().N), lost: days}
	if err := r.run(ctx); err != nil {
		return nil, err
	}
	l.defined = l.dictionary.counts()
	if err := l.log.Load(ctx, l.batches, l.leaves); errors.Is(err, seal.ErrRolledBack) {
		return nil, fmt.Errorf("%s ends at byte %d: %w", filepath.Join(l.files.dir, record.SegmentName(l.end.Segment)), l.end.Offset, err)
	} else if err != nil {
		return nil, err
	}
	l.durable.Store(l.batches)
	return r, nil
}

// startWriter opens the record for appending.
func (l *Ledger) startWriter() error {
	w, err := record.OpenAt(l.files.dir, l.meta.ID, l.end)
	if err != nil {
		return err
	}
	l.writer = w
	l.segmentDay = ledger.DayOf(l.now())
	if l.end.Offset > 0 {
		f, err := l.files.file(l.end.Segment)
		if err != nil {
			return err
		}
		h, err := record.ReadHead(f)
		if err != nil {
			return err
		}
		l.segmentDay = ledger.DayOf(h.Made)
	}
	return nil
}

// rewind takes the record back to its last whole frame, after a write that the disk had no room for.
func (l *Ledger) rewind() error {
	err := l.writer.Close()
	l.writer = nil
	if err == nil {
		err = l.removeBegun()
	}
	if err == nil && l.end.Offset > 0 {
		err = record.Cut(l.files.dir, l.end)
	}
	if err != nil {
		return err
	}
	l.writer, err = record.OpenAt(l.files.dir, l.meta.ID, l.end)
	return err
}

// removeBegun removes a segment that was begun and has no frame.
func (l *Ledger) removeBegun() error {
	next := l.end.Segment
	if l.end.Offset > 0 {
		next++
	}
	return durable.Remove(filepath.Join(l.files.dir, record.SegmentName(next)))
}

// missing reports whether a day has no key any more, or one that a purge was about to remove. Whether that is right shows when its purge is read.
func (r *rebuild) missing(day ledger.Day) bool {
	if r.lost[day] {
		return true
	}
	_, err := r.ledger.keys.master(day)
	if errors.Is(err, keys.ErrNoKey) || errors.Is(err, keys.ErrPurged) || errors.Is(err, keys.ErrDamaged) {
		r.lost[day] = true
		return true
	}
	return false
}
