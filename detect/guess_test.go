package detect

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"chaperone"
)

// guesses makes n short connections of remote desktop, one after each pause.
func (s *scene) guesses(t time.Time, from netip.Addr, n int, pause time.Duration) {
	for i := range n {
		s.connect(t.Add(time.Duration(i)*pause), from, gate, 3389, desktop(brief, small))
	}
}

// failures writes n failed logons into the log of the gate.
func (s *scene) failures(t time.Time, from netip.Addr, n int, pause time.Duration) {
	for i := range n {
		s.fails(t.Add(time.Duration(i)*pause), "GATE01", from, "frontdesk")
	}
}

// session makes a long connection of remote desktop.
func (s *scene) session(t time.Time, from netip.Addr) {
	s.connect(t, from, gate, 3389, desktop(long, large))
}

func TestGuessed(t *testing.T) {
	wire := func(from netip.Addr, n int, pause time.Duration) func(*scene) {
		return func(s *scene) { s.guesses(at(2, 9, 0), from, n, pause) }
	}
	log := func(from netip.Addr, n int, pause time.Duration) func(*scene) {
		return func(s *scene) { s.failures(at(2, 9, 0), from, n, pause) }
	}
	names := func(n int, name func(int) string) func(*scene) {
		return func(s *scene) {
			for i := range n {
				s.connect(at(2, 9+i, 0), thief, gate, 3389, desktop(brief, small, cookie(name(i))))
			}
		}
	}
	users := func(i int) string { return fmt.Sprint("user", i) }
	const found = "rdp-guessed medium thief>gate"
	try(t, week, []trial{
		{name: "fast", play: wire(thief, 20, 31*time.Second), want: found},
		{name: "nineteen, fast", play: wire(thief, 19, time.Second)},
		{name: "twenty, not that fast", play: wire(thief, 20, 32*time.Second)},
		{name: "slow", play: wire(thief, 30, 49*time.Minute), want: found},
		{name: "twenty-nine, slow", play: wire(thief, 29, 30*time.Minute)},
		{name: "thirty, slower", play: wire(thief, 30, 50*time.Minute)},
		{name: "fast in the middle of slow", play: func(s *scene) {
			wire(thief, 5, 3*time.Hour)(s)
			s.guesses(at(3, 9, 0), thief, 20, time.Second)
			s.guesses(at(4, 9, 0), thief, 5, 3*time.Hour)
		}, want: found},
		{name: "eight names", play: names(8, users), want: found},
		{name: "seven names", play: names(7, users)},
		{name: "one name, eight times", play: names(8, func(int) string { return "admin" })},
		{name: "no names", play: names(8, func(int) string { return "" })},
		{name: "in the log, fast", play: log(thief, 20, 31*time.Second), want: found},
		{name: "in the log, slow", play: log(thief, 30, 49*time.Minute), want: found},
		{name: "nineteen in the log", play: log(thief, 19, time.Second)},
		{name: "half on the wire, half in the log: they are the same", play: func(s *scene) {
			wire(thief, 15, time.Second)(s)
			log(thief, 15, time.Second)(s)
		}},
		{name: "from inside", play: wire(desk, 20, time.Second), want: "rdp-guessed high desk>gate"},
		{name: "half from each of two sources", play: func(s *scene) {
			wire(thief, 10, time.Second)(s)
			wire(botnet, 10, time.Second)(s)
		}},
		{name: "a source that nobody names", play: func(s *scene) {
			for i := range 30 {
				s.log(at(2, 9, i), "GATE01", failedLogon, "IpAddress", "-", "TargetUserName", "frontdesk")
			}
		}},
		{name: "sessions are no attempts", play: func(s *scene) {
			for i := range 40 {
				s.connect(at(2, 9, i), thief, gate, 3389, desktop(30*time.Second, small))
				s.connect(at(2, 10, i), thief, gate, 3389, desktop(brief, 100<<10))
			}
		}},
		{name: "a person who mistypes twice", play: func(s *scene) {
			s.failures(at(2, 9, 0), desk, 2, time.Minute)
			s.guesses(at(2, 9, 0), desk, 2, time.Minute)
			s.logon(at(2, 9, 3), "GATE01", desk, "frontdesk", "10", "0x1a")
			s.session(at(2, 9, 3), desk)
		}},
	}, RDPGuessed, GuessedIn)
}

func TestGuessedIn(t *testing.T) {
	const tried = "rdp-guessed medium thief>gate"
	const probably, surely = "rdp-guessed-in high thief>gate; " + tried, "rdp-guessed-in critical thief>gate; " + tried
	logged := func(s *scene) { s.failures(at(2, 9, 0), thief, 30, time.Second) }
	seen := func(s *scene) { s.guesses(at(2, 9, 0), thief, 30, time.Second) }
	in := func(s *scene) { s.logon(at(2, 9, 1), "GATE01", thief, "frontdesk", "10", "0x1a") }
	stays := func(s *scene) { s.session(at(2, 9, 1), thief) }
	all := func(plays ...func(*scene)) func(*scene) {
		return func(s *scene) {
			for _, play := range plays {
				play(s)
			}
		}
	}
	try(t, week, []trial{
		{name: "by the wire only", play: all(seen, stays), want: probably},
		{name: "by the log only", play: all(logged, in), want: surely},
		{name: "by both", play: all(seen, logged, in, stays), want: surely},
		{name: "failures on the wire, success in the log", play: all(seen, in), want: tried},
		{name: "the log shows no success", play: all(logged), want: tried},
		{name: "the log shows no success, and the wire a session", play: all(seen, logged, stays), want: probably},
		{name: "the success was another's", play: all(logged, func(s *scene) {
			s.logon(at(2, 9, 1), "GATE01", vendor, "maintenance", "10", "0x1a")
		}), want: tried},
		{name: "the success was on another computer", play: all(logged, func(s *scene) {
			s.logon(at(2, 9, 1), "FILES01", thief, "frontdesk", "10", "0x1a")
		}), want: tried},
		{name: "the success came first", play: all(logged, func(s *scene) {
			s.logon(at(2, 8, 0), "GATE01", thief, "frontdesk", "10", "0x1a")
		}), want: tried},
		{name: "the session came first", play: all(seen, func(s *scene) { s.session(at(2, 8, 0), thief) }), want: tried},
		{name: "after ten failures", play: all(logged, func(s *scene) {
			s.logon(at(2, 9, 0).Add(9*time.Second), "GATE01", thief, "frontdesk", "10", "0x1a")
		}), want: surely},
		{name: "after nine", play: all(logged, func(s *scene) {
			s.logon(at(2, 9, 0).Add(8*time.Second), "GATE01", thief, "frontdesk", "10", "0x1a")
		}), want: tried},
		{name: "a session after ten attempts", play: all(seen, func(s *scene) { s.session(at(2, 9, 0).Add(9500*time.Millisecond), thief) }), want: probably},
		{name: "a session after nine", play: all(seen, func(s *scene) { s.session(at(2, 9, 0).Add(8500*time.Millisecond), thief) }), want: tried},
		{name: "few attempts are a person's, whatever follows", play: func(s *scene) {
			s.failures(at(2, 9, 0), thief, 12, time.Minute)
			s.logon(at(2, 9, 30), "GATE01", thief, "frontdesk", "10", "0x1a")
		}},
		{name: "a computer that nobody can place", play: func(s *scene) {
			for i := range 30 {
				s.fails(at(2, 9, i), "LOST01", thief, "frontdesk")
			}
			s.logon(at(2, 10, 0), "LOST01", thief, "frontdesk", "10", "0x1a")
		}, want: "rdp-guessed-in critical thief>LOST01; rdp-guessed medium thief>LOST01"},
		{name: "two computers that nobody can place", play: func(s *scene) {
			for _, computer := range []string{"LOST01", "LOST02"} {
				for i := range 30 {
					s.fails(at(2, 9, i), computer, thief, "frontdesk")
				}
			}
		}, want: "rdp-guessed medium thief>LOST01; rdp-guessed medium thief>LOST02"},
		{name: "after more attempts than are kept",
			play: func(s *scene) {
				s.guesses(at(2, 9, 0), thief, maxVisits+10, time.Second)
				s.session(at(3, 9, 0), thief)
			}, want: probably},
	}, RDPGuessed, GuessedIn)
}

// TestGuessedSays: what the findings tell of how often, when, as whom, and by which evidence.
func TestGuessedSays(t *testing.T) {
	s := week()
	s.failures(at(2, 9, 1), thief, 25, time.Second)
	s.guesses(at(2, 9, 0), thief, 30, time.Second)
	s.logon(at(2, 9, 10), "GATE01", thief, "frontdesk", "3", "0x19")
	s.logon(at(2, 9, 10).Add(time.Second), "GATE01", thief, "FrontDesk", "10", "0x1a")
	s.session(at(2, 9, 10), thief)
	found := s.judged(RDPGuessed, GuessedIn)
	if len(found) != 2 {
		t.Fatalf("got %d findings, want 2", len(found))
	}
	in, tried := found[0], found[1]
	if want := "One source tried passwords on a remote desktop: 30 short connections, 25 failed logons in the log."; tried.Title != want {
		t.Errorf("got  %s\nwant %s", tried.Title, want)
	}
	if tried.Count != 30 || !tried.First.Equal(at(2, 9, 0)) || !tried.Last.Equal(at(2, 9, 1).Add(24*time.Second)) || tried.Evidence.Packet != 26 {
		t.Errorf("got %d from %s to %s, %+v; want 30 from 09:00 to 09:01:24, packet 26", tried.Count, tried.First, tried.Last, tried.Evidence)
	}
	if in.Account != "FrontDesk" || !in.First.Equal(at(2, 9, 10).Add(time.Second)) || in.Evidence.Record != 57 {
		t.Errorf("got %s at %s, %+v; want the session of remote desktop, record 57", in.Account, in.First, in.Evidence)
	}
	if in.Count != 2 || !in.Last.Equal(at(2, 9, 10).Add(long)) {
		t.Errorf("got %d until %s, want 2 until the connection ended", in.Count, in.Last)
	}
}

// TestGuessedOneSide: where only the wire or only the log speaks, the finding says so.
func TestGuessedOneSide(t *testing.T) {
	for _, test := range []struct {
		name   string
		play   func(*scene)
		title  string
		record bool
	}{
		{"the wire", func(s *scene) { s.guesses(at(2, 9, 0), thief, 30, time.Second) },
			"One source tried passwords on a remote desktop: 30 short connections.", false},
		{"the log", func(s *scene) { s.failures(at(2, 9, 0), thief, 30, time.Second) },
			"One source tried passwords: 30 failed logons in the log.", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := week()
			test.play(s)
			f := s.judged(RDPGuessed)[0]
			if f.Title != test.title || f.Evidence == (chaperone.Evidence{}) || (f.Evidence.Record > 0) != test.record || f.Count != 30 {
				t.Errorf("got %s, %d times, %+v", f.Title, f.Count, f.Evidence)
			}
			if !f.First.Equal(at(2, 9, 0)) || !f.Last.Equal(at(2, 9, 0).Add(29*time.Second)) {
				t.Errorf("got %s to %s, want 09:00:00 to 09:00:29", f.First, f.Last)
			}
		})
	}
}
