package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"chaperone/ledger"
	"chaperone/ledger/index"
	"chaperone/ledger/keys"
	"chaperone/ledger/record"
)

// rebuild makes from the record what is derived from it. One goroutine reads and opens, another fills the index.
type rebuild struct {
	ledger *Ledger
	signed uint64              // batches under the latest checkpoint: of them nothing may be missing
	lost   map[ledger.Day]bool // days with entries and without a key
	settle record.Position     // behind what was signed: what the disk is known to hold
	entry  record.Entry
}

// filled is a batch on its way to the index.
type filled struct {
	place  index.Place
	events []index.Event
}

func (r *rebuild) run(ctx context.Context) error {
	batches := make(chan filled, 4)
	done := make(chan error, 1)
	go func() {
		var err error
		for b := range batches {
			if err == nil {
				err = addFrame(r.ledger.index, b.place, b.events)
			}
		}
		done <- err
	}()
	err := r.walk(ctx, batches)
	close(batches)
	return errors.Join(err, <-done)
}

func (r *rebuild) walk(ctx context.Context, batches chan<- filled) error {
	l := r.ledger
	total, err := recordSize(l.files.dir)
	if err != nil {
		return err
	}
	w, err := record.Walk(l.files.dir, l.meta.ID, record.WalkOptions{Purged: r.missing})
	if err != nil {
		return err
	}
	defer w.Close()
	var read int64
	next := time.Now()
	for {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if l.apart != "" && l.batches == r.signed { // what comes behind it is another process's, and may not be durable yet
			return r.end(w.At())
		}
		f, err := w.Next()
		var damage *record.Damage
		switch {
		case l.apart != "" && err != nil:
			return err
		case errors.Is(err, io.EOF):
			if w.Blank() > 0 && l.batches >= r.signed { // else it is evidence, and refused below
				if err := record.Cut(l.files.dir, w.At()); err != nil {
					return err
				}
				if l.before != nil {
					l.warnBehind(w.At())
				}
			}
			return r.end(w.At())
		case errors.As(err, &damage):
			return r.damaged(damage, w.At())
		case err != nil:
			return err
		}
		b, err := r.frame(&f)
		if err != nil {
			return fmt.Errorf("%s: batch %d at byte %d: %w", record.SegmentName(f.Segment), f.Batch, f.Offset, err)
		}
		batches <- b
		if l.batches++; l.batches == r.signed {
			r.settle = w.At()
		}
		if read += f.Size(); l.progress != nil && time.Since(next) > time.Second/10 {
			l.progress(read, total)
			next = time.Now()
		}
	}
}

// end takes the record as it is.
func (r *rebuild) end(at record.Position) error {
	l := r.ledger
	l.end = at
	for day := range r.lost {
		if !l.dictionary.purged(day) && l.apart != "" {
			return fmt.Errorf("%s is missing or damaged and the last checkpoint does not say that %s was purged: it may have been purged just now, ask again; if nobody records, open the ledger for recording first, which says more: %w",
				filepath.Join(l.dir, keys.DaysFolder, keys.DayFile(day)), day, keys.ErrNoKey)
		}
		if !l.dictionary.purged(day) {
			return fmt.Errorf("%s is missing or damaged and %s was not purged: restore it from the backup of the ledger: %w",
				filepath.Join(l.dir, keys.DaysFolder, keys.DayFile(day)), day, keys.ErrNoKey)
		}
	}
	return nil
}

// damaged decides whether what is wrong at the end is only what a crash left of a write that nobody was told of.
func (r *rebuild) damaged(d *record.Damage, at record.Position) error {
	l := r.ledger
	if !d.Torn || d.Follows > 0 {
		return fmt.Errorf("%w; this is not what a crash leaves: keep this folder as evidence and restore a backup", d)
	}
	if d.Batch < r.signed {
		return fmt.Errorf("%w; %d batches were signed for and %d are whole: keep this folder as evidence and restore a backup", d, r.signed, d.Batch)
	}
	if err := record.Cut(l.files.dir, at); err != nil {
		return err
	}
	l.files.close() // the segment that was cut may have been removed
	if l.before != nil {
		l.warnBehind(at)
	} else {
		l.warn(fmt.Sprintf("the last write before a crash was not finished and is cut off (%s, byte %d); nobody was told that it is on record", d.File, d.Offset))
	}
	return r.end(at)
}

// warnBehind tells of what was cut off behind the record of a ledger that was closed: somebody put it there. What was recorded is whole, so
// that it is no reason for a guard not to start.
func (l *Ledger) warnBehind(end record.Position) {
	l.warn(fmt.Sprintf("something stood behind the end of the record and is cut off (%s, byte %d); it had none when the ledger was closed, so that no crash left it there",
		record.SegmentName(end.Segment), end.Offset))
}

// frame takes one batch.
func (r *rebuild) frame(f *record.Frame) (filled, error) {
	l := r.ledger
	if before := l.dictionary.counts(); before != (counts{f.Numbers, f.Words, f.Ways}) || f.Before != l.events {
		return filled{}, fmt.Errorf("it does not follow on what was before: %w", record.ErrMalformed)
	}
	if err := r.dictionary(f.Dictionary); err != nil {
		return filled{}, err
	}
	l.events += uint64(f.Disclosures)
	b := filled{place: placeOf(&f.Header, f.Segment, f.Offset)}
	if f.EntriesSize == 0 {
		return b, nil
	}
	l.recorded[f.Day] = true
	if r.missing(f.Day) {
		b.place.Count = 0 // the index knows nothing of purged days
		return b, nil
	}
	m, err := l.keys.master(f.Day)
	if err != nil {
		return b, err
	}
	part, err := record.OpenPart(f.Entries, m)
	if err != nil {
		return b, err
	}
	b.events = make([]index.Event, 0, f.Disclosures)
	numbers := make([]ledger.Number, 0, len(f.Entries)/3)
	others := false
	err = part.Each(func(entry []byte) error {
		e := &r.entry
		if err := record.Decode(entry, f.Day, e); err != nil {
			return err
		}
		switch e.Kind {
		case record.KindDisclosure:
			d := &e.Disclosure
			if d.Way == 0 || int(d.Way) > len(l.dictionary.ways) {
				return fmt.Errorf("a disclosure by a way that is not defined: %w", record.ErrMalformed)
			}
			if n := len(d.Numbers); n > 0 && int(d.Numbers[n-1]) > l.dictionary.people.Len() {
				return fmt.Errorf("a disclosure of a patient who is not defined: %w", record.ErrMalformed)
			}
			from := len(numbers)
			numbers = append(numbers, d.Numbers...)
			b.events = append(b.events, l.event(d, f.Before+uint64(len(b.events)), numbers[from:len(numbers):len(numbers)]))
			return nil
		case record.KindFinding:
			finding := e.Finding.Spell(l.dictionary.text)
			l.dictionary.said[findingID(&finding)] = f.Day
		case record.KindNote:
			note := e.Note.Spell(l.dictionary.text)
			l.dictionary.remember(&note, f.Day)
		default:
			return fmt.Errorf("entry of kind %d in the wrong part: %w", e.Kind, record.ErrMalformed)
		}
		others = true
		return nil
	})
	if err == nil && len(b.events) != int(f.Disclosures) {
		err = fmt.Errorf("%d disclosures instead of %d: %w", len(b.events), f.Disclosures, record.ErrMalformed)
	}
	if others {
		l.dictionary.others = append(l.dictionary.others, b.place)
	}
	return b, err
}

// dictionary takes the definitions of a batch.
func (r *rebuild) dictionary(part []byte) error {
	if len(part) == 0 {
		return nil
	}
	p, err := record.OpenPart(part, r.ledger.dictionaryKey)
	if err != nil {
		return err
	}
	d := r.ledger.dictionary
	known := func(numbers ...ledger.Number) error {
		for _, n := range numbers {
			if n == 0 || int(n) > d.people.Len() {
				return fmt.Errorf("patient %d is not defined: %w", n, record.ErrMalformed)
			}
		}
		return nil
	}
	return p.Each(func(entry []byte) error {
		e := &r.entry
		if err := record.Decode(entry, 0, e); err != nil {
			return err
		}
		switch e.Kind {
		case record.KindWord:
			d.word(e.Word)
		case record.KindWay:
			d.way(e.Way)
		case record.KindPerson:
			d.people.Add(e.Token, e.Weak)
		case record.KindJoin:
			if err := known(e.A, e.B); err != nil {
				return err
			}
			d.people.Join(e.A, e.B)
		case record.KindAlike:
			if err := known(e.A); err != nil {
				return err
			}
			d.people.Alike(e.Token, e.A)
		case record.KindMerge:
			if err := errors.Join(known(e.Survivors...), known(e.Priors...)); err != nil {
				return err
			}
			d.people.Merge(e.Survivors, e.Priors, e.Undo, e.At)
		default:
			return fmt.Errorf("entry of kind %d in the wrong part: %w", e.Kind, record.ErrMalformed)
		}
		return nil
	})
}

// finishPurges finishes what a crash or a failing disk cut off: a day whose purge is on record has no key and no rows.
func (l *Ledger) finishPurges() error {
	days, err := l.keys.days.List()
	if err != nil {
		return err
	}
	for _, day := range days {
		if l.dictionary.purged(day) {
			if err := l.destroyBack(day); err != nil {
				return err
			}
		}
	}
	return l.shutPurged()
}

// forgetPurged forgets where the findings and notes of days were that are purged.
func (l *Ledger) forgetPurged() {
	l.dictionary.others = slices.DeleteFunc(l.dictionary.others, func(p index.Place) bool { return l.dictionary.purged(p.Day) })
}

// event is what the index takes of a disclosure.
func (l *Ledger) event(d *record.Disclosure, seq uint64, numbers []ledger.Number) index.Event {
	dict := l.dictionary
	return index.Event{
		Seq: seq, ID: d.ID, Time: d.Time, Way: dict.inIndex.Of(d.Way), Records: d.Records, Unidentified: d.Unidentified, Bytes: d.Bytes,
		Objects: ledger.Objects(dict.parties[d.Way-1].protocol, dict.text(dict.ways[d.Way-1].Action), d.Records), Numbers: numbers,
	}
}

// placeOf says where a batch is.
func placeOf(h *record.Header, segment uint32, offset int64) index.Place {
	return index.Place{
		Batch: h.Batch, First: h.Before, Count: h.Disclosures, Day: h.Day, Segment: segment, Offset: offset,
		EntriesAt: uint32(h.EntriesAt()), EntriesSize: h.EntriesSize,
	}
}

// recordSize gives the bytes of a record.
func recordSize(dir string) (int64, error) {
	segments, err := record.Segments(dir)
	var total int64
	for _, n := range segments {
		info, err := os.Stat(filepath.Join(dir, record.SegmentName(n)))
		if err != nil {
			return 0, err
		}
		total += info.Size()
	}
	return total, err
}
