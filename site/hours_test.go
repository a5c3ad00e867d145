package site

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestHours: what is within, also over midnight and at its edges. The 2nd of March 2026 is a Monday.
func TestHours(t *testing.T) {
	for _, test := range []struct {
		hours string
		at    string
		want  bool
	}{
		{"06:00-22:00", "2026-03-02 06:00", true},
		{"06:00-22:00", "2026-03-02 05:59", false},
		{"06:00-22:00", "2026-03-02 21:59", true},
		{"06:00-22:00", "2026-03-02 22:00", false},
		{"22:00-06:00", "2026-03-02 22:00", true},
		{"22:00-06:00", "2026-03-02 05:59", true},
		{"22:00-06:00", "2026-03-02 06:00", false},
		{"22:00-06:00", "2026-03-02 12:00", false},
		{"22:00-00:00", "2026-03-02 23:59", true},
		{"22:00-00:00", "2026-03-03 00:00", false},
		{"00:00-24:00", "2026-03-02 23:59", true},
		{"mon-fri 07:00-19:00", "2026-03-02 07:00", true},
		{"mon-fri 07:00-19:00", "2026-03-06 18:59", true},
		{"mon-fri 07:00-19:00", "2026-03-07 12:00", false},
		{"mon-fri 07:00-19:00", "2026-03-08 12:00", false},
		{"fri 22:00-06:00", "2026-03-07 05:00", true}, // the night that began on Friday
		{"fri 22:00-06:00", "2026-03-06 05:00", false},
		{"sat-mon 08:00-09:00", "2026-03-08 08:30", true},
		{"mon,wed,sun 08:00-09:00", "2026-03-03 08:30", false},
		{"sun 08:00-09:00", "2026-03-08 08:30", true},
	} {
		t.Run(test.hours+" at "+test.at, func(t *testing.T) {
			s, err := parseSpan(test.hours)
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse("2006-01-02 15:04", test.at)
			if err != nil {
				t.Fatal(err)
			}
			if got := (Hours{s}).Hold(at); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
	if !(Hours{}).Hold(time.Now()) {
		t.Error("without hours nothing holds")
	}
}

// TestSpanText: what is written is read as the same.
func TestSpanText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawSpan(t)
		got, err := parseSpan(want.String())
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v; want %+v", want, got, err, want)
		}
	})
	for text, want := range map[string]string{"sun-sat 01:00-02:00": "01:00-02:00", "FRI,sat,mon-wed 01:00-02:00": "mon-wed,fri-sat 01:00-02:00",
		"sat-mon 01:00-00:00": "mon,sat-sun 01:00-24:00"} {
		if s, err := parseSpan(text); err != nil || s.String() != want {
			t.Errorf("%s: got %s, %v; want %s", text, s, err, want)
		}
	}
}

func drawSpan(t *rapid.T) Span {
	s := Span{Days: Days(rapid.IntRange(0, int(everyDay)-1).Draw(t, "days")), Begin: rapid.IntRange(0, 24*60-1).Draw(t, "begin")}
	s.End = rapid.IntRange(1, 24*60).Filter(func(end int) bool { return end != s.Begin }).Draw(t, "end")
	return s
}
