package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// rejecting makes a spool of messages 0 to 3, of which its receiver did not take 0 and 1.
func rejecting(t *testing.T, o Options) (s *Spool, paths []string) {
	t.Helper()
	s = open(t, o)
	fill(t, s, 0, 4)
	for n := range uint64(2) {
		path, err := s.Reject(n+1, "AR")
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return s, paths
}

func listed(t *testing.T, o Options) (list []string) {
	t.Helper()
	if err := List(o.Dir, testKey, func(_ string, k Kept, state State) error {
		list = append(list, fmt.Sprint(k.IDs[0], " ", state, k.Answer))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestAgain: a rejected message that is to be sent again goes behind what waits, whether somebody uses the spool when that is asked for or
// not, and is always in one place.
func TestAgain(t *testing.T) {
	o := options(t.TempDir())
	s, paths := rejecting(t, o)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := SendAgain(paths[0]); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(listed(t, o)), "[m2 waits m3 waits m0 againAR m1 rejectedAR]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	s = open(t, o)
	if err := SendAgain(paths[1]); err != nil {
		t.Fatal(err)
	}
	if got, err := s.TakeAgain(); got.Queued != 2 || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, want := fmt.Sprint(listed(t, o)), "[m2 waits m3 waits m0 waits m1 waits]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := s.Stats(); got.Rejected != 0 || got.Messages != 4 {
		t.Errorf("got %+v", got)
	}
	take(t, s, 2, 4)
	take(t, s, 0, 2)
	if got, err := s.TakeAgain(); got.Queued != 0 || err != nil {
		t.Errorf("once more: got %+v, %v", got, err)
	}
}

// TestAgainTwice: who asks twice for a message, or for one that was never rejected, gets an error, and nothing is lost.
func TestAgainTwice(t *testing.T) {
	o := options(t.TempDir())
	s, paths := rejecting(t, o)
	whole, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := SendAgain(paths[0]); err != nil {
		t.Fatal(err)
	}
	if err := SendAgain(paths[0]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(paths[0], append(whole, 0), 0o600); err != nil { // another of the same name
		t.Fatal(err)
	}
	if err := SendAgain(paths[0]); !errors.Is(err, os.ErrExist) {
		t.Errorf("got %v", err)
	}
	if err := SendAgain(segments(t, o.Dir)[0]); err == nil {
		t.Error("what waits was taken out of the queue")
	}
	if got, err := s.TakeAgain(); got.Queued != 1 || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestAgainFails: what cannot be put back stays where it is, and what can be is; a crash in the middle gives a message twice, and never not
// at all.
func TestAgainFails(t *testing.T) {
	o, full := options(t.TempDir()), errors.New("no space left on device")
	ill := false
	o.Disk.Sync = func(f *os.File) error {
		if ill {
			return full
		}
		return f.Sync()
	}
	s, paths := rejecting(t, o)
	for _, path := range paths {
		if err := SendAgain(path); err != nil {
			t.Fatal(err)
		}
	}
	ill = true
	if got, err := s.TakeAgain(); got.Queued != 0 || !errors.Is(err, full) {
		t.Errorf("got %+v, %v", got, err)
	}
	ill = false
	first := filepath.Join(o.Dir, againFolder, filepath.Base(paths[0]))
	whole, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	flip(t, first, headerSize+40)
	var damage *Damage
	if got, err := s.TakeAgain(); got.Queued != 1 || !errors.As(err, &damage) || damage.File != first {
		t.Errorf("got %+v, %v, want damage of the first, and the second", got, err)
	}
	for range 2 { // it was there again, as after a crash
		if err := os.WriteFile(first, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := s.TakeAgain(); got.Queued != 1 || err != nil {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	take(t, s, 2, 4)
	take(t, s, 1, 2)
	take(t, s, 0, 1)
	take(t, s, 0, 1)
}

// TestAgainRoom: messages that fill a spool because they were rejected can be sent again.
func TestAgainRoom(t *testing.T) {
	o := options(t.TempDir())
	s, paths := rejecting(t, o)
	s.SetLimits(s.Stats().Bytes+64, 1000) // what is needed is estimated a little higher
	if err := s.Append(message(4)); !errors.Is(err, ErrFull) {
		t.Fatalf("got %v", err)
	}
	for _, path := range paths {
		if err := SendAgain(path); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.TakeAgain(); got.Queued != 2 || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestAgainFull: what has no room waits in its order, which is no error, until something is delivered; where nothing waits, it is one that names
// the file.
func TestAgainFull(t *testing.T) {
	o := options(t.TempDir())
	s := open(t, o)
	fill(t, s, 0, 1)
	long := message(1)
	long.Message = make([]byte, 2000)
	if err := s.Append(long, message(2), message(3)); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for n := range uint64(3) {
		path, err := s.Reject(n+1, "AR")
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	for _, path := range paths {
		if err := SendAgain(path); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(segments(t, o.Dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	s.SetLimits(info.Size()+1000, 1000) // for the first and the third
	for _, want := range []Taken{{Queued: 1}, {}} {
		if got, err := s.TakeAgain(); got != want || err != nil {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	take(t, s, 3, 4)
	take(t, s, 0, 1)
	s.SetLimits(1000, 1000)
	second := filepath.Join(o.Dir, againFolder, filepath.Base(paths[1]))
	if got, err := s.TakeAgain(); got != (Taken{Stuck: 2}) || !errors.Is(err, ErrFull) || err.Error() != "spool: "+second+": the spool is full" {
		t.Errorf("nothing waits: got %+v, %v", got, err)
	}
	s.SetLimits(o.Bytes, o.Messages)
	if got, err := s.TakeAgain(); got != (Taken{Queued: 2}) || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestRejectedBeingWritten: who counts what was rejected leaves alone what is just being written there; what a crash left is removed at a start.
func TestRejectedBeingWritten(t *testing.T) {
	o := options(t.TempDir())
	s, _ := rejecting(t, o)
	writing := filepath.Join(o.Dir, rejectedFolder, segmentName(3)+".new")
	if err := os.WriteFile(writing, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.SetLimits(0, 0)
	if err := s.Append(message(4)); !errors.Is(err, ErrFull) {
		t.Fatalf("got %v", err)
	}
	if _, err := os.Stat(writing); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, o)
	if _, err := os.Stat(writing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// TestAgainNotRemoved: a message whose file cannot be removed is put into the queue once, and not each time that somebody looks.
func TestAgainNotRemoved(t *testing.T) {
	o, broken, ill := options(t.TempDir()), errors.New("read-only file system"), true
	o.Disk.Remove = func(path string) error {
		if ill {
			return broken
		}
		return os.Remove(path)
	}
	s, paths := rejecting(t, o)
	if err := SendAgain(paths[0]); err != nil {
		t.Fatal(err)
	}
	for _, want := range []Taken{{Queued: 1, Stay: 1}, {Stay: 1}, {Stay: 1}} {
		if got, err := s.TakeAgain(); got != want || !errors.Is(err, broken) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	ill = false
	if got, err := s.TakeAgain(); got != (Taken{}) || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, want := fmt.Sprint(listed(t, o)), "[m2 waits m3 waits m0 waits m1 rejectedAR]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestAgainFolder: a backup may have left out empty folders: what is there is listed, and who asks for a message is told what to do.
func TestAgainFolder(t *testing.T) {
	o := options(t.TempDir())
	s, paths := rejecting(t, o)
	if err := errors.Join(s.Close(), os.Remove(filepath.Join(o.Dir, againFolder))); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(listed(t, o)), "[m2 waits m3 waits m0 rejectedAR m1 rejectedAR]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := SendAgain(paths[0]); err == nil || errors.Is(err, os.ErrNotExist) { // which would say that it was taken
		t.Errorf("got %v", err)
	}
	open(t, o)
	if err := SendAgain(paths[0]); err != nil {
		t.Error(err)
	}
}
