package guard

import (
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"chaperone"
	clinic "chaperone/internal/clinicsim"
	"chaperone/ledger"
	"chaperone/policy"
	"chaperone/policy/budget"
	"chaperone/wire"
	"chaperone/wire/dimse"
)

// noting is a connection that notes how much was there to be read along when something was written to it.
type noting struct {
	net.Conn
	o     *observer
	there []int
}

func (n *noting) Write(b []byte) (int, error) {
	n.there = append(n.there, len(n.o.chunks))
	return len(b), nil
}

// TestObserveOrder: what passes is there to be read before the other side has it. Else its answer may be read first, and what was
// asked for is not known.
func TestObserveOrder(t *testing.T) {
	r := dicomRig(t, "127.0.0.1:1", 100)
	o := &observer{conn: &conn{guard: r.guard, listener: r.guard.listeners["dicom"]}, chunks: make(chan chunk, mostChunks), reads: true, session: dimse.New(wire.DefaultLimits, false)}
	from, client := net.Pipe()
	to := &noting{o: o}
	go func() {
		for range 3 {
			_, _ = client.Write([]byte("a few bytes")) // nobody closes the other end
		}
		_ = client.Close()
	}()
	if err := o.copy(wire.FromClient, from, to); err != io.EOF {
		t.Fatal(err)
	}
	for i, n := range to.there {
		if n != i+1 {
			t.Errorf("piece %d was written when %d were there to be read", i, n)
		}
	}
	if len(to.there) != 3 {
		t.Errorf("got %d pieces", len(to.there))
	}
}

// uncounted is of an answer without counts.
const uncounted = 0xFFFF

// TestObserveMove: what a C-MOVE sends past a listener that only observes is on record, as far as its keys and its answers say
// whose it is and how much.
func TestObserveMove(t *testing.T) {
	number := func(s string) clinic.Element { return clinic.Text(0x00100020, "LO", s) }
	uid := func(s string) clinic.Element { return clinic.Text(0x0020000D, "UI", s) }
	for _, test := range []struct {
		name                  string
		to                    string
		keys                  clinic.DataSet
		status                uint16
		completed             uint16
		persons, unidentified int // on record
		rule                  string
	}{
		{"a patient", "ROOM", clinic.DataSet{number("P1")}, statusSuccess, 3, 1, 0, ""},
		{"a patient's studies", "ROOM", clinic.DataSet{number("P1"), uid(`2.25.1\2.25.2`)}, statusSuccess, 3, 1, 0, ""},
		{"a study", "ROOM", clinic.DataSet{uid("2.25.1")}, statusSuccess, 3, 0, 1, ""},
		{"a series of a study", "ROOM", clinic.DataSet{uid("2.25.1"), clinic.Text(0x0020000E, "UI", "2.25.1.1")}, statusSuccess, 3, 0, 1, ""},
		{"two studies", "ROOM", clinic.DataSet{uid(`2.25.1\2.25.2\2.25.1`)}, statusSuccess, 3, 0, 2, ""},
		{"more studies than it sent objects", "ROOM", clinic.DataSet{uid(`2.25.1\2.25.2\2.25.3`)}, statusSuccess, 2, 0, 2, ""},
		{"a study that was found", "ROOM", clinic.DataSet{uid(markedUID)}, statusSuccess, 3, 1, 0, ""},
		{"a study that was found, and another", "ROOM", clinic.DataSet{uid(markedUID + `\2.25.1`)}, statusSuccess, 3, 1, 1, ""},
		{"studies by a wildcard", "ROOM", clinic.DataSet{uid("2.25.*")}, statusSuccess, 3, 0, 3, ""},
		{"a series alone", "ROOM", clinic.DataSet{clinic.Text(0x0020000E, "UI", "2.25.1.1")}, statusSuccess, 3, 0, 3, ""},
		{"patients by a wildcard", "ROOM", clinic.DataSet{number("P*")}, statusSuccess, 3, 0, 3, ""},
		{"a part of it", "ROOM", clinic.DataSet{number("P1")}, 0xB000, 1, 1, 0, ""},
		{"nothing", "ROOM", clinic.DataSet{number("P1")}, statusSuccess, 0, 0, 0, ""},
		{"it does not say how much", "ROOM", clinic.DataSet{uid("2.25.1")}, statusSuccess, uncounted, 0, 1, ""},
		{"to somebody unknown", "ROGUE", clinic.DataSet{number("P1")}, statusSuccess, 3, 1, 0, "would-refuse-destination-unknown"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSickDICOM(t, "observe", func(k *talker, c *command, _ []byte) {
				if c.field == fieldFind {
					matched(k, c, markedStudy())
					return
				}
				answer := c.reply(test.status, "", 0, test.completed, 0, 0)
				if test.completed == uncounted {
					answer = set(7, fieldMove|answerBit, c.id, false, clinic.Short(0x0900, test.status))
				}
				_ = k.send(c.context, true, true, answer) // the test sees what does not come
			})
			found := s.dial() // on an association of its own, as viewers do
			found.associate()
			found.exchange(releasing{"C-FIND", 3, set(3, fieldFind, 1, true), keys("STUDY", uid("")), ""})
			_ = found.conn.Close()
			eventually(t, "what was found is read", func() bool { return len(s.rows()) == 1 })
			k := s.dial()
			k.associate()
			k.exchange(releasing{"C-MOVE", 7, set(7, fieldMove, 1, true, clinic.Text(0x0600, "AE", test.to)), keys("STUDY", test.keys...), ""})
			_ = k.conn.Close()
			eventually(t, "all of it is read", func() bool { s.guard.mu.Lock(); defer s.guard.mu.Unlock(); return len(s.guard.conns) == 0 })
			rows := slices.DeleteFunc(s.rows(), func(d ledger.Row) bool { return d.Action == "C-FIND" })
			records := int(test.completed)
			if test.completed == uncounted {
				records = 1
			}
			if test.completed == 0 {
				if len(rows) != 0 {
					t.Errorf("got %+v of what sent nothing", rows)
				}
				return
			}
			if len(rows) != 1 {
				t.Fatalf("got %d disclosures, want one", len(rows))
			}
			d := rows[0]
			if d.Persons != test.persons || d.Unidentified != test.unidentified || d.Records != records || !d.Unseen {
				t.Errorf("got %d persons and %d unidentified in %d records, unseen %v; want %d and %d in %d", d.Persons, d.Unidentified, d.Records, d.Unseen, test.persons, test.unidentified, records)
			}
			if d.Action != "C-MOVE" || d.To.Claimed != test.to || d.RequestedBy == nil || d.RequestedBy.Claimed != "CT1" {
				t.Errorf("got %s to %+v, requested by %+v", d.Action, d.To, d.RequestedBy)
			}
			if found := s.findings(); test.rule != "" && found[test.rule] == 0 || test.rule == "" && len(found) > 0 {
				t.Errorf("got findings %v, want %q", found, test.rule)
			}
		})
	}
}

// TestObservedBudgetSame: what passed a listener that only observes is in the budgets as after a start, also beyond them; how many
// unknown patients a C-MOVE brought is a guess, and in none.
func TestObservedBudgetSame(t *testing.T) {
	number := func(s string) clinic.Element { return clinic.Text(0x00100020, "LO", s) }
	uid := func(s string) clinic.Element { return clinic.Text(0x0020000D, "UI", s) }
	s := newSickDICOM(t, "observe", func(k *talker, c *command, _ []byte) {
		_ = k.send(c.context, true, true, c.reply(statusSuccess, "", 0, 80, 0, 0)) // the test sees what does not come
	})
	file := strings.Replace(s.file("observe"), "    addresses: [127.0.0.3/32]\n", "    addresses: [127.0.0.3/32]\n    budget: {1h: 2}\n", 1)
	if err := s.reload(file); err != nil {
		t.Fatal(err)
	}
	moves := []clinic.DataSet{{uid("2.25.1")}, {uid("2.25.*")}, {number("P1")}, {number("P2")}, {number("P3")}, {number("P3"), uid("2.25.3")}}
	for i, keys1 := range moves {
		k := s.dial()
		k.associate()
		k.exchange(releasing{"C-MOVE", 7, set(7, fieldMove, 1, true, clinic.Text(0x0600, "AE", "ROOM")), keys("STUDY", keys1...), ""})
		_ = k.conn.Close()
		eventually(t, "it is read", func() bool { return len(s.rows()) == i+1 })
		eventually(t, "all of it is read", func() bool { s.guard.mu.Lock(); defer s.guard.mu.Unlock(); return len(s.guard.conns) == 0 })
	}
	if found := s.findings(); len(found) != 1 || found["would-refuse-budget-1h"] == 0 {
		t.Errorf("got findings %v, want that the third patient would be refused", found)
	}
	site := s.guard.rules.Load().site
	s.agree(file, map[budget.Key]int{partyKey(site.Party("room")): 3, "role viewer": 3, siteKey(site): 3, partyKey(site.Party("ct1")): 0})
}

// TestObserveMoveUnrecorded: when what a C-MOVE sent does not get on record, the finding says who asked, for which destination.
func TestObserveMoveUnrecorded(t *testing.T) {
	s := newSickDICOM(t, "observe", func(k *talker, c *command, _ []byte) {
		_ = k.send(c.context, true, true, c.reply(statusSuccess, "", 0, 1, 0, 0)) // the test sees what does not come
	})
	k := s.talk()
	k.associate()
	s.ledger.set(func(f *faulty) { f.record = errors.New("no disk") })
	k.message(7, set(7, fieldMove, 9, true, clinic.Text(0x0600, "AE", "ROOM")), keys("STUDY", clinic.Text(0x00100020, "LO", "P1")))
	if c, _, _ := k.reply(); c == nil {
		t.Fatal("no reply")
	}
	eventually(t, "it is told", func() bool { return s.counted(RefusedRule+"not-recorded") == 1 })
	s.heal()
	s.guard.refused.flush(s.guard.now(), true)
	n := 0
	err := s.rig.ledger.Findings(t.Context(), ledger.Query{}, func(f chaperone.Finding) error {
		n++
		told, _ := s.toldOf(referenceOf(f.Evidence.Record))
		if f.Rule != ObservedRule+"not-recorded" || f.From.Claimed != "CT1" || f.To.Claimed != "ROOM" || told.Action != policy.Move || told.Who() != f.From {
			t.Errorf("got %+v, explained as %s", f, told.Action)
		}
		return nil
	})
	if err != nil || n != 1 {
		t.Errorf("got %d findings, %v", n, err)
	}
}
