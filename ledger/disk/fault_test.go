package disk

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/index"
	"chaperone/ledger/record"
)

// days is a batch of n disclosures, each a day earlier.
func days(n int) ledger.Batch {
	b := someBatch(0, n)
	for i := range b.Disclosures {
		b.Disclosures[i].Time = noon.Add(-time.Duration(i) * 24 * time.Hour)
	}
	return b
}

func mustRecord(t *testing.T, l *Ledger, b ledger.Batch) {
	t.Helper()
	if _, err := l.Record(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

// More processors than workers once made a question write beyond its tallies.
func TestManyProcessors(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(16))
	l := open(t, folders(t))
	defer l.Close()
	mustRecord(t, l, days(60))
	for range 20 {
		if _, err := l.Scope(t.Context(), ledger.Query{Detail: true}); err != nil {
			t.Fatal(err)
		}
	}
}

// A purge that was killed while it overwrote the key is finished, as is one that failed behind its note.
func TestPurgeInTheMiddle(t *testing.T) {
	day := ledger.DayOf(noon)
	key := filepath.Join("keys", day.Time().Format("20060102")+".key")
	begun := func(t *testing.T) (Options, *Ledger) {
		o := folders(t)
		l := open(t, o)
		if _, err := l.enter(ledger.Batch{Notes: []ledger.Note{purgeNote(day, time.Now())}}); err != nil {
			t.Fatal(err)
		}
		return o, l
	}
	isGone := func(t *testing.T, o Options) {
		t.Helper()
		if _, err := os.Stat(filepath.Join(o.Dir, key)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the key: got %v, want that it is gone", err)
		}
	}
	t.Run("the key is zeros", func(t *testing.T) {
		o, l := begun(t)
		l.crash()
		if err := os.WriteFile(filepath.Join(o.Dir, key), make([]byte, 8192), 0o600); err != nil {
			t.Fatal(err)
		}
		l = open(t, o)
		defer l.Close()
		isGone(t, o)
	})
	t.Run("said again", func(t *testing.T) {
		o, l := begun(t)
		defer l.Close()
		if err := l.Purge(t.Context(), day); err != nil {
			t.Fatal(err)
		}
		isGone(t, o)
	})
	t.Run("closed and opened", func(t *testing.T) {
		o, l := begun(t)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = open(t, o)
		defer l.Close()
		isGone(t, o)
	})
}

// With the clock back on a purged day nothing is recorded, nothing is purged, and the ledger can still be opened.
func TestClockOnPurgedDay(t *testing.T) {
	now := noon
	dir := t.TempDir()
	o := Options{Dir: filepath.Join(dir, "ledger"), Keys: filepath.Join(dir, "keys"), Now: func() time.Time { return now }}
	l := open(t, o)
	mustRecord(t, l, days(3))
	now = noon.Add(24 * time.Hour)
	if err := l.Purge(t.Context(), ledger.DayOf(noon)); err != nil {
		t.Fatal(err)
	}
	now = noon
	if err := l.Purge(t.Context(), ledger.DayOf(noon)-1); err == nil || !strings.Contains(err.Error(), "clock") {
		t.Errorf("purging: got %v, want that the clock is wrong", err)
	}
	merge := ledger.Batch{Merges: []ledger.Merge{{Survivor: []chaperone.PatientToken{{1, 200}}, Prior: []chaperone.PatientToken{{2, 200}}, At: noon}}}
	if _, err := l.Record(t.Context(), merge); err == nil || errors.Is(err, ledger.ErrFenced) {
		t.Errorf("recording: got %v, want a refusal that is not final", err)
	}
	now = noon.Add(48 * time.Hour)
	mustRecord(t, l, merge)
	l.crash()
	l = open(t, o)
	defer l.Close()
	if c := count(t, l); c.Disclosures != 2 {
		t.Errorf("got %d disclosures, want 2", c.Disclosures)
	}
}

// A disk that is full when a new segment begins is a full disk, and not the end.
func TestFullAtNewSegment(t *testing.T) {
	o := folders(t)
	l := open(t, o)
	defer l.Close()
	mustRecord(t, l, someBatch(30, 1))
	l.commit.Lock()
	begun := filepath.Join(o.Dir, "record", record.SegmentName(l.end.Segment+1)) // what is left of it: a file without a head
	if err := os.WriteFile(begun, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := l.failed(syscall.ENOSPC)
	l.commit.Unlock()
	if !errors.Is(err, ledger.ErrFull) || strings.Contains(err.Error(), "\n") {
		t.Fatalf("got %v, want ErrFull in one line", err)
	}
	mustRecord(t, l, someBatch(40, 1))
}

// A segment whose head a crash cut off is made again, and what is in it can be read.
func TestTornHead(t *testing.T) {
	o := folders(t)
	l := open(t, o)
	mustRecord(t, l, someBatch(30, 1))
	next := l.end.Segment + 1
	if err := l.writer.Trim(); err != nil { // which comes before a new segment
		t.Fatal(err)
	}
	l.crash()
	if err := os.WriteFile(filepath.Join(o.Dir, "record", record.SegmentName(next)), make([]byte, 10), 0o600); err != nil {
		t.Fatal(err)
	}
	l = open(t, o)
	if err := l.Close(); err != nil { // without a write
		t.Fatal(err)
	}
	asking := open(t, Options{Dir: o.Dir, Keys: o.Keys, ReadOnly: true})
	if c := count(t, asking); c.Disclosures != 21 {
		t.Errorf("got %d disclosures, want 21", c.Disclosures)
	}
	_ = asking.Close()
	l = open(t, o)
	defer l.Close()
	mustRecord(t, l, someBatch(40, 3))
	rows := 0
	if err := l.Disclosures(t.Context(), ledger.Query{}, func(ledger.Row) error { rows++; return nil }); err != nil || rows != 24 {
		t.Errorf("got %d rows and %v, want 24", rows, err)
	}
}

// A close that comes while a checkpoint is being signed is no trouble to tell the operator of.
func TestClosedWhileSigning(t *testing.T) {
	o := folders(t)
	o.Warn = func(text string) { t.Errorf("the operator was told: %s", text) }
	l := open(t, o)
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for i := 100; ; i++ { // until the sealer that runs has not signed it before
		mustRecord(t, l, someBatch(i, 1))
		if l.sign(stopped) != nil {
			break
		}
	}
	if l.seal(stopped) {
		t.Error("sealed after it was stopped")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// The record ends in zeros while it is open (record.MaxBlank). They are not weighed, a crash leaves them without a word to the
// operator, and a close takes them away.
func TestBlank(t *testing.T) {
	o := folders(t)
	o.Warn = func(text string) { t.Errorf("the operator was told: %s", text) }
	l := open(t, o)
	mustRecord(t, l, someBatch(30, 1))
	segment := filepath.Join(o.Dir, "record", record.SegmentName(l.end.Segment))
	size := func() int64 {
		info, err := os.Stat(segment)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	blank := size() - l.end.Offset
	if blank <= 0 {
		t.Fatalf("got %d bytes of which %d are the record, want more", size(), l.end.Offset)
	}
	weighed, err := sizeOf(filepath.Join(o.Dir, "record"))
	if s, again := l.Status(); err != nil || again != nil || s.RecordBytes != weighed-blank {
		t.Errorf("got %d bytes of record and %v, want %d", s.RecordBytes, errors.Join(err, again), weighed-blank)
	}
	l.crash()
	l = open(t, o)
	if c := count(t, l); c.Disclosures != 21 || size() != l.end.Offset {
		t.Errorf("after a crash: got %d disclosures, want 21, and %d bytes, want %d", c.Disclosures, size(), l.end.Offset)
	}
	mustRecord(t, l, someBatch(40, 1))
	end := l.end.Offset
	if err := l.Close(); err != nil || size() != end {
		t.Errorf("closed: got %v and %d bytes, want %d", err, size(), end)
	}
}

// When the index is lost, what releases something is refused and the rest is recorded.
func TestIndexFails(t *testing.T) {
	o := folders(t)
	l := open(t, o)
	defer l.crash()
	if err := l.index.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Record(t.Context(), someBatch(200, 5)); err == nil || errors.Is(err, ledger.ErrFenced) {
		t.Errorf("a disclosure: got %v, want a refusal that is not final", err)
	}
	mustRecord(t, l, ledger.Batch{Findings: []chaperone.Finding{{Rule: "rule", First: noon, Last: noon}}})
}

// While the index cannot be written, all goes on from memory; when it can again, nothing is missing in it.
func TestIndexWaits(t *testing.T) {
	o := folders(t)
	l := open(t, o)
	before := count(t, l).Disclosures
	tables := filepath.Join(o.Dir, "index", "new")
	if err := os.RemoveAll(tables); err != nil {
		t.Fatal(err)
	}
	mustRecord(t, l, someBatch(100, 5))
	_ = l.over()
	if err := l.index.Flush(); !errors.Is(err, index.ErrLater) {
		t.Fatalf("got %v, want %v", err, index.ErrLater)
	}
	mustRecord(t, l, someBatch(200, 5))
	if c := count(t, l); c.Disclosures != before+10 {
		t.Errorf("got %d disclosures meanwhile, want %d", c.Disclosures, before+10)
	}
	if err := os.Mkdir(tables, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, Options{Dir: o.Dir, Keys: o.Keys, ReadOnly: true}) // only what was closed cleanly opens
	defer l.Close()
	if c := count(t, l); c.Disclosures != before+10 {
		t.Errorf("got %d disclosures after it, want %d", c.Disclosures, before+10)
	}
}

// Damage is said of the batch that has it.
func TestDamagedBatchIsNamed(t *testing.T) {
	o := folders(t)
	l := open(t, o)
	at := l.end.Offset
	mustRecord(t, l, someBatch(30, 1))
	segment := filepath.Join(o.Dir, "record", record.SegmentName(l.end.Segment))
	same := l.end.Segment == 0
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if !same {
		at = record.HeadSize // midnight came in between
	}
	b, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	b[at+20] ^= 1
	if err := os.WriteFile(segment, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), o); err == nil || strings.Contains(err.Error(), "follow on") {
		t.Errorf("got %v, want the damage", err)
	}
}

// Who only asks mends nothing.
func TestAskingWritesNothing(t *testing.T) {
	o := folders(t)
	tile := filepath.Join(o.Dir, "log", "tile", "0", "000.p", "1")
	if err := os.Remove(tile); err != nil {
		t.Fatal(err)
	}
	l, err := Open(t.Context(), Options{Dir: o.Dir, Keys: o.Keys, ReadOnly: true})
	if err == nil {
		_ = l.Close()
	}
	if _, err := os.Stat(tile); err == nil {
		t.Error("a tile was written")
	}
}
