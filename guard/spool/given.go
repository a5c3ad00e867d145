package spool

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// givenEnding is that of an empty file beside an object: its receiver may have all of it. It is written before that has, so that it is known over a
// kill, too. There is no fsync: a power cut may take it, and then nothing more is said of the object than that it waits.
const givenEnding = ".given"

// Giving notes that the receiver of an object is about to have all of it.
func (s *Spool) Giving(id ObjectID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.holding.objects[id]
	if !ok || o.given || o.another {
		return
	}
	o.given = true
	s.holding.objects[id] = o
	if f, err := os.OpenFile(id.beside(s.o.Dir, givenEnding), os.O_WRONLY|os.O_CREATE, 0o600); err == nil { // else it is known until the next opening
		_ = f.Close() // it is empty
	}
}

// NotGiven takes that back, on disk too when it returns without an error: a power cut must not bring it back.
//
// Errors: that of the disk; then it is taken back until the spool is opened again.
func (s *Spool) NotGiven(id ObjectID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.holding.objects[id]
	if !ok || !o.given {
		return nil
	}
	o.given = false
	s.holding.objects[id] = o
	if err := s.o.Disk.Remove(id.beside(s.o.Dir, givenEnding)); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// Given reports whether the receiver of an object may have all of it, though the object is not delivered, and no other one in its place.
func (s *Spool) Given(id ObjectID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.holding.objects[id]
	return o.given && !o.another
}

// unmark removes what lies beside an object that nobody needs. What stays, or comes back with a power cut, means nothing without it.
func (s *Spool) unmark(id ObjectID) {
	_ = os.Remove(id.beside(s.o.Dir, givenEnding)) // mostly there is one of the two
	_ = os.Remove(id.beside(s.o.Dir, anotherEnding))
}

// parseName reads the name of a file of an object.
func parseName(name, ending string) (id ObjectID, ok bool) {
	digits, ok := strings.CutSuffix(name, ending)
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || copy(id[:], b) != len(id) {
		return id, false
	}
	return id, filepath.Base(id.file("")) == digits+objectEnding // and not in capitals, or with more behind it
}
