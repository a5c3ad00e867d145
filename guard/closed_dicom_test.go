package guard

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"chaperone/ledger"
)

// sickness is something that fails, and how a guard that enforces, and one that observes, has it on record.
type sickness struct {
	name     string
	break_   func(t *testing.T, s *sickDICOM, mode string)
	rule     string // behind refused- and would-refuse-; "": it cannot be put on record while it lasts
	rejected bool   // no association is made
	recorded bool   // in observe, what passes is on record all the same
	silent   bool   // nothing tells that it fails
}

func ledgerFault(change func(*faulty)) func(*testing.T, *sickDICOM, string) {
	return func(_ *testing.T, s *sickDICOM, _ string) { s.ledger.set(change) }
}

// keyFault takes away the file of the token key.
func keyFault(t *testing.T, s *sickDICOM, _ string) {
	t.Helper()
	s.loseKey()
}

func clockFault(ahead time.Duration) func(*testing.T, *sickDICOM, string) {
	return func(_ *testing.T, s *sickDICOM, _ string) { s.clock.ahead.Store(int64(ahead)) }
}

// badPolicy has the guard take a policy that cannot be evaluated.
func badPolicy(t *testing.T, s *sickDICOM, mode string) {
	t.Helper()
	if err := s.reload(s.file(mode) + ownCedar(t, overflow)); err != nil {
		t.Fatal(err)
	}
}

// missingAttribute has the guard take a policy that refuses everything, and then has it not take one that would refuse nothing, if what
// it asks for were there.
func missingAttribute(t *testing.T, s *sickDICOM, mode string) {
	t.Helper()
	if err := s.reload(s.file(mode) + ownCedar(t, refuseAll)); err != nil {
		t.Fatal(err)
	}
	if err := s.reload(s.file(mode) + ownCedar(t, missing)); err == nil {
		t.Error("a policy was taken that asks for what there is not")
	}
}

func sicknesses() []sickness {
	return []sickness{
		{name: "a policy that cannot be evaluated", break_: badPolicy, rule: "policy-error", rejected: true, recorded: true},
		{name: "a policy that asks for what there is not", break_: missingAttribute, rule: "forbidden", rejected: true, recorded: true},
		{name: "ledger full", break_: ledgerFault(func(f *faulty) { f.record = ledger.ErrFull }), rule: "not-recorded"},
		{name: "fsync failed", break_: ledgerFault(func(f *faulty) { f.record = ledger.ErrFenced }), rule: "not-recorded"},
		{name: "ledger closed", break_: ledgerFault(func(f *faulty) { f.record = ledger.ErrClosed }), rule: "not-recorded"},
		{name: "the ledger records nothing", break_: ledgerFault(func(f *faulty) { f.forgets = true }), silent: true},
		{name: "budgets cannot be looked up", break_: ledgerFault(func(f *faulty) { f.resolve = errors.New("gone") }), rule: "not-recorded", recorded: true},
		{name: "the clock leaps", break_: clockFault(3 * time.Hour), rule: "clock-leap", recorded: true},
		{name: "the clock leaps by a year", break_: clockFault(366 * 24 * time.Hour), rule: "clock-leap", recorded: true},
	}
}

// TestFailClosedDICOM: whatever fails, no byte of a patient arrives anywhere, and whoever asked is told that it failed. What counts
// is what arrives at the sockets of the client, of the archive and of the room to which a C-MOVE sends.
func TestFailClosedDICOM(t *testing.T) {
	for _, r := range releases() {
		t.Run(r.name+"/nothing fails", func(t *testing.T) { // else the others show nothing
			s := newSickDICOM(t, "enforce", nil)
			k := s.dial()
			k.associate()
			final, end := k.exchange(r)
			if final == nil || final.status != statusSuccess || s.released() != r.to || len(s.rows()) == 0 {
				t.Errorf("got %+v, PDU %d, released to %q with %d rows; want success and to %s", final, end.kind, s.released(), len(s.rows()), r.to)
			}
		})
		for _, fault := range sicknesses() {
			t.Run(r.name+"/"+fault.name, func(t *testing.T) {
				s := newSickDICOM(t, "enforce", nil)
				k := s.dial()
				k.associate()
				fault.break_(t, s, "enforce")
				s.mustRefuse(k, r, fault)
			})
		}
	}
}

// mustRefuse asks for records while something fails.
func (s *sickDICOM) mustRefuse(k *talker, r releasing, fault sickness) {
	s.t.Helper()
	final, end := k.exchange(r)
	if where := s.released(); where != "" {
		s.t.Errorf("%s: a patient was released to %s", r.name, where)
	}
	if final == nil || !failure(final.status) || final.counts[1] > 0 {
		s.t.Errorf("%s: got %+v, PDU %d; want a failure", r.name, final, end.kind)
	}
	s.heal()
	if found := s.findings(); fault.rule != "" && found["refused-"+fault.rule] == 0 {
		s.t.Errorf("%s: got findings %v, want %s", r.name, found, fault.rule)
	}
	if n := len(s.rows()); n != 0 {
		s.t.Errorf("%s: got %d disclosures of what was not released", r.name, n)
	}
}

// TestFailClosedDICOMAssociation: while something fails an association is rejected, or nothing can be had on it.
func TestFailClosedDICOMAssociation(t *testing.T) {
	for _, fault := range sicknesses() {
		t.Run(fault.name, func(t *testing.T) {
			s := newSickDICOM(t, "enforce", nil)
			fault.break_(t, s, "enforce")
			if fault.rejected {
				k := s.dial()
				q := request("CT1", "PACS", offer(3, studyRootFind, implicitVR))
				k.must(k.control(pduAssociateRQ, q.body(pduAssociateRQ)))
				if p, err := k.pdu(); err != nil || p.kind != pduAssociateRJ {
					t.Errorf("got PDU %d, %v; want a rejection", p.kind, err)
				}
				if n := len(s.archive.requests); n != 0 || s.findings()["refused-"+fault.rule] == 0 {
					t.Errorf("the archive got %d requests, findings %v", n, s.findings())
				}
				return
			}
			for _, r := range releases() {
				fault.break_(t, s, "enforce")
				k := s.dial()
				k.associate()
				s.mustRefuse(k, r, fault)
			}
		})
	}
	t.Run("a policy that asks for what there is not, behind one that permits", func(t *testing.T) {
		for _, r := range releases() {
			s := newSickDICOM(t, "enforce", nil)
			if err := s.reload(s.file("enforce") + ownCedar(t, missing)); err == nil {
				t.Error("a policy was taken that cannot be evaluated")
			}
			k := s.dial()
			k.associate()
			if final, end := k.exchange(r); final == nil || final.status != statusSuccess || s.released() != r.to {
				t.Errorf("%s: the policy before does not hold: got %+v, PDU %d, released to %q", r.name, final, end.kind, s.released())
			}
		}
	})
}

// TestFailClosedDICOMObserve: a listener that observes passes everything on byte for byte in both directions whatever fails. What
// would be refused is told, and so is what passed and is not on record.
func TestFailClosedDICOMObserve(t *testing.T) {
	faults := append(sicknesses(), sickness{name: "nothing fails", break_: func(*testing.T, *sickDICOM, string) {}, recorded: true},
		sickness{name: "the token key is gone", break_: keyFault, recorded: true})
	for _, r := range append(releases(), releasing{name: "association"}) {
		for _, fault := range faults {
			if fault.silent {
				continue // it takes what tells of it, too
			}
			t.Run(r.name+"/"+fault.name, func(t *testing.T) {
				s := newSickDICOM(t, "observe", nil)
				fault.break_(t, s, "observe")
				k := s.dial()
				k.associate()
				if r.command != nil {
					if final, end := k.exchange(r); final == nil || final.status != statusSuccess || s.released() != r.to {
						t.Errorf("got %+v, PDU %d, released to %q", final, end.kind, s.released())
					}
				}
				k.must(k.control(pduReleaseRQ, make([]byte, 4)))
				if p, err := k.pdu(); err != nil || p.kind != pduReleaseRP {
					t.Errorf("got PDU %d, %v", p.kind, err)
				}
				_ = k.conn.Close()
				got, sent := s.client.kept()
				arrived, answered := s.at.all[0].kept()
				if !bytes.Equal(sent, arrived) || !bytes.Equal(answered, got) || len(s.at.all) != 1 {
					t.Errorf("of %d bytes %d arrived, of %d answered %d, on %d connections", len(sent), len(arrived), len(answered), len(got), len(s.at.all))
				}
				eventually(t, "all of it is read", func() bool { s.guard.mu.Lock(); defer s.guard.mu.Unlock(); return len(s.guard.conns) == 0 })
				s.heal()
				found, rows := s.findings(), len(s.rows())
				if r.command == nil { // nobody's record passes, and nothing is missing on record
					if rows > 0 || found["would-refuse-not-recorded"] > 0 {
						t.Errorf("got %d disclosures of nobody, findings %v", rows, found)
					}
					return
				}
				if lost := found["would-refuse-not-recorded"] > 0; !fault.recorded && !lost || fault.rule != "" && found["would-refuse-"+fault.rule] == 0 {
					t.Errorf("got findings %v, want what is missing on record", found)
				}
				if fault.recorded != (rows > 0) {
					t.Errorf("got %d disclosures, want some: %v", rows, fault.recorded)
				}
			})
		}
	}
}

// TestFailClosedDICOMCoverage: bytes of DICOM that nobody had time to read pass, and how many they are is on record.
func TestFailClosedDICOMCoverage(t *testing.T) {
	s := newSickDICOM(t, "observe", nil)
	gate := make(chan struct{})
	s.ledger.set(func(f *faulty) { f.gate = gate })
	k := s.dial()
	k.associate()
	const n = mostChunks
	store := releases()[3]
	for i := range n {
		if final, end := k.exchange(store); final == nil || final.status != statusSuccess {
			t.Fatalf("object %d: got %+v, PDU %d", i, final, end.kind)
		}
	}
	s.ledger.set(func(f *faulty) { f.gate = nil })
	close(gate)
	_ = k.conn.Close()
	lost := s.lost()
	if got := len(s.archive.got()); got != n || lost == 0 {
		t.Errorf("got %d objects and %d bytes on record as unread, want %d and some", got, lost, n)
	}
	if got := fmt.Sprint(s.archive.got()[0]); got != "C-STORE" {
		t.Errorf("the archive got %s", got)
	}
}
