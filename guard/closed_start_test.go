package guard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/patient"
)

// amnesiac is a ledger that cannot say who has got what.
type amnesiac struct{ *disk.Ledger }

func (a *amnesiac) Delivered(context.Context, time.Time, func(chaperone.Party) bool, func(disk.Delivered) error) error {
	return errors.New("gone")
}

// TestFailClosedStart: a guard that cannot load its budgets does not begin to listen: an empty budget lets everything pass.
func TestFailClosedStart(t *testing.T) {
	s := newSickDICOM(t, "enforce", nil)
	for _, gone := range []bool{true, false} {
		port := freePort(t)
		rules := s.site(s.file("enforce"))
		rules.Listeners[0].Listen = netip.MustParseAddrPort("127.0.0.1:" + port)
		o := Options{Site: rules, Ledger: s.rig.ledger, Tokens: s.guard.tokens.Clone(), Log: slog.New(slog.DiscardHandler), pace: quick}
		if gone {
			o.Ledger = &amnesiac{s.rig.ledger}
		}
		g, err := Start(t.Context(), o)
		if (err != nil) != gone {
			t.Fatalf("got %v, want an error: %v", err, gone)
		}
		if g != nil {
			t.Cleanup(func() { _ = g.Drain(context.Background()) }) // nobody is connected
		}
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = c.Close()
		}
		if (err != nil) != gone {
			t.Errorf("got %v, want that nobody listens: %v", err, gone)
		}
	}
}

// TestFailClosedTokenKey: a guard whose token key is taken away goes on with the one that it has: everybody is on record by the same
// token as before. Without it, none can be loaded to start a guard with.
func TestFailClosedTokenKey(t *testing.T) {
	s := newSickDICOM(t, "enforce", nil)
	k := s.dial()
	k.associate()
	for i := range 2 {
		for _, r := range releases() {
			if final, end := k.exchange(r); final == nil || final.status != statusSuccess {
				t.Errorf("%s: got %+v, PDU %d", r.name, final, end.kind)
			}
		}
		if i == 0 {
			s.loseKey()
		}
	}
	for _, r := range releases() {
		if n, d := s.covered(r.name); n != 1 || d < 2 {
			t.Errorf("%s: got %d patients in %d disclosures, want the same one each time", r.name, n, d)
		}
	}
	if _, err := patient.LoadKey(filepath.Join(s.dir, "keys")); !errors.Is(err, patient.ErrNoKey) {
		t.Errorf("got %v, want %v", err, patient.ErrNoKey)
	}
}

// TestFailClosedTokenKeyHL7: so does one that is sent a message, or asked.
func TestFailClosedTokenKeyHL7(t *testing.T) {
	s := newSick(t, "enforce", "")
	c := s.call("hl7")
	for i := range 2 {
		m := result("LAB|NORTH", fmt.Sprint("s", i), "4711")
		if got := c.send(m); got != ack(m) {
			t.Errorf("a message: got %q", got)
		}
		id := fmt.Sprint("q", i)
		if got := c.send(ask(id, "4711")); got != found(id, "4711") {
			t.Errorf("a query: got %q", got)
		}
		if i == 0 {
			s.loseKey()
		}
	}
	patients := map[ledger.PatientID]bool{}
	rows := s.rows()
	for _, row := range rows {
		for _, p := range row.People {
			patients[p] = true
		}
	}
	if len(rows) != 4 || len(patients) != 1 {
		t.Errorf("got %d patients in %d disclosures, want the same one in 4", len(patients), len(rows))
	}
}
