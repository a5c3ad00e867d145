package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// anotherEnding is that of an empty file beside an object: its receiver may have another one of its UID, so that nothing that it says of that UID is
// believed of the object. It is on disk before anything goes by it, and goes with the object. Where the object is not there, it waits for it: somebody
// may bring it back.
const anotherEnding = ".another"

// Another notes for good that the receiver of an object may have another one of its UID: from now on it counts as given never again.
//
// Errors: that of the disk; then it is known until the spool is opened again.
func (s *Spool) Another(id ObjectID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.another(id)
}

// another is Another with mu.
func (s *Spool) another(id ObjectID) error {
	o, ok := s.holding.objects[id]
	if !ok || o.noted {
		return nil
	}
	path := id.beside(s.o.Dir, anotherEnding)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err == nil {
		err = errors.Join(s.o.Disk.Sync(f), f.Close())
	}
	if err == nil {
		err = s.o.Disk.Folder(filepath.Dir(path))
	}
	o.another, o.noted = true, err == nil
	s.holding.objects[id] = o
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// identify notes the UID of an object. Where others have the same, their receiver may get one of them before it says something of the next, which is noted of
// all. With mu, but in Open.
func (s *Spool) identify(id ObjectID, e *Entry) error {
	h := &s.holding
	o, ok := h.objects[id]
	if !ok || o.uid != "" || len(e.IDs) == 0 || e.IDs[0] == "" {
		return nil
	}
	o.uid = e.IDs[0]
	h.objects[id] = o
	h.same[o.uid] = append(h.same[o.uid], id)
	if same := h.same[o.uid]; len(same) > 1 {
		for _, id := range same {
			if err := s.another(id); err != nil {
				return err
			}
		}
	}
	return nil
}

// forget is of an object that is not held any more. With Spool.mu.
func (h *holding) forget(id ObjectID) {
	uid := h.objects[id].uid
	delete(h.objects, id)
	if h.same[uid] = slices.DeleteFunc(h.same[uid], func(other ObjectID) bool { return other == id }); len(h.same[uid]) == 0 {
		delete(h.same, uid)
	}
}
