package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"chaperone/ledger/durable"
)

// Peek gives the oldest message that is not delivered; nil when there is none. It stays where it is.
//
// Errors: *Damage, of a file that changed since it was written; it cannot be read.
func (s *Spool) Peek() (*Kept, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peek()
}

// peek is Peek with mu.
func (s *Spool) peek() (*Kept, error) {
	if s.closed {
		return nil, errClosed
	}
	if s.oldest != nil || s.waiting == 0 {
		return s.oldest, nil
	}
	for s.segments[0].last <= s.cursor.number { // it was delivered while another was begun
		if err := s.remove(); err != nil {
			return nil, err
		}
	}
	g, want := s.segments[0], s.cursor.number+1
	if s.in == nil {
		r, err := s.o.open(g.path)
		if err != nil {
			return nil, err
		}
		s.in = r
	}
	for {
		at := s.in.at
		k, err := s.in.next(g.size)
		switch {
		case errors.Is(err, errBroken), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil, s.damaged(&Damage{File: g.path, Offset: at, Why: fmt.Sprintf("message number %d cannot be read", s.in.number)})
		case err != nil:
			return nil, fmt.Errorf("spool: %w", err)
		case k.Number == want:
			s.oldest = &k
			return &k, nil
		}
	}
}

// Unsure reports whether a message may be delivered already: it was here when it was not known any more what is, and nothing before it tells.
func (s *Spool) Unsure(number uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return number <= s.unsure
}

// Delivered forgets the oldest message, with its object: its receiver has it. The number is that of Peek.
//
// Errors: that of the disk; then the message is still the oldest.
func (s *Spool) Delivered(number uint64) error {
	s.mu.Lock()
	if err := s.deliver(number); err != nil {
		s.mu.Unlock()
		return err
	}
	empty := s.waiting == 0
	s.mu.Unlock()
	if empty && s.writing.TryLock() { // else somebody is adding to it
		defer s.writing.Unlock()
		return s.sweep()
	}
	return nil
}

// deliver moves the cursor, and removes what is behind it. With mu.
func (s *Spool) deliver(number uint64) error {
	if s.closed {
		return errClosed
	}
	if s.waiting == 0 || number != s.cursor.number+1 {
		return fmt.Errorf("spool: message number %d is not the oldest", number)
	}
	if err := s.cursor.set(number, s.o.Disk); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	s.waiting--
	var object ObjectID
	if s.oldest != nil {
		object = s.oldest.Object
		if s.oldest.Came.Equal(s.late) {
			s.late = time.Time{} // the next one is known when it is postponed again
		}
	}
	s.oldest = nil
	s.holding.name(object, -1)
	err := s.free(object)
	if len(s.segments) > 1 && s.segments[0].last == number {
		return errors.Join(err, s.remove())
	}
	return err
}

// sweep removes the last segment when all of it is delivered. With writing.
func (s *Spool) sweep() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.waiting > 0 || len(s.segments) == 0 {
		return nil
	}
	if s.out != nil {
		_ = s.out.Close() // nothing of it is needed
		s.out = nil
	}
	return s.remove()
}

// remove removes the first segment. With mu.
func (s *Spool) remove() error {
	s.stopReading()
	path := s.segments[0].path
	s.segments = s.segments[1:]
	if err := durable.Remove(path); err != nil { // the next Open removes it
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

func (s *Spool) stopReading() {
	if s.in != nil {
		_ = s.in.file.Close() // it was only read
	}
	s.in, s.oldest = nil, nil
}

// Postpone puts the oldest message behind the others, where there are any: it is on disk there before it is gone here, and after a crash between the two it
// is given twice. It needs no room: it leaves as much as it takes. It is for messages that need no order.
//
// Errors: that of the disk; those of Delivered; then it is still the oldest.
func (s *Spool) Postpone(number uint64) error {
	k, err := s.Peek()
	switch {
	case err != nil:
		return err
	case k == nil || k.Number != number:
		return fmt.Errorf("spool: message number %d is not the oldest", number)
	case s.Stats().Messages == 1:
		return nil
	}
	if err := s.append(&group{entries: []Entry{k.Entry}, moved: true}); err != nil {
		return err
	}
	err = s.Delivered(number)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.late.IsZero() || k.Came.Before(s.late) {
		s.late = k.Came
	}
	return err
}

// rejectedFolder has what its receiver did not take.
const rejectedFolder = "rejected"

func (s *Spool) rejectedFolder() string { return filepath.Join(s.o.Dir, rejectedFolder) }

// Reject takes the oldest message out of the way and keeps it apart, with what its receiver answered; its object stays where it is. It is in the folder
// before it is out of the queue. path is where.
func (s *Spool) Reject(number uint64, answer string) (path string, err error) {
	k, err := s.Peek()
	if err != nil {
		return "", err
	}
	if k == nil || k.Number != number {
		return "", fmt.Errorf("spool: message number %d is not the oldest", number)
	}
	e := k.Entry
	e.Answer = answer
	header := s.o.newHeader(number)
	aead, _ := s.o.aead(header) // it was made with this key
	record, err := sealRecord(aead, &e, number, number)
	if err != nil {
		return "", err
	}
	path = filepath.Join(s.rejectedFolder(), segmentName(number))
	if err := durable.WriteFile(path, append(header, record...)); err != nil {
		return "", fmt.Errorf("spool: %w", err)
	}
	s.mu.Lock()
	if e.Object != (ObjectID{}) {
		s.holding.apart[number] = e.Object
		s.holding.name(e.Object, 1)
	}
	err = s.countRejected()
	s.mu.Unlock()
	return path, errors.Join(err, s.Delivered(number))
}

// countRejected looks what lies in the folder: an operator takes files out of it. With mu, but in Open.
func (s *Spool) countRejected() error {
	firsts, err := names(s.rejectedFolder()) // what is being written there is left alone
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	s.rejected = kept{messages: len(firsts)}
	for _, n := range firsts {
		s.rejected.last = n
		if info, err := os.Stat(filepath.Join(s.rejectedFolder(), segmentName(n))); err == nil {
			s.rejected.bytes += info.Size()
		}
	}
	return s.freeRemoved(firsts)
}

// Read gives every message of one file, a rejected one for example.
//
// Errors: *Damage; it cannot be read; that of each.
func Read(path string, key func(id [16]byte) [32]byte, each func(Kept) error) error {
	o := Options{Key: key}
	r, err := o.open(path)
	if err != nil {
		return err
	}
	defer r.file.Close()
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	for {
		at := r.at
		k, err := r.next(info.Size())
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errBroken):
			return &Damage{File: path, Offset: at, Why: fmt.Sprintf("message number %d cannot be read", r.number)}
		case err != nil:
			return fmt.Errorf("spool: %w", err)
		}
		if err := each(k); err != nil {
			return err
		}
	}
}
