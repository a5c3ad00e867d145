package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"chaperone/ledger"
	"chaperone/ledger/index"
	"chaperone/ledger/record"
)

// ErrToday says that a day is not over.
var ErrToday = errors.New("that day is not over: only days before today can be purged")

// ErrUnfinished says that a purge is on record and was not finished: what is left of the day goes when the ledger is opened anew.
var ErrUnfinished = errors.New("its purge is on record, but not all of it could be done: make room on the ledger's disk and run ledger reindex, which finishes it")

// Purge makes a day unreadable for good: its key is destroyed, its rows are deleted, its bytes are given back to the disk as
// far as the file system can. That it was done is an entry of the record, written first; a crash in between is finished by
// the next Open. Who the patients were stays in the dictionary.
func (l *Ledger) Purge(ctx context.Context, day ledger.Day) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.readOnly {
		return ledger.ErrReadOnly
	}
	now := l.now()
	if day >= ledger.DayOf(now) {
		return ErrToday
	}
	l.dictionary.RLock()
	again := l.dictionary.purged(day)
	l.dictionary.RUnlock()
	if !again { // else what was begun may not be finished
		if _, err := l.enter(ledger.Batch{Notes: append(l.filed(day), purgeNote(day, now))}); err != nil {
			return err
		}
	}
	l.commit.Lock()
	defer l.commit.Unlock()
	if l.closed {
		return ledger.ErrClosed // the next Open finishes it
	}
	if !l.dictionary.purged(day) {
		return errors.New("that it is purged could not be recorded: is the clock right?")
	}
	l.makeRoom(working)
	err := l.withReserve(l.over)
	if full(err) { // the key needs no room: it goes in any case
		err = errors.Join(err, l.keys.days.Destroy(day))
		l.keys.forget(day)
	} else if err == nil {
		err = l.withReserve(func() error { return l.destroy(day) })
	}
	if full(err) {
		l.unfinished = true
		return fmt.Errorf("%w: %w", ErrUnfinished, err)
	}
	return err
}

func purgeNote(day ledger.Day, at time.Time) ledger.Note {
	return ledger.Note{Kind: ledger.Purge, At: at, Day: day, Text: "the entries of this day were destroyed"}
}

// filed gives the purges of other days that only entries of this day tell of: they have to be told again before it goes.
func (l *Ledger) filed(day ledger.Day) []ledger.Note {
	l.dictionary.RLock()
	defer l.dictionary.RUnlock()
	var notes []ledger.Note
	for other, e := range l.dictionary.gone {
		if e.filed == day {
			notes = append(notes, purgeNote(other, e.at))
		}
	}
	return notes
}

// destroy takes key, rows and bytes of a day away. Done twice it does nothing the second time.
func (l *Ledger) destroy(day ledger.Day) error {
	places, err := l.placesOf(day)
	if err != nil {
		return err
	}
	if err := l.keys.days.Destroy(day); err != nil {
		return err
	}
	l.keys.forget(day)
	l.dictionary.Lock()
	l.dictionary.others = slices.DeleteFunc(l.dictionary.others, func(p index.Place) bool { return p.Day == day })
	l.dictionary.Unlock()
	if err := l.index.Purge(day); err != nil {
		return err
	}
	return l.punch(places)
}

// placesOf lists the batches of a day.
func (l *Ledger) placesOf(day ledger.Day) ([]index.Place, error) {
	v, err := l.index.View()
	if err != nil {
		return nil, err
	}
	defer v.Close()
	places := []index.Place{}
	for _, p := range l.dictionary.others {
		if p.Day == day && p.Count == 0 {
			places = append(places, p)
		}
	}
	return places, v.Places(day, func(p index.Place) error { places = append(places, p); return nil })
}

// punch gives the bytes of batches back to the disk.
func (l *Ledger) punch(places []index.Place) error {
	for _, p := range places {
		f, err := os.OpenFile(filepath.Join(l.files.dir, record.SegmentName(p.Segment)), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		if err := errors.Join(record.Punch(f, p.Offset+int64(p.EntriesAt), int64(p.EntriesSize)), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// Begun gives when the first of a day was recorded, or later: a copy that was restored has its own time. A day may be long past and
// have been recorded just now: of old captures, or with a clock that was wrong.
func (l *Ledger) Begun(day ledger.Day) (time.Time, error) { return l.keys.days.Made(day) }
