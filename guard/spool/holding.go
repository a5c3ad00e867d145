package spool

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"chaperone/ledger/durable"
)

// holding is who needs the objects on disk. One that no entry names any more is removed: neither one that waits, nor a rejected one, nor
// one that is to be sent again. With Spool.mu.
type holding struct {
	objects map[ObjectID]*held
	apart   map[uint64]ObjectID // of rejected messages and those to be sent again, by the numbers of their files
	bytes   int64               // of all objects, with those that are being written
}

// held is an object on disk.
type held struct {
	size   int64
	queued int // entries in the queue that name it
}

// named is an entry with an object, found at the opening.
type named struct {
	number uint64
	object ObjectID
}

// reserve takes room for a piece of an object.
func (s *Spool) reserve(n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fits(n, 0); err != nil {
		return err
	}
	s.holding.bytes += n
	return nil
}

// hold notes an object that is whole on disk, before an entry names it.
func (s *Spool) hold(id ObjectID, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holding.objects[id] = &held{size: size}
}

// drop forgets an object that no entry names.
func (s *Spool) drop(id ObjectID, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.holding.objects, id)
	s.holding.bytes -= size
}

// queue notes that entries in the queue name an object, or do no more.
func (h *holding) queue(id ObjectID, by int) {
	if o := h.objects[id]; o != nil { // else it is not there any more: who delivers it finds out
		o.queued += by
	}
}

// free removes an object that nobody needs.
func (s *Spool) free(id ObjectID) error {
	h := &s.holding
	o := h.objects[id]
	if o == nil || o.queued > 0 {
		return nil
	}
	for _, other := range h.apart {
		if other == id {
			return nil
		}
	}
	if err := durable.Remove(id.file(s.o.Dir)); err != nil { // the next Open removes it
		return fmt.Errorf("spool: %w", err)
	}
	delete(h.objects, id)
	h.bytes -= o.size
	return nil
}

// freeRemoved gives up the objects of rejected messages whose files an operator has removed. rejected are those that are there; what is
// to be sent again is looked at after them, as it goes from there to here.
func (s *Spool) freeRemoved(rejected []uint64) error {
	if len(s.holding.apart) == 0 {
		return nil
	}
	again, err := names(filepath.Join(s.o.Dir, againFolder))
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	for number, id := range s.holding.apart {
		if slices.Contains(rejected, number) || slices.Contains(again, number) {
			continue
		}
		delete(s.holding.apart, number)
		if err := s.free(id); err != nil {
			return err
		}
	}
	return nil
}

// loadObjects finds out who needs the objects on disk, and removes those that nobody does: their senders were never told that they are
// kept, or their receiver has them. When a file that may name some cannot be read, all stay.
func (s *Spool) loadObjects(waiting []named) error {
	files, err := os.ReadDir(filepath.Join(s.o.Dir, objectFolder))
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	h := &s.holding
	for _, f := range files {
		var id ObjectID
		digits, ok := strings.CutSuffix(f.Name(), objectEnding)
		if b, err := hex.DecodeString(digits); !ok || err != nil || copy(id[:], b) != len(id) || id.file("") != filepath.Join(objectFolder, f.Name()) {
			continue
		}
		info, err := f.Info()
		if err != nil {
			return fmt.Errorf("spool: %w", err)
		}
		h.objects[id] = &held{size: info.Size()}
		h.bytes += info.Size()
	}
	for _, n := range waiting {
		h.queue(n.object, 1)
	}
	if len(h.objects) == 0 {
		return nil
	}
	known := true
	for _, folder := range []string{rejectedFolder, againFolder} {
		firsts, err := names(filepath.Join(s.o.Dir, folder))
		if err != nil {
			return fmt.Errorf("spool: %w", err)
		}
		for _, first := range firsts {
			err := Read(filepath.Join(s.o.Dir, folder, segmentName(first)), s.o.Key, func(k Kept) error {
				if k.Object != (ObjectID{}) {
					h.apart[first] = k.Object
				}
				return nil
			})
			known = known && err == nil
		}
	}
	for id := range h.objects {
		if !known {
			break
		}
		if err := s.free(id); err != nil {
			return err
		}
	}
	return nil
}
