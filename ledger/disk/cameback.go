package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"chaperone/ledger"
	"chaperone/ledger/record"
)

// A day is purged when its purge is on record. Its key may be in the folder all the same: a purge was cut off, or somebody copied a
// backup's keys back. Its bytes may be gone or not, and are nobody's in either case: what is read of the record before its purge was
// come to cannot know that, so that it is looked for when something does not fit.

// Purges reads from a whole record which days were purged, without asking whether anything else in it is right. master gives the
// cipher of a day, nil for one that cannot be opened.
func Purges(ctx context.Context, dir string, id [16]byte, master func(ledger.Day) *record.Master) (map[ledger.Day]bool, error) {
	w, err := record.Walk(filepath.Join(dir, recordFolder), id, record.WalkOptions{NoSums: true})
	if err != nil {
		return nil, err
	}
	defer w.Close()
	purges, entry := map[ledger.Day]bool{}, record.Entry{}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		f, err := w.Next()
		var damage *record.Damage
		if errors.Is(err, io.EOF) || errors.As(err, &damage) {
			return purges, nil
		}
		if err != nil {
			return nil, err
		}
		if f.EntriesSize == 0 || f.Header.Entries == f.Disclosures { // it has no notes
			continue
		}
		m := master(f.Day)
		if m == nil {
			continue
		}
		part, err := record.OpenPart(f.Entries, m)
		if err != nil {
			continue
		}
		_ = part.Each(func(b []byte) error { // what does not open says nothing
			err := record.Decode(b, f.Day, &entry)
			if err == nil && entry.Kind == record.KindNote && entry.Note.Kind == ledger.Purge {
				purges[entry.Note.Day] = true
			}
			return err
		})
	}
}

// cameBack lists the days that the record says were purged, and whose keys are there.
func (l *Ledger) cameBack(ctx context.Context) (map[ledger.Day]bool, error) {
	purges, err := Purges(ctx, l.dir, l.meta.ID, func(day ledger.Day) *record.Master {
		m, err := l.keys.master(day)
		if err != nil {
			return nil
		}
		return m
	})
	if err != nil {
		return nil, err
	}
	days, err := l.keys.days.List()
	if err != nil {
		return nil, err
	}
	back := map[ledger.Day]bool{}
	for _, day := range days {
		if purges[day] {
			back[day] = true
		}
	}
	return back, nil
}

// shutPurged makes sure that what is left of purged days is not used: a key, and rows that were made with it.
func (l *Ledger) shutPurged() error {
	for day := range l.dictionary.gone {
		l.keys.days.Purged(day)
		l.keys.forget(day)
		if l.apart != "" { // its index was made just now, of all that opens
			if err := l.index.Purge(day); err != nil {
				return err
			}
		}
	}
	l.forgetPurged()
	return nil
}

// destroyBack destroys the key of a day whose purge is on record, and says so. Nobody can tell whether that purge was cut off, so that it was
// there all the time, or whether it came back.
func (l *Ledger) destroyBack(day ledger.Day) error {
	l.warn(fmt.Sprintf("the key of %s was there, and the purge of that day is on record: it was not finished, or the key came back; it is destroyed now, and a backup that has it loses it with the next ledger backup", day))
	return l.destroy(day)
}
