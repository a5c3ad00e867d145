package disk

import (
	"strings"
	"testing"
	"time"
)

// A clock that is behind what was recorded last is refused, when that is asked for, and nothing is touched.
func TestClockBehind(t *testing.T) {
	o := folders(t)
	before := listing(t, o.Dir)
	for _, test := range []struct {
		name    string
		behind  time.Duration
		clock   bool
		refused bool
	}{
		{"years", 6 * 365 * 24 * time.Hour, true, true},
		{"two hours", 2 * time.Hour, true, true},
		{"a minute, by a time server", time.Minute, true, false},
		{"years, and it is not asked for", 6 * 365 * 24 * time.Hour, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			other := o
			other.Clock, other.Now = test.clock, func() time.Time { return time.Now().Add(-test.behind) }
			l, err := Open(t.Context(), other)
			if (err != nil) != test.refused {
				t.Fatalf("got %v", err)
			}
			if !test.refused {
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				before = listing(t, o.Dir)
				return
			}
			if !strings.Contains(err.Error(), "set the clock right") || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q", err)
			}
			if after := listing(t, o.Dir); after != before {
				t.Errorf("something was touched:\n%s\n%s", before, after)
			}
		})
	}
	other := o
	other.Clock, other.ReadOnly, other.Now = true, true, func() time.Time { return time.Now().AddDate(-6, 0, 0) }
	l, err := Open(t.Context(), other)
	if err != nil {
		t.Fatalf("asking: %v", err)
	}
	_ = l.Close()
}
