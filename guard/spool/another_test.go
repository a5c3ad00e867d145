package spool

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// keptTwins keeps objects whose entries have the IDs of these messages, and gives theirs.
func keptTwins(t *testing.T, s *Spool, messages ...int) (ids []ObjectID) {
	t.Helper()
	for _, n := range messages {
		if err := keep(t, s, n, bytesOf(100), 100); err != nil {
			t.Fatal(err)
		}
	}
	err := List(s.o.Dir, testKey, func(_ string, k Kept, _ State) error { ids = append(ids, k.Object); return nil })
	if err != nil || len(ids) != len(messages) {
		t.Fatal(ids, err)
	}
	return ids
}

// believed gives those of objects, all of which are given now, that count as given.
func believed(s *Spool, ids []ObjectID) (list []int) {
	for i, id := range ids {
		s.Giving(id)
		if s.Given(id) {
			list = append(list, i)
		}
	}
	return list
}

// TestAnother: an object in whose place its receiver has another never counts as given again, wherever it goes, over openings, and when its file was away.
// The note of it goes with the object.
func TestAnother(t *testing.T) {
	o := options(t.TempDir())
	s := open(t, o)
	ids := keptTwins(t, s, 0, 1)
	check := func(what string, want ...int) {
		t.Helper()
		if got := believed(s, ids); !slices.Equal(got, want) {
			t.Errorf("%s: given are %v, want %v", what, got, want)
		}
	}
	again := func() {
		t.Helper()
		_ = s.Close()
		s = open(t, o)
	}
	check("before", 0, 1)
	if err := s.Another(ids[0]); err != nil {
		t.Fatal(err)
	}
	check("noted", 1)
	again()
	check("opened again", 1)
	path, err := rejectNext(s)
	if err != nil {
		t.Fatal(err)
	}
	check("rejected", 1)
	whole, err := os.ReadFile(ids[0].file(o.Dir))
	if err = errors.Join(err, os.Remove(ids[0].file(o.Dir))); err != nil {
		t.Fatal(err)
	}
	again()
	if err := os.WriteFile(ids[0].file(o.Dir), whole, 0o600); err != nil {
		t.Fatal(err)
	}
	again()
	check("its file was away", 1)
	if err := SendAgain(path); err != nil {
		t.Fatal(err)
	}
	if got, err := s.TakeAgain(); err != nil || got.Queued != 1 {
		t.Fatal(got, err)
	}
	check("sent again", 1)
	if err := errors.Join(deliverNext(s), deliverNext(s)); err != nil {
		t.Fatal(err)
	}
	if left := objectFiles(t, o.Dir); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
}

// TestAnotherTwins: objects that are here at a time under one ID count as given never again, also when they are here alone later. One that is not kept leaves nothing.
func TestAnotherTwins(t *testing.T) {
	o := options(t.TempDir())
	s := open(t, o)
	ids := keptTwins(t, s, 0, 1)
	if got := believed(s, ids); !slices.Equal(got, []int{0, 1}) {
		t.Errorf("two of different IDs: given are %v", got)
	}
	if _, err := rejectNext(s); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	s = open(t, o) // the rejected one is known by its ID still
	if err := keep(t, s, 0, bytesOf(200), 100); err != nil {
		t.Fatal(err)
	}
	if err := deliverNext(s); err != nil {
		t.Fatal(err)
	}
	twin, err := s.Peek()
	if err != nil {
		t.Fatal(err)
	}
	pair := []ObjectID{ids[0], twin.Object}
	if got := believed(s, pair); len(got) > 0 {
		t.Errorf("twins: given are %v", got)
	}
	if err := deliverNext(s); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	s = open(t, o)
	if got := believed(s, pair[:1]); len(got) > 0 {
		t.Errorf("the twin is gone: given are %v", got)
	}
	s.SetLimits(o.Bytes, 0) // the next one's entry has no room
	before := objectFiles(t, o.Dir)
	if err := keep(t, s, 0, bytesOf(100), 100); !errors.Is(err, ErrFull) {
		t.Errorf("got %v, want it to be full", err)
	}
	if left := objectFiles(t, o.Dir); !slices.Equal(left, before) {
		t.Errorf("one was not kept: left are %v, before %v", left, before)
	}
}

// TestGivenFails: when the disk does not take what is known of who has an object, that is told, holds until the next opening, and is tried again. A twin is not
// kept without it.
func TestGivenFails(t *testing.T) {
	o := options(t.TempDir())
	var broken error
	var synced []string // whose names were brought to disk, or off it
	o.Disk.Remove = func(path string) error { synced = append(synced, path); return errors.Join(broken, os.Remove(path)) }
	o.Disk.Folder = func(dir string) error { synced = append(synced, dir); return broken }
	s := open(t, o)
	ids := keptTwins(t, s, 0, 1)
	disk := func(what string, does func(ObjectID) error, on string) {
		t.Helper()
		s.Giving(ids[0])
		for _, broken = range []error{errors.New("gone"), nil} {
			synced = nil
			if err := does(ids[0]); !errors.Is(err, broken) || s.Given(ids[0]) || !slices.Equal(synced, []string{on}) {
				t.Errorf("%s on a disk with %v: got %v, given is %v, synced was %v", what, broken, err, s.Given(ids[0]), synced)
			}
			s.Giving(ids[0])
		}
	}
	folder := filepath.Join(o.Dir, objectFolder)
	disk("not given", s.NotGiven, ids[0].beside(o.Dir, givenEnding))
	disk("another", s.Another, folder)
	sync := errors.New("the disk does not take it")
	s.o.Disk.Sync = func(f *os.File) error {
		if strings.HasSuffix(f.Name(), anotherEnding) {
			return sync
		}
		return f.Sync()
	}
	if err := keep(t, s, 1, bytesOf(100), 100); !errors.Is(err, sync) || s.Stats().Messages != 2 {
		t.Errorf("a twin: got %v, %+v", err, s.Stats())
	}
}
