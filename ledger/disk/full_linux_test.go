package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chaperone/ledger"
)

// smallDisk mounts a disk of 24 MB with a closed ledger of 20 disclosures, for which some reserve is kept.
func smallDisk(t *testing.T, reserve int64) Options {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("a disk of its own cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	o := Options{Dir: filepath.Join(dir, "ledger"), Keys: filepath.Join(t.TempDir(), "keys"), Reserve: reserve}
	l := open(t, o)
	mustRecord(t, l, days(20))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	o.Reserve = 0
	return o
}

// fill takes all room of a ledger's disk away.
func fill(t *testing.T, o Options) (path string) {
	t.Helper()
	f, err := os.CreateTemp(filepath.Dir(o.Dir), "fill")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{1 << 20, 4096, 1} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
	}
	return f.Name()
}

func remark(text string) ledger.Batch {
	return ledger.Batch{Notes: []ledger.Note{{Kind: ledger.Remark, At: time.Now(), Text: text}}}
}

// said lists the remarks on record, as who asks sees them.
func said(t *testing.T, o Options) (texts []string) {
	t.Helper()
	l := open(t, Options{Dir: o.Dir, Keys: o.Keys, ReadOnly: true})
	err := l.Notes(t.Context(), func(n ledger.Note) error {
		if n.Kind == ledger.Remark {
			texts = append(texts, n.Text)
		}
		return nil
	})
	if err := errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	return texts
}

// On a full disk a ledger with a reserve is opened, takes what releases nothing, and is closed so that it can be asked.
func TestFullWithReserve(t *testing.T) {
	for _, test := range []struct {
		name   string
		before bool // the disk is full before the ledger is opened
		crash  bool // the index has to be made anew
	}{{"while open", false, false}, {"before", true, false}, {"before, after a crash", true, true}} {
		t.Run(test.name, func(t *testing.T) {
			o := smallDisk(t, 8<<20)
			if test.crash {
				open(t, o).crash()
			}
			if test.before {
				fill(t, o)
			}
			l := open(t, o)
			if !test.before {
				mustRecord(t, l, someBatch(100, 5))
				fill(t, o)
			}
			if _, err := l.Record(t.Context(), remark("one")); err != nil {
				t.Errorf("a note: got %v", err)
			}
			// While it is open, the record has some blank room left.
			if _, err := l.Record(t.Context(), someBatch(200, 1)); test.before && !errors.Is(err, ledger.ErrFull) {
				t.Errorf("a disclosure: got %v, want %v", err, ledger.ErrFull)
			}
			if err := l.Close(); err != nil {
				t.Fatalf("closing: got %v", err)
			}
			if got := said(t, o); len(got) != 1 {
				t.Errorf("got %q on record, want one note", got)
			}
			l = open(t, Options{Dir: o.Dir, Keys: o.Keys, ReadOnly: true})
			defer l.Close()
			if c := count(t, l); c.Disclosures < 20 {
				t.Errorf("got %d disclosures, want at least 20", c.Disclosures)
			}
		})
	}
}

// The reserve that was used is made whole again by a later run, when there is room.
func TestReserveAgain(t *testing.T) {
	o := smallDisk(t, 8<<20)
	filled := fill(t, o)
	l := open(t, o)
	mustRecord(t, l, remark("one"))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	size := func() int64 {
		info, err := os.Stat(filepath.Join(o.Dir, reserveFile))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	if size() >= 8<<20 {
		t.Errorf("got %d bytes of reserve on a full disk, want less than all", size())
	}
	remove(t, filepath.Dir(filled), filepath.Base(filled))
	l = open(t, o)
	mustRecord(t, l, someBatch(100, 5))
	if err := l.Close(); err != nil || size() != 8<<20 {
		t.Errorf("with room again: got %v and %d bytes of reserve, want all", err, size())
	}
}

// Without a reserve what is on record stays, and closing says so; with room the ledger is made whole.
func TestFullWithoutReserve(t *testing.T) {
	o := smallDisk(t, -1)
	l := open(t, o)
	mustRecord(t, l, remark("one")) // the record keeps some blank room, which the next finds
	filled := fill(t, o)
	if err := l.Close(); !errors.Is(err, ErrUnclosed) {
		t.Errorf("closing: got %v, want %v", err, ErrUnclosed)
	}
	if _, err := Open(t.Context(), Options{Dir: o.Dir, Keys: o.Keys, ReadOnly: true}); !errors.Is(err, errNotClosed) {
		t.Errorf("asking: got %v, want %v", err, errNotClosed)
	}
	remove(t, filepath.Dir(filled), filepath.Base(filled))
	if err := open(t, o).Close(); err != nil {
		t.Fatal(err)
	}
	if got := said(t, o); len(got) != 1 {
		t.Errorf("got %q on record, want one note", got)
	}
}

// What was refused for want of room, and came on record when there was some, is told of there: nobody was given it.
func TestFullThenLate(t *testing.T) {
	for _, test := range []struct {
		name    string
		reserve int64
		next    func(l *Ledger) // what brings it on record
	}{
		{"the next disclosure", -1, func(l *Ledger) { mustRecord(t, l, someBatch(9000, 1)) }},
		{"a refusal, out of the reserve", 8 << 20, func(l *Ledger) { mustRecord(t, l, remark("refused")) }},
		{"closing", 8 << 20, func(*Ledger) {}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := smallDisk(t, test.reserve)
			l := open(t, o)
			filled := fill(t, o)
			var err error
			from := 100
			for ; err == nil && from < 9000; from += 4 { // the record has some blank room left
				_, err = l.Record(t.Context(), someBatch(from, 4))
			}
			if !errors.Is(err, ledger.ErrFull) {
				t.Fatalf("on a full disk: got %v, want %v", err, ledger.ErrFull)
			}
			if test.reserve < 0 {
				remove(t, filepath.Dir(filled), filepath.Base(filled))
			}
			test.next(l)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			texts := slices.DeleteFunc(said(t, o), func(text string) bool { return text == "refused" })
			if want := fmt.Sprintf(lateWords, 4); len(texts) != 1 || texts[0] != want {
				t.Errorf("on record: got %q, want once %q", texts, want)
			}
		})
	}
}

// onDay is n disclosures of some day, which the index has to write before that day can be purged.
func onDay(from, n int, day ledger.Day) ledger.Batch {
	b := someBatch(from, n)
	for i := range b.Disclosures {
		b.Disclosures[i].Time = day.Time().Add(time.Duration(i) * time.Second)
	}
	return b
}

// On a full disk a day is purged out of the reserve, with all that a purge is.
func TestPurgeFullWithReserve(t *testing.T) {
	o := smallDisk(t, 8<<20)
	l := open(t, o)
	for i := range 3 {
		mustRecord(t, l, onDay(300+i, 1, ledger.DayOf(noon)-ledger.Day(i)))
	}
	for i := range 3 {
		fill(t, o)
		if err := l.Purge(t.Context(), ledger.DayOf(noon)-ledger.Day(i)); err != nil {
			t.Fatal(err)
		}
	}
	if c := count(t, l); c.Disclosures != 17 {
		t.Errorf("got %d disclosures, want 17", c.Disclosures)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, Options{Dir: o.Dir, Keys: o.Keys, ReadOnly: true})
	defer l.Close()
	s, err := l.Status()
	if c := count(t, l); err != nil || c.Disclosures != 17 || len(s.Purged) != 3 {
		t.Errorf("asked later: got %d disclosures, %d days purged, %v, want 17 and 3", c.Disclosures, len(s.Purged), err)
	}
}

// A purge that a full disk without a reserve interrupts says what is done, and opening the ledger with room finishes it.
func TestPurgeFullWithoutReserve(t *testing.T) {
	o := smallDisk(t, -1)
	l := open(t, o)
	day := ledger.DayOf(noon) - 3
	mustRecord(t, l, onDay(300, 5000, day))
	mustRecord(t, l, remark("one"))
	filled := fill(t, o)
	if err := l.Purge(t.Context(), day); !errors.Is(err, ErrUnfinished) {
		t.Errorf("purging: got %v, want %v", err, ErrUnfinished)
	}
	if err := l.Close(); !errors.Is(err, ErrUnclosed) {
		t.Errorf("closing: got %v, want %v", err, ErrUnclosed)
	}
	remove(t, filepath.Dir(filled), filepath.Base(filled))
	l = open(t, o)
	defer l.Close()
	s, err := l.Status()
	if c := count(t, l); err != nil || c.Disclosures != 19 || len(s.Purged) != 1 || slices.Contains(s.Days, day) {
		t.Errorf("with room: got %d disclosures, days purged %v, with a key %v, %v, want 19 and one of them", c.Disclosures, s.Purged, s.Days, err)
	}
}

// A reserve that the disk has no room for is told of once, takes what is not needed to work, and stops nothing but disclosures.
func TestReserveTooLarge(t *testing.T) {
	o := smallDisk(t, -1)
	var said []string
	o.Reserve, o.Warn = 64<<20, func(text string) { said = append(said, text) }
	l := open(t, o)
	mustRecord(t, l, remark("one"))
	mustRecord(t, l, someBatch(0, 1)) // nothing of it was used: releases do not wait
	s, err := l.Status()
	if err != nil || s.Reserve == 0 || s.Reserve >= 24<<20 || s.DiskFree < 1<<20 {
		t.Errorf("got %d bytes of reserve, %d free, %v", s.Reserve, s.DiskFree, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if len(said) == 0 || !strings.Contains(said[0], "room for") {
		t.Errorf("got %q, want that there is not as much", said)
	}
}

// TestLiveFull: a question beside a guard whose disk is full, so that it cannot sign, is told so, and not to wait until nobody records.
func TestLiveFull(t *testing.T) {
	o := smallDisk(t, -1)
	l := open(t, o)
	defer l.crash()
	l.stop() // nobody signs what comes
	l.done.Wait()
	mustRecord(t, l, remark("not signed"))
	asking := Options{Dir: o.Dir, Keys: o.Keys, ReadOnly: true, Live: true, Now: func() time.Time { return time.Now().Add(time.Minute) }}
	for i, want := range []string{"nobody signs now", "its disk is full, so that who records cannot sign it"} {
		full := i == 1
		if full {
			fill(t, o)
		}
		_, err := Open(t.Context(), asking)
		if err == nil || !strings.Contains(err.Error(), "1 batch is on record") || !strings.Contains(err.Error(), want) {
			t.Errorf("full %t: got %v, want %s", full, err, want)
		}
	}
}
