package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"chaperone/ledger/durable"
)

// againFolder has the rejected messages that are to be sent again, until who uses the spool puts them into the queue. They do not count
// against its limit, so that those fit into the queue that have filled the spool before.
const againFolder = "again"

// SendAgain asks for a rejected message, by its file as List gives it, to be sent again. It needs nobody who uses the spool, and may be called
// while somebody does: the file only changes its folder. TakeAgain does the rest.
//
// Errors: os.ErrNotExist, when it was taken already; os.ErrExist; that of the disk.
func SendAgain(path string) error {
	from, name := filepath.Split(path)
	from = filepath.Clean(from)
	if filepath.Base(from) != rejectedFolder {
		return errors.New("spool: not a rejected message")
	}
	to := filepath.Join(filepath.Dir(from), againFolder)
	if _, err := os.Lstat(path); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if _, err := os.Stat(to); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("spool: there is no folder %s yet: the guard makes it when it starts", to) // here it might be somebody else's
	}
	if _, err := os.Lstat(filepath.Join(to, name)); err == nil {
		return fmt.Errorf("spool: %s: %w", filepath.Join(to, name), os.ErrExist) // it would be lost
	}
	if err := os.Rename(path, filepath.Join(to, name)); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if err := errors.Join(durable.SyncFolder(to), durable.SyncFolder(from)); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// Taken says what TakeAgain did, in files.
type Taken struct {
	Queued int // their messages are in the queue now
	Stuck  int // theirs cannot be
	Stay   int // theirs are, and the files cannot be removed
}

// TakeAgain puts what SendAgain asked for at the end of the queue, in the order in which it was rejected. A file is removed when its message is
// on disk in the queue: after a crash between the two it is given twice, and so is one that cannot be removed, after the next start. When the queue is full, the rest waits until some of it is delivered,
// which is no error.
//
// Errors: *Damage, ErrWrongKey, that of reading a file, which stays while the rest is taken, and of removing it; ErrFull though nothing waits, that of writing to the
// queue, with which the rest stays, too.
func (s *Spool) TakeAgain() (done Taken, err error) {
	dir := filepath.Join(s.o.Dir, againFolder)
	firsts, err := names(dir)
	if err != nil {
		return done, fmt.Errorf("spool: %w", err)
	}
	var failed []error
	for i, first := range firsts {
		path := filepath.Join(dir, segmentName(first))
		if !s.again[path] {
			list, err := s.askedFor(path)
			if err != nil {
				failed = append(failed, err)
				done.Stuck++
				continue
			}
			if err := s.Append(list...); err != nil {
				if !errors.Is(err, ErrFull) || s.Empty() { // else there is room when something of it is delivered
					failed = append(failed, fmt.Errorf("spool: %s: %w", path, err))
					for _, left := range firsts[i:] {
						if !s.again[filepath.Join(dir, segmentName(left))] { // else it is in the queue
							done.Stuck++
						}
					}
				}
				break // what was rejected later must not overtake it
			}
			s.again[path] = true
			done.Queued++
		}
		if err := s.o.Disk.Remove(path); err != nil {
			failed = append(failed, fmt.Errorf("spool: %s: in the queue, but not removed: %w", path, err))
			done.Stay++
			continue
		}
		delete(s.again, path)
		s.mu.Lock()
		failed = append(failed, s.release(first)) // it may be delivered by now
		s.mu.Unlock()
	}
	if done.Queued > 0 {
		s.mu.Lock()
		failed = append(failed, s.countRejected())
		s.mu.Unlock()
	}
	return done, errors.Join(failed...)
}

// askedFor reads what is to be sent again.
func (s *Spool) askedFor(path string) (list []Entry, err error) {
	err = Read(path, s.o.Key, func(k Kept) error {
		k.Answer = "" // to what was sent before
		list = append(list, k.Entry)
		return nil
	})
	return list, err
}
