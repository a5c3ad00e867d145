package exchange

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/patient"
	"chaperone/wire"
)

var (
	viewer   = netip.MustParseAddrPort("192.0.2.71:50000")
	pacs     = netip.MustParseAddrPort("192.0.2.60:104")
	outgoing = netip.MustParseAddrPort("192.0.2.60:49153")
	teaching = netip.MustParseAddrPort("198.51.100.90:11112")
	start    = time.Date(2025, 3, 3, 8, 0, 0, 0, time.UTC)
)

// stage records what a recorder gives, in words: action from>to by records patients unidentified seen.
type stage struct {
	*Recorder
	out []string
}

func newStage() *stage {
	s := &stage{}
	s.Recorder = NewRecorder(patient.NewTokenizer([32]byte{7}), func(m chaperone.Mark, offset int64) chaperone.Evidence {
		return chaperone.Evidence{Packet: m.Packet, Offset: offset}
	}, func(d Disclosed) {
		by := "-"
		if d.RequestedBy != nil {
			by = strings.TrimPrefix(fmt.Sprintf("%s@%s", d.RequestedBy.Claimed, d.RequestedBy.Addr), "@")
		}
		s.out = append(s.out, fmt.Sprintf("%s %s>%s by %s: %d records, %d patients, %d unidentified, seen %t, %s",
			d.Action, d.From.Claimed, d.To.Claimed, by, d.Records, len(d.Nodes), d.Unidentified, !d.Unseen, d.Outcome))
	})
	return s
}

func at(seconds float64) chaperone.Mark {
	return chaperone.Mark{Time: start.Add(time.Duration(seconds * float64(time.Second))), Packet: int64(seconds*1000) + 1}
}

// play gives stages of one message to a connection.
func play(c *Connection, m *wire.Message, when float64, records []chaperone.Record, stages ...wire.Stage) {
	for _, s := range stages {
		e := wire.Event{Stage: s, Message: m, At: at(when)}
		if s == wire.Head {
			m.At = at(when)
			e.Records = records
		}
		c.Event(e)
	}
}

func number(value string) chaperone.Record {
	return chaperone.Record{Identifiers: []chaperone.Identifier{{Kind: chaperone.DICOMPatientID, Value: chaperone.NewPHI(value)}}}
}

func study(uid string) chaperone.Record { return chaperone.Record{Study: chaperone.NewPHI(uid)} }

func (s *stage) dicom(client, server netip.AddrPort) *Connection {
	c := s.Connect(chaperone.InClear, client, server)
	c.Protocol = chaperone.DICOM
	return c
}

// retrieval and store make the messages of a retrieval by the viewer for the teaching room.
func retrieval(seq uint64, id uint16, keys ...chaperone.Record) *wire.Message {
	return &wire.Message{Seq: seq, Action: "C-MOVE", Role: wire.Move, Data: wire.FromServer, From: "PACS", To: "VIEWER1", Requester: "VIEWER1",
		Outcome: chaperone.Delivered, Retrieve: &wire.Retrieve{ID: id, Originator: "VIEWER1", Destination: "TEACHING", Keys: keys}}
}

func store(seq uint64, of *wire.Retrieve, uid string) *wire.Message {
	m := &wire.Message{Seq: seq, Action: "C-STORE", Role: wire.Push, From: "PACS", To: "TEACHING", Outcome: chaperone.Delivered, Ended: true,
		Retrieve: of, Study: chaperone.NewPHI(uid), Start: int64(seq) * 1000}
	if of != nil {
		m.Role = wire.Reply
	}
	return m
}

const whole = "C-STORE PACS>TEACHING by VIEWER1@192.0.2.71: 1 records, 1 patients, 0 unidentified, seen true, delivered"

// TestMove: a C-MOVE and what it delivers, on two connections that are not in step.
func TestMove(t *testing.T) {
	all := []wire.Stage{wire.Head, wire.Tail, wire.Answer}
	for _, test := range []struct {
		name string
		play func(s *stage, ask, deliver *Connection)
		want []string
	}{
		{"named, in order", func(s *stage, ask, deliver *Connection) {
			m := retrieval(1, 7, study("1.2"))
			play(ask, m, 0, nil, wire.Head)
			play(deliver, store(1, &wire.Retrieve{ID: 7, Originator: "VIEWER1"}, "1.2"), 1, []chaperone.Record{number("A")}, all...)
			m.Retrieve.Completed = 1
			play(ask, m, 2, nil, wire.Tail, wire.Answer)
		}, []string{whole}},
		{"the delivery shows before the request", func(s *stage, ask, deliver *Connection) {
			play(deliver, store(1, &wire.Retrieve{ID: 7, Originator: "VIEWER1"}, "1.2"), 0.2, []chaperone.Record{number("A")}, all...)
			m := retrieval(1, 7, study("1.2"))
			m.Retrieve.Completed = 1
			play(ask, m, 0.1, nil, all...)
		}, []string{whole}},
		{"the same message ID again, an hour later", func(s *stage, ask, deliver *Connection) {
			old := retrieval(1, 7, study("1.1"))
			play(ask, old, 0, nil, wire.Head)
			old.Retrieve.Completed = 0
			play(ask, old, 1, nil, wire.Tail, wire.Answer)
			play(deliver, store(1, &wire.Retrieve{ID: 7, Originator: "VIEWER1"}, "1.2"), 3600, []chaperone.Record{number("A")}, all...)
			m := retrieval(2, 7, study("1.2"))
			m.Retrieve.Completed = 1
			play(ask, m, 3599.9, nil, all...)
		}, []string{whole}},
		{"two within a second under one name, the second request showing last", func(s *stage, ask, deliver *Connection) {
			one, two := retrieval(1, 7, study("1.1")), retrieval(2, 7, study("1.2"))
			play(ask, one, 0, nil, wire.Head)
			play(deliver, store(1, &wire.Retrieve{ID: 7, Originator: "VIEWER1"}, "1.1"), 0.1, []chaperone.Record{number("A")}, all...)
			one.Retrieve.Completed = 1
			play(ask, one, 0.2, nil, wire.Tail, wire.Answer)
			play(deliver, store(2, &wire.Retrieve{ID: 7, Originator: "VIEWER1"}, "1.2"), 0.9, []chaperone.Record{number("A")}, all...)
			two.Retrieve.Completed = 1
			play(ask, two, 0.8, nil, all...)
		}, []string{whole, whole}},
		{"two at once for one study", func(s *stage, ask, deliver *Connection) {
			one, two := retrieval(1, 7, study("1.2")), retrieval(2, 7, study("1.2"))
			play(ask, one, 0, nil, wire.Head)
			play(ask, two, 0.1, nil, wire.Head)
			play(deliver, store(1, &wire.Retrieve{ID: 7, Originator: "VIEWER1"}, "1.2"), 0.2, []chaperone.Record{number("A")}, all...)
			play(deliver, store(2, &wire.Retrieve{ID: 7, Originator: "VIEWER1"}, "1.2"), 0.3, []chaperone.Record{number("A")}, all...)
			one.Retrieve.Completed, two.Retrieve.Completed = 1, 1
			play(ask, one, 0.4, nil, wire.Tail, wire.Answer)
			play(ask, two, 0.5, nil, wire.Tail, wire.Answer)
		}, []string{whole, whole}},
		{"a sender that does not name the request", func(s *stage, ask, deliver *Connection) {
			m := retrieval(1, 7, study("1.2"))
			play(ask, m, 0, nil, wire.Head)
			play(deliver, store(1, nil, "1.2"), 1, []chaperone.Record{number("A")}, all...)
			m.Retrieve.Completed = 1
			play(ask, m, 2, nil, wire.Tail, wire.Answer)
		}, []string{whole}},
		{"another study of the same archive is not part of it", func(s *stage, ask, deliver *Connection) {
			m := retrieval(1, 7, study("1.2"))
			play(ask, m, 0, nil, wire.Head)
			play(deliver, store(1, nil, "1.9"), 1, []chaperone.Record{number("A")}, all...)
			play(ask, m, 2, nil, wire.Tail, wire.Answer)
		}, []string{"C-STORE PACS>TEACHING by -: 1 records, 1 patients, 0 unidentified, seen true, delivered"}},
		{"the request was not captured", func(s *stage, ask, deliver *Connection) {
			play(deliver, store(1, &wire.Retrieve{ID: 7, Originator: "VIEWER1"}, "1.2"), 1, []chaperone.Record{number("A")}, all...)
		}, []string{"C-STORE PACS>TEACHING by VIEWER1@invalid IP: 1 records, 1 patients, 0 unidentified, seen true, delivered"}},
		{"the delivery was not captured: whose it is follows from the study", func(s *stage, ask, deliver *Connection) {
			play(deliver, store(9, nil, "1.2"), -100, []chaperone.Record{number("A")}, all...)
			s.out = nil
			m := retrieval(1, 7, study("1.2"))
			m.Retrieve.Completed = 3
			play(ask, m, 0, nil, all...)
		}, []string{"C-MOVE PACS>TEACHING by VIEWER1@192.0.2.71: 3 records, 1 patients, 0 unidentified, seen false, delivered"}},
		{"the delivery was not captured: nobody knows the study", func(s *stage, ask, deliver *Connection) {
			m := retrieval(1, 7, study("1.2"))
			m.Retrieve.Completed = 3
			play(ask, m, 0, nil, all...)
		}, []string{"C-MOVE PACS>TEACHING by VIEWER1@192.0.2.71: 3 records, 0 patients, 3 unidentified, seen false, delivered"}},
		{"a part of the delivery was captured", func(s *stage, ask, deliver *Connection) {
			m := retrieval(1, 7, number("A"))
			play(ask, m, 0, nil, wire.Head)
			play(deliver, store(1, &wire.Retrieve{ID: 7, Originator: "VIEWER1"}, "1.2"), 1, []chaperone.Record{number("A")}, all...)
			m.Retrieve.Completed = 3
			play(ask, m, 2, nil, wire.Tail, wire.Answer)
		}, []string{whole, "C-MOVE PACS>TEACHING by VIEWER1@192.0.2.71: 2 records, 1 patients, 0 unidentified, seen false, delivered"}},
		{"nothing was delivered", func(s *stage, ask, deliver *Connection) {
			play(ask, retrieval(1, 7, number("A")), 0, nil, all...)
		}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStage()
			test.play(s, s.dicom(viewer, pacs), s.dicom(outgoing, teaching))
			s.Close()
			if !slices.Equal(s.out, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(s.out, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

// TestRecords: what a record counts as, and what comes before what.
func TestRecords(t *testing.T) {
	name := chaperone.NewPHI("DOE^JO")
	alternate := chaperone.Identifier{Kind: chaperone.SSN, Value: chaperone.NewPHI("900000001")}
	for _, test := range []struct {
		name                         string
		records                      []chaperone.Record
		patients, weak, unidentified int
	}{
		{"two of one number", []chaperone.Record{number("A"), number("A")}, 1, 0, 0},
		{"a study before a name", []chaperone.Record{{Identifiers: number("A").Identifiers, Study: chaperone.NewPHI("1.2")},
			{Study: chaperone.NewPHI("1.2"), Name: name}}, 1, 0, 0},
		{"a study before an alternate number", []chaperone.Record{{Identifiers: number("A").Identifiers, Study: chaperone.NewPHI("1.2")},
			{Study: chaperone.NewPHI("1.2"), Alternates: []chaperone.Identifier{alternate}}}, 1, 0, 0},
		{"an alternate number before a name", []chaperone.Record{{Name: name, Alternates: []chaperone.Identifier{alternate}}}, 1, 0, 0},
		{"a name", []chaperone.Record{{Name: name}}, 1, 1, 0},
		{"an unknown study", []chaperone.Record{study("9.9")}, 0, 0, 1},
		{"nothing", []chaperone.Record{{}}, 0, 0, 1},
		{"a birth date alone", []chaperone.Record{{Birth: chaperone.NewPHI("19700101")}}, 0, 0, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStage()
			c := s.dicom(viewer, pacs)
			m := &wire.Message{Seq: 1, Action: "C-FIND", Role: wire.Query, Data: wire.FromServer, Outcome: chaperone.Delivered}
			play(c, m, 0, test.records, wire.Head, wire.Tail, wire.Answer)
			got := s.Census.Counts()
			if got.Patients != test.patients || got.Weak != test.weak || s.Counters.Unidentified != int64(test.unidentified) {
				t.Errorf("got %d patients, %d weak, %d unidentified; want %d, %d, %d",
					got.Patients, got.Weak, s.Counters.Unidentified, test.patients, test.weak, test.unidentified)
			}
			if s.Counters.Disclosures != 1 || s.Counters.Records != int64(len(test.records)) {
				t.Errorf("got %d disclosures of %d records, want 1 of %d", s.Counters.Disclosures, s.Counters.Records, len(test.records))
			}
		})
	}
}

// TestNoDisclosure: a message that bears no patient is none.
func TestNoDisclosure(t *testing.T) {
	s := newStage()
	c := s.dicom(viewer, pacs)
	for i, m := range []*wire.Message{
		{Action: "A-ASSOCIATE", Role: wire.Control}, {Action: "C-ECHO", Role: wire.Control}, {Action: "C-FIND", Role: wire.Query},
	} {
		m.Seq = uint64(i + 1)
		play(c, m, float64(i), nil, wire.Head, wire.Tail, wire.Answer)
	}
	if len(s.out) != 0 || s.Counters.DICOMAssociations != 1 {
		t.Errorf("got %v and %d associations, want no disclosure and 1", s.out, s.Counters.DICOMAssociations)
	}
}

// TestFilteredMove: what a filter leaves out is followed, and counts nowhere.
func TestFilteredMove(t *testing.T) {
	s := newStage()
	s.Keep = func(Seen) bool { return false }
	m := retrieval(1, 7, number("A"))
	m.Retrieve.Completed = 3
	play(s.dicom(viewer, pacs), m, 0, nil, wire.Head, wire.Tail, wire.Answer)
	s.Recorder.Close()
	if got := s.Census.Counts(); len(s.out) != 0 || got.Max != 0 {
		t.Errorf("got %v and %d identifiers, want nothing", s.out, got.Max)
	}
}
