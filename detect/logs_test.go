package detect

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"chaperone/exchange"
	"chaperone/format/evtx"
	"chaperone/inventory"
)

// TestPlace: which system a log is of: by its name, else by the connections that its logons answer to.
func TestPlace(t *testing.T) {
	lost := inventory.Unplaced("LOST01") // it is a system all the same
	for _, test := range []struct {
		name     string
		computer string
		play     func(*scene)
		want     netip.Addr
	}{
		{"by its name", "gate01.clinic.example", func(*scene) {}, gate},
		{"nobody knows", "LOST01", func(*scene) {}, lost},
		{"by its logons", "LOST01", func(s *scene) { s.connect(at(3, 9, 29), thief, shares, 3389, desktop(long, large)) }, shares},
		{"by most of its logons", "LOST01", func(s *scene) {
			s.connect(at(3, 9, 29), thief, archive, 3389, desktop(long, large))
			s.connect(at(3, 9, 29), thief, shares, 3389, desktop(long, large))
			s.connect(at(4, 9, 29), thief, shares, 3389, desktop(long, large))
		}, shares},
		{"at another time", "LOST01", func(s *scene) { s.connect(at(3, 9, 32), thief, shares, 3389, desktop(long, large)) }, lost},
		{"by clocks that differ", "LOST01", func(s *scene) { s.connect(at(3, 9, 31), thief, shares, 3389, desktop(long, large)) }, shares},
		{"from another source", "LOST01", func(s *scene) { s.connect(at(3, 9, 29), botnet, shares, 3389, desktop(long, large)) }, lost},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := week()
			test.play(s)
			s.logon(at(3, 9, 30), test.computer, thief, "frontdesk", "10", "0x1a")
			s.logon(at(4, 9, 30), test.computer, thief, "frontdesk", "10", "0x1b")
			s.logs.place(s.site(), s.remote)
			if got := s.logs.sorted()[0].addr; got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// TestAgain: archives and exports of one log overlap; each event counts once.
func TestAgain(t *testing.T) {
	for _, test := range []struct {
		name string
		edit func(*evtx.Record)
		want int
	}{
		{"a copy", func(*evtx.Record) {}, 1},
		{"a copy that writes the computer in capitals", func(r *evtx.Record) { r.Computer = "GATE01" }, 1},
		{"the next record", func(r *evtx.Record) { r.ID++ }, 2},
		{"a record of this number, later: the log was cleared", func(r *evtx.Record) { r.Time = r.Time.Add(time.Second) }, 2},
		{"another log", func(r *evtx.Record) { r.Channel = "System" }, 2},
		{"another computer", func(r *evtx.Record) { r.Computer = "files01" }, 2},
		{"another event", func(r *evtx.Record) { r.EventID = sysLogCleared }, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := week()
			r := evtx.Record{ID: 7, EventID: logCleared, Computer: "gate01", Channel: "Security", Time: at(3, 9, 0)}
			s.Log(&r, s.evidence())
			test.edit(&r)
			s.Log(&r, s.evidence())
			got := 0
			for _, h := range s.logs.hosts {
				got += len(h.changes)
			}
			if got != test.want {
				t.Errorf("got %d events, want %d", got, test.want)
			}
		})
	}
}

// TestLogsBound: a hostile log does not fill the memory.
func TestLogsBound(t *testing.T) {
	s := week()
	for i := range maxComputers + 100 {
		s.log(at(3, 9, 0), fmt.Sprint("PC", i), 6005)
	}
	if got := len(s.logs.hosts); got != maxComputers {
		t.Errorf("got %d computers, want %d", got, maxComputers)
	}
	s = week()
	for i := range maxLogged + 100 {
		s.privileged(at(3, 9, 0).Add(time.Duration(i)*time.Second), "0x1a")
		s.logon(at(3, 9, 0), "GATE01", desk, "frontdesk", "3", "0x1a")
	}
	if h := s.logs.hosts["gate01"]; len(h.changes) != maxLogged || len(h.logons) != maxLogged {
		t.Errorf("got %d changes and %d logons, want %d of each", len(h.changes), len(h.logons), maxLogged)
	}
}

// TestAlign: a clock that is wrong is set right by connections that are on the wire and in the log.
func TestAlign(t *testing.T) {
	from := func(port uint16) func(*exchange.Contact) {
		return func(c *exchange.Contact) { c.Client = netip.AddrPortFrom(desk, port) }
	}
	logged := func(s *scene, when time.Time, event uint16, port string) {
		s.log(when, "GATE01", event, "IpAddress", desk.String(), "IpPort", port, "TargetUserName", "frontdesk", "LogonType", "10", "TargetLogonId", "0x"+port)
	}
	// seen makes connections from the ports 50001 … at ten minutes past nine, ten …
	seen := func(s *scene, n int) {
		for i := range n {
			s.connect(at(3, 9+i, 10), desk, gate, 3389, desktop(long, large), from(50001+uint16(i)))
		}
	}
	// told writes them into the log of a clock that is ahead.
	told := func(ahead ...time.Duration) func(*scene) {
		return func(s *scene) {
			seen(s, len(ahead))
			for i, d := range ahead {
				logged(s, at(3, 9+i, 10).Add(d), loggedOn, fmt.Sprint(50001+i))
			}
		}
	}
	const h, m, sec = time.Hour, time.Minute, time.Second
	for _, test := range []struct {
		name string
		play func(*scene)
		want time.Duration
	}{
		{"right", told(sec, sec, sec), 0},
		{"three hours ahead", told(3*h, 3*h+sec, 3*h+2*sec), 3*h + sec},
		{"behind", told(-h, -h, -h), -h},
		{"a day ahead", told(26*h, 26*h, 26*h), 26 * h},
		{"so far ahead that these are others", told(27*h, 27*h, 27*h), 0},
		{"a minute", told(m, m, m), m},
		{"less than a minute", told(59*sec, 59*sec, 59*sec), 0},
		{"two are too few", told(3*h, 3*h), 0},
		{"most agree", told(3*h, 3*h, 3*h+90*sec, 20*h, 3*h+91*sec), 3*h + 90*sec},
		{"half of them agree", told(2*h, 3*h, 3*h, 20*h), 0},
		{"failures count too", func(s *scene) {
			told(3*h, 3*h)(s)
			s.connect(at(3, 20, 0), desk, gate, 3389, desktop(brief, small), from(60000))
			logged(s, at(3, 23, 0), failedLogon, "60000")
		}, 3 * h},
		{"the log does not say the port", func(s *scene) {
			seen(s, 3)
			for i := range 3 {
				logged(s, at(3, 12+i, 10), loggedOn, "-")
			}
		}, 0},
		{"a port that was used twice", func(s *scene) {
			told(3*h, 3*h, 3*h)(s)
			s.connect(at(5, 9, 0), desk, gate, 3389, desktop(brief, small), from(50001))
		}, 0},
		{"connections to another computer", func(s *scene) {
			for i := range 3 {
				s.connect(at(3, 9+i, 10), desk, shares, 3389, desktop(long, large), from(50001+uint16(i)))
				logged(s, at(3, 12+i, 10), loggedOn, fmt.Sprint(50001+i))
			}
		}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := week()
			test.play(s)
			s.Findings(s.site())
			got := time.Duration(0)
			for _, c := range s.Clocks() {
				if got += c.Ahead; c.Computer != "GATE01" {
					t.Errorf("got the clock of %s, want that of GATE01", c.Computer)
				}
			}
			if got != test.want {
				t.Errorf("got %s ahead, want %s", got, test.want)
			}
		})
	}
}

// TestAlignAll: all that a computer wrote is set right, not its logons only.
func TestAlignAll(t *testing.T) {
	const ahead = 5 * time.Hour
	s := week()
	s.log(s.begin.Add(ahead), "GATE01", 6005)
	for i := range 30 {
		when := at(3, 9, 0).Add(time.Duration(i) * time.Second)
		s.connect(when, thief, gate, 3389, desktop(brief, small), func(c *exchange.Contact) { c.Client = netip.AddrPortFrom(thief, 50000+uint16(i)) })
		s.log(when.Add(ahead), "GATE01", failedLogon, "IpAddress", thief.String(), "IpPort", fmt.Sprint(50000+i), "TargetUserName", "frontdesk")
	}
	s.logon(at(3, 9, 30).Add(ahead), "GATE01", thief, "frontdesk", "10", "0x1a")
	s.installs(at(3, 9, 40).Add(ahead), "Helper", `C:\h.exe`)
	s.log(at(3, 9, 50).Add(ahead), "GATE01", loggedOff, "TargetLogonId", "0x1a")
	s.installs(at(3, 9, 55).Add(ahead), "Update", `C:\u.exe`)
	want := map[string]time.Time{RDPGuessed: at(3, 9, 0), GuessedIn: at(3, 9, 30), NewService: at(3, 9, 40)}
	for _, f := range s.judged(RDPGuessed, GuessedIn, NewService) {
		if f.Rule == NewService && f.From.Addr != thief {
			continue // the one after the session
		}
		if !f.First.Equal(want[f.Rule]) {
			t.Errorf("%s: got %s, want %s", f.Rule, f.First, want[f.Rule])
		}
		delete(want, f.Rule)
	}
	if len(want) > 0 {
		t.Errorf("not found: %v", want)
	}
	if h := s.logs.hosts["gate01"]; !h.begin.Equal(s.begin) || !h.end.Equal(at(3, 9, 55)) {
		t.Errorf("got a log from %s to %s, want from the beginning to 09:55", h.begin, h.end)
	}
}
