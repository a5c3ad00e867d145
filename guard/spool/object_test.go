package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// bytesOf are the bytes of an object.
func bytesOf(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(uint64(n), 1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// keep puts an object into a spool, in pieces of a size.
func keep(t testing.TB, s *Spool, n int, b []byte, piece int) error {
	t.Helper()
	o, err := s.Create()
	if err != nil {
		return err
	}
	for part := range slices.Chunk(b, piece) {
		if _, err := o.Write(part); err != nil {
			o.Drop()
			return err
		}
	}
	return o.Keep(message(n))
}

// read reads an object to its end.
func read(r *ObjectReader, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var b []byte
	for {
		piece, last, err := r.Next()
		if err != nil {
			return nil, err
		}
		if b = append(b, piece...); last {
			if _, _, err := r.Next(); err != io.EOF {
				return nil, fmt.Errorf("behind the last: %w", err)
			}
			return b, nil
		}
	}
}

// whole reports whether the object of an entry can be read.
func whole(s *Spool, k *Kept) bool {
	_, err := read(s.OpenObject(k.Object))
	return err == nil
}

// objectFiles gives the paths of the objects.
func objectFiles(t testing.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, objectFolder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// TestObject: whatever its length and however it comes, an object is given back as it came, and no byte of it lies open on disk.
func TestObject(t *testing.T) {
	s := open(t, options(t.TempDir()))
	for n, length := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 3 * chunkSize, 3*chunkSize + 77} {
		want := bytesOf(length)
		if err := keep(t, s, n, want, 1+length/3); err != nil {
			t.Fatal(err)
		}
		k, err := s.Peek()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := read(s.OpenObject(k.Object)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: got %d, %v", length, len(got), err)
		}
		raw, err := os.ReadFile(k.Object.file(s.o.Dir))
		if err != nil || length > 64 && bytes.Contains(raw, want[:64]) {
			t.Errorf("%d bytes: %v, or it is not sealed", length, err)
		}
		if got := s.Stats(); got.Bytes < int64(len(raw)) {
			t.Errorf("%d bytes on disk: got %+v", len(raw), got)
		}
		if err := s.Delivered(k.Number); err != nil {
			t.Fatal(err)
		}
		if left := objectFiles(t, s.o.Dir); len(left) != 0 || s.Stats() != (Stats{}) {
			t.Fatalf("left are %v, %+v", left, s.Stats())
		}
	}
}

// TestObjectDamaged: a file that was cut, changed, prolonged, that has its chunks in another order, or another object's, is noticed.
func TestObjectDamaged(t *testing.T) {
	s := open(t, options(t.TempDir()))
	var ids []ObjectID
	var files [][]byte
	for n := range 2 {
		if err := keep(t, s, n, bytesOf(3*chunkSize+1+n), 100_000); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		k, err := s.Peek()
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(k.Object.file(s.o.Dir))
		if err != nil {
			t.Fatal(err)
		}
		ids, files = append(ids, k.Object), append(files, b)
		if err := s.Delivered(k.Number); err != nil {
			t.Fatal(err)
		}
	}
	const sealed = chunkSize + tagSize
	chunk := func(b []byte, n int) []byte { return b[objectHeader+n*sealed : objectHeader+(n+1)*sealed] }
	isNoticed := func(b []byte) bool {
		r, err := s.o.objectReader(memory{bytes.NewReader(b)}, "memory", ids[0], int64(len(b)))
		_, err = read(r, err)
		bad := new(BadObject)
		return errors.As(err, &bad)
	}
	noticed := func(what string, b []byte) {
		t.Helper()
		if !isNoticed(b) {
			t.Errorf("not noticed: %s", what)
		}
	}
	whole := files[0]
	if isNoticed(whole) {
		t.Fatal("the file itself is called damaged")
	}
	noticed("another object's file", files[1])
	noticed("another object's chunk", slices.Concat(whole[:objectHeader], chunk(files[1], 0), whole[objectHeader+sealed:]))
	noticed("two chunks changed places", slices.Concat(whole[:objectHeader], chunk(whole, 1), chunk(whole, 0), whole[objectHeader+2*sealed:]))
	noticed("a chunk is missing", slices.Concat(whole[:objectHeader], whole[objectHeader+sealed:]))
	noticed("a chunk twice", slices.Concat(whole[:objectHeader+sealed], whole[objectHeader:]))
	for _, n := range []int{0, 7, objectHeader, objectHeader + 3, objectHeader + sealed, objectHeader + 2*sealed, objectHeader + 3*sealed, len(whole) - 1} {
		noticed(fmt.Sprint("cut at ", n), whole[:n])
	}
	noticed("prolonged", append(bytes.Clone(whole), 0))
	rapid.Check(t, func(rt *rapid.T) {
		b := bytes.Clone(whole)
		at := rapid.IntRange(0, len(b)-1).Draw(rt, "at")
		b[at] ^= 1 << rapid.IntRange(0, 7).Draw(rt, "bit")
		if !isNoticed(b) {
			rt.Fatalf("not noticed: another bit at %d", at)
		}
	})
	o := s.o
	o.Key = func(id [16]byte) [32]byte { return [32]byte{1} }
	if _, err := o.objectReader(memory{bytes.NewReader(whole)}, "memory", ids[0], int64(len(whole))); err == nil {
		t.Error("another key opens it")
	}
}

// TestObjectHolding: an object lies on disk as long as an entry names it, wherever that is, over crashes and openings, and no longer.
func TestObjectHolding(t *testing.T) {
	o := options(t.TempDir())
	s := open(t, o)
	count := func(what string, want int) {
		t.Helper()
		if got := objectFiles(t, o.Dir); len(got) != want || (s.Stats().Bytes > 3000) != (want > 0) {
			t.Errorf("%s: got %d objects and %+v, want %d", what, len(got), s.Stats(), want)
		}
	}
	again := func() {
		t.Helper()
		_ = s.Close()
		s = open(t, o)
	}
	for n := range 3 {
		if err := keep(t, s, n, bytesOf(5000), 5000); err != nil {
			t.Fatal(err)
		}
	}
	half, err := s.Create()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := half.Write(bytesOf(2 * chunkSize)); err != nil {
		t.Fatal(err)
	}
	count("three are kept, one is being written", 4)
	_ = half.file.Close() // of a process that is gone
	again()
	count("after a crash", 3)
	apart, err := rejectNext(s)
	if err != nil {
		t.Fatal(err)
	}
	count("one is rejected", 3)
	again()
	count("opened again", 3)
	if err := deliverNext(s); err != nil {
		t.Fatal(err)
	}
	count("one is delivered", 2)
	if err := SendAgain(apart); err != nil {
		t.Fatal(err)
	}
	again()
	count("one is to be sent again", 2)
	if got, err := s.TakeAgain(); err != nil || got.Queued != 1 {
		t.Fatal(got, err)
	}
	count("it is in the queue", 2)
	for range 2 {
		if k, err := s.Peek(); err != nil || !whole(s, k) {
			t.Errorf("got %+v, %v", k, err)
		}
		if err := deliverNext(s); err != nil {
			t.Fatal(err)
		}
	}
	count("all are delivered", 0)
}

func deliverNext(s *Spool) error {
	k, err := s.Peek()
	if err != nil {
		return err
	}
	return s.Delivered(k.Number)
}

func rejectNext(s *Spool) (path string, err error) {
	k, err := s.Peek()
	if err != nil {
		return "", err
	}
	return s.Reject(k.Number, "status A900")
}

// TestGiven: that the receiver of an object may have it is known until it is taken back or the object is delivered, over openings too; what says so of an
// object that is gone goes.
func TestGiven(t *testing.T) {
	o := options(t.TempDir())
	s := open(t, o)
	for n := range 2 {
		if err := keep(t, s, n, bytesOf(100), 100); err != nil {
			t.Fatal(err)
		}
	}
	k, err := s.Peek()
	if err != nil {
		t.Fatal(err)
	}
	known := func(what string, want bool, files int) {
		t.Helper()
		if got := s.Given(k.Object); got != want || len(objectFiles(t, o.Dir)) != files {
			t.Errorf("%s: got %v and %v; want %v and %d files", what, got, objectFiles(t, o.Dir), want, files)
		}
	}
	known("before", false, 2)
	s.Giving(k.Object)
	known("given", true, 3)
	_ = s.Close()
	s = open(t, o)
	known("opened again", true, 3)
	if err := s.NotGiven(k.Object); err != nil {
		t.Error(err)
	}
	known("taken back", false, 2)
	s.Giving(k.Object)
	mark, err := os.ReadFile(k.Object.beside(o.Dir, givenEnding))
	if err != nil || deliverNext(s) != nil {
		t.Fatal(err)
	}
	known("delivered", false, 1)
	if err := os.WriteFile(k.Object.beside(o.Dir, givenEnding), mark, 0o600); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	s = open(t, o)
	known("of one that is gone", false, 1)
}

// TestObjectTwice: an object that is in the queue twice, since its file in again stayed, is there until it is delivered twice.
func TestObjectTwice(t *testing.T) {
	o := options(t.TempDir())
	stays := errors.New("another process has it open")
	o.Disk.Remove = func(string) error { return stays }
	s := open(t, o)
	if err := keep(t, s, 1, bytesOf(100), 100); err != nil {
		t.Fatal(err)
	}
	path, err := rejectNext(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := SendAgain(path); err != nil {
		t.Fatal(err)
	}
	if got, err := s.TakeAgain(); got.Stay != 1 || !errors.Is(err, stays) {
		t.Fatal(got, err)
	}
	if err := deliverNext(s); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	o.Disk.Remove = nil
	s = open(t, o)
	if got, err := s.TakeAgain(); err != nil || got.Queued != 1 {
		t.Fatal(got, err)
	}
	if k, err := s.Peek(); err != nil || !whole(s, k) {
		t.Errorf("the second time: got %+v, %v", k, err)
	}
	if err := deliverNext(s); err != nil || len(objectFiles(t, o.Dir)) != 0 {
		t.Errorf("got %v, files %v", err, objectFiles(t, o.Dir))
	}
}

// TestPostpone: a message goes behind the others with its object, also when there is no room, and stays where it is when it is alone.
func TestPostpone(t *testing.T) {
	o := options(t.TempDir())
	o.Messages = 3
	s := open(t, o)
	order := func(want string) {
		t.Helper()
		got := ""
		if err := List(o.Dir, testKey, func(_ string, k Kept, _ State) error { got += k.IDs[0]; return nil }); err != nil || got != want {
			t.Errorf("got %s, %v; want %s", got, err, want)
		}
	}
	postpone := func() {
		t.Helper()
		k, err := s.Peek()
		if err != nil || s.Postpone(k.Number) != nil {
			t.Fatal(err)
		}
	}
	for n, want := range []string{"m0", "m1m0", "m0m2m1"} {
		if err := keep(t, s, n, bytesOf(100), 100); err != nil {
			t.Fatal(err)
		}
		postpone()
		order(want) // alone, before another, full
	}
	_ = s.Close()
	s = open(t, o)
	for range 3 {
		k, err := s.Peek()
		if err != nil || !whole(s, k) {
			t.Fatal(err)
		}
		if err := deliverNext(s); err != nil {
			t.Fatal(err)
		}
	}
	if left := objectFiles(t, o.Dir); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
}

// TestPostponedOldest: the oldest is who came first, wherever in the queue it is.
func TestPostponedOldest(t *testing.T) {
	s := open(t, options(t.TempDir()))
	fill(t, s, 1, 4)
	for _, step := range []struct {
		does func(number uint64) error
		want int64
	}{{s.Postpone, 1}, {s.Postpone, 1}, {s.Delivered, 1}, {s.Delivered, 2}} { // 1 2 3, 2 3 1, 3 1 2, 1 2, 2
		k, err := s.Peek()
		if err != nil || step.does(k.Number) != nil {
			t.Fatal(err)
		}
		if got := s.Stats().Oldest.Unix(); got != step.want {
			t.Errorf("got %d, want %d", got, step.want)
		}
	}
}

// TestObjectRoom: objects count against the limit while they are written, too; one that does not fit leaves nothing. Whoever removes a
// rejected message's file makes the room of its object.
func TestObjectRoom(t *testing.T) {
	o := options(t.TempDir())
	o.Bytes = 4 * chunkSize
	s := open(t, o)
	if err := keep(t, s, 1, bytesOf(2*chunkSize), chunkSize); err != nil {
		t.Fatal(err)
	}
	if err := keep(t, s, 2, bytesOf(2*chunkSize), chunkSize); !errors.Is(err, ErrFull) {
		t.Errorf("got %v, want it to be full", err)
	}
	if err := s.Room(2 * chunkSize); !errors.Is(err, ErrFull) || len(objectFiles(t, o.Dir)) != 1 {
		t.Errorf("got %v, files %v", err, objectFiles(t, o.Dir))
	}
	path, err := rejectNext(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Room(2 * chunkSize); !errors.Is(err, ErrFull) {
		t.Errorf("a rejected one takes no room: got %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := keep(t, s, 3, bytesOf(2*chunkSize), chunkSize); err != nil || len(objectFiles(t, o.Dir)) != 1 {
		t.Errorf("got %v, files %v", err, objectFiles(t, o.Dir))
	}
}

// TestObjectUnknown: when a file that may name objects cannot be read, none is removed.
func TestObjectUnknown(t *testing.T) {
	o := options(t.TempDir())
	s := open(t, o)
	for n := range 2 {
		if err := keep(t, s, n, bytesOf(100), 100); err != nil {
			t.Fatal(err)
		}
	}
	path, err := rejectNext(s)
	if err != nil {
		t.Fatal(err)
	}
	flip(t, path, 80)
	_ = s.Close()
	open(t, o)
	if got := objectFiles(t, o.Dir); len(got) != 2 {
		t.Errorf("got %v", got)
	}
}

// TestUnsure: when it is not known any more what is delivered, it is known of what stands behind an object that is there, as delivering goes in order:
// that object is not, and so nothing behind it is. One that something else needs too says nothing.
func TestUnsure(t *testing.T) {
	postpone := func(s *Spool) error {
		k, err := s.Peek()
		return errors.Join(err, s.Postpone(k.Number))
	}
	reject := func(s *Spool) error { _, err := rejectNext(s); return err }
	for _, test := range []struct {
		name  string
		done  []func(*Spool) error
		gone  []int  // files that are lost, by the numbers of their messages
		until uint64 // what may be delivered
	}{
		{"nothing was delivered", nil, nil, 0},
		{"two were", []func(*Spool) error{deliverNext, deliverNext}, nil, 2},
		{"two were, and another's file is lost", []func(*Spool) error{deliverNext, deliverNext}, []int{4}, 2},
		{"the next one's file is lost", []func(*Spool) error{deliverNext}, []int{2}, 2},
		{"all files are lost", nil, []int{1, 2, 3, 4}, 4},
		{"one was rejected", []func(*Spool) error{reject, deliverNext}, []int{3}, 3},
		{"one was postponed", []func(*Spool) error{postpone, deliverNext}, []int{4}, 2},
		{"one was postponed, and the others' files are lost", []func(*Spool) error{postpone}, []int{2, 3, 4}, 4},
	} {
		o := options(t.TempDir())
		s := open(t, o)
		ids := map[int]ObjectID{}
		for n := 1; n < 5; n++ {
			if err := keep(t, s, n, bytesOf(100), 100); err != nil {
				t.Fatal(err)
			}
		}
		err := List(o.Dir, testKey, func(_ string, k Kept, _ State) error { ids[int(k.Number)] = k.Object; return nil })
		for _, does := range test.done {
			err = errors.Join(err, does(s))
		}
		err = errors.Join(err, s.Close(), os.Remove(filepath.Join(o.Dir, cursorFile)))
		for _, n := range test.gone {
			err = errors.Join(err, os.Remove(ids[n].file(o.Dir)))
		}
		if err != nil {
			t.Fatal(test.name, err)
		}
		s = open(t, o)
		until := uint64(0)
		for s.Unsure(until + 1) {
			until++
		}
		if until != test.until {
			t.Errorf("%s: up to %d may be delivered, want %d", test.name, until, test.until)
		}
	}
}

// TestDamageMark: after damage that is mended nothing is put aside, and the next crash is a crash like others.
func TestDamageMark(t *testing.T) {
	o := options(t.TempDir())
	s := open(t, o)
	fill(t, s, 1, 4)
	_ = s.Close()
	path, mark := filepath.Join(o.Dir, segmentName(1)), filepath.Join(o.Dir, damageFile)
	flip(t, path, headerSize+headSize)
	if _, err := Open(o); err == nil {
		t.Fatal("no damage")
	}
	if _, err := os.Stat(mark); err != nil {
		t.Error(err)
	}
	flip(t, path, headerSize+headSize)
	s = open(t, o)
	_, err := os.Stat(mark)
	_, folder := os.Stat(filepath.Join(o.Dir, unnamedFolder))
	if !errors.Is(err, os.ErrNotExist) || !errors.Is(folder, os.ErrNotExist) || s.Stats().Messages != 3 {
		t.Errorf("got %v, %v, %+v", err, folder, s.Stats())
	}
}

// TestUnnamed: after damage for which a file with entries was moved away, the objects that nothing names any more are kept apart, and take room until
// somebody removes them. What was being written was never acknowledged, and goes.
func TestUnnamed(t *testing.T) {
	o := options(t.TempDir())
	o.Bytes = 8 * chunkSize
	s := open(t, o)
	for n := range 2 {
		if err := keep(t, s, n, bytesOf(2*chunkSize), chunkSize); err != nil {
			t.Fatal(err)
		}
	}
	half, err := s.Create()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := half.Write(bytesOf(2*chunkSize + 1)); err != nil {
		t.Fatal(err)
	}
	_ = half.file.Close() // of a process that is gone
	_ = s.Close()
	path := filepath.Join(o.Dir, segmentName(1))
	flip(t, path, headerSize+headSize)
	if _, err := Open(o); err == nil {
		t.Fatal("no damage")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	s = open(t, o)
	apart, _ := filepath.Glob(filepath.Join(o.Dir, unnamedFolder, "*"))
	if len(s.Repairs) != 1 || s.Repairs[0].Unnamed != 2 || len(apart) != 2 || len(objectFiles(t, o.Dir)) != 0 {
		t.Fatalf("got %+v, %d apart, and %v", s.Repairs, len(apart), objectFiles(t, o.Dir))
	}
	room := func(what string, want error) {
		t.Helper()
		if err := s.Room(5 * chunkSize); !errors.Is(err, want) {
			t.Errorf("%s: got %v, %+v; want %v", what, err, s.Stats(), want)
		}
	}
	room("two are apart", ErrFull)
	_ = s.Close()
	s = open(t, o)
	room("opened again", ErrFull)
	if got := s.Stats().Bytes; got < 4*chunkSize {
		t.Errorf("got %d bytes", got)
	}
	if err := os.Remove(apart[0]); err != nil {
		t.Fatal(err)
	}
	room("one was removed", nil)
}

// FuzzObject: whatever a file holds, reading it ends, and gives the bytes that were kept, as far as it gives any.
func FuzzObject(f *testing.F) {
	s, err := Open(options(f.TempDir()))
	if err != nil {
		f.Fatal(err)
	}
	defer s.Close()
	want := bytesOf(chunkSize + 200)
	if err := keep(f, s, 1, want, 1000); err != nil {
		f.Fatal(err)
	}
	k, err := s.Peek()
	if err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(k.Object.file(s.o.Dir))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:objectHeader+chunkSize+tagSize])
	f.Add(whole[:objectHeader+5])
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := s.o.objectReader(memory{bytes.NewReader(b)}, "memory", k.Object, int64(len(b)))
		if err != nil {
			return
		}
		left := want
		for {
			piece, last, err := r.Next()
			if err != nil {
				return
			}
			if !bytes.HasPrefix(left, piece) || last && len(piece) != len(left) {
				t.Fatal("other bytes than were kept")
			}
			if left = left[len(piece):]; last {
				return
			}
		}
	})
}
