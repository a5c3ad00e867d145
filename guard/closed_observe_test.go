package guard

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"chaperone/ledger"
)

// TestFailClosedObserve: a listener that observes passes everything on byte for byte whatever fails, and what is not on record is
// counted and, when the record takes things again, on record as missing.
func TestFailClosedObserve(t *testing.T) {
	record := func(change func(*faulty)) func(*sick) { return func(s *sick) { s.ledger.set(change) } }
	leap := func(by time.Duration) func(*sick) { return func(s *sick) { s.clock.ahead.Store(int64(by)) } }
	for _, fault := range []struct {
		name     string
		more     string
		break_   func(*sick)
		rule     string // behind would-refuse-
		recorded bool   // what passes is on record all the same
	}{
		{name: "nothing fails", break_: func(*sick) {}, recorded: true},
		{name: "a policy that cannot be evaluated", more: ownCedar(t, overflow), break_: func(*sick) {}, rule: "policy-error", recorded: true},
		{name: "a policy that asks for what there is not, behind one that refuses", more: ownCedar(t, refuseAll), break_: func(s *sick) { s.lacks("observe") }, rule: "forbidden", recorded: true},
		{name: "a policy that asks for what there is not, behind one that permits", break_: func(s *sick) { s.lacks("observe") }, recorded: true},
		{name: "ledger full", break_: record(func(f *faulty) { f.record = ledger.ErrFull }), rule: "not-recorded"},
		{name: "fsync failed", break_: record(func(f *faulty) { f.record = ledger.ErrFenced }), rule: "not-recorded"},
		{name: "ledger closed", break_: record(func(f *faulty) { f.record = ledger.ErrClosed }), rule: "not-recorded"},
		{name: "budgets cannot be looked up", break_: record(func(f *faulty) { f.resolve = errors.New("gone") }), rule: "not-recorded", recorded: true},
		{name: "the token key is gone", break_: func(s *sick) { s.loseKey() }, recorded: true},
		{name: "the clock leaps", break_: leap(3 * time.Hour), rule: "clock-leap", recorded: true},
		{name: "the clock leaps by a year", break_: leap(366 * 24 * time.Hour), rule: "clock-leap", recorded: true},
	} {
		t.Run(fault.name, func(t *testing.T) {
			s := newSick(t, "observe", fault.more)
			fault.break_(s)
			c := s.call("hl7")
			for _, m := range []string{result("LAB|NORTH", "m1", "1"), ask("m2", "4711"), "no hl7 at all"} {
				want := ack(result("LAB|NORTH", "m1", "1"))
				switch {
				case strings.Contains(m, "QPD"):
					want = found("m2", "4711")
				case !strings.HasPrefix(m, "MSH"):
					s.engine.mu.Lock()
					s.engine.answer = func(string) string { return "what?" }
					s.engine.mu.Unlock()
					want = "what?"
				}
				if got := c.send(m); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
				if frames := s.engine.frames(); string(frames[len(frames)-1]) != "\x0b"+m+"\x1c\r" {
					t.Errorf("the engine got %q", frames[len(frames)-1])
				}
			}
			_ = c.Close()
			eventually(t, "all of it is read", func() bool { return s.open() == 0 })
			s.ledger.set(func(f *faulty) { f.record, f.resolve = nil, nil })
			if found := s.findings(); fault.rule != "" && found["would-refuse-"+fault.rule] == 0 || fault.rule == "" && found["would-refuse-not-recorded"] > 0 {
				t.Errorf("got findings %v, want %q", found, fault.rule)
			}
			if rows := s.rows(); fault.recorded && len(rows) != 2 || !fault.recorded && len(rows) != 0 {
				t.Errorf("got %d disclosures, want both that passed: %v", len(rows), fault.recorded)
			}
		})
	}
}

// TestFailClosedObserveUpstream: what a system behind a listener that observes makes up passes as it comes, and whom it is about is
// on record, or that nobody could say.
func TestFailClosedObserveUpstream(t *testing.T) {
	for _, test := range upstreamLies() {
		t.Run(test.name, func(t *testing.T) {
			s := newSick(t, "observe", "")
			s.engine.answer = func(payload string) string { return test.answer(controlID(payload)) }
			c := s.call("hl7")
			want := "\x0b" + test.answer("m1") + "\x1c\r"
			if _, err := c.Write([]byte("\x0b" + ask("m1", "4711") + "\x1c\r")); err != nil {
				t.Fatal(err)
			}
			if got := c.rest(); got != want {
				t.Errorf("got %d bytes, want the %d that were said", len(got), len(want))
			}
			if got := string(bytes.Join(s.engine.frames(), nil)); got != "\x0b"+ask("m1", "4711")+"\x1c\r" {
				t.Errorf("the engine got %q", got)
			}
			eventually(t, "all of it is read", func() bool { return s.open() == 0 })
			named, nobody := strings.Count(want, "PID|"), 0
			if named == 0 {
				nobody = 1 // what it says is somebody's, as it is where the guard enforces
			}
			if people, unidentified := s.told(); people != named || unidentified != nobody {
				t.Errorf("got %d people and %d unidentified on record, want %d and %d", people, unidentified, named, nobody)
			}
		})
	}
}

// rest says that no more is sent, and gives all that still comes.
func (c *caller) rest() string {
	c.t.Helper()
	if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		c.t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	var b bytes.Buffer
	if _, err := b.ReadFrom(c.in); err != nil {
		c.t.Error(err)
	}
	return b.String()
}

// told gives how many people all disclosures on record tell of together, and how many records of nobody.
func (r *rig) told() (people, unidentified int) {
	r.t.Helper()
	for _, row := range r.rows() {
		people, unidentified = people+len(row.People), unidentified+row.Unidentified
	}
	return people, unidentified
}

// lost gives how many bytes are on record as having passed unread.
func (r *rig) lost() (lost int64) {
	r.t.Helper()
	r.guard.refused.flush(r.guard.now().Add(2*refusalWindow), false)
	if err := r.ledger.Notes(r.t.Context(), func(note ledger.Note) error { lost += note.Seen.LostBytes; return nil }); err != nil {
		r.t.Fatal(err)
	}
	return lost
}

// TestFailClosedDICOMObserveUpstream: so does what an archive makes up.
func TestFailClosedDICOMObserveUpstream(t *testing.T) {
	for _, test := range lies() {
		t.Run(test.ask.name+"/"+test.name, func(t *testing.T) {
			s := newSickDICOM(t, "observe", func(k *talker, c *command, data []byte) {
				if c.word() != test.ask.name || c.answer() {
					return
				}
				test.tell(k, c)
				if test.status == 0xFFFF {
					k.abort(0, 0)
				}
			})
			k := s.dial()
			k.associate()
			k.exchange(test.ask)
			k.must(s.client.Conn.(*net.TCPConn).CloseWrite())
			for err := error(nil); err == nil; { // until it is over
				_, err = k.pdu()
			}
			eventually(t, "all of it is read", func() bool { return s.open() == 0 })
			got, sent := s.client.kept()
			arrived, answered := s.at.all[0].kept()
			if !bytes.Equal(sent, arrived) || !bytes.Equal(answered, got) || len(s.at.all) != 1 {
				t.Errorf("of %d bytes %d arrived, of %d answered %d, on %d connections", len(sent), len(arrived), len(answered), len(got), len(s.at.all))
			}
			names := bytes.Count(got, []byte("\x10\x00\x20\x00")) // Patient ID, one in each match and object
			// Of many matches at once, what there was no time to read is on record as that.
			if people, unidentified := s.told(); names == 0 || people+unidentified != names && s.lost() == 0 {
				t.Errorf("got %d people and %d unidentified on record, want the %d that came", people, unidentified, names)
			}
		})
	}
}
