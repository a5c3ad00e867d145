package detect

import (
	"net/netip"
	"testing"
	"time"

	"chaperone"
	"chaperone/exchange"
	"chaperone/wire"
)

var morning = time.Date(2025, 3, 3, 8, 0, 0, 0, time.UTC)

func nowhere(*wire.Message) chaperone.Evidence { return chaperone.Evidence{File: "a.pcap", Packet: 3} }

func connection() *exchange.Connection {
	return &exchange.Connection{Protocol: chaperone.DICOM, Client: netip.MustParseAddrPort("192.0.2.1:50000"), Server: netip.MustParseAddrPort("192.0.2.2:104")}
}

// TestEvents: which messages are findings, and which look like them and are not.
func TestEvents(t *testing.T) {
	answer := func(outcome chaperone.Outcome, status string) wire.Event {
		return wire.Event{Stage: wire.Answer, Message: &wire.Message{Action: "A-ASSOCIATE", Role: wire.Control, From: "LAPTOP7", To: "PACS", Outcome: outcome, Status: status}}
	}
	move := func(stage wire.Stage, destination string) wire.Event {
		return wire.Event{Stage: stage, Message: &wire.Message{Action: "C-MOVE", Role: wire.Move, Data: wire.FromServer, From: "PACS", To: "VIEWER",
			Requester: "VIEWER", Retrieve: &wire.Retrieve{Destination: destination}}}
	}
	for _, test := range []struct {
		name  string
		event wire.Event
		want  string
	}{
		{"unknown caller", answer(chaperone.Refused, "calling AE title not recognised"), UnknownAE},
		{"wrong called title", answer(chaperone.Refused, "called AE title not recognised"), ""},
		{"busy", answer(chaperone.Refused, "temporary congestion"), ""},
		{"accepted", answer(chaperone.Delivered, "accepted"), ""},
		{"images for a third party", move(wire.Head, "TEACHING"), ThirdParty},
		{"images for a third party, once only", move(wire.Tail, "TEACHING"), ""},
		{"images for the one who asks", move(wire.Head, "VIEWER"), ""},
		{"a request that was not seen", move(wire.Head, ""), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := NewSet()
			s.Event(connection(), test.event, nowhere)
			got := ""
			for _, f := range s.Findings(nil) {
				got += f.Rule
				if f.Advice == "" || f.Evidence.Packet != 3 || f.Count != 1 {
					t.Errorf("the finding lacks advice, evidence or count: %+v", f)
				}
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestInClear: one finding for each protocol and pair of systems, with count, first and last; none under TLS.
func TestInClear(t *testing.T) {
	s := NewSet()
	a, b := chaperone.Party{Addr: netip.MustParseAddr("192.0.2.1"), Port: 1}, chaperone.Party{Addr: netip.MustParseAddr("192.0.2.2"), Port: 104}
	put := func(minute int, from, to chaperone.Party, p chaperone.Protocol, protection chaperone.Protection) {
		from.Port += uint16(minute)
		s.Disclosure(&exchange.Disclosed{Disclosure: chaperone.Disclosure{Time: morning.Add(time.Duration(minute) * time.Minute), From: from, To: to, Protocol: p, Protection: protection}})
	}
	put(5, a, b, chaperone.DICOM, chaperone.InClear)
	put(1, a, b, chaperone.DICOM, chaperone.InClear)
	put(9, a, b, chaperone.DICOM, chaperone.InClear)
	put(2, a, b, chaperone.HL7, chaperone.InClear)
	put(3, b, a, chaperone.DICOM, chaperone.InClear)
	put(4, a, b, chaperone.DICOM, chaperone.TLS)
	put(4, a, b, chaperone.DICOM, chaperone.MutualTLS)
	put(4, a, b, chaperone.DICOM, "")
	found := s.Findings(nil)
	if len(found) != 3 {
		t.Fatalf("got %d findings, want 3", len(found))
	}
	f := found[0]
	if f.Count != 3 || !f.First.Equal(morning.Add(time.Minute)) || !f.Last.Equal(morning.Add(9*time.Minute)) || f.Severity != chaperone.Medium {
		t.Errorf("got %d times from %s to %s, %s; want 3 from 08:01 to 08:09, medium", f.Count, f.First, f.Last, f.Severity)
	}
}

// TestOrder: the most severe first.
func TestOrder(t *testing.T) {
	s := NewSet()
	s.Disclosure(&exchange.Disclosed{Disclosure: chaperone.Disclosure{Time: morning, Protection: chaperone.InClear}})
	s.Overlap(netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), chaperone.Mark{Time: morning.Add(time.Hour)}, chaperone.Evidence{})
	if found := s.Findings(nil); len(found) != 2 || found[0].Rule != Overlap || found[0].Severity != chaperone.High {
		t.Errorf("got %+v, want the overlap first", found)
	}
}
