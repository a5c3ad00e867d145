// Package spool keeps messages on disk while the system that they are for is away, and gives them back in the order in which they
// came. Who has been told that a message is kept may forget it: Append returns after the fsync, or with an error.
//
// A spool is one folder, of one process:
//
//	00000000000000000001.spool  a segment: messages, each sealed, the first by the number in the name (segment.go)
//	delivered                   the number of the last message that is delivered (cursor.go)
//	rejected/                   messages that their receiver did not take, a segment each
//	again/                      those of them that are to go into the queue again (again.go)
//	damage                      there was some when it was last used (holding.go)
//	unnamed/                    objects that no message named after that
//	objects/                    what is too large for a message, a file each, which a message names (object.go, holding.go);
//	                            .part what is being written, .given beside one that its receiver may have (given.go), .another
//	                            beside one in whose place it may have another (another.go)
//
// Everything of a message is sealed by AES-256-GCM under a key of its segment alone. Numbers have no gaps, so that a message that is
// missing is noticed. After a crash the last message may be given once more: at least once, and never not at all.
package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"chaperone/ledger/durable"
	"chaperone/ledger/lock"
)

// Options say where a spool is and what it may hold.
type Options struct {
	Dir      string
	Key      func(id [16]byte) [32]byte // the key of a segment, by its id
	Bytes    int64                      // on disk, with objects and what is kept apart; 0: nothing is taken
	Messages int                        // that wait
	Disk     Disk
}

// Disk is how a spool writes; the zero value is the real one. Tests have one that fails.
type Disk struct {
	Write  func(f *os.File, b []byte, at int64) error
	Sync   func(f *os.File) error
	Folder func(dir string) error  // brings the names in a folder to disk, of objects
	Remove func(path string) error // from the disk too: what is sent again, and that an object was given (given.go)
}

// ErrFull says that the spool's limits are reached: the message was not taken.
var ErrFull = errors.New("the spool is full")

// ErrWrongKey says that a segment was sealed with another key than the one at hand.
var ErrWrongKey = errors.New("sealed with another key; restore the one that it was made with from the backup of the keys")

var errClosed = errors.New("spool: closed")

// Damage says where a file is not what was written, while messages lie behind: nothing is read past it.
type Damage struct {
	File   string
	Offset int64
	Why    string
}

func (d *Damage) Error() string {
	return fmt.Sprintf("spool: %s: damaged at offset %d: %s; what lies behind it is kept: copy the folder, then restore the file, or move it and all that are older away and have their messages sent again", d.File, d.Offset, d.Why)
}

// Repair is something that a crash left and that was put right when the spool was opened.
type Repair struct {
	File          string
	Offset, Bytes int64 // of the end that was cut off
	Cursor        bool  // it was not known any more what is delivered: what is on disk is given again
	Unnamed       int   // objects that no message names, since there was damage: they lie in this folder now
}

// Spool is an open spool. It is safe for concurrent use, with one who takes messages out.
type Spool struct {
	Repairs []Repair // by Open

	o    Options
	lock *os.File

	writing sync.Mutex // of segments; taken before mu
	out     *os.File   // of the last segment; nil: the next message begins another

	again map[string]bool // files that are in the queue and could not be removed; of TakeAgain alone

	mu       sync.Mutex
	closed   bool
	queue    []*group
	segments []*segment // the oldest first
	next     uint64     // number of the next message
	cursor   *cursor
	waiting  int
	unsure   uint64 // the last number of which it was not known at the opening whether it is delivered
	rejected kept
	in       *reader   // of the first segment, where the oldest message is
	oldest   *Kept     // nil: not read yet
	late     time.Time // when the oldest that was postponed came; zero: none is known
	holding  holding
	added    chan struct{}
}

// segment is a file with messages, at least one of them not delivered.
type segment struct {
	path        string
	first, last uint64 // last is first-1 while it has none
	size        int64  // of what is durable
}

// kept counts what lies in a folder.
type kept struct {
	messages int
	bytes    int64
	last     uint64
}

// Stats say how full a spool is.
type Stats struct {
	Messages int   // that wait
	Bytes    int64 // on disk, with objects and what is kept apart
	Rejected int
	Oldest   time.Time // when the oldest came; zero for an empty one
}

// Open opens a spool, and makes it when there is none. What a write that did not end left behind is cut off: nobody was told that it
// is kept. See Repairs.
//
// Errors: *Damage; ErrWrongKey; lock.ErrHeld; the folder cannot be used.
func Open(o Options) (*Spool, error) {
	if o.Disk.Write == nil {
		o.Disk.Write = func(f *os.File, b []byte, at int64) error { _, err := f.WriteAt(b, at); return err }
	}
	if o.Disk.Sync == nil {
		o.Disk.Sync = (*os.File).Sync
	}
	if o.Disk.Folder == nil {
		o.Disk.Folder = durable.SyncFolder
	}
	if o.Disk.Remove == nil {
		o.Disk.Remove = durable.Remove
	}
	s := &Spool{o: o, again: map[string]bool{}, added: make(chan struct{}, 1), holding: holding{objects: map[ObjectID]onDisk{}, same: map[string][]ObjectID{}, apart: map[uint64]ObjectID{}}}
	if err := s.open(); err != nil {
		if d := (*Damage)(nil); errors.As(err, &d) {
			err = s.damaged(d)
		}
		if s.lock != nil {
			_ = s.lock.Close()
		}
		if s.cursor != nil {
			_ = s.cursor.file.Close()
		}
		return nil, err
	}
	return s, nil
}

func (s *Spool) open() (err error) {
	for _, dir := range []string{s.o.Dir, s.rejectedFolder(), filepath.Join(s.o.Dir, againFolder), filepath.Join(s.o.Dir, objectFolder)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
		if err := durable.SyncFolder(filepath.Dir(dir)); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
	}
	if s.lock, err = lock.Take(filepath.Join(s.o.Dir, lock.File), false); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	lost := false
	if s.cursor, lost, err = openCursor(filepath.Join(s.o.Dir, cursorFile)); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if lost {
		s.Repairs = append(s.Repairs, Repair{File: s.cursor.file.Name(), Cursor: true})
	}
	if _, err := list(s.rejectedFolder()); err != nil { // and removes what a crash left
		return fmt.Errorf("spool: %w", err)
	}
	if err := s.countRejected(); err != nil {
		return err
	}
	return s.load(lost)
}

// SetLimits changes what the spool may hold. What it holds, it keeps.
func (s *Spool) SetLimits(bytes int64, messages int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.o.Bytes, s.o.Messages = bytes, messages
}

// Empty reports whether no message waits.
func (s *Spool) Empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting == 0
}

// Added is told when a message has come.
func (s *Spool) Added() <-chan struct{} { return s.added }

// Stats gives how full the spool is.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := Stats{Messages: s.waiting, Bytes: s.bytes(), Rejected: s.rejected.messages}
	if k, err := s.peek(); err == nil && k != nil {
		if t.Oldest = k.Came; !s.late.IsZero() && s.late.Before(k.Came) {
			t.Oldest = s.late
		}
	}
	return t
}

// bytes gives what is on disk. With mu.
func (s *Spool) bytes() int64 {
	n := s.rejected.bytes + s.holding.bytes + s.holding.unnamed
	for _, g := range s.segments {
		n += g.size
	}
	return n
}

// Close ends the use of the folder. What waits stays there.
func (s *Spool) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.stopReading()
	var out error
	if s.out != nil {
		out = s.out.Close()
		s.out = nil
	}
	return errors.Join(out, s.cursor.file.Close(), s.lock.Close())
}
