package disk

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/index"
	"chaperone/ledger/record"
)

// Findings gives the findings whose first act lies in the query's range, in the order of that time, then of recording.
func (l *Ledger) Findings(ctx context.Context, q ledger.Query, each func(chaperone.Finding) error) error {
	var list []chaperone.Finding
	err := l.others(ctx, record.KindFinding, func(e *record.Entry) {
		if q.InTime(e.Finding.First) {
			list = append(list, e.Finding.Spell(l.dictionary.text))
		}
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(list, func(a, b chaperone.Finding) int { return cmp.Compare(a.First.UnixMicro(), b.First.UnixMicro()) })
	for _, f := range list {
		if err := each(f); err != nil {
			return err
		}
	}
	return nil
}

// Notes gives all notes in the order of recording.
func (l *Ledger) Notes(ctx context.Context, each func(ledger.Note) error) error {
	var list []ledger.Note
	err := l.others(ctx, record.KindNote, func(e *record.Entry) { list = append(list, e.Note.Spell(l.dictionary.text)) })
	if err != nil {
		return err
	}
	for _, n := range list {
		if err := each(n); err != nil {
			return err
		}
	}
	return nil
}

// others reads the entries of one kind that are no disclosures. The dictionary is locked while each runs.
func (l *Ledger) others(ctx context.Context, kind record.Kind, each func(*record.Entry)) error {
	l.commit.Lock()
	if l.closed {
		l.commit.Unlock()
		return ledger.ErrClosed
	}
	l.asking.Add(1)
	defer l.asking.Done()
	l.dictionary.RLock()
	l.commit.Unlock()
	defer l.dictionary.RUnlock()
	var entry record.Entry
	for _, p := range l.dictionary.others {
		if err := ctx.Err(); err != nil {
			return err
		}
		if l.dictionary.purged(p.Day) {
			continue
		}
		if err := l.othersOf(p, &entry, kind, each); err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
	}
	return nil
}

// othersOf reads those of one batch: they stand behind its disclosures.
func (l *Ledger) othersOf(p index.Place, entry *record.Entry, kind record.Kind, each func(*record.Entry)) error {
	f, err := l.files.file(p.Segment)
	if err != nil {
		return err
	}
	m, err := l.keys.master(p.Day)
	if err != nil {
		return err
	}
	part, err := record.ReadPart(f, p.Offset+int64(p.EntriesAt), int(p.EntriesSize), m)
	if err != nil {
		return fmt.Errorf("%s: batch %d: %w", f.Name(), p.Batch, err)
	}
	var plain []byte
	for i := int(p.Count) / record.EntriesBlock; i < part.Blocks(); i++ {
		if plain, err = part.Block(f, i, plain[:0]); err != nil {
			return fmt.Errorf("%s: batch %d: %w", f.Name(), p.Batch, err)
		}
		for rest := plain; len(rest) > 0; {
			var b []byte
			if b, rest, err = record.Next(rest); err == nil {
				err = record.Decode(b, p.Day, entry)
			}
			if err != nil {
				return fmt.Errorf("%s: batch %d: %w", f.Name(), p.Batch, err)
			}
			if entry.Kind == kind {
				each(entry)
			}
		}
	}
	return nil
}

// remember takes what later answers need of a note that is forgotten with a day.
func (d *dictionary) remember(n *ledger.Note, day ledger.Day) {
	if n.ID != [16]byte{} {
		d.said[n.ID] = day
	}
	switch n.Kind {
	case ledger.Coverage:
		kept := *n
		kept.Seen.From, kept.Seen.Until = kept.Seen.From.Truncate(time.Microsecond).UTC(), kept.Seen.Until.Truncate(time.Microsecond).UTC()
		d.seen = append(d.seen, kept)
	case ledger.Purge:
		d.forget(n.Day, n.At, day)
	}
}

func (d *dictionary) purged(day ledger.Day) bool {
	_, ok := d.gone[day]
	return ok
}

// forget takes a day for purged, at some time, as the entries of another day say.
func (d *dictionary) forget(day ledger.Day, at time.Time, filed ledger.Day) {
	d.gone[day] = erasure{at, filed}
	d.seen = slices.DeleteFunc(d.seen, func(n ledger.Note) bool {
		on, known := d.said[n.ID]
		return known && on == day
	})
	maps.DeleteFunc(d.said, func(_ [16]byte, on ledger.Day) bool { return on == day })
}
