package detect

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/exchange"
)

// door gives the nth address that somebody may try.
func door(n int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(100 + n)}) }

// knocks tries doors one after the other: '-' stays shut, '+' opens.
func (s *scene) knocks(t time.Time, from netip.Addr, doors string, edits ...func(*exchange.Contact)) {
	for i, how := range doors {
		all := edits
		if how == '-' {
			all = append([]func(*exchange.Contact){failed}, edits...)
		}
		s.connect(t.Add(time.Duration(i)*time.Second), from, door(i), 445, all...)
	}
}

func TestFanOut(t *testing.T) {
	shut := func(n int) string { return strings.Repeat("-", n) }
	knock := func(from netip.Addr, doors string) func(*scene) {
		return func(s *scene) { s.knocks(at(2, 9, 0), from, doors) }
	}
	const scanner = "fan-out high desk>-"
	try(t, week, []trial{
		{name: "nine doors that stay shut", play: knock(desk, shut(9)), want: scanner},
		{name: "eight are not enough", play: knock(desk, shut(8))},
		{name: "one in five is shut", play: knock(desk, strings.Repeat("++++-", 20))},
		{name: "one in five is open", play: knock(desk, strings.Repeat("-+---", 4)), want: scanner},
		{name: "three open, eleven shut", play: knock(desk, "+++"+shut(11))},
		{name: "three open, twelve shut", play: knock(desk, "+++"+shut(12)), want: scanner},
		{name: "four open: judged honest, and the next test begins", play: knock(desk, "++++"+shut(9)), want: scanner},
		{name: "after a day of honest work", play: knock(desk, strings.Repeat("+", 40)+shut(9)), want: scanner},
		{name: "it goes on with doors that open", play: knock(desk, shut(9)+strings.Repeat("+", 40)), want: scanner},
		{name: "outside: every public address is scanned every day", play: knock(thief, shut(9)), want: "fan-out low thief>-"},
		{name: "the same door again and again", play: func(s *scene) {
			for i := range 50 {
				s.connect(at(2, 9, i), desk, shares, 445, failed)
			}
		}},
		{name: "many ports of one system", play: func(s *scene) {
			for i := range 9 {
				s.connect(at(2, 9, i), desk, shares, uint16(1000+i), failed)
			}
		}, want: "fan-out high desk>shares"},
		{name: "shut ports of oneself", play: func(s *scene) {
			for i := range 9 {
				s.connect(at(2, 9, i), desk, desk, uint16(1000+i), failed)
			}
		}},
		{name: "who began is not certain", play: func(s *scene) { s.knocks(at(2, 9, 0), desk, shut(20), midstream) }},
		{name: "a door that was open the first time, which is told last", play: func(s *scene) {
			s.knocks(at(2, 9, 0), desk, shut(9))
			s.connect(at(2, 8, 0), desk, door(0), 445)
		}},
		{name: "a door that was shut the first time, which is told last", play: func(s *scene) {
			s.knocks(at(2, 9, 0), desk, "+"+shut(8))
			s.connect(at(2, 8, 0), desk, door(0), 445, failed)
		}, want: scanner},
		{name: "a door that was shut the first time and open later", play: func(s *scene) {
			s.knocks(at(2, 9, 0), desk, shut(9))
			s.knocks(at(2, 10, 0), desk, strings.Repeat("+", 9))
		}, want: scanner},
	}, FanOut)
}

// TestFanOutSays: how many doors of how many systems, from when to when.
func TestFanOutSays(t *testing.T) {
	s := week()
	s.knocks(at(2, 9, 0), thief, "----------++")
	s.connect(at(2, 9, 30), thief, door(0), 3389)
	f := s.judged(FanOut)[0]
	if want := "A system tried 2 ports on 12 systems; 10 of these first contacts failed, as a scanner's do."; f.Title != want {
		t.Errorf("got  %s\nwant %s", f.Title, want)
	}
	if f.Count != 13 || !f.First.Equal(at(2, 9, 0)) || !f.Last.Equal(at(2, 9, 30).Add(time.Second)) || f.Evidence.Packet != 1 {
		t.Errorf("got %d from %s to %s, packet %d; want 13 from 09:00 to 09:30:01, packet 1", f.Count, f.First, f.Last, f.Evidence.Packet)
	}
}

// crowd lets 1000 systems make first contacts of which some fail, and counts those that are taken for scanners.
func crowd(contacts int, failing float64) int {
	random := rand.New(rand.NewPCG(2025, 3))
	s := week()
	for host := range 1000 {
		from := netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 14: byte(host >> 8), 15: byte(host)})
		for i := range contacts {
			to := netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 1, 14: byte(i >> 8), 15: byte(i)})
			c := &exchange.Contact{Client: netip.AddrPortFrom(from, 50000), Server: netip.AddrPortFrom(to, 443), Opened: true, First: at(2, 9, i), Last: at(2, 9, i),
				Failed: random.Float64() < failing}
			s.Contact(c)
		}
	}
	n := 0
	for _, f := range s.Findings(s.site()) {
		if f.Rule == FanOut {
			n++
		}
	}
	return n
}

// TestFanOutRates: the test is one of probabilities, so it is tried on many.
func TestFanOutRates(t *testing.T) {
	for _, test := range []struct {
		name        string
		contacts    int
		failing     float64
		least, most int
	}{
		{"honest systems, one first contact in five fails", 100, 0.2, 0, 1},
		{"honest systems, one in three: still few", 100, 0.33, 0, 40},
		{"scanners, nineteen in twenty fail, after a dozen", 12, 0.95, 850, 1000},
		{"scanners, four in five fail, after a few dozen", 60, 0.8, 990, 1000},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := crowd(test.contacts, test.failing); got < test.least || got > test.most {
				t.Errorf("got %d of 1000 taken for scanners, want %d to %d", got, test.least, test.most)
			}
		})
	}
}

// TestEdgesBound: a scan of everything does not fill the memory, and others are still seen.
func TestEdgesBound(t *testing.T) {
	s := week()
	for i := range perSource + 1000 {
		to := netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
		s.Contact(&exchange.Contact{Client: netip.AddrPortFrom(thief, 50000), Server: netip.AddrPortFrom(to, 3389), Opened: true, Failed: true, First: at(2, 9, 0), Last: at(2, 9, 0)})
	}
	s.knocks(at(2, 10, 0), desk, "---------")
	if got := len(s.edges.list); got != perSource+9 {
		t.Errorf("got %d edges, want %d", got, perSource+9)
	}
	found := s.judged(FanOut)
	if len(found) != 2 || found[0].From.Addr != desk || found[0].Severity != chaperone.High {
		t.Errorf("got %d scanners, want the desk and the thief", len(found))
	}
}
