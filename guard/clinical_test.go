package guard

import (
	"fmt"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
)

// write sends messages without waiting for answers.
func (c *caller) write(payloads ...string) {
	c.t.Helper()
	var b []byte
	for _, p := range payloads {
		b = append(b, "\x0b"+p+"\x1c\r"...)
	}
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// answered gives MSA-1 and MSA-2 of an answer.
func answered(payload string) string {
	for _, line := range strings.Split(payload, "\r") {
		if f := strings.Split(line, "|"); f[0] == "MSA" {
			return f[1] + " " + f[2]
		}
	}
	return ""
}

func clinicalRig(t *testing.T, refuse string) (*rig, *engine) {
	t.Helper()
	e := newEngine(t)
	return begin(t, clinicalFile(e, refuse, "ORU^R01"), func(o *Options) { o.pace = quick }), e
}

func clinicalFile(e *engine, refuse, details string) string {
	file := fmt.Sprintf(hl7Site, e.Addr()) + "    refuse: " + refuse + "\n    limits: {pending: 8, in_message: 2s}\n"
	return strings.Replace(file, "[ORU^R01]", "["+details+"]", 1)
}

// order is a message that the site does not permit at first.
func order(id, number string) string {
	return strings.Replace(result("LAB|NORTH", id, number), "ORU^R01^ORU_R01", "ADT^A08^ADT_A01", 1)
}

// TestClinicalOrder: of messages that come at once some are refused, and the answers come in their order; the feed goes on.
func TestClinicalOrder(t *testing.T) {
	for refuse, code := range map[string]string{"reject": "AR", "error": "AE"} {
		t.Run(refuse, func(t *testing.T) {
			r, e := clinicalRig(t, refuse)
			c := r.call("hl7")
			var all, want []string
			for i := range 60 {
				id := fmt.Sprint("m", i)
				if i%3 == 1 {
					all, want = append(all, order(id, "1")), append(want, code+" "+id)
				} else {
					all, want = append(all, result("LAB|NORTH", id, "1")), append(want, "AA "+id)
				}
			}
			c.write(all...)
			for _, want := range want {
				if got := answered(c.answer()); got != want {
					t.Fatalf("got %s, want %s", got, want)
				}
			}
			if n := len(e.frames()); n != 40 {
				t.Errorf("the engine got %d messages, want the 40 that are permitted", n)
			}
		})
	}
}

// TestClinicalHold: a message that is held holds those behind it, and all of them pass in their order once the site permits it.
func TestClinicalHold(t *testing.T) {
	r, e := clinicalRig(t, "hold")
	c := r.call("hl7")
	all := []string{result("LAB|NORTH", "m0", "1"), order("m1", "2"), result("LAB|NORTH", "m2", "3"), order("m3", "4"), result("LAB|NORTH", "m4", "5")}
	c.write(all...)
	if got := answered(c.answer()); got != "AA m0" {
		t.Fatalf("got %s", got)
	}
	eventually(t, "an alert", func() bool { return r.findings()["refused-detail"] > 0 })
	time.Sleep(5 * quick.hold) // it is tried again, and stays
	if n := len(e.frames()); n != 1 {
		t.Fatalf("the engine got %d messages, want 1", n)
	}
	told := func(n int, words string) {
		t.Helper()
		for path, want := range map[string]bool{"/healthz": n > 0, "/metrics": true} {
			w := httptest.NewRecorder()
			r.guard.Status().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			text := map[string]string{"/healthz": "; queues that wait behind a held message: 1", "/metrics": fmt.Sprintf(`chaperone_guard_held{listener="hl7"} %d`, n)}[path]
			if w.Code != 200 || strings.Contains(w.Body.String(), text) != want {
				t.Errorf("%s: got %d %s", words, w.Code, w.Body)
			}
		}
	}
	told(1, "while it is held")
	r.guard.refused.flush(r.guard.now(), true) // with those that repeat
	if found := r.findings(); found["refused-detail"] != 1 || found[HeldRule] != 1 {
		t.Errorf("got findings %v, want one of the refusal and one of the queue", found)
	}
	err := r.ledger.Findings(t.Context(), ledger.Query{}, func(f chaperone.Finding) error {
		if f.Rule == HeldRule && (f.Severity < chaperone.Medium || !strings.HasPrefix(f.Title, "A queue waits") || f.Advice == "") {
			t.Errorf("got %+v", f)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := r.guard.Reload(t.Context(), r.site(clinicalFile(e, "hold", "ORU^R01, ADT^A08"))); err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(all); i++ {
		if got, want := answered(c.answer()), fmt.Sprint("AA m", i); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	told(0, "when it has passed")
	for i, f := range e.frames() {
		if string(f) != "\x0b"+all[i]+"\x1c\r" {
			t.Errorf("message %d is another", i)
		}
	}
	if rows := r.rows(); len(rows) != len(all) {
		t.Errorf("%d are on record, want %d", len(rows), len(all))
	}
}

// TestClinicalHoldGivenUp: a sender that gives up on a held message and sends it again leaves nothing behind: the message
// arrives once, and the listener does not fill up.
func TestClinicalHoldGivenUp(t *testing.T) {
	r, e := clinicalRig(t, "hold")
	for range 5 {
		c := r.call("hl7")
		c.write(order("m1", "1"))
		eventually(t, "it is held", func() bool { return strings.Count(r.log.String(), "held:") > 0 })
		_ = c.Close()
	}
	open := func() int {
		r.guard.mu.Lock()
		defer r.guard.mu.Unlock()
		return len(r.guard.conns)
	}
	eventually(t, "those that gave up are gone", func() bool { return open() == 0 })
	last := r.call("hl7")
	last.write(order("m1", "1"))
	if err := r.guard.Reload(t.Context(), r.site(clinicalFile(e, "hold", "ADT^A08"))); err != nil {
		t.Fatal(err)
	}
	if got := answered(last.answer()); got != "AA m1" {
		t.Errorf("got %s", got)
	}
	if n := len(e.frames()); n != 1 {
		t.Errorf("the engine got it %d times", n)
	}
}

// TestClinicalHoldFull: on a listener that holds, messages wait while the record takes nothing, and pass in order after.
func TestClinicalHoldFull(t *testing.T) {
	s := newSick(t, "enforce", "")
	if err := s.guard.Reload(t.Context(), s.site(fmt.Sprintf(faultSite, s.engine.Addr(), "enforce\n    refuse: hold", ""))); err != nil {
		t.Fatal(err)
	}
	s.ledger.set(func(f *faulty) { f.record = ledger.ErrFull })
	c := s.call("hl7")
	c.write(result("LAB|NORTH", "m0", "1"), result("LAB|NORTH", "m1", "2"))
	eventually(t, "it is held", func() bool { return strings.Contains(s.log.String(), "held:") })
	time.Sleep(5 * quick.hold)
	if s.engine.has("DOE") {
		t.Error("it passed")
	}
	s.ledger.set(func(f *faulty) { f.record = nil })
	for i := range 2 {
		if got, want := answered(c.answer()), fmt.Sprint("AA m", i); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if n := len(s.engine.frames()); n != 2 {
		t.Errorf("the engine got %d messages", n)
	}
}

// TestClinicalNeverAnswered: a sender that asks for no answers, or for those of errors only, is never held up by answers that do not
// come (enhanced mode, HL7 v2.5 chapter 2).
func TestClinicalNeverAnswered(t *testing.T) {
	for _, mode := range []string{"NE|NE", "ER|NE", "NE|ER", "SU|SU", "NE|"} {
		t.Run(mode, func(t *testing.T) {
			r, e := clinicalRig(t, "reject")
			e.answer = func(string) string { return "" }
			c := r.call("hl7")
			var all []string
			for i := range 50 { // many more than may be pending
				m := result("LAB|NORTH", fmt.Sprint("m", i), "1")
				if i%10 == 9 {
					m = order(fmt.Sprint("m", i), "1")
				}
				all = append(all, strings.Replace(m, "|P|2.5\r", "|P|2.5|||"+mode+"\r", 1))
			}
			began := time.Now()
			c.write(all...)
			eventually(t, "all arrive", func() bool { return len(e.frames()) == 45 })
			if strings.Contains(mode, "ER") { // an error is answered
				for i := 9; i < 50; i += 10 {
					if got := answered(c.answer()); !strings.HasSuffix(got, fmt.Sprint("R m", i)) {
						t.Errorf("got %s", got)
					}
				}
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// TestClinicalSilent: a system that answers late, or never, delays a refusal by a moment only.
func TestClinicalSilent(t *testing.T) {
	r, e := clinicalRig(t, "reject")
	gate := make(chan struct{})
	e.answer = func(payload string) string { <-gate; return ack(payload) }
	c := r.call("hl7")
	c.write(result("LAB|NORTH", "m0", "1"), order("m1", "1"))
	if got := answered(c.answer()); got != "AR m1" {
		t.Errorf("got %s", got)
	}
	close(gate)
	if got := answered(c.answer()); got != "AA m0" {
		t.Errorf("got %s", got)
	}
}

// TestClinicalUpstreamDies: when the system behind the guard dies, the client's connection ends, and nothing is acknowledged
// that it did not acknowledge; another connection works as soon as it is back.
func TestClinicalUpstreamDies(t *testing.T) {
	r, e := clinicalRig(t, "reject")
	var n atomic.Int32
	e.answer = func(payload string) string {
		if n.Add(1) <= 3 {
			return ack(payload)
		}
		return ""
	}
	c := r.call("hl7")
	var all []string
	for i := range 6 {
		all = append(all, result("LAB|NORTH", fmt.Sprint("m", i), "1"))
	}
	c.write(all...)
	for i := range 3 {
		if got, want := answered(c.answer()), fmt.Sprint("AA m", i); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	e.closeAll(t)
	if got := c.answer(); got != "" {
		t.Errorf("got %s after the system died", answered(got))
	}
	n.Store(0)
	if got := r.call("hl7").send(all[5]); got != ack(all[5]) {
		t.Errorf("got %q", got)
	}
}

// TestClinicalHalfClosed: a client that says that it is done, and waits, gets the answers that are owed to it. So does one that sent
// a batch.
func TestClinicalHalfClosed(t *testing.T) {
	batch := "BHS|^~\\&|LAB|NORTH|EHR|NORTH\r" + result("LAB|NORTH", "m0", "1") + result("LAB|NORTH", "m1", "2") + "BTS|2\r"
	for name, payloads := range map[string][]string{
		"messages": {result("LAB|NORTH", "m0", "1"), result("LAB|NORTH", "m1", "2"), result("LAB|NORTH", "m2", "1")},
		"a batch":  {batch},
	} {
		t.Run(name, func(t *testing.T) {
			r, e := clinicalRig(t, "reject")
			gate := make(chan struct{})
			e.answer = func(payload string) string {
				<-gate
				return ack(payload[strings.Index(payload, "MSH"):])
			}
			c := r.call("hl7")
			c.write(payloads...)
			if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "it arrives", func() bool { return len(e.frames()) > 0 })
			time.Sleep(50 * time.Millisecond) // the guard has seen the end
			close(gate)
			for i := range payloads {
				if got, want := answered(c.answer()), fmt.Sprint("AA m", i); got != want {
					t.Fatalf("got %s, want %s", got, want)
				}
			}
			if got := c.answer(); got != "" {
				t.Errorf("got %q", got)
			}
		})
	}
}

// TestClinicalReload: what the site file says of a party holds for connections that live.
func TestClinicalReload(t *testing.T) {
	e := newEngine(t)
	file := func(limit int, groups string) string {
		f := strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), "to: [ehr]", fmt.Sprintf("to: [ehr]\n    budget: {1h: %d}", limit), 1)
		return strings.Replace(f, "    role: lab\n", "    role: lab\n    groups: ["+groups+"]\n", 1)
	}
	r := begin(t, file(1, "a, b"))
	c := r.call("hl7")
	if got := answered(c.send(result("LAB|NORTH", "m0", "1"))); got != "AA m0" {
		t.Fatalf("got %s", got)
	}
	if got := answered(c.send(result("LAB|NORTH", "m1", "2"))); got != "AR m1" {
		t.Fatalf("got %s", got)
	}
	if err := r.guard.Reload(t.Context(), r.site(file(2, "b"))); err != nil { // it leaves a group, too
		t.Fatal(err)
	}
	if got := answered(c.send(result("LAB|NORTH", "m2", "2"))); got != "AA m2" {
		t.Fatalf("got %s", got)
	}
}

// TestClinicalHoldLivesOn: a connection lives on behind a message that was held, also when the deadline of its being idle was told not
// long before.
func TestClinicalHoldLivesOn(t *testing.T) {
	r, e := clinicalRig(t, "hold")
	c := r.call("hl7")
	if got := answered(c.send(result("LAB|NORTH", "m0", "1"))); got != "AA m0" {
		t.Fatalf("got %s", got)
	}
	c.write(order("m1", "2"))
	eventually(t, "it is held", func() bool { return strings.Contains(r.log.String(), "held:") })
	time.Sleep(5 * quick.hold)
	if err := r.guard.Reload(t.Context(), r.site(clinicalFile(e, "hold", "ORU^R01, ADT^A08"))); err != nil {
		t.Fatal(err)
	}
	if got := answered(c.answer()); got != "AA m1" {
		t.Fatalf("got %q", got)
	}
	time.Sleep(5 * quick.hold)
	if got := answered(c.send(result("LAB|NORTH", "m2", "3"))); got != "AA m2" {
		t.Errorf("got %q: the connection ended as an idle one", got)
	}
}
