package incident

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"chaperone"
	"chaperone/detect"
)

// begun is an evidence with an entry to the gate at two o'clock.
func begun(plays ...func(*scene)) func(*scene) {
	return all(append([]func(*scene){(*scene).guessedIn}, plays...)...)
}

// plain is the story of that entry alone, with what is between.
func plain(between string) string { return "entered logged thief>gate" + between + " | gate | thief" }

// TestSpread: which other systems the intruder acts from.
func TestSpread(t *testing.T) {
	opened := func(from, to netip.Addr, when time.Time) func(*scene) {
		return func(s *scene) { s.opened(from, to, when) }
	}
	sweeps := func(who netip.Addr, when time.Time) func(*scene) { return func(s *scene) { s.sweeps(who, when) } }
	const both = "entered logged thief>gate, moved observed gate>ct, collected observed ct>archive | gate+ct | thief"
	try(t, []trial{
		{name: "the entered system itself acts", play: begun(sweeps(gate, night(3, 0))), want: plain(", collected observed gate>archive")},
		{name: "it acted before", play: begun(sweeps(gate, night(1, 0))), want: plain("")},
		{name: "it acted before, by clocks that differ", play: begun(sweeps(gate, night(1, 57))), want: plain(", collected observed gate>archive")},
		{name: "it acts from before the entry until after it", play: begun(func(s *scene) { s.sweeps(gate, night(1, 0), until(night(4, 0))) }), want: plain(", collected observed gate>archive")},
		{name: "another system that was opened from it", play: begun(opened(gate, ct, night(2, 30)), sweeps(ct, night(3, 0))), want: both},
		{name: "opened before the entry", play: begun(opened(gate, ct, night(1, 30)), sweeps(ct, night(3, 0))), want: plain("")},
		{name: "opened before the entry, by clocks that differ", play: begun(opened(gate, ct, night(1, 58)), sweeps(ct, night(3, 0))), want: both},
		{name: "opened after the act was over", play: begun(opened(gate, ct, night(3, 30)), sweeps(ct, night(3, 0))), want: plain("")},
		{name: "opened by somebody else", play: begun(opened(desk, ct, night(2, 30)), sweeps(ct, night(3, 0))), want: plain("")},
		{name: "opened, and nothing done there", play: begun(opened(gate, ct, night(2, 30))), want: plain("")},
		{name: "opened, and it acted before", play: begun(opened(gate, ct, night(2, 30)), sweeps(ct, night(2, 20))), want: plain("")},
		{name: "a logon from it", play: begun(func(s *scene) { s.found(detect.LogonNewSource, chaperone.Low, gate, ct, night(2, 30), logged) }, sweeps(ct, night(3, 0))),
			want: "entered logged thief>gate, moved logged gate>ct, collected observed ct>archive | gate+ct | thief"},
		{name: "from system to system", play: begun(opened(gate, desk, night(2, 30)), opened(desk, ct, night(3, 30)), sweeps(ct, night(4, 0)), func(s *scene) {
			s.found(detect.FanOut, chaperone.High, desk, none, night(3, 0))
		}), want: "entered logged thief>gate, moved observed gate+desk>desk+ct, collected observed ct>archive | gate+desk+ct | thief"},
		{name: "in the order of a list that tells the last first", play: begun(opened(desk, ct, night(3, 30)), opened(gate, desk, night(2, 30)), sweeps(ct, night(4, 0)), func(s *scene) {
			s.leaves(desk, night(5, 0))
		}), want: "entered logged thief>gate, moved observed gate+desk>desk+ct, collected observed ct>archive, left observed desk>drop | gate+desk+ct | drop+thief"},
		{name: "opened before it was reached itself", play: begun(opened(desk, ct, night(2, 10)), opened(gate, desk, night(2, 30)), sweeps(ct, night(4, 0)), func(s *scene) {
			s.found(detect.FanOut, chaperone.High, desk, none, night(3, 0))
		}), want: "entered logged thief>gate, moved observed gate+desk>desk | gate+desk | thief"},
		{name: "what it had sent to another system left from there", play: begun(func(s *scene) {
			s.passed(night(3, 0), archive, desk, gate, "A B")
			s.leaves(desk, night(5, 0))
		}), want: "entered logged thief>gate, collected observed gate>archive, left observed desk>drop | gate+desk | drop+thief"},
		{name: "what went to another system by itself", play: begun(func(s *scene) {
			s.passed(night(3, 0), archive, desk, none, "A B")
			s.leaves(desk, night(5, 0))
		}), want: plain("")},
		{name: "a device swept the archive for it", play: begun(func(s *scene) {
			s.sweeps(ct, night(3, 0))
			s.passed(night(3, 10), archive, gate, ct, "A B")
		}), want: "entered logged thief>gate, collected inferred ct>archive | gate+ct | thief"},
		{name: "a device scans, and a way to it in the findings", play: begun(func(s *scene) {
			s.found(detect.NewRemote, chaperone.Info, gate, ct, night(2, 30))
			s.found(detect.DeviceActs, chaperone.High, ct, files, night(3, 0))
		}), want: "entered logged thief>gate, moved observed gate+ct>ct+files | gate+ct | thief"},
		{name: "softer acts of a reached system", play: begun(func(s *scene) {
			s.found(detect.WholeFile, chaperone.Low, gate, files, night(3, 0))
			s.found(detect.PatientSurge, chaperone.Medium, gate, desk, night(3, 0))
		}), want: plain(", collected observed gate>files+desk")},
		{name: "acts too soft to be any", play: begun(func(s *scene) {
			s.found(detect.WholeFile, chaperone.Info, gate, files, night(3, 0))
			s.found(detect.FanOut, chaperone.Low, gate, none, night(3, 0))
			s.found(detect.NewRemote, chaperone.Info, gate, ct, night(3, 0))
		}), want: plain("")},
	})
}

// TestMovedSays: many ways are not all told.
func TestMovedSays(t *testing.T) {
	s := newScene()
	s.guessedIn()
	for i := range 6 {
		to := netip.AddrFrom4([4]byte{192, 0, 2, byte(100 + i)})
		s.found(detect.DeviceActs, chaperone.High, gate, to, night(3, i))
		s.found(detect.DeviceActs, chaperone.High, gate, to, night(4, i))
	}
	want := "Systems were opened from one to the next that never were before: "
	for i := range 4 {
		want += fmt.Sprintf("GATE01 to 192.0.2.%d, ", 100+i)
	}
	want = want[:len(want)-2] + " and 2 more."
	if got := s.build().Steps[5].Says; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestBefore: who guessed, and who scanned.
func TestBefore(t *testing.T) {
	guessed := func(from, to netip.Addr, first, last time.Time) func(*scene) {
		return func(s *scene) { s.found(detect.RDPGuessed, chaperone.Medium, from, to, first, until(last)) }
	}
	scanned := func(rule string, from netip.Addr, when time.Time) func(*scene) {
		return func(s *scene) { s.found(rule, chaperone.Low, from, none, when) }
	}
	through := func(from, to netip.Addr) func(*scene) { return func(s *scene) { s.opened(from, to, night(0, 30)) } }
	const (
		own      = "guessed observed thief>gate, entered logged thief>gate | gate | thief"
		others   = "guessed observed botnet>gate, entered logged thief>gate | gate | thief+botnet"
		scan     = "scanned observed thief>, entered logged thief>gate | gate | thief"
		inferred = "scanned inferred botnet>, entered logged thief>gate | gate | thief+botnet"
	)
	week := entered.Add(-days(7))
	try(t, []trial{
		{name: "the same address guessed", play: begun(guessed(thief, gate, night(1, 0), night(1, 30))), want: own},
		{name: "it goes on with guessing after the entry", play: begun(guessed(thief, gate, night(1, 0), night(9, 0))), want: own},
		{name: "it guesses afterwards", play: begun(guessed(thief, gate, night(3, 0), night(9, 0))), want: plain("")},
		{name: "it guesses as it enters, by clocks that differ", play: begun(guessed(thief, gate, night(2, 2), night(9, 0))), want: own},
		{name: "a week before", play: begun(guessed(thief, gate, week.Add(-time.Hour), week)), want: own},
		{name: "longer before", play: begun(guessed(thief, gate, week.Add(-time.Hour), week.Add(-time.Second))), want: plain("")},
		{name: "it guessed at another system", play: begun(guessed(thief, files, night(1, 0), night(1, 30))), want: "guessed observed thief>files, entered logged thief>gate | gate | thief"},
		{name: "another address guessed", play: begun(guessed(botnet, gate, night(1, 0), night(1, 30))), want: others},
		{name: "another address guessed, too, but the one who entered did so itself", play: begun(guessed(thief, gate, night(1, 0), night(1, 30)), guessed(botnet, gate, night(1, 0), night(1, 30))), want: own},
		{name: "another address guessed at another system", play: begun(guessed(botnet, files, night(1, 0), night(1, 30))), want: plain("")},
		{name: "another address guessed until after the entry", play: begun(guessed(botnet, gate, night(1, 0), night(9, 0))), want: plain("")},
		{name: "somebody inside mistyped", play: begun(guessed(desk, gate, night(1, 0), night(1, 30))), want: plain("")},
		{name: "the entry was a first logon, which nobody's guesses explain", play: func(s *scene) {
			s.found(detect.LogonNewSource, chaperone.Medium, thief, gate, entered)
			s.leaves(gate, night(5, 0))
			guessed(botnet, gate, night(1, 0), night(1, 30))(s)
		}, want: "entered inferred thief>gate, left observed gate>drop | gate | drop+thief"},
		{name: "many guessed together",
			play: begun(guessed(none, gate, night(1, 0), night(1, 30))), want: "guessed inferred >gate, entered logged thief>gate | gate | thief"},
		{name: "many guessed together, and the one who entered did, too", play: begun(guessed(none, gate, night(1, 0), night(1, 30)), guessed(thief, gate, night(1, 0), night(1, 30))), want: own},
		{name: "many guessed together at another system", play: begun(guessed(none, files, night(1, 0), night(1, 30))), want: plain("")},
		{name: "the same address scanned", play: begun(scanned(detect.FanOut, thief, night(0, 0))), want: scan},
		{name: "it looked for archives", play: begun(scanned(detect.ClinicalSweep, thief, night(0, 0))), want: scan},
		{name: "the one who guessed scanned", play: begun(scanned(detect.FanOut, botnet, night(0, 0)), guessed(botnet, gate, night(1, 0), night(1, 30))),
			want: "scanned observed botnet>, guessed observed botnet>gate, entered logged thief>gate | gate | thief+botnet"},
		{name: "it scans afterwards", play: begun(scanned(detect.FanOut, thief, night(3, 0))), want: plain("")},
		{name: "another address scanned and found the door open", play: begun(scanned(detect.FanOut, botnet, night(0, 0)), through(botnet, gate)), want: inferred},
		{name: "another address scanned and did not", play: begun(scanned(detect.FanOut, botnet, night(0, 0)), through(botnet, files)), want: plain("")},
		{name: "another address came through and did not scan", play: begun(through(botnet, gate)), want: plain("")},
		{name: "somebody inside scanned", play: begun(scanned(detect.FanOut, desk, night(0, 0)), through(desk, gate)), want: plain("")},
		{name: "another address scanned less than two days before", play: begun(scanned(detect.FanOut, botnet, entered.Add(-days(2)+time.Second)), through(botnet, gate)), want: inferred},
		{name: "another address scanned two days before", play: begun(scanned(detect.FanOut, botnet, entered.Add(-days(2))), through(botnet, gate)), want: plain("")},
		{name: "another address scanned after the first guess", play: begun(guessed(thief, gate, night(1, 0), night(1, 30)), scanned(detect.FanOut, botnet, night(1, 10)), through(botnet, gate)), want: own},
		{name: "two scanned: the last of them", play: begun(scanned(detect.FanOut, drop, night(0, 0)), through(drop, gate), scanned(detect.FanOut, botnet, night(0, 10)), through(botnet, gate)), want: inferred},
		{name: "another address scanned, and the one who entered did so, too", play: begun(scanned(detect.FanOut, botnet, night(0, 0)), through(botnet, gate), scanned(detect.FanOut, thief, night(0, 0))), want: scan},
	})
}

// TestInside: what was done on reached systems is part of the story by its session, never by its time alone.
func TestInside(t *testing.T) {
	on := func(rule string, from, to netip.Addr, when time.Time) func(*scene) {
		return func(s *scene) { s.found(rule, chaperone.High, from, to, when) }
	}
	try(t, []trial{
		{name: "privileges of the intruder", play: begun(on(detect.Privileges, thief, gate, night(2, 1))), want: plain(", escalated observed thief>gate")},
		{name: "a service", play: begun(on(detect.NewService, thief, gate, night(2, 1))), want: plain(", persisted observed thief>gate")},
		{name: "an account", play: begun(on(detect.NewAccount, thief, gate, night(2, 1))), want: plain(", persisted observed thief>gate")},
		{name: "a log that was cleared", play: begun(on(detect.LogCleared, thief, gate, night(2, 1))), want: plain(", persisted observed thief>gate")},
		{name: "before the entry", play: begun(on(detect.NewService, thief, gate, night(1, 0))), want: plain("")},
		{name: "as the entry was made, by clocks that differ", play: begun(on(detect.NewService, thief, gate, night(1, 58))), want: plain(", persisted observed thief>gate")},
		{name: "by nobody's session", play: begun(on(detect.NewService, none, gate, night(2, 1))), want: plain("")},
		{name: "by somebody else's session", play: begun(on(detect.NewService, desk, gate, night(2, 1))), want: plain("")},
		{name: "by somebody else's session from outside", play: begun(on(detect.NewService, drop, gate, night(2, 1))), want: plain("")},
		{name: "on a system that was not reached", play: begun(on(detect.NewService, thief, files, night(2, 1))), want: plain("")},
		{name: "from one reached system on another", play: begun(func(s *scene) {
			s.opened(gate, ct, night(2, 30))
			s.sweeps(ct, night(3, 0))
		}, on(detect.NewService, gate, ct, night(3, 30))), want: "entered logged thief>gate, persisted observed gate>ct, moved observed gate>ct, collected observed ct>archive | gate+ct | thief"},
		{name: "through a gateway", play: func(s *scene) {
			s.found(detect.GuessedIn, chaperone.Critical, desk, gate, entered)
			s.leaves(gate, night(5, 0))
			on(detect.NewService, desk, gate, night(2, 1))(s)
		}, want: "entered observed desk>gate, persisted observed desk>gate, left observed gate>drop | gate | drop"},
	})
}

// TestLeft: what left, and to whom.
func TestLeft(t *testing.T) {
	found := func(rule string, from, to netip.Addr, when time.Time, edits ...func(*chaperone.Finding)) func(*scene) {
		return func(s *scene) { s.found(rule, chaperone.Medium, from, to, when, edits...) }
	}
	const left = "entered logged thief>gate, left observed gate>drop | gate | drop+thief"
	try(t, []trial{
		{name: "much, from the entered system", play: begun(found(detect.Volume, gate, drop, night(5, 0))), want: left},
		{name: "before the entry", play: begun(found(detect.Volume, gate, drop, night(1, 0))), want: plain("")},
		{name: "on a day on which the address had been used before the entry",
			play: begun(found(detect.Volume, gate, drop, night(0, 30), until(night(5, 0)))), want: left},
		{name: "from another system", play: begun(found(detect.Volume, desk, drop, night(5, 0))), want: plain("")},
		{name: "patients to an outside address", play: begun(found(detect.PatientSurge, gate, drop, night(5, 0))),
			want: "entered logged thief>gate, collected observed gate>drop, left observed gate>drop | gate | drop+thief"},
		{name: "patients to a new outside address", play: begun(found(detect.NewParty, gate, drop, night(5, 0))),
			want: "entered logged thief>gate, collected observed gate>drop, left observed gate>drop | gate | drop+thief"},
		{name: "patients to a system inside", play: begun(found(detect.PatientSurge, gate, desk, night(5, 0))), want: plain(", collected observed gate>desk")},
	})
}
