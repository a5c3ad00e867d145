package guard

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
	daykeys "chaperone/ledger/keys"
)

// seen records a disclosure on each of n days up to one.
func seen(t *testing.T, r *rig, last time.Time, n int) {
	t.Helper()
	var b ledger.Batch
	for i := range n {
		d := ledger.Disclosure{Disclosure: chaperone.Disclosure{
			Time: last.AddDate(0, 0, -i), Protocol: chaperone.HL7, Action: "ADT^A01", Records: 1, Bytes: 100, Outcome: chaperone.Delivered,
		}}
		binary.BigEndian.PutUint64(d.ID[:], uint64(d.Time.UnixNano()))
		b.Disclosures = append(b.Disclosures, d)
	}
	if _, err := r.ledger.Record(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

// aged makes the days of seen look as if they had been recorded then.
func aged(t *testing.T, r *rig, last time.Time, n int) {
	t.Helper()
	for i := range n {
		day := last.AddDate(0, 0, -i)
		if err := os.Chtimes(filepath.Join(r.dir, "ledger", daykeys.DaysFolder, daykeys.DayFile(ledger.DayOf(day))), day, day); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRetention: a guard purges what is older than its site file wants kept, as the record shows that time went by, and
// nothing because a clock was set ahead.
func TestRetention(t *testing.T) {
	today := time.Now().UTC().Truncate(24 * time.Hour).Add(12 * time.Hour)
	for _, test := range []struct {
		name   string
		retain string
		old    time.Time     // three days on record up to it
		recent int           // days on record up to now
		ahead  time.Duration // of the clock
		lately bool          // the old days were recorded today
		want   int
	}{
		{"eight years", "", today.AddDate(-8, 0, 0), 40, 0, false, 3},
		{"eight years, recorded today", "", today.AddDate(-8, 0, 0), 40, 0, true, 0},
		{"six years", "", today.AddDate(-6, 0, 0), 40, 0, false, 0},
		{"six years of which five are kept", "retain: 5y\n", today.AddDate(-6, 0, 0), 40, 0, false, 3},
		{"few days on record", "", today.AddDate(-8, 0, 0), 10, 0, false, 0},
		{"six years, and a clock ahead by three", "", today.AddDate(-6, 0, 0), 40, 3 * 366 * 24 * time.Hour, false, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := begin(t, test.retain+fmt.Sprintf(hl7Site, "127.0.0.1:9"))
			seen(t, r, test.old, 3)
			if !test.lately {
				aged(t, r, test.old, 3)
			}
			seen(t, r, today, test.recent)
			got, err := r.guard.purge(t.Context(), r.guard.now().Add(test.ahead))
			if err != nil || got != test.want {
				t.Errorf("got %d and %v, want %d", got, err, test.want)
			}
			s, err := r.ledger.Status()
			if err != nil || len(s.Purged) != test.want {
				t.Errorf("got %v purged, %v, want %d", s.Purged, err, test.want)
			}
		})
	}
}

// TestRetentionByItself: it is done without anybody's asking, and the log says how much.
func TestRetentionByItself(t *testing.T) {
	r := begin(t, fmt.Sprintf(hl7Site, "127.0.0.1:9"), func(o *Options) { o.pace = quick; o.pace.purge = 20 * time.Millisecond })
	today := time.Now().UTC().Truncate(24 * time.Hour).Add(12 * time.Hour)
	seen(t, r, today, 40)
	seen(t, r, today.AddDate(-8, 0, 0), 1)
	aged(t, r, today.AddDate(-8, 0, 0), 1)
	eventually(t, "days are purged", func() bool { return strings.Contains(r.log.String(), "were purged") })
	if s, err := r.ledger.Status(); err != nil || len(s.Purged) != 1 {
		t.Errorf("got %v purged, %v, want one day", s.Purged, err)
	}
}
