package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"chaperone/ledger/durable"
)

// Close waits for the questions that are being answered, and makes everything durable and signed, so that opening is fast.
// After an error nothing is lost: the next Open makes the index anew.
func (l *Ledger) Close() error {
	aheadErr := l.recordAhead()
	l.commit.Lock()
	if l.closed {
		l.commit.Unlock()
		return nil
	}
	l.closed = true
	err := l.fenced
	if len(l.stuck) > 0 && err == nil {
		err = l.withReserve(l.catchUp)
	}
	if err == nil {
		err = aheadErr
	}
	l.commit.Unlock()
	l.stop()
	l.done.Wait()
	l.asking.Wait()
	if l.readOnly {
		return errors.Join(l.index.Close(), l.abandon())
	}
	if err != nil { // what is derived may be ahead of what is on disk
		l.abandon()
		return err
	}
	if err = l.finish(); err != nil {
		err = fmt.Errorf("%w: %w", ErrUnclosed, err)
	}
	return errors.Join(err, l.abandon())
}

// finish writes what only a clean close leaves.
func (l *Ledger) finish() error {
	l.commit.Lock()
	l.makeRoom(working)
	l.commit.Unlock()
	if err := l.withRoom(func() error { return l.sign(context.Background()) }); err != nil {
		return err
	}
	if len(l.witnesses.Witnesses) > 0 && l.log.WitnessedSize() < uint64(l.log.Tree().N) {
		l.show(context.Background())
	}
	if err := l.withRoom(l.over); err != nil {
		return err
	}
	if err := l.withRoom(l.index.Flush); err != nil {
		return err
	}
	x := l.index
	l.index = nil
	if err := x.Close(); err != nil {
		return err
	}
	if err := l.withRoom(l.savePeople); err != nil {
		return err
	}
	if err := l.withRoom(l.writer.Trim); err != nil { // before it is said where the record ends
		return err
	}
	if l.unfinished {
		return ErrUnfinished
	}
	return l.withRoom(l.writeClosed)
}

// abandon lets go of everything without writing.
func (l *Ledger) abandon() error {
	l.stop()
	l.done.Wait()
	var err error
	if l.writer != nil {
		err = l.writer.Close()
		l.writer = nil
	}
	if l.index != nil {
		_ = l.index.Close() // it is made anew, for nothing says that it was closed cleanly
		l.index = nil
	}
	l.files.close()
	if l.apart != "" {
		err = errors.Join(err, os.RemoveAll(l.apart))
	}
	if l.undo != nil { // while it is held
		l.undo()
		l.undo = nil
	}
	if l.lock != nil {
		err = errors.Join(err, l.lock.Close())
		l.lock = nil
	}
	return err
}

// unclean takes back what the last close said, before anything is written.
func (l *Ledger) unclean() error { return durable.Remove(filepath.Join(l.dir, closedFile)) }
