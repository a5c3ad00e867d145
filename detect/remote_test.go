package detect

import (
	"net/netip"
	"testing"
	"time"

	"chaperone"
	"chaperone/exchange"
	"chaperone/wire"
)

func nla(n wire.NLA) func(*wire.Desktop) { return func(d *wire.Desktop) { d.NLA = n } }

func silent(d *wire.Desktop) { d.Answered, d.NLA = false, wire.NLAUnknown }

func TestExposed(t *testing.T) {
	visit := func(from, to netip.Addr, edits ...func(*wire.Desktop)) func(*scene) {
		return func(s *scene) { s.connect(at(1, 9, 0), from, to, 3389, desktop(brief, small, edits...)) }
	}
	try(t, week, []trial{
		{name: "it answers the outside", play: visit(thief, gate), want: "rdp-exposed medium ->gate"},
		{name: "without network level authentication", play: visit(thief, gate, nla(wire.NLAOff)), want: "rdp-exposed high ->gate"},
		{name: "it demands network level authentication", play: visit(thief, gate, nla(wire.NLARequired)), want: "rdp-exposed medium ->gate"},
		{name: "it does not answer", play: visit(thief, gate, silent)},
		{name: "inside", play: visit(desk, gate, nla(wire.NLAOff))},
		{name: "somebody else's", play: visit(desk, vendor, nla(wire.NLAOff))},
		{name: "two strangers", play: visit(thief, vendor, nla(wire.NLAOff))},
		{name: "off once is off", play: func(s *scene) {
			visit(thief, gate, nla(wire.NLARequired))(s)
			visit(thief, gate, nla(wire.NLAOff))(s)
			visit(thief, gate, nla(wire.NLARequired))(s)
		}, want: "rdp-exposed high ->gate"},
		{name: "one finding a server", play: func(s *scene) {
			visit(thief, gate)(s)
			visit(botnet, gate)(s)
			visit(botnet, shares, nla(wire.NLAOff))(s)
		}, want: "rdp-exposed high ->shares; rdp-exposed medium ->gate"},
		{name: "another protocol on its port", play: func(s *scene) { s.connect(at(1, 9, 0), thief, gate, 3389, speaks(chaperone.SSL)) }},
		{name: "nobody has seen its desktop", play: func(s *scene) { s.connect(at(1, 9, 0), thief, gate, 3389, speaks(chaperone.RDP)) }},
	}, RDPExposed)
}

// TestExposedSays: how many visits by how many, from when to when, and the first that was without authentication.
func TestExposedSays(t *testing.T) {
	s := week()
	come := func(hour int, from netip.Addr, n wire.NLA) {
		s.connect(at(2, hour, 0), from, gate, 3389, desktop(brief, small, nla(n)))
	}
	come(12, thief, wire.NLAOffered)
	come(11, thief, wire.NLAOff)
	come(9, vendor, wire.NLAOff)
	come(8, botnet, wire.NLAOffered)
	come(13, botnet, wire.NLAOff)
	s.connect(at(2, 7, 0), botnet, gate, 3389, desktop(brief, small, silent))
	f := s.judged(RDPExposed)[0]
	if want := "Remote desktop answers the outside without network level authentication; 3 outside addresses reached it."; f.Title != want {
		t.Errorf("got  %s\nwant %s", f.Title, want)
	}
	if f.Count != 5 || !f.First.Equal(at(2, 8, 0)) || !f.Last.Equal(at(2, 13, 0).Add(brief)) || f.Evidence.Packet != 3 {
		t.Errorf("got %d from %s to %s, packet %d; want 5 from 08:00 to 13:00:02, packet 3", f.Count, f.First, f.Last, f.Evidence.Packet)
	}
}

// TestExposedSame: the same evidence shows the same packet, in whatever order a map gives the callers.
func TestExposedSame(t *testing.T) {
	seen := map[int64]bool{}
	for range 50 {
		s := week()
		s.connect(at(2, 9, 0), thief, gate, 3389, desktop(brief, small, nla(wire.NLARequired)))
		s.connect(at(2, 10, 0), botnet, gate, 3389, desktop(brief, small, nla(wire.NLAOffered)))
		seen[s.judged(RDPExposed)[0].Evidence.Packet] = true
	}
	if len(seen) != 1 {
		t.Errorf("got %d different packets as evidence, want 1", len(seen))
	}
}

// TestVisit: what is an attempt and what is a session; most is neither.
func TestVisit(t *testing.T) {
	for _, test := range []struct {
		name    string
		length  time.Duration
		bytes   int64
		edits   []func(*wire.Desktop)
		attempt bool
		session bool
	}{
		{"a failed logon", brief, small, nil, true, false},
		{"a logon screen that was drawn", 29 * time.Second, 100<<10 - 1, nil, true, false},
		{"too long for an attempt", 30 * time.Second, small, nil, false, false},
		{"too much for an attempt", brief, 100 << 10, nil, false, false},
		{"nothing answered", brief, small, []func(*wire.Desktop){silent}, false, false},
		{"the server would not negotiate", brief, small, []func(*wire.Desktop){func(d *wire.Desktop) { d.Failure = 5 }}, false, false},
		{"a session", 61 * time.Second, 100<<10 + 1, nil, false, true},
		{"too short for a session", 60 * time.Second, large, nil, false, false},
		{"too little for a session", long, 100 << 10, nil, false, false},
		{"a long silence", long, large, []func(*wire.Desktop){silent}, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := remote{}
			c := &exchange.Contact{First: at(1, 9, 0)}
			desktop(test.length, test.bytes, test.edits...)(c)
			r.contact(c)
			v := r.ordered([2]netip.Addr{})[0]
			if v.attempt() != test.attempt || v.session() != test.session {
				t.Errorf("got attempt %t, session %t; want %t and %t", v.attempt(), v.session(), test.attempt, test.session)
			}
		})
	}
}
