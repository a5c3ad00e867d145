package detect

import (
	"fmt"
	"net/netip"
	"testing"

	"chaperone"
	"chaperone/exchange"
	"chaperone/wire"
)

// asks lets somebody ask an archive for an association under a pair of titles.
func (s *scene) asks(minute int, from, to netip.Addr, calling, asked string, outcome chaperone.Outcome) {
	m := &wire.Message{Action: "A-ASSOCIATE", Role: wire.Control, From: calling, To: asked, Outcome: outcome}
	m.At.Time = at(2, 9, minute)
	c := &exchange.Connection{Protocol: chaperone.DICOM, Client: netip.AddrPortFrom(from, 50000), Server: netip.AddrPortFrom(to, 104)}
	s.Event(c, wire.Event{Stage: wire.Head, Message: m}, nowhere)
	s.Event(c, wire.Event{Stage: wire.Answer, Message: m}, nowhere)
}

func TestClinicalSweep(t *testing.T) {
	try := func(t *testing.T, trials []trial) { try(t, week, trials, ClinicalSweep) }
	ports := func(n int, port uint16, from netip.Addr, edits ...func(*exchange.Contact)) func(*scene) {
		return func(s *scene) {
			for i := range n {
				s.connect(at(2, 9, i), from, door(i), port, edits...)
			}
		}
	}
	titles := func(n int, from netip.Addr, outcome chaperone.Outcome) func(*scene) {
		return func(s *scene) {
			for i := range n {
				s.asks(i, from, archive, "GUESS", fmt.Sprint("PACS", i), outcome)
			}
		}
	}
	const found = "clinical-sweep high desk>-"
	var trials []trial
	for _, port := range []uint16{104, 2575, 2761, 2762, 4242, 6661, 11112} {
		trials = append(trials, trial{name: fmt.Sprintf("port %d of five systems that have no such service", port), play: ports(5, port, desk, failed), want: found})
	}
	try(t, append(trials, []trial{
		{name: "four systems are not enough", play: ports(4, 104, desk, failed)},
		{name: "systems that answer", play: ports(5, 104, desk)},
		{name: "another port", play: ports(5, 8080, desk, failed)},
		{name: "who began is not certain", play: ports(5, 104, desk, failed, midstream)},
		{name: "from outside", play: ports(5, 104, thief, failed), want: "clinical-sweep low thief>-"},
		{name: "two ports of four systems", play: func(s *scene) {
			ports(4, 104, desk, failed)(s)
			ports(4, 11112, desk, failed)(s)
		}},
		{name: "different ports of five systems", play: func(s *scene) {
			for i, port := range []uint16{104, 104, 2575, 11112, 4242} {
				s.connect(at(2, 9, i), desk, door(i), port, failed)
			}
		}, want: found},
		{name: "five pairs of titles", play: titles(5, desk, chaperone.Refused), want: "clinical-sweep high desk>archive"},
		{name: "four pairs", play: titles(4, desk, chaperone.Refused)},
		{name: "five pairs from outside", play: titles(5, thief, chaperone.Refused), want: "clinical-sweep low thief>archive"},
		{name: "titles that are accepted", play: titles(5, desk, chaperone.Delivered)},
		{name: "one pair that is refused all day", play: func(s *scene) {
			for i := range 50 {
				s.asks(i, desk, archive, "NEWCT", "PACS", chaperone.Refused)
			}
		}},
		{name: "five names of the caller", play: func(s *scene) {
			for i := range 5 {
				s.asks(i, desk, archive, fmt.Sprint("VIEWER", i), "PACS", chaperone.Refused)
			}
		}, want: "clinical-sweep high desk>archive"},
		{name: "a few on each of two archives", play: func(s *scene) {
			for i := range 4 {
				s.asks(i, desk, archive, "GUESS", fmt.Sprint("PACS", i), chaperone.Refused)
				s.asks(i, desk, planner, "GUESS", fmt.Sprint("PACS", i+4), chaperone.Refused)
			}
		}},
		{name: "a message that is refused is not a call", play: func(s *scene) {
			c := &exchange.Connection{Protocol: chaperone.DICOM, Client: netip.AddrPortFrom(ct, 50000), Server: netip.AddrPortFrom(archive, 104)}
			for i := range 9 {
				m := &wire.Message{Action: "C-STORE", From: fmt.Sprint("CT", i), To: "PACS", Outcome: chaperone.Refused}
				s.Event(c, wire.Event{Stage: wire.Answer, Message: m}, nowhere)
			}
		}},
	}...))
}

// TestClinicalSweepSays: how many, from when to when.
func TestClinicalSweepSays(t *testing.T) {
	s := week()
	for i := range 100 {
		s.asks(i, desk, archive, "GUESS", fmt.Sprint("PACS", i%7), chaperone.Refused)
	}
	for i := range 6 {
		s.connect(at(3, 9, i), thief, door(i%5), []uint16{104, 11112}[i/5], failed)
	}
	s.connect(at(3, 8, 0), thief, door(1), 443)
	found := s.judged(ClinicalSweep)
	if len(found) != 2 {
		t.Fatalf("got %d findings, want 2", len(found))
	}
	if f := found[0]; f.Count != 7 || f.Title != "A system tried 7 pairs of AE titles in vain: it is guessing its way into an archive." ||
		!f.First.Equal(at(2, 9, 0)) || !f.Last.Equal(at(2, 9, 99)) {
		t.Errorf("got %d from %s to %s, %s", f.Count, f.First, f.Last, f.Title)
	}
	if f := found[1]; f.Count != 6 || f.Title != "A system looked for DICOM or HL7 services on 5 systems that have none." ||
		!f.First.Equal(at(3, 9, 0)) || f.Last.Before(at(3, 9, 5)) || f.Evidence.Packet != 1 {
		t.Errorf("got %d from %s to %s, packet %d, %s", f.Count, f.First, f.Last, f.Evidence.Packet, f.Title)
	}
}
