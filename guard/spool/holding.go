package spool

import (
	"errors"
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
	objects map[ObjectID]onDisk
	same    map[string][]ObjectID // those of one UID, by it
	apart   map[uint64]ObjectID   // of rejected messages and those to be sent again, by the numbers of their files
	bytes   int64                 // of all objects, with those that are being written
	unnamed int64                 // of those that are kept apart
}

// onDisk is an object that is whole.
type onDisk struct {
	size    int64
	named   int    // by so many entries
	uid     string // by which its receiver knows it: the first of its entry's IDs
	last    uint64 // number of the last one of the queue, as it was at the opening; 0: none
	given   bool   // its receiver may have it (given.go)
	another bool   // its receiver may have another one of its UID (another.go)
	noted   bool   // and that is on disk
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

// hold notes an object that is whole on disk, before its entry is.
func (s *Spool) hold(id ObjectID, size int64, e *Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holding.objects[id] = onDisk{size: size}
	return s.identify(id, e)
}

// drop forgets an object that no entry names.
func (s *Spool) drop(id ObjectID, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holding.objects[id].another {
		s.unmark(id)
	}
	s.holding.forget(id)
	s.holding.bytes -= size
}

// queued notes that an entry of the queue names an object.
func (h *holding) queued(k *Kept) {
	h.name(k.Object, 1)
	if o, ok := h.objects[k.Object]; ok {
		o.last = k.Number
		h.objects[k.Object] = o
	}
}

// name notes that entries more name an object, or so many less.
func (h *holding) name(id ObjectID, by int) {
	if o, ok := h.objects[id]; ok { // else it is not there any more: who delivers it finds out
		o.named += by
		h.objects[id] = o
	}
}

// free removes an object that nobody needs. What a power cut brings back, the next Open removes.
func (s *Spool) free(id ObjectID) error {
	o, ok := s.holding.objects[id]
	if !ok || o.named > 0 {
		return nil
	}
	if o.given || o.another {
		s.unmark(id)
	}
	if err := os.Remove(id.file(s.o.Dir)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("spool: %w", err)
	}
	s.holding.forget(id)
	s.holding.bytes -= o.size
	return nil
}

// release gives up the object of a message that is not kept apart any more.
func (s *Spool) release(number uint64) error {
	id := s.holding.apart[number]
	delete(s.holding.apart, number)
	s.holding.name(id, -1)
	return s.free(id)
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
	for number := range s.holding.apart {
		_, isRejected := slices.BinarySearch(rejected, number)
		_, isAgain := slices.BinarySearch(again, number)
		if isRejected || isAgain {
			continue
		}
		if err := s.release(number); err != nil {
			return err
		}
	}
	return nil
}

// listObjects finds the objects on disk, and removes what a crash left of those that were being written.
func (s *Spool) listObjects() error {
	files, err := os.ReadDir(filepath.Join(s.o.Dir, objectFolder))
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	var given, another []ObjectID
	for _, f := range files {
		if strings.HasSuffix(f.Name(), partEnding) {
			if err := os.Remove(filepath.Join(s.o.Dir, objectFolder, f.Name())); err != nil {
				return fmt.Errorf("spool: %w", err)
			}
			continue
		}
		if id, ok := parseName(f.Name(), givenEnding); ok {
			given = append(given, id)
			continue
		}
		if id, ok := parseName(f.Name(), anotherEnding); ok {
			another = append(another, id)
			continue
		}
		id, ok := parseName(f.Name(), objectEnding)
		if !ok {
			continue
		}
		info, err := f.Info()
		if err != nil {
			return fmt.Errorf("spool: %w", err)
		}
		s.holding.objects[id] = onDisk{size: info.Size()}
		s.holding.bytes += info.Size()
	}
	for _, id := range given {
		if o, ok := s.holding.objects[id]; ok {
			o.given = true
			s.holding.objects[id] = o
			continue
		}
		_ = os.Remove(id.beside(s.o.Dir, givenEnding)) // its object is gone
	}
	for _, id := range another {
		if o, ok := s.holding.objects[id]; ok {
			o.another, o.noted = true, true
			s.holding.objects[id] = o
		}
	}
	return nil
}

// freeUnnamed removes objects that no entry names: their senders were never told that they are kept, or their receiver has them. When a
// file that may name some cannot be read, all stay.
func (s *Spool) freeUnnamed() error {
	if len(s.holding.objects) == 0 {
		return s.spare()
	}
	known, apart := true, map[ObjectID]bool{}
	for _, folder := range []string{rejectedFolder, againFolder} {
		firsts, err := names(filepath.Join(s.o.Dir, folder))
		if err != nil {
			return fmt.Errorf("spool: %w", err)
		}
		for _, first := range firsts {
			err := Read(filepath.Join(s.o.Dir, folder, segmentName(first)), s.o.Key, func(k Kept) error {
				if k.Object != (ObjectID{}) {
					s.holding.apart[first], apart[k.Object] = k.Object, true
					s.holding.name(k.Object, 1)
				}
				return s.identify(k.Object, &k.Entry)
			})
			known = known && err == nil
		}
	}
	if !known {
		return nil
	}
	for id, o := range s.holding.objects { // delivering goes in order: behind one that is there for the queue alone, nothing is delivered
		if o.last > 0 && !apart[id] {
			s.unsure = min(s.unsure, o.last-1)
		}
	}
	if err := s.spare(); err != nil {
		return err
	}
	for id := range s.holding.objects {
		if err := s.free(id); err != nil {
			return err
		}
	}
	return nil
}

// damageFile lies in a folder in which damage was found, until it could be opened again: by then its operator may have moved away files
// with entries that name objects.
const damageFile = "damage"

// unnamedFolder has the objects that no entry named then. They take room until somebody removes them.
const unnamedFolder = "unnamed"

// countUnnamed looks what lies there. With mu, but in Open.
func (s *Spool) countUnnamed() error {
	files, err := os.ReadDir(filepath.Join(s.o.Dir, unnamedFolder))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("spool: %w", err)
	}
	s.holding.unnamed = 0
	for _, f := range files {
		if info, err := f.Info(); err == nil { // else it was removed just now
			s.holding.unnamed += info.Size()
		}
	}
	return nil
}

// damaged notes damage for the next opening.
func (s *Spool) damaged(d *Damage) error {
	if err := durable.WriteFile(filepath.Join(s.o.Dir, damageFile), nil); err != nil {
		return errors.Join(d, fmt.Errorf("spool: %w", err))
	}
	return d
}

// spare keeps the objects apart that no entry names, if there was damage: whoever brings back the file with their entries needs them.
func (s *Spool) spare() error {
	mark := filepath.Join(s.o.Dir, damageFile)
	if _, err := os.Stat(mark); err != nil {
		return nil
	}
	r := Repair{File: filepath.Join(s.o.Dir, unnamedFolder)}
	for id, o := range s.holding.objects {
		if o.named > 0 {
			continue
		}
		err := os.MkdirAll(r.File, 0o700)
		if err == nil {
			err = os.Rename(id.file(s.o.Dir), filepath.Join(r.File, filepath.Base(id.file(""))))
		}
		if err != nil {
			return fmt.Errorf("spool: %w", err)
		}
		s.holding.forget(id)
		s.holding.bytes -= o.size
		r.Unnamed++
	}
	var err error
	if r.Unnamed > 0 {
		s.Repairs = append(s.Repairs, r)
		err = durable.SyncFolder(r.File)
	}
	if err = errors.Join(err, durable.Remove(mark)); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}
