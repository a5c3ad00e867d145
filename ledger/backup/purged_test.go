package backup

import (
	"path/filepath"
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
