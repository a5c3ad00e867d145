package spool

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func testKey(id [16]byte) [32]byte { return sha256.Sum256(id[:]) }

func options(dir string) Options {
	return Options{Dir: dir, Key: testKey, Bytes: 64 << 20, Messages: 1000}
}

func open(t *testing.T, o Options) *Spool {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func message(n int) Entry {
	return Entry{Came: time.Unix(int64(n), 0), From: "lab", To: "ehr", Word: "ORU^R01", IDs: []string{fmt.Sprint("m", n)}, Awaited: n%2 == 0,
		Message: []byte(fmt.Sprintf("\x0bMSH|DOE^JANE %d\r\x1c\r", n))}
}

func fill(t *testing.T, s *Spool, from, until int) {
	t.Helper()
	for n := from; n < until; n++ {
		if err := s.Append(message(n)); err != nil {
			t.Fatal(err)
		}
	}
}

// take takes messages out, and insists on which.
func take(t *testing.T, s *Spool, from, until int) {
	t.Helper()
	for n := from; n < until; n++ {
		k, err := s.Peek()
		if err != nil || k == nil {
			t.Fatalf("message %d: got %v, %v", n, k, err)
		}
		if want := message(n); !bytes.Equal(k.Message, want.Message) || k.IDs[0] != want.IDs[0] || !k.Came.Equal(want.Came) || k.Awaited != want.Awaited || k.To != "ehr" {
			t.Fatalf("got %+v, want message %d", k.Entry, n)
		}
		if err := s.Delivered(k.Number); err != nil {
			t.Fatal(err)
		}
	}
}

// segments gives the paths of the files with messages.
func segments(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"+ending))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// TestOrder: what comes goes out in its order, over closing and opening, and leaves nothing behind.
func TestOrder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s := open(t, options(dir))
	fill(t, s, 0, 5)
	take(t, s, 0, 2)
	for _, step := range [][4]int{{5, 8, 2, 6}, {8, 8, 6, 7}, {8, 12, 7, 12}} { // appended from, until; taken from, until
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, options(dir))
		if len(s.Repairs) > 0 {
			t.Errorf("got repairs %+v", s.Repairs)
		}
		fill(t, s, step[0], step[1])
		take(t, s, step[2], step[3])
	}
	if !s.Empty() || len(segments(t, dir)) > 0 {
		t.Errorf("left: %+v, %v", s.Stats(), segments(t, dir))
	}
	fill(t, s, 12, 13)
	if k, err := s.Peek(); err != nil || k.Number != 13 {
		t.Errorf("got %+v, %v, want number 13: numbers go on", k, err)
	}
}

// TestSealed: nothing of a message is readable on disk, and files are their owner's alone.
func TestSealed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s := open(t, options(dir))
	fill(t, s, 0, 3)
	if _, err := s.Reject(1, "AR"); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			t.Errorf("%s: mode %o", path, mode)
		}
		if d.IsDir() {
			return nil
		}
		b, err := os.ReadFile(path)
		for _, word := range []string{"DOE", "MSH", "lab", "ORU"} {
			if bytes.Contains(b, []byte(word)) {
				t.Errorf("%s: it holds %s in the clear", path, word)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestTorn: a last write that a crash cut at any byte costs that message alone, and is told.
func TestTorn(t *testing.T) {
	dir := t.TempDir()
	s := open(t, options(dir))
	fill(t, s, 0, 3)
	path := segments(t, dir)[0]
	before := s.segments[0].size
	fill(t, s, 3, 4)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for size := before; size < int64(len(whole)); size++ {
		for _, zeros := range []bool{false, true} { // the file may have grown before its bytes came
			b := bytes.Clone(whole[:size])
			if zeros {
				b = append(b, make([]byte, int64(len(whole))-size)...)
			}
			if bytes.Equal(b, whole) { // its last bytes are zeros by chance
				continue
			}
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Open(options(dir))
			if err != nil {
				t.Fatalf("cut at %d: %v", size, err)
			}
			if want := int64(len(b)) - before; want > 0 != (len(s.Repairs) == 1) || want > 0 && s.Repairs[0] != (Repair{File: path, Offset: before, Bytes: want}) {
				t.Errorf("cut at %d: got %+v, want %d bytes at %d", size, s.Repairs, want, before)
			}
			if s.Stats().Messages != 3 {
				t.Errorf("cut at %d: got %+v", size, s.Stats())
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	s = open(t, options(dir))
	fill(t, s, 3, 5)
	take(t, s, 0, 5)
}

// TestTornGroup: of messages that were written together, those that reached the disk before a crash are given, in whatever order their
// parts did.
func TestTornGroup(t *testing.T) {
	dir := t.TempDir()
	s := open(t, options(dir))
	fill(t, s, 0, 1)
	path, before := segments(t, dir)[0], s.segments[0].size
	if err := s.Append(message(1), message(2), message(3)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	flip(t, path, before+30) // in the first of the group
	s = open(t, options(dir))
	if len(s.Repairs) != 1 || s.Repairs[0].Offset != before {
		t.Errorf("got %+v", s.Repairs)
	}
	fill(t, s, 1, 2)
	take(t, s, 0, 2)
}

func flip(t *testing.T, path string, at int64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[at] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestDamaged: a byte that changed, with messages behind it, is an error that says where; mended, everything is there.
func TestDamaged(t *testing.T) {
	dir := t.TempDir()
	s := open(t, options(dir))
	fill(t, s, 0, 2)
	start := s.segments[0].size
	fill(t, s, 2, 3)
	end := s.segments[0].size
	fill(t, s, 3, 6)
	path := segments(t, dir)[0]
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	check := func(at, offset int64) {
		t.Helper()
		var d *Damage
		if _, err := Open(options(dir)); !errors.As(err, &d) || d.File != path || d.Offset != offset {
			t.Errorf("byte %d: got %v, want damage at %d", at, err, offset)
		} else if strings.Contains(err.Error(), "DOE") {
			t.Errorf("the error has content: %v", err)
		}
	}
	for at := start; at < end; at++ {
		flip(t, path, at)
		check(at, start)
		flip(t, path, at)
	}
	for at := int64(0); at < headerSize; at++ {
		flip(t, path, at)
		check(at, 0)
		flip(t, path, at)
	}
	o := options(dir)
	o.Key = func([16]byte) [32]byte { return [32]byte{1} }
	if _, err := Open(o); !errors.Is(err, ErrWrongKey) {
		t.Errorf("another key: got %v", err)
	}
	s = open(t, options(dir))
	take(t, s, 0, 6)
}

// TestMissing: a file that is gone is noticed.
func TestMissing(t *testing.T) {
	dir := t.TempDir()
	for n := range 3 {
		s := open(t, options(dir))
		fill(t, s, n, n+1)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	paths := segments(t, dir)
	if len(paths) != 3 {
		t.Fatalf("got %v", paths)
	}
	for i, path := range paths[:2] { // the last one nobody can miss
		if err := os.Rename(path, path+"x"); err != nil {
			t.Fatal(err)
		}
		var d *Damage
		if _, err := Open(options(dir)); !errors.As(err, &d) || !strings.Contains(d.Why, "missing") {
			t.Errorf("without %d: got %v", i, err)
		}
		if err := os.Rename(path+"x", path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCursor: a cursor that a crash left half written is the one before it, one that is gone gives everything on disk again.
func TestCursor(t *testing.T) {
	dir := t.TempDir()
	s := open(t, options(dir))
	fill(t, s, 0, 6)
	take(t, s, 0, 4)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, cursorFile)
	flip(t, path, s.cursor.turn*placesApart+10) // the place of the one before
	s = open(t, options(dir))
	if got := s.Stats().Messages; got != 2 {
		t.Errorf("got %d messages, want 2", got)
	}
	_ = s.Close()
	flip(t, path, (1-s.cursor.turn)*placesApart+10)
	s = open(t, options(dir))
	if len(s.Repairs) != 1 || !s.Repairs[0].Cursor {
		t.Errorf("got %+v", s.Repairs)
	}
	take(t, s, 0, 6)
}

// TestFailingDisk: what a disk does not take is not kept, and what comes after it is.
func TestFailingDisk(t *testing.T) {
	full := errors.New("no space left on device")
	for _, test := range []struct {
		name string
		fail func(o *Options, on *bool)
	}{
		{"write", func(o *Options, on *bool) {
			o.Disk.Write = func(f *os.File, b []byte, at int64) error {
				if *on {
					_, _ = f.WriteAt(b[:len(b)/2], at) // a part of it
					return full
				}
				_, err := f.WriteAt(b, at)
				return err
			}
		}},
		{"fsync", func(o *Options, on *bool) {
			o.Disk.Sync = func(f *os.File) error {
				if *on {
					return full
				}
				return f.Sync()
			}
		}},
	} {
		for _, have := range []int{0, 2} {
			t.Run(fmt.Sprint(test.name, " behind ", have), func(t *testing.T) {
				o, on := options(t.TempDir()), false
				test.fail(&o, &on)
				s := open(t, o)
				fill(t, s, 0, have)
				on = true
				if err := s.Append(message(100)); !errors.Is(err, full) {
					t.Fatalf("got %v", err)
				}
				on = false
				fill(t, s, have, have+2)
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = open(t, o)
				take(t, s, 0, have+2)
				if !s.Empty() {
					t.Error("more was kept than was told")
				}
			})
		}
	}
}

// TestLimits: a full spool takes nothing, and tells it; room comes back as messages are delivered.
func TestLimits(t *testing.T) {
	o := options(t.TempDir())
	o.Messages = 2
	s := open(t, o)
	fill(t, s, 0, 2)
	if err := s.Append(message(2)); !errors.Is(err, ErrFull) {
		t.Errorf("got %v", err)
	}
	take(t, s, 0, 1)
	fill(t, s, 2, 3)
	s.SetLimits(1<<20, 1000)
	big := message(3)
	big.Message = make([]byte, 200<<10)
	n := 0
	for ; s.Append(big) == nil; n++ {
		if n > 10 {
			t.Fatal("no limit of bytes")
		}
	}
	if got := s.Stats().Bytes; n < 4 || got > 1<<20 {
		t.Errorf("took %d, %d bytes", n, got)
	}
	for range 3 { // files of an eighth of the limit go as a whole
		k, err := s.Peek()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Delivered(k.Number); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Append(big); err != nil {
		t.Errorf("after deliveries: %v", err)
	}
}

// TestReject: what its receiver does not take is kept apart with the answer, and the next one comes.
func TestReject(t *testing.T) {
	o := options(t.TempDir())
	s := open(t, o)
	fill(t, s, 0, 2)
	path, err := s.Reject(1, "AR")
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Stats(); got.Rejected != 1 || got.Messages != 1 {
		t.Errorf("got %+v", got)
	}
	var got []Kept
	if err := Read(path, testKey, func(k Kept) error { got = append(got, k); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Answer != "AR" || string(got[0].Message) != string(message(0).Message) {
		t.Errorf("got %+v", got)
	}
	var listed []string
	see := func(file string, k Kept, state State) error {
		listed = append(listed, fmt.Sprintln(k.IDs, state, file == path))
		return nil
	}
	if err := List(o.Dir, testKey, see); err != nil || fmt.Sprint(listed) != "[[m1] waits false\n [m0] rejected true\n]" {
		t.Errorf("got %v, %v", listed, err)
	}
	take(t, s, 1, 2)
	_ = s.Close()
	if s = open(t, o); s.Stats().Rejected != 1 {
		t.Errorf("after opening: got %+v", s.Stats())
	}
}

// TestTogether: many who append at once and one who takes out: everything comes once, each sender's messages in order.
func TestTogether(t *testing.T) {
	o := options(t.TempDir())
	o.Messages = 100000
	s := open(t, o)
	const senders, each = 8, 25
	var work sync.WaitGroup
	for i := range senders {
		work.Go(func() {
			for n := range each {
				e := message(n)
				e.From = fmt.Sprint(i)
				if err := s.Append(e); err != nil {
					t.Error(err)
				}
			}
		})
	}
	next := map[string]int{}
	for got := 0; got < senders*each; {
		k, err := s.Peek()
		if err != nil {
			t.Fatal(err)
		}
		if k == nil {
			<-s.Added()
			continue
		}
		if want := fmt.Sprint("m", next[k.From]); k.IDs[0] != want {
			t.Fatalf("sender %s: got %s, want %s", k.From, k.IDs[0], want)
		}
		next[k.From]++
		got++
		if err := s.Delivered(k.Number); err != nil {
			t.Fatal(err)
		}
	}
	work.Wait()
	if !s.Empty() {
		t.Error("something is left")
	}
}

// FuzzSegment: whatever a file holds, reading it ends, with messages that were sealed and in their order.
func FuzzSegment(f *testing.F) {
	dir := f.TempDir()
	s, err := Open(options(dir))
	if err != nil {
		f.Fatal(err)
	}
	for n := range 3 {
		if err := s.Append(message(n)); err != nil {
			f.Fatal(err)
		}
	}
	_ = s.Close()
	whole, err := os.ReadFile(filepath.Join(dir, segmentName(1)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-7])
	f.Add(append(bytes.Clone(whole[:60]), whole[50:]...))
	o := options("")
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := o.reader(memory{bytes.NewReader(b)}, "memory")
		if err != nil {
			return
		}
		for n := 0; ; n++ {
			k, err := r.next(int64(len(b)))
			if errors.Is(err, errBroken) {
				_, err = r.later(int64(len(b)))
				if err == nil {
					return
				}
			}
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(k.Message, message(n).Message) {
				t.Fatalf("message %d: other bytes than were kept", n)
			}
		}
	})
}

// memory is a segment that is in no file.
type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }
