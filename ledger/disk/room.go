package disk

import (
	"errors"

	"chaperone/ledger"
	"chaperone/ledger/durable"
)

// ErrUnclosed says that what was acknowledged is on record, and the ledger could not be closed as it should.
var ErrUnclosed = errors.New("what was recorded is on record, but the ledger could not be closed: make room on its disk and run ledger reindex")

// working is what has to be free before the index is opened, closed, or rid of a day, as far as the reserve has it: Pebble
// does not try a write again that the disk had no room for.
const working = 2 << 20

// full reports whether some work failed for want of room.
func full(err error) bool { return errors.Is(err, ledger.ErrFull) || durable.NoRoom(err) }

// withReserve does some work again and again while the disk is full and there is reserve to give back to it. The caller holds
// commit, and so does whoever calls makeRoom.
func (l *Ledger) withReserve(work func() error) error {
	err := work()
	for full(err) && l.reserve.give() {
		err = work()
	}
	return err
}

// withRoom is withReserve for who does not hold commit; nobody waits for it unless the disk is full.
func (l *Ledger) withRoom(work func() error) error {
	err := work()
	if !full(err) {
		return err
	}
	l.commit.Lock()
	defer l.commit.Unlock()
	return l.withReserve(work)
}

// makeRoom gives reserve back until so much is free, and reports whether there was any to give.
func (l *Ledger) makeRoom(wanted int64) (given bool) {
	for {
		_, free, ok := used(l.dir)
		if !ok || free >= wanted || !l.reserve.give() {
			return given
		}
		given = true
	}
}

// loadWithRoom is load, with the reserve's help.
func (l *Ledger) loadWithRoom(load func() error) error {
	l.makeRoom(working)
	err := load()
	for room := int64(2 * working); full(err) && l.makeRoom(room); room *= 2 {
		if l.index != nil {
			_ = l.index.Close()
			l.index = nil
		}
		if l.writer != nil {
			_ = l.writer.Close()
			l.writer = nil
		}
		l.files.close()
		err = load()
	}
	return err
}
