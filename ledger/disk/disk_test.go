package disk

import (
	"flag"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"chaperone/ledger"
	"chaperone/ledger/storetest"
)

// usual histories are the same in every run; more of them are others each time.
const usual = 25

var histories = flag.Int("histories", usual, "how many random histories TestHistories lives through")

// jumps are where a clock is, one after the other: it is set, ahead and back, by seconds and by years.
var jumps = []time.Duration{0, 40 * 24 * time.Hour, -3 * time.Second, -400 * 24 * time.Hour, time.Hour, 4000 * 24 * time.Hour, -time.Hour}

// opened makes a ledger with keys of its own, on a machine whose clock jumps with every few looks at it. None of its days is one
// of the disclosures': those may be purged, and a clock on such a day is refused.
func opened(t *testing.T, dir string) storetest.Opened {
	t.Helper()
	var looks atomic.Int64
	clock := func() time.Time {
		n := looks.Add(1)
		return noon.AddDate(30, 0, 0).Add(time.Duration(n)*time.Millisecond + jumps[n/5%int64(len(jumps))])
	}
	o := Options{Dir: filepath.Join(dir, "ledger"), Keys: filepath.Join(dir, "keys"), Now: clock}
	l := open(t, o)
	store := storetest.Opened{Store: l}
	store.Reopen = func() ledger.Store {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = open(t, o)
		return l
	}
	store.Crash = func() ledger.Store {
		l.crash()
		l = open(t, o)
		return l
	}
	store.Purge = func(day ledger.Day) error { return l.Purge(t.Context(), day) }
	store.Discard = func() {
		l.crash()
		_ = os.RemoveAll(dir)
	}
	return store
}

func open(t *testing.T, o Options) *Ledger {
	t.Helper()
	l, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// crash lets go of a ledger as a killed process does: nothing more is written.
func (l *Ledger) crash() {
	l.commit.Lock()
	l.closed = true
	l.commit.Unlock()
	_ = l.abandon()
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Opened { return opened(t, t.TempDir()) })
}

func TestHistories(t *testing.T) {
	if *histories == usual {
		if err := flag.Set("rapid.seed", "7"); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = flag.Set("rapid.seed", "0") }()
	}
	storetest.Histories(t, *histories, func(t *testing.T) storetest.Opened {
		dir, err := os.MkdirTemp("", "chaperone-history-*")
		if err != nil {
			t.Fatal(err)
		}
		return opened(t, dir)
	})
}

var noon = time.Date(2026, 11, 8, 12, 0, 0, 0, time.UTC)
