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

// TakeAgain puts what SendAgain asked for at the end of the queue, in the order in which it was rejected, and gives how many files that were. A
// file is removed when its message is on disk in the queue: after a crash between the two it is given twice.
//
// Errors: *Damage, ErrWrongKey, ErrFull, that of the disk; what they are about stays where it is, and the rest is taken.
func (s *Spool) TakeAgain() (n int, err error) {
	dir := filepath.Join(s.o.Dir, againFolder)
	firsts, err := names(dir)
	if err != nil {
		return 0, fmt.Errorf("spool: %w", err)
	}
	var failed []error
	for _, first := range firsts {
		if err := s.takeAgain(filepath.Join(dir, segmentName(first))); err != nil {
			failed = append(failed, err)
			continue
		}
		n++
	}
	if n > 0 {
		s.mu.Lock()
		failed = append(failed, s.countRejected())
		s.mu.Unlock()
	}
	return n, errors.Join(failed...)
}

func (s *Spool) takeAgain(path string) error {
	if !s.again[path] {
		var list []Entry
		if err := Read(path, s.o.Key, func(k Kept) error { list = append(list, k.Entry); return nil }); err != nil {
			return err
		}
		for i := range list {
			list[i].Answer = ""
		}
		if err := s.Append(list...); err != nil {
			return err
		}
		s.again[path] = true
	}
	if err := s.o.Disk.Remove(path); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	delete(s.again, path)
	return nil
}
