package budget

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"
)

func charge(t *testing.T, b *Book, when time.Time, limits Limits, patients ...uint32) *Over {
	t.Helper()
	return b.Charge(when, []Keyed{{"party a", limits}}, patients, 0)
}

// TestBorders delivers one patient at a minute of an hour: it must be in each window for its whole name, and gone an hour
// after that at the latest.
func TestBorders(t *testing.T) {
	for _, minute := range []time.Duration{0, 1, 59} {
		delivered := time.Unix(start*3600, 0).Add(minute * time.Minute)
		b := New(delivered)
		if over := charge(t, b, delivered, Limits{}, 7); over != nil {
			t.Fatal(over)
		}
		for w := Hour; w <= Year; w++ {
			length := time.Duration(w.span()) * time.Hour
			for _, test := range []struct {
				after time.Duration
				want  int
			}{{0, 1}, {length - time.Second, 1}, {length, 1}, {length + time.Hour, 0}, {10 * length, 0}} {
				if got := b.Count("party a", w, delivered.Add(test.after)); got != test.want {
					t.Errorf("minute %d, %s, %s later: got %d, want %d", minute, w, test.after, got, test.want)
				}
			}
		}
	}
}

// TestLimits is a table of charges on one book, in order.
func TestLimits(t *testing.T) {
	now := at(start)
	b := New(now)
	limits := Limits{Hour: 2, Day: 3}
	for _, step := range []struct {
		name     string
		after    time.Duration
		patients []uint32
		nobodies int
		want     string // the refusal
	}{
		{"two", 0, []uint32{1, 2}, 0, ""},
		{"the same two, one of them twice", 0, []uint32{2, 1, 2}, 0, ""},
		{"a third in the hour", 0, []uint32{3}, 0, "party a 1h 2"},
		{"all or nothing", 0, []uint32{1, 3}, 0, "party a 1h 2"},
		{"one without identity", 0, nil, 1, "party a 1h 2"},
		{"number 0 is nobody's", 0, []uint32{0}, 0, "party a 1h 2"},
		{"nobody at all", 0, nil, 0, ""},
		{"the hour after is still in the window", time.Hour, []uint32{3}, 0, "party a 1h 2"},
		{"the next one is not", 2 * time.Hour, []uint32{3}, 0, ""},
		{"a fourth in the day", 2 * time.Hour, []uint32{4}, 0, "party a 24h 3"},
		{"known ones again", 3 * time.Hour, []uint32{1, 2}, 0, "party a 1h 2"},
		{"one of them", 3 * time.Hour, []uint32{1}, 0, ""},
	} {
		b.Advance(now.Add(step.after))
		over, got := b.Charge(now.Add(step.after), []Keyed{{"party a", limits}}, step.patients, step.nobodies), ""
		if over != nil {
			got = over.String()
		}
		if got != step.want {
			t.Errorf("%s: got %q, want %q", step.name, got, step.want)
		}
	}
}

// TestLarge charges more patients and keys than fit into the room that needs no memory.
func TestLarge(t *testing.T) {
	b := New(at(start))
	var keys []Keyed
	for i := range 40 {
		keys = append(keys, Keyed{Key(fmt.Sprint("party ", i%20)), Limits{Day: 5000}})
	}
	var patients []uint32
	for i := range uint32(10_000) {
		patients = append(patients, 1+i*7919%5000)
	}
	before := slices.Clone(patients)
	if over := b.Charge(at(start), keys, patients, 0); over != nil {
		t.Fatal(over)
	}
	if !slices.Equal(before, patients) {
		t.Error("the caller's list was changed")
	}
	if over := b.Charge(at(start), keys, []uint32{5001}, 0); over == nil || over.Count != 5001 {
		t.Errorf("one more: got %v", over)
	}
	for i := range 20 {
		if got := b.Count(Key(fmt.Sprint("party ", i)), Day, at(start)); got != 5000 {
			t.Errorf("party %d: got %d", i, got)
		}
	}
}

// TestClock sets the clock back and forward by a day, in the middle of a full budget.
func TestClock(t *testing.T) {
	limits, now := Limits{Hour: 1}, at(start)
	b := New(now)
	if over := charge(t, b, now, limits, 1); over != nil {
		t.Fatal(over)
	}
	for _, jump := range []time.Duration{-24 * time.Hour, -time.Hour, 0, time.Hour} {
		if over := charge(t, b, now.Add(jump), limits, 2); over == nil || over.Cause != Exceeded {
			t.Errorf("clock moved by %s: got %v, want a refusal", jump, over)
		}
	}
	for _, jump := range []time.Duration{24 * time.Hour, 366 * 24 * time.Hour, 1 << 62} {
		if over := charge(t, b, now.Add(jump), limits, 2); over == nil || over.Cause != Leapt {
			t.Errorf("clock moved by %s: got %v, want a leap", jump, over)
		}
	}
	if got := b.Latest(); !got.Equal(time.Unix((start+1)*3600, 0)) {
		t.Errorf("a leap moved the book to %s", got)
	}
	b.Advance(now.Add(24 * time.Hour)) // somebody has checked
	if over := charge(t, b, now.Add(24*time.Hour), limits, 2); over != nil {
		t.Errorf("after Advance: %v", over)
	}
	b.Advance(now)
	if over := charge(t, b, now, limits, 1); over == nil {
		t.Error("Advance went back and freed budget")
	}
	b.Load("party a", start+100, []uint32{9}, 0)
	if got := b.Latest(); !got.Equal(time.Unix((start+100)*3600, 0)) {
		t.Errorf("the record is ahead of the clock: got %s", got)
	}
}

// TestExtremes must neither overflow nor count below zero.
func TestExtremes(t *testing.T) {
	b := New(at(start))
	key := []Keyed{{"party a", Limits{Hour: math.MaxInt}}}
	for range 5 {
		if over := b.Charge(at(start), key, nil, math.MaxInt32); over != nil {
			t.Fatal(over)
		}
	}
	for _, n := range []int{-1, math.MinInt, math.MaxInt} {
		if over := b.Charge(at(start), key, []uint32{1}, n); over == nil || over.Cause != Invalid {
			t.Errorf("%d records: got %v, want invalid", n, over)
		}
	}
	if over := b.Charge(at(start), key, []uint32{1, math.MaxUint32}, 0); over != nil {
		t.Fatal(over)
	}
	for w := Hour; w <= Year; w++ {
		if got := b.Count("party a", w, at(start)); got != math.MaxUint32 {
			t.Errorf("%s: got %d, want a full hour", w, got)
		}
	}
	b.Load("party a", -5, []uint32{1}, -7)
	b.Load("party a", math.MaxInt64, []uint32{5}, math.MaxInt)
	b.Advance(time.Unix(1<<60, 0))
	if got := b.Count("party a", Hour, time.Time{}); got != 1+math.MaxInt32 {
		t.Errorf("at the end of time: got %d", got)
	}
	if got := b.Count("nobody", Hour, at(start)); got != 0 {
		t.Errorf("an unknown key: got %d", got)
	}
}

// TestUsual plays a month of quiet days and a busy one.
func TestUsual(t *testing.T) {
	b := New(at(start - 40*24))
	for day := range int64(40) {
		hour := start - 40*24 + day*24
		b.Advance(at(hour))
		n := uint32(5)
		if day == 35 {
			n = 12
		}
		if day == 3 {
			n = 100 // more than a month ago
		}
		for p := range n {
			charge(t, b, at(hour), Limits{}, p+1)
			charge(t, b, at(hour), Limits{}, p+1)
		}
	}
	b.Advance(at(start))
	charge(t, b, at(start), Limits{}, 1, 2, 3)
	if got, want := b.Usual("party a", at(start)), (Habit{Most: 12, Days: 30, Today: 3}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := b.Usual("party a", at(start+24)), (Habit{Most: 12, Days: 30}); got != want {
		t.Errorf("tomorrow: got %+v, want %+v", got, want)
	}
	if got := b.Usual("nobody", at(start)); got != (Habit{}) {
		t.Errorf("an unknown key: got %+v", got)
	}
}

func TestLimitsCheck(t *testing.T) {
	for _, test := range []struct {
		name   string
		limits Limits
		ok     bool
	}{
		{"none", Limits{}, true}, {"rising", Limits{1, 2, 3, 4}, true}, {"one left out", Limits{5, 0, 5, 0}, true},
		{"falling", Limits{5, 4, 0, 0}, false}, {"falling over one left out", Limits{5, 0, 4, 0}, false}, {"negative", Limits{0, -1, 0, 0}, false},
	} {
		if got := test.limits.Check() == nil; got != test.ok {
			t.Errorf("%s: got %t, want %t", test.name, got, test.ok)
		}
	}
	if got := (Limits{Hour: 50, Day: 200}).String(); got != "1h 50, 24h 200" {
		t.Errorf("got %q", got)
	}
	for w := Hour; w <= Year; w++ {
		if got, ok := ParseWindow(w.String()); !ok || got != w {
			t.Errorf("%s is not read back", w)
		}
	}
	if _, ok := ParseWindow("7d"); ok {
		t.Error("7d is no window")
	}
}
