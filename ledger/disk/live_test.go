package disk

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chaperone/ledger"
	"chaperone/ledger/lock"
)

// openLive opens a ledger beside the process that records in it.
func openLive(t *testing.T, o Options) *Ledger {
	t.Helper()
	o.ReadOnly, o.Live = true, true
	return open(t, o)
}

// apart gives the folders of indexes that live questions made.
func apart(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(os.TempDir(), "chaperone-index-*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// first is how many disclosures folders records.
const first = 20

// Beside a process that records, a question is answered as of its last checkpoint, and leaves nothing behind.
func TestLive(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	o := folders(t)
	l := open(t, o)
	defer l.Close()
	if c := count(t, openLive(t, o)); c.Disclosures != first {
		t.Errorf("before more is recorded: got %d disclosures, want %d", c.Disclosures, first)
	}
	old := days(3)
	for i := range old.Disclosures {
		old.Disclosures[i].ID[2] = 9 // days has those of folders
	}
	mustRecord(t, l, old)
	mustRecord(t, l, someBatch(30, 20))
	if err := l.sign(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := count(t, l)
	one := openLive(t, o)
	if got := count(t, one); got != before {
		t.Errorf("got %+v, the process that records says %+v", got, before)
	}
	mustRecord(t, l, someBatch(60, 10)) // of which no checkpoint is known to the one that asks
	if got := count(t, one); got != before {
		t.Errorf("after more was recorded: got %+v, want %+v", got, before)
	}
	if _, err := one.Record(t.Context(), someBatch(90, 1)); !errors.Is(err, ledger.ErrReadOnly) {
		t.Errorf("recording: got %v, want ErrReadOnly", err)
	}
	if err := l.Purge(t.Context(), ledger.DayOf(noon)-1); err != nil {
		t.Fatal(err)
	}
	if err := l.sign(t.Context()); err != nil {
		t.Fatal(err)
	}
	two := openLive(t, o)
	if got, want := count(t, two), count(t, l); got != want {
		t.Errorf("after a purge: got %+v, want %+v", got, want)
	}
	if len(apart(t)) < 2 {
		t.Error("there is no folder for their indexes")
	}
	if err := errors.Join(one.Close(), two.Close()); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := count(t, openLive(t, o)), count(t, open(t, Options{Dir: o.Dir, Keys: o.Keys, ReadOnly: true})); got != want {
		t.Errorf("when nobody records: got %+v, want %+v", got, want)
	}
}

// keepRecording records batches of so many disclosures, from one on, with something behind each, until it is stopped.
func keepRecording(ctx context.Context, l *Ledger, from, size int, then func(n int) error) (stop func() error) {
	end, done := make(chan bool), make(chan error, 1)
	go func() {
		for n := 0; ; n++ {
			select {
			case <-end:
				done <- nil
				return
			default:
			}
			_, err := l.Record(ctx, someBatch(from+n*size, size))
			if err == nil {
				err = then(n)
			}
			if err != nil {
				done <- err
				return
			}
		}
	}()
	return func() error { close(end); return <-done }
}

// However often it is asked while batches come, each answer is whole batches, never fewer than the one before, and nothing stays.
func TestLiveUnderLoad(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	o := folders(t)
	l := open(t, o)
	defer l.Close()
	const size = 7
	var recorded atomic.Int64
	stop := keepRecording(t.Context(), l, 100, size, func(n int) error {
		recorded.Add(size)
		if n%5 == 0 {
			return l.sign(t.Context())
		}
		return nil
	})
	var last int64 = first
	for range 20 {
		one := openLive(t, o)
		got := count(t, one).Disclosures
		if got < last || (got-first)%size != 0 || got > first+recorded.Load()+size {
			t.Errorf("got %d disclosures after %d, in batches of %d; %d are recorded", got, last, size, recorded.Load())
		}
		last = got
		if err := one.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if last == first {
		t.Error("nothing new was ever found")
	}
	if left := apart(t); len(left) > 0 {
		t.Errorf("left behind: %d folders", len(left))
	}
}

// Recording twice is refused as before, and asking without being told that somebody records.
func TestLiveIsAskedFor(t *testing.T) {
	o := folders(t)
	l := open(t, o)
	defer l.Close()
	for _, other := range []Options{{}, {Live: true}, {ReadOnly: true}} {
		other.Dir, other.Keys = o.Dir, o.Keys
		if _, err := Open(t.Context(), other); !errors.Is(err, lock.ErrHeld) {
			t.Errorf("read only %t, live %t: got %v, want that another process has it", other.ReadOnly, other.Live, err)
		}
	}
}

// A question that begins while nobody records keeps nobody out: whoever begins to record in any moment of it is let in, and it is
// answered as of the checkpoint that it found. Without --live a question and a recording keep each other out, as before.
func TestLiveKeepsNobodyOut(t *testing.T) {
	o := folders(t)
	var l *Ledger
	asking := Options{Dir: o.Dir, Keys: o.Keys, ReadOnly: true, Live: true, Warn: func(string) { // before anything is read
		l = open(t, o)
		mustRecord(t, l, someBatch(30, 5))
		if err := l.sign(t.Context()); err != nil {
			t.Fatal(err)
		}
	}}
	during := open(t, asking)
	defer during.Close()
	if l == nil {
		t.Fatal("nobody was told as of when the answer is")
	}
	if c := count(t, during); c.Disclosures != first {
		t.Errorf("as of its checkpoint: got %d disclosures, want %d", c.Disclosures, first)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	asking.Warn = nil
	before := open(t, asking)
	defer before.Close()
	l = open(t, o)
	mustRecord(t, l, someBatch(40, 5))
	if c := count(t, before); c.Disclosures != first+5 {
		t.Errorf("before anybody recorded: got %d disclosures, want %d", c.Disclosures, first+5)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	alone := open(t, Options{Dir: o.Dir, Keys: o.Keys, ReadOnly: true})
	if _, err := Open(t.Context(), o); !errors.Is(err, lock.ErrHeld) {
		t.Errorf("beside a question that is not live: got %v, want that another process has it", err)
	}
	if c := count(t, alone); c.Disclosures != first+10 {
		t.Errorf("when nobody records: got %d disclosures, want %d", c.Disclosures, first+10)
	}
	if err := alone.Close(); err != nil {
		t.Error(err)
	}
}

// TestLiveAfterCrash: what was signed is answered, also when nobody has opened the ledger since; what nobody has signed is not.
func TestLiveAfterCrash(t *testing.T) {
	o := folders(t)
	l := open(t, o)
	mustRecord(t, l, someBatch(30, 5))
	l.crash()
	signed := sizeSigned(t, o.Dir)
	want := int64(first)
	if signed == 2 { // the sealer was quicker
		want += 5
	}
	one := openLive(t, o)
	defer one.Close()
	if c := count(t, one); c.Disclosures != want {
		t.Errorf("got %d disclosures under a checkpoint of %d batches, want %d", c.Disclosures, signed, want)
	}
	if s := one.Seal(); s.Later != uint64(2-signed) {
		t.Errorf("got that %d batches came after a checkpoint of %d, want %d", s.Later, signed, 2-signed)
	}
	if err := os.RemoveAll(filepath.Join(o.Dir, logFolder)); err != nil { // as a branch has none that was just restored
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Dir: o.Dir, Keys: o.Keys, ReadOnly: true, Live: true}); err == nil || !strings.Contains(err.Error(), "nothing of it is signed yet") {
		t.Errorf("without a checkpoint: got %v, want that nothing is signed", err)
	}
}

// TestLiveBehindPurge: a kill between a purge and the checkpoint that says so is not told as damage alone.
func TestLiveBehindPurge(t *testing.T) {
	o := folders(t)
	l := open(t, o)
	l.crash()
	for _, key := range namesBelow(t, filepath.Join(o.Dir, "keys")) {
		if key != "." {
			if err := os.Remove(filepath.Join(o.Dir, "keys", key)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := Open(t.Context(), Options{Dir: o.Dir, Keys: o.Keys, ReadOnly: true, Live: true}); err == nil || !strings.Contains(err.Error(), "it may have been purged just now") {
		t.Errorf("got %v", err)
	}
}

// TestLiveThroughStarts: questions while somebody opens the ledger, records, and closes it or is killed, over and over. Nobody is kept
// out, and each answer is whole batches, never fewer than the one before.
func TestLiveThroughStarts(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	o := folders(t)
	end, done := make(chan bool), make(chan error, 1)
	const size = 7
	go func() {
		for n := 0; ; n++ {
			select {
			case <-end:
				done <- nil
				return
			default:
			}
			l, err := Open(t.Context(), o)
			if err == nil {
				_, err = l.Record(t.Context(), someBatch(100+n*size, size))
			}
			if err == nil && n%3 == 0 {
				l.crash()
			} else if err == nil {
				err = l.Close()
			}
			if err != nil {
				done <- err
				return
			}
		}
	}()
	var last int64 = first
	for range 30 {
		one := openLive(t, o)
		if got := count(t, one).Disclosures; got < last || (got-first)%size != 0 {
			t.Errorf("got %d disclosures after %d, in batches of %d", got, last, size)
		} else {
			last = got
		}
		if err := one.Close(); err != nil {
			t.Error(err)
		}
	}
	close(end)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if last == first {
		t.Error("nothing new was ever found")
	}
}

// TestLiveUnsigned: where batches are on record that nobody signs, after a crash or because an older checkpoint was put back, an answer as of
// the last checkpoint would leave them out, and look like a whole one.
func TestLiveUnsigned(t *testing.T) {
	for _, closed := range []bool{false, true} {
		o := nowhere(t)
		l := open(t, o)
		older := filepath.Join(t.TempDir(), "log")
		if err := os.CopyFS(older, os.DirFS(filepath.Join(o.Dir, logFolder))); err != nil {
			t.Fatal(err)
		}
		mustRecord(t, l, someBatch(0, 5))
		mustRecord(t, l, someBatch(5, 5))
		if closed {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		} else {
			l.crash()
		}
		if err := errors.Join(os.RemoveAll(filepath.Join(o.Dir, logFolder)), os.CopyFS(filepath.Join(o.Dir, logFolder), os.DirFS(older))); err != nil {
			t.Fatal(err)
		}
		asking := Options{Dir: o.Dir, Keys: o.Keys, ReadOnly: true, Live: true}
		for _, late := range []time.Duration{0, time.Minute, -time.Minute} { // a clock may have been set since
			asking.Now = func() time.Time { return time.Now().Add(late) }
			one, err := Open(t.Context(), asking)
			if late != 0 {
				if err == nil || !strings.Contains(err.Error(), "2 batches are on record, written since") || strings.Contains(err.Error(), "\n") {
					t.Errorf("closed %t, %v after they were written: got %v", closed, late, err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if s := one.Seal(); s.Batches != 0 || s.Later != 2 {
				t.Errorf("closed %t: got %+v, want that 2 batches came after a checkpoint of none", closed, s)
			}
			if err := one.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
