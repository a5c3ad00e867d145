package backup

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chaperone/ledger"
)

// TestPurgedBetweenBackups: a backup is made in the midst of a day, that day goes on, and is purged; the backups that follow forget
// its key, and can be restored. They failed for good: what came after the first one is punched out, and its key was there.
func TestPurgedBetweenBackups(t *testing.T) {
	for _, live := range []bool{false, true} {
		h := newHouse(t, 0)
		h.day()
		h.now = h.now.Add(-23 * time.Hour) // the same day again
		o := Options{Dir: h.dir, To: h.to, Keys: h.keys, Live: live}
		if _, err := Write(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		h.day() // and a day passes
		h.day(ledger.DayOf(monday))
		w, err := Write(t.Context(), o)
		if err != nil || len(w.Erased) != 1 {
			t.Errorf("live %t: the backup after the purge: %v, erased %v", live, err, w.Erased)
		}
		if w, err = Write(t.Context(), o); err != nil || len(w.Erased) != 0 {
			t.Errorf("live %t: the next one: %v, erased %v", live, err, w.Erased)
		}
		if keys, _ := filepath.Glob(filepath.Join(h.to, "keys", "*")); len(keys) != 1 {
			t.Errorf("live %t: it has the keys %v, want that of the day which was not purged", live, keys)
		}
		if _, _, err := h.restore(); err != nil {
			t.Errorf("live %t: restoring it: %v", live, err)
		}
	}
}

// TestPurgedWithoutKey: without data.key nobody can tell whether that day was purged. So it is said, and what to do, and not that the
// ledger is damaged; once with the key is enough.
func TestPurgedWithoutKey(t *testing.T) {
	h := newHouse(t, 0)
	h.day()
	h.now = h.now.Add(-23 * time.Hour) // the same day again
	o := Options{Dir: h.dir, To: h.to}
	if _, err := Write(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	h.day() // and a day passes
	h.day(ledger.DayOf(monday))
	for range 2 {
		_, err := Write(t.Context(), o)
		refused(t, err, "the key of 2026-11-02 is in it and not in the ledger any more")
		refused(t, err, "once with data.key at hand (--keys FOLDER)")
		if strings.Contains(err.Error(), "evidence") {
			t.Errorf("got %v", err)
		}
	}
	if w := h.backup(); len(w.Erased) != 1 {
		t.Errorf("with the key: got %+v, want that the day is erased", w)
	}
	if w, err := Write(t.Context(), o); err != nil || len(w.Left) != 0 {
		t.Errorf("without it from then on: got %+v and %v", w, err)
	}
	h.damage("0000000001.seg", 300) // not of that day
	o.To = filepath.Join(h.base, "another")
	_, err := Write(t.Context(), o)
	refused(t, err, "evidence")
}

// TestDamagedBesidePurge: a day was purged, and a batch of another day is damaged, in the ledger and so in its copy. Without data.key that is told
// as what it is: the purge does not explain it.
func TestDamagedBesidePurge(t *testing.T) {
	h := newHouse(t, 0)
	h.day()
	o := Options{Dir: h.dir, To: h.to}
	if _, err := Write(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	h.day(ledger.DayOf(monday))
	h.damage("0000000001.seg", 300)
	_, err := Write(t.Context(), o)
	refused(t, err, "a part is not what was written")
	if err != nil && strings.Contains(err.Error(), "--keys FOLDER") {
		t.Errorf("got %v", err)
	}
}
