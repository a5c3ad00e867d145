package guard

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestOverloadShed: while the record is slow, so many messages wait as there is room for; the others are refused at once, and may be sent
// again. Nothing is released unrecorded, and afterwards there is room again.
func TestOverloadShed(t *testing.T) {
	s := newSick(t, "enforce", "")
	s.guard.room.most = 4
	gate := make(chan struct{})
	s.ledger.set(func(f *faulty) { f.gate = gate })
	var waiting []*caller
	for i := range 4 {
		c := s.call("hl7")
		c.write(result("LAB|NORTH", fmt.Sprint("m", i), "1"))
		waiting = append(waiting, c)
	}
	eventually(t, "they wait", func() bool { return s.guard.room.waiting.Load() == 4 })
	began := time.Now()
	c := s.call("hl7")
	for i := range 50 {
		got := c.send(result("LAB|NORTH", fmt.Sprint("b", i), "1"))
		if answered(got) != fmt.Sprint("AE b", i) || !strings.Contains(got, "CHAP-DENY^busy") {
			t.Fatalf("got %q", got)
		}
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("50 refusals took %s", took)
	}
	if s.engine.has("DOE") {
		t.Error("something was released before it was on record")
	}
	s.ledger.set(func(f *faulty) { f.gate = nil })
	close(gate)
	for i, c := range waiting {
		if got, want := answered(c.answer()), fmt.Sprint("AA m", i); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got := answered(c.send(result("LAB|NORTH", "after", "1"))); got != "AA after" {
		t.Errorf("got %s", got)
	}
	if n := s.guard.room.waiting.Load(); n != 0 || len(s.rows()) != 5 {
		t.Errorf("%d wait, and %d are on record, want 0 and 5", n, len(s.rows()))
	}
	if s.findings()["refused-busy"] == 0 {
		t.Errorf("got findings %v", s.findings())
	}
}
