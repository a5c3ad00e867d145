package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chaperone/ledger"
	"chaperone/ledger/keys"
)

// TestKeyCameBack: a key of a purged day that somebody copies back opens nothing, whether the day's bytes are gone or not. Questions,
// proofs and what is derived leave the day out; the next opening for recording destroys the key again, and says so.
func TestKeyCameBack(t *testing.T) {
	for _, bytesBack := range []bool{false, true} {
		for _, closed := range []bool{false, true} {
			t.Run(fmt.Sprintf("bytes back %t, closed %t", bytesBack, closed), func(t *testing.T) { keyCameBack(t, bytesBack, closed) })
		}
	}
}

func keyCameBack(t *testing.T, bytesBack, closed bool) {
	t.Setenv("TMPDIR", t.TempDir())
	o := folders(t)
	day := ledger.DayOf(noon)
	b := someBatch(30, 5)
	for i := range b.Disclosures {
		b.Disclosures[i].Time = noon.AddDate(0, 0, 1)
	}
	l := open(t, o)
	mustRecord(t, l, b)
	keyFile, segment := filepath.Join(o.Dir, keys.DaysFolder, keys.DayFile(day)), filepath.Join(o.Dir, "record", "0000000000.seg")
	key, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	before = before[:l.end.Offset]
	if err := errors.Join(l.Purge(t.Context(), day), l.sign(t.Context())); err != nil {
		t.Fatal(err)
	}
	if closed {
		err = l.Close()
	} else {
		l.crash()
	}
	if err = errors.Join(err, os.WriteFile(keyFile, key, 0o600)); err != nil {
		t.Fatal(err)
	}
	if bytesBack {
		f, err := os.OpenFile(segment, os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteAt(before, 0)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	asking := Options{Dir: o.Dir, Keys: o.Keys, ReadOnly: true}
	for _, live := range []bool{false, true} {
		if asking.Live = live; live || closed {
			one := open(t, asking)
			leftOut(t, one, day)
			if err := one.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	var said []string
	o.Warn = func(text string) { said = append(said, text) }
	l = open(t, o)
	leftOut(t, l, day)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(keyFile); err == nil {
		t.Error("the key is there still")
	}
	if !strings.Contains(strings.Join(said, "\n"), "the purge of that day is on record") {
		t.Errorf("said was %q", said)
	}
}

// leftOut fails unless only the other day's five disclosures are answered, and nothing of the purged one opened.
func leftOut(t *testing.T, l *Ledger, day ledger.Day) {
	t.Helper()
	if c := count(t, l); c.Disclosures != 5 {
		t.Errorf("got %d disclosures, want 5", c.Disclosures)
	}
	rows := 0
	if err := l.Disclosures(t.Context(), ledger.Query{}, func(ledger.Row) error { rows++; return nil }); err != nil || rows != 5 {
		t.Errorf("got %d rows and %v, want 5", rows, err)
	}
	if _, err := l.Prove(t.Context(), someBatch(0, 1).Disclosures[0].ID); !errors.Is(err, ledger.ErrUnknown) {
		t.Errorf("a proof of a purged disclosure: got %v, want ErrUnknown", err)
	}
	d, err := l.ProveCount(t.Context(), ledger.Query{From: noon.Add(-time.Hour), Until: noon.AddDate(0, 0, 2)})
	if err != nil {
		t.Fatal(err)
	}
	if v := checked(t, l, d); d.Batches[0].Key != nil || d.Count.Disclosures != 5 || v == nil {
		t.Errorf("a proof of a count: got %d disclosures, a key of the purged batch %t", d.Count.Disclosures, d.Batches[0].Key != nil)
	}
	if s, err := l.Status(); err != nil || len(s.Purged) != 1 || s.Purged[0] != day || len(s.Days) != 2 {
		t.Errorf("got days %v, purged %v, %v", s.Days, s.Purged, err)
	}
}
