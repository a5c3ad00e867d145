package detect

import (
	"net/netip"
	"testing"
	"time"
)

// awake lets the gate's log begin with the evidence.
func (s *scene) awake() { s.log(s.begin, "GATE01", 6005) }

func TestLogons(t *testing.T) {
	on := func(when time.Time, from netip.Addr, kind string) func(*scene) {
		return func(s *scene) {
			s.awake()
			s.logon(when, "GATE01", from, "maintenance", kind, "0x1a")
		}
	}
	const found = "logon-new-source medium vendor>gate"
	try(t, week, []trial{
		{name: "outside, by remote desktop", play: on(at(3, 9, 0), vendor, "10"), want: found},
		{name: "outside, over the network", play: on(at(3, 9, 0), vendor, "3"), want: found},
		{name: "outside, a kind that comes over no network", play: on(at(3, 9, 0), vendor, "2")},
		{name: "inside, by remote desktop", play: on(at(3, 9, 0), desk, "10"), want: "logon-new-source low desk>gate"},
		{name: "inside, a share", play: on(at(3, 9, 0), desk, "3")},
		{name: "inside, with network level authentication, which is a network logon first",
			play: func(s *scene) {
				s.awake()
				s.logon(at(3, 9, 0), "GATE01", desk, "maintenance", "3", "0x1a")
				s.logon(at(3, 9, 0).Add(time.Second), "GATE01", desk, "maintenance", "10", "0x1b")
			}, want: "logon-new-source low desk>gate"},
		{name: "the first day is learning", play: on(at(1, 23, 59), vendor, "10")},
		{name: "the second day is not", play: on(at(2, 0, 0), vendor, "10"), want: found},
		{name: "a log that begins later learns later", play: func(s *scene) {
			s.log(at(3, 0, 0), "GATE01", 6005)
			s.logon(at(3, 9, 0), "GATE01", vendor, "maintenance", "10", "0x1a")
		}},
		{name: "known since the first day", play: func(s *scene) {
			on(at(1, 9, 0), vendor, "10")(s)
			on(at(5, 9, 0), vendor, "10")(s)
		}},
		{name: "known on another computer", play: func(s *scene) {
			s.logon(at(1, 9, 0), "FILES01", vendor, "maintenance", "10", "0x1a")
			on(at(5, 9, 0), vendor, "10")(s)
		}, want: found},
		{name: "once is new, twice is not", play: func(s *scene) {
			on(at(4, 9, 0), vendor, "10")(s)
			on(at(3, 9, 0), vendor, "10")(s)
		}, want: found},
		{name: "a machine's account", play: func(s *scene) {
			s.awake()
			s.logon(at(3, 9, 0), "GATE01", vendor, "FILES01$", "3", "0x1a")
		}},
		{name: "the computer itself", play: func(s *scene) {
			s.awake()
			for _, a := range []string{"127.0.0.1", "::1", "0.0.0.0", "::", "-", "", "LOCAL"} {
				s.log(at(3, 9, 0), "GATE01", loggedOn, "IpAddress", a, "TargetUserName", "frontdesk", "LogonType", "10")
			}
		}},
		{name: "an address as Windows writes it", play: func(s *scene) {
			s.awake()
			s.log(at(3, 9, 0), "GATE01", loggedOn, "IpAddress", " ::ffff:198.51.100.20 ", "TargetUserName", "maintenance", "LogonType", "10")
		}, want: found},
		{name: "a guesser who got in is told once", play: func(s *scene) {
			s.awake()
			s.failures(at(3, 9, 0), thief, 30, time.Second)
			s.logon(at(3, 9, 1), "GATE01", thief, "frontdesk", "10", "0x1a")
		}, want: "rdp-guessed-in critical thief>gate"},
	}, LogonNewSource, GuessedIn)
}

// TestGuessedElsewhere: one address guesses, another one comes in.
func TestGuessedElsewhere(t *testing.T) {
	const fresh, guessed = "logon-new-source medium thief>gate", "rdp-guessed-in critical thief>gate"
	play := func(n int, from netip.Addr, account, later string, when time.Time) func(*scene) {
		return func(s *scene) {
			s.awake()
			for i := range n {
				s.fails(at(4, 9, i), "GATE01", from, account)
			}
			s.logon(when, "GATE01", thief, later, "10", "0x1a")
		}
	}
	soon := at(4, 12, 0)
	try(t, week, []trial{
		{name: "ten failures at the account", play: play(10, botnet, "frontdesk", "FrontDesk", soon), want: guessed},
		{name: "nine", play: play(9, botnet, "frontdesk", "frontdesk", soon), want: fresh},
		{name: "another account", play: play(10, botnet, "admin", "frontdesk", soon), want: fresh},
		{name: "somebody inside mistyped", play: play(10, desk, "frontdesk", "frontdesk", soon), want: fresh},
		{name: "less than two days before", play: play(10, botnet, "frontdesk", "frontdesk", at(6, 8, 59)), want: guessed},
		{name: "two days before", play: play(10, botnet, "frontdesk", "frontdesk", at(6, 9, 0)), want: fresh},
		{name: "afterwards", play: play(10, botnet, "frontdesk", "frontdesk", at(4, 8, 0)), want: fresh},
		{name: "the same address, and too slowly for a guesser", play: play(10, thief, "frontdesk", "frontdesk", soon), want: fresh},
	}, LogonNewSource, GuessedIn)
}

// TestGuessedElsewhereSame: the same evidence gives the same answer, in whatever order a map gives the guessers.
func TestGuessedElsewhereSame(t *testing.T) {
	for range 50 {
		s := week()
		s.awake()
		s.failures(at(4, 9, 0), botnet, 12, time.Minute)
		s.failures(at(4, 9, 0), thief, 12, time.Minute)
		s.logon(at(4, 12, 0), "GATE01", thief, "frontdesk", "10", "0x1a")
		if got, want := s.says(LogonNewSource, GuessedIn), "rdp-guessed-in critical thief>gate"; got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

// TestSessions: what the wire shows of a logon where there is no log.
func TestSessions(t *testing.T) {
	const found = "logon-new-source medium vendor>gate"
	try(t, week, []trial{
		{name: "the first long session from outside", play: func(s *scene) { s.session(at(3, 9, 0), vendor) }, want: found},
		{name: "the first day is learning", play: func(s *scene) { s.session(at(1, 23, 59), vendor) }},
		{name: "the second day is not", play: func(s *scene) { s.session(at(2, 0, 0), vendor) }, want: found},
		{name: "known since the first day", play: func(s *scene) {
			s.session(at(1, 9, 0), vendor)
			s.session(at(3, 9, 0), vendor)
		}},
		{name: "a short one", play: func(s *scene) { s.guesses(at(3, 9, 0), vendor, 1, 0) }},
		{name: "inside", play: func(s *scene) { s.session(at(3, 9, 0), desk) }},
		{name: "to the outside", play: func(s *scene) { s.connect(at(3, 9, 0), desk, vendor, 3389, desktop(long, large)) }},
		{name: "the log tells it too", play: func(s *scene) {
			s.awake()
			s.session(at(3, 9, 0), vendor)
			s.logon(at(3, 9, 0).Add(time.Second), "GATE01", vendor, "maintenance", "10", "0x1a")
		}, want: found},
		{name: "a guesser who got in is told once", play: func(s *scene) {
			s.guesses(at(3, 9, 0), vendor, 30, time.Second)
			s.session(at(3, 9, 1), vendor)
		}, want: "rdp-guessed-in high vendor>gate"},
	}, LogonNewSource, GuessedIn)
}

// TestLogonSays: who, when and where it is written.
func TestLogonSays(t *testing.T) {
	s := week()
	s.awake()
	s.session(at(3, 9, 0), vendor)
	s.logon(at(3, 9, 1), "GATE01", vendor, "maintenance", "10", "0x1a")
	f := s.judged(LogonNewSource)[0]
	if f.Account != "maintenance" || !f.First.Equal(at(3, 9, 1)) || f.Evidence.Record != 3 || f.To.Claimed != "GATE01" {
		t.Errorf("got %+v, want maintenance at 09:01 on GATE01 by record 3", f)
	}
	s = week()
	s.guesses(at(3, 8, 0), vendor, 1, 0)
	s.session(at(3, 9, 0), vendor)
	s.session(at(3, 12, 0), vendor)
	f = s.judged(LogonNewSource)[0]
	if !f.First.Equal(at(3, 9, 0)) || !f.Last.Equal(at(3, 9, 0).Add(long)) || f.Evidence.Packet != 2 {
		t.Errorf("got %s to %s, packet %d; want 09:00 to 09:20, packet 2", f.First, f.Last, f.Evidence.Packet)
	}
}
