package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"chaperone/ledger/durable"
)

// group are the messages of one call.
type group struct {
	entries []Entry
	moved   bool // they are in the queue already, and leave their place when they have another
	done    bool
	err     error
}

// segmentSize is where another segment begins: what is delivered frees the disk by whole segments. A small spool has smaller ones.
const segmentSize = 8 << 20

// Append takes messages, all of them or none. They are on disk when it returns without an error, and only then may their sender be
// told. What several callers bring at a time is written together.
//
// Errors: ErrFull; that of the disk, after which the next call begins another file.
func (s *Spool) Append(entries ...Entry) error {
	return s.append(&group{entries: entries})
}

func (s *Spool) append(g *group) error {
	s.mu.Lock()
	s.queue = append(s.queue, g)
	s.mu.Unlock()
	s.writing.Lock()
	defer s.writing.Unlock()
	if g.done { // by who had the turn before
		return g.err
	}
	s.mu.Lock()
	turn := s.queue
	s.queue = nil
	s.mu.Unlock()
	var taken []*group
	var bytes int64
	messages := 0
	for _, g := range turn {
		g.done = true
		n := sizeOf(g.entries)
		if g.err = s.room(bytes+n, messages+len(g.entries)); g.err == nil || g.moved && g.err == ErrFull {
			g.err = nil
			taken = append(taken, g)
			bytes += n
			messages += len(g.entries)
		}
	}
	if err := s.write(taken); err != nil {
		for _, g := range taken {
			g.err = err
		}
	}
	return g.err
}

// Room says whether messages would be taken now, with objects of so many bytes: ErrFull when not.
func (s *Spool) Room(objects int64, entries ...Entry) error {
	return s.room(objects+sizeOf(entries), len(entries))
}

func (s *Spool) room(bytes int64, messages int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fits(bytes, messages)
}

// fits is room with mu.
func (s *Spool) fits(bytes int64, messages int) error {
	full := func() bool { return s.waiting+messages > s.o.Messages || s.bytes()+bytes > s.o.Bytes }
	switch {
	case s.closed:
		return errClosed
	case !full():
		return nil
	}
	if err := errors.Join(s.countRejected(), s.countUnnamed()); err != nil { // somebody may have made room
		return err
	}
	if full() {
		return ErrFull
	}
	return nil
}

// sizeOf gives what messages take on disk, a little more rather than less.
func sizeOf(entries []Entry) (n int64) {
	n = headerSize
	for i := range entries {
		e := &entries[i]
		n += headSize + sealing + 48 + int64(len(e.From)+len(e.To)+len(e.Word)+len(e.Message))
		for _, id := range e.IDs {
			n += 2 + int64(len(id))
		}
	}
	return n
}

// write puts groups on disk. With writing.
func (s *Spool) write(groups []*group) error {
	if len(groups) == 0 {
		return nil
	}
	g, err := s.last()
	if err != nil {
		return err
	}
	header := make([]byte, headerSize)
	if _, err := s.out.ReadAt(header, 0); err != nil {
		return s.abandon(g, err)
	}
	aead, _ := s.o.aead(header) // it was made with this key
	at, number := g.size, s.next
	for _, one := range groups {
		for i := range one.entries {
			b, err := sealRecord(aead, &one.entries[i], number, s.next)
			if err == nil {
				err = s.o.Disk.Write(s.out, b, at)
			}
			if err != nil {
				return s.abandon(g, err)
			}
			at += int64(len(b))
			number++
		}
	}
	if err := s.o.Disk.Sync(s.out); err != nil {
		return s.abandon(g, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g.size, g.last = at, number-1
	s.waiting += int(number - s.next)
	s.next = number
	for _, one := range groups {
		for i := range one.entries {
			s.holding.name(one.entries[i].Object, 1)
		}
	}
	if s.o.full(at) {
		_ = s.out.Close() // it is on disk
		s.out = nil
	}
	select {
	case s.added <- struct{}{}:
	default:
	}
	return nil
}

// full reports whether a segment of that size is followed by another.
func (o *Options) full(size int64) bool { return size >= min(segmentSize, o.Bytes/8) }

// last gives the segment that is written to: another than before after an opening, an error and a full one.
func (s *Spool) last() (*segment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out != nil {
		return s.segments[len(s.segments)-1], nil
	}
	path := filepath.Join(s.o.Dir, segmentName(s.next))
	if err := durable.WriteFile(path, s.o.newHeader(s.next)); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	g := &segment{path: path, first: s.next, last: s.next - 1, size: headerSize}
	s.out = f
	s.segments = append(s.segments, g)
	return g, nil
}

// abandon takes back what was not written as a whole. Whether the disk holds something of it, nobody knows after a failed fsync: so
// nothing is ever written behind it, and the number in the name of the next segment says where this one ends.
func (s *Spool) abandon(g *segment, why error) error {
	_ = s.out.Truncate(g.size) // best effort: Open finds out
	_ = s.out.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = nil
	if g.last < g.first {
		s.segments = s.segments[:len(s.segments)-1]
		_ = os.Remove(g.path) // the next one has its name, and takes its place
	}
	return fmt.Errorf("spool: %w", why)
}
