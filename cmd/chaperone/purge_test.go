package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/ledger/keys"
)

// TestUnfinishedPurge: what a purge that ended early has done is said as it is.
func TestUnfinishedPurge(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{ledger.ErrFull, "; 2 days before it were purged; say it again"},
		{fmt.Errorf("%w: %w", disk.ErrUnfinished, ledger.ErrFull), "3 days purged; 1970-01-10: its purge is on record"},
	} {
		if got := unfinished(test.err, 9, 2); !strings.Contains(got.Error(), test.want) || !errors.Is(got, ledger.ErrFull) {
			t.Errorf("got %v, want %s", got, test.want)
		}
	}
}

// TestPurgeOfOldDays: a purge that is not told how long days are kept leaves those that were recorded lately, and with --yes it does
// not believe a clock that is far ahead of what was recorded last.
func TestPurgeOfOldDays(t *testing.T) {
	now := time.Now()
	old := now.AddDate(-8, 0, 0)
	for _, test := range []struct {
		name   string
		then   bool // the old day was recorded when it was
		recent bool // there is a day of last week, too
		args   string
		status int
		want   string
	}{
		{"recorded lately", false, true, "--yes", 0, "nothing to purge: 1 day long past was recorded lately"},
		{"recorded lately, as the message says", false, true, "--retain 7y --yes", 0, "1 day purged\n"},
		{"recorded lately, and how long is said", false, true, "--retain 7y --dry-run", 0, "1 day would be purged"},
		{"recorded then", true, true, "--yes", 0, "1 day purged"},
		{"nothing was recorded for eight years", true, false, "--yes", 2, "say it without --yes"},
		{"nothing was recorded for eight years, and nobody says yes", true, false, "--dry-run", 0, "1 day would be purged"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			o := disk.Options{Dir: filepath.Join(dir, "l"), Keys: filepath.Join(dir, "k")}
			l, err := disk.Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			b := ledger.Batch{Disclosures: []ledger.Disclosure{{Disclosure: chaperone.Disclosure{ID: [16]byte{1}, Time: old, Protocol: chaperone.HL7, Action: "ADT^A01", Outcome: chaperone.Delivered}}}}
			if test.recent {
				more := b.Disclosures[0]
				more.ID, more.Time = [16]byte{2}, now.AddDate(0, 0, -7)
				b.Disclosures = append(b.Disclosures, more)
			}
			_, err = l.Record(t.Context(), b)
			if err = errors.Join(err, l.Close()); err != nil {
				t.Fatal(err)
			}
			if test.then {
				days, err := filepath.Glob(filepath.Join(o.Dir, keys.DaysFolder, "*"))
				if err != nil || len(days) == 0 {
					t.Fatalf("got %d keys and %v", len(days), err)
				}
				for _, path := range days {
					if test.recent && filepath.Base(path) != keys.DayFile(ledger.DayOf(old)) {
						continue
					}
					if err := os.Chtimes(path, old, old); err != nil {
						t.Fatal(err)
					}
				}
			}
			var out bytes.Buffer
			args := append([]string{"ledger", "purge", "--ledger", o.Dir, "--keys", o.Keys}, strings.Fields(test.args)...)
			if status := run(t.Context(), args, strings.NewReader(""), &out, &out); status != test.status || !strings.Contains(out.String(), test.want) {
				t.Errorf("got status %d and %q, want %d and %q", status, out.String(), test.status, test.want)
			}
		})
	}
}
