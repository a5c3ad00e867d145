package ledger

import (
	"testing"
	"time"
)

// TestRetention: what is read, how it is written, and the first day that stays.
func TestRetention(t *testing.T) {
	now := time.Date(2026, 11, 28, 23, 30, 0, 0, time.FixedZone("", -8*3600))
	for text, want := range map[string]string{"7y": "2019-11-29", "18m": "2025-05-29", "90d": "2026-08-31", "1d": "2026-11-28", "100y": "1970-01-01"} {
		r, err := ParseRetention(text)
		if got := r.First(now); err != nil || got.String() != want || r.String() != text {
			t.Errorf("%s: got %s, %s, %v, want %s", text, r, got, err, want)
		}
	}
	for _, text := range []string{"", "7", "y", "0y", "-1y", "+7y", "07y", "7w", "1.5y", "7 y", "99999999d"} {
		if got, err := ParseRetention(text); err == nil {
			t.Errorf("%q: got %s, want an error", text, got)
		}
	}
	for text, want := range map[string]bool{"7y": false, "6y": false, "72m": false, "2191d": false, "5y": true, "71m": true, "90d": true} {
		r, err := ParseRetention(text)
		if got := r.Shorter(LeastRetention); err != nil || got != want {
			t.Errorf("%s is shorter than six years: got %t, %v, want %t", text, got, err, want)
		}
	}
	if got := (Retention{}).First(now); got != 0 {
		t.Errorf("the zero value: got %s, want that everything stays", got)
	}
}

// TestSureDay: no clock that was set ahead makes a day sure, also when it has put days on record.
func TestSureDay(t *testing.T) {
	run := func(from, n, step int) (days []Day) {
		for i := range n {
			days = append(days, Day(from+i*step))
		}
		return days
	}
	for _, test := range []struct {
		name string
		days []Day
		now  Day
		want Day
	}{
		{"nothing on record", nil, 20000, 0},
		{"every day", run(10000, 100, 1), 10099, 10099},
		{"a clock years ahead", run(10000, 100, 1), 14000, 10099},
		{"which is on record already", append(run(10000, 100, 1), run(14000, 29, 1)...), 14028, 10099},
		{"a month on record after a pause", append(run(10000, 100, 1), run(14000, 31, 1)...), 14030, 14030},
		{"a clock that is back", run(10000, 100, 1), 10050, 10050},
		{"days on record of a time to come", append(run(10000, 100, 1), run(14000, 50, 1)...), 10099, 10099},
		{"few days", run(10000, 30, 1), 10029, 0},
		{"every other day", run(10000, 100, 2), 10198, 10198},
		{"once a week", run(10000, 100, 7), 10693, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := SureDay(test.days, test.now.Time()); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}
