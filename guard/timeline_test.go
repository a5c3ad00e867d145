package guard

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"chaperone/ledger"
	"chaperone/policy/budget"
)

// timelineRig is a guard that a test starts at any time. One patient may be sent in an hour, two in 30 days.
func timelineRig(t *testing.T) (send func(id, number string) bool, again func(ahead time.Duration), s *sick) {
	s = newSick(t, "enforce", "")
	file := strings.Replace(fmt.Sprintf(faultSite, s.engine.Addr(), "enforce", ""), "budget: {1h: 100}", "budget: {1h: 1, 30d: 2}", 1)
	again = func(ahead time.Duration) {
		t.Helper()
		s.end()
		s.clock.ahead.Store(int64(ahead))
		s.start(file, func(o *Options) { o.Now, o.pace = s.clock.now, quick; o.pace.clock = time.Hour })
	}
	send = func(id, number string) bool {
		t.Helper()
		m := result("LAB|NORTH", id, number)
		return s.call("hl7").send(m) == ack(m)
	}
	again(0)
	return send, again, s
}

// TestClockAhead: a clock that is set far ahead before a start empties no window, however often it starts so, and is told of; when it
// is set right the budgets are as they were, with what was delivered meanwhile.
func TestClockAhead(t *testing.T) {
	const day = 24 * time.Hour
	send, again, s := timelineRig(t)
	if !send("m1", "1") {
		t.Fatal("the first patient is refused")
	}
	for i, ahead := range []time.Duration{100 * day, 100 * day, 99 * day, 400 * day, 4000 * day} {
		again(ahead)
		if send(fmt.Sprint("a", i), "2") {
			t.Errorf("start %d, %s ahead: another patient in the hour", i, ahead)
		}
		if !send(fmt.Sprint("b", i), "1") {
			t.Errorf("start %d, %s ahead: who was just seen is refused", i, ahead)
		}
	}
	if n := s.findings()[AheadRule]; n != 4 {
		t.Errorf("got %d findings, want 4: one for each leap, and one for the day that it was put back", n)
	}
	again(4000*day + 2*time.Hour)
	if !send("m2", "2") || send("m3", "3") {
		t.Error("an hour later there is room for another patient, and not for a third in the month")
	}
	for i := range 2 {
		again(0)
		if send(fmt.Sprint("c", i), "3") || !send(fmt.Sprint("d", i), "2") {
			t.Errorf("start %d with the clock set right: what was delivered meanwhile does not count", i)
		}
	}
	again(3 * time.Hour) // and it ages from when the clock was set right, though it is on record years ahead
	if n := s.guard.book.Count("sender lab", budget.Hour, s.guard.now()); n != 0 {
		t.Errorf("got %d patients in the hour, hours later", n)
	}
	if n := s.guard.book.Count("sender lab", budget.Day, s.guard.now()); n != 2 {
		t.Errorf("got %d patients in the day, want 2", n)
	}
}

// TestClockOff: a machine that was off over a weekend has forgotten what is over; after months it goes on where it was, and forgets then.
func TestClockOff(t *testing.T) {
	send, again, s := timelineRig(t)
	if !send("m1", "1") {
		t.Fatal("the first patient is refused")
	}
	again(70 * time.Hour)
	if !send("m2", "2") {
		t.Error("a weekend later another patient is refused")
	}
	const months = 100 * 24 * time.Hour
	again(months)
	if send("m3", "3") {
		t.Error("the windows moved on over months of which nothing is on record")
	}
	again(months + 71*time.Hour)
	again(months + 142*time.Hour)
	if n := s.guard.book.Count("sender lab", budget.Day, s.guard.now()); n != 0 {
		t.Errorf("got %d patients in the day, days after the months", n)
	}
	if n := s.guard.book.Count("sender lab", budget.Month, s.guard.now()); n != 2 {
		t.Errorf("got %d patients in the month, want 2", n)
	}
	if n := s.findings()[AheadRule]; n != 1 {
		t.Errorf("got %d findings, want 1", n)
	}
}

// TestClockBehind: a clock that starts far behind, as with an empty battery, and is set right afterwards makes nothing newer than it is, and is
// told of. While it is behind, all that is on record counts as delivered now.
func TestClockBehind(t *testing.T) {
	for _, behind := range []time.Duration{20 * 24 * time.Hour, 50 * 365 * 24 * time.Hour} {
		for _, off := range []time.Duration{0, 14 * 24 * time.Hour} {
			send, again, s := timelineRig(t)
			if !send("m1", "1") {
				t.Fatal("the first patient is refused")
			}
			again(48 * time.Hour)
			again(96*time.Hour - behind)
			if send("m2", "2") {
				t.Errorf("%s behind: the windows moved on", behind)
			}
			if n := s.findings()[BehindRule]; n != 1 {
				t.Errorf("%s behind: got %d findings, want 1", behind, n)
			}
			again(99*time.Hour - behind)
			if !send("m3", "2") {
				t.Errorf("%s behind, hours later: another patient is refused", behind)
			}
			again(100*time.Hour + off)
			if n := s.guard.book.Count("sender lab", budget.Day, s.guard.now()); n != 1 {
				t.Errorf("%s behind and set right: got %d patients in the day, want the one of the time meanwhile", behind, n)
			}
			if n := s.guard.book.Count("sender lab", budget.Month, s.guard.now()); n != 2 || send("m4", "3") {
				t.Errorf("%s behind and set right: got %d patients in the month, or another one; want 2", behind, n)
			}
			s.end()
		}
	}
}

// TestTimeline: whatever is done to a clock between starts, nothing counts in an earlier hour than that of its delivery, counted in the
// time that is believed to have passed; and where the clock is left alone, everything counts in its own.
func TestTimeline(t *testing.T) {
	for seed := range uint64(2000) {
		random := rand.New(rand.NewPCG(seed, 1))
		at := time.Date(2026, 3, 1, 0, 30, 0, 0, time.UTC) // by the machine
		real := at                                         // by the world, in which a leap is believed for nothing
		type delivery struct{ recorded, real time.Time }
		var given []delivery
		var l timeline
		var last time.Time
		touched, back := false, int64(0)
		for range 8 { // starts
			switch random.IntN(4) {
			case 0:
				touched = true
				at = at.Add(time.Duration(73+random.IntN(9000)) * time.Hour)
			case 1:
				touched = true
				back++
				at = at.Add(-time.Duration(random.IntN(9000)) * time.Hour)
			}
			last = l.step(last, at)
			for range random.IntN(4) {
				off := time.Duration(random.IntN(60)) * time.Minute
				at, real = at.Add(off), real.Add(off)
				given = append(given, delivery{at, real})
				if random.IntN(2) == 0 {
					last = l.step(last, at)
				}
			}
		}
		for _, d := range given {
			got, least := l.hour(hourOf(d.recorded), at), hourOf(at)-(hourOf(real)-hourOf(d.real))-1
			least -= back * int64(believable/time.Hour) // which is as far as a leap and a way back come unseen
			if got < least || got > hourOf(at) {
				t.Fatalf("seed %d: what was delivered %s ago counts %d hours ago", seed, real.Sub(d.real), hourOf(at)-got)
			}
			if !touched && got != hourOf(d.recorded) {
				t.Fatalf("seed %d: it counts in another hour than its own", seed)
			}
			if since := l.since(at.Add(-longest)); d.recorded.Before(since) && real.Sub(d.real) < longest {
				t.Fatalf("seed %d: what counts is not read", seed)
			}
		}
	}
}

// TestTimelineForeign: only a guard's own notes tell of its time.
func TestTimelineForeign(t *testing.T) {
	s := newSick(t, "enforce", "")
	far := s.guard.now().AddDate(3, 0, 0)
	b := ledger.Batch{Notes: []ledger.Note{
		{Kind: ledger.Coverage, At: far, Text: "a capture", Seen: ledger.Seen{From: far, Until: far}}, {Kind: ledger.Remark, At: far, Text: "somebody's words"},
	}}
	if _, err := s.ledger.Record(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	l, err := s.guard.readTimeline(t.Context(), s.guard.now())
	if err != nil || len(l.leaps)+len(l.turns) != 0 {
		t.Errorf("got %+v, %v", l, err)
	}
}
