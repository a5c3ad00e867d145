package guard

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/patient"
)

// faulty is a ledger that fails as it is told.
type faulty struct {
	*disk.Ledger
	mu      sync.Mutex
	record  error
	resolve error
	forgets bool // it takes a batch and records nothing of it
	gate    chan struct{}
}

func (f *faulty) set(change func(*faulty)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *faulty) Record(ctx context.Context, b ledger.Batch) (ledger.Receipt, error) {
	f.mu.Lock()
	err, forgets, gate := f.record, f.forgets, f.gate
	f.mu.Unlock()
	if gate != nil && len(b.Disclosures) > 0 {
		<-gate
	}
	if err != nil {
		return ledger.Receipt{}, err
	}
	if forgets {
		return ledger.Receipt{}, nil
	}
	return f.Ledger.Record(ctx, b)
}

func (f *faulty) Resolve(covered []ledger.Covered) ([]ledger.Number, error) {
	f.mu.Lock()
	err := f.resolve
	f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return f.Ledger.Resolve(covered)
}

// settable is a clock that can be set.
type settable struct{ ahead atomic.Int64 }

func (c *settable) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

const faultSite = `site: north
inside: [127.0.0.0/8]
parties:
  - name: lab
    role: lab
    applications: [LAB@NORTH]
    addresses: [127.0.0.1/32]
  - name: ehr
    role: engine
    addresses: [127.0.0.2/32]
grants:
  - name: results
    roles: [lab]
    actions: [hl7.send]
    to: [ehr]
    budget: {1h: 100}
  - name: questions
    roles: [lab]
    actions: [hl7.query]
    to: [self]
%[3]slisteners:
  - name: hl7
    protocol: hl7
    listen: 127.0.0.1:2575
    tls: none
    because: this is a test
    mode: %[2]s
    upstream: {address: "%[1]s", tls: none, because: this is a test, party: ehr}
`

// ask is a query for patients by number.
func ask(id string, numbers ...string) string {
	var list []string
	for _, n := range numbers {
		list = append(list, "@PID.3.1^"+n)
	}
	return "MSH|^~\\&|LAB|NORTH|EHR|NORTH|20260301||QBP^Q22^QBP_Q21|" + id + "|P|2.5\rQPD|Q22^Find^HL7|tag" + id + "|" + strings.Join(list, "~") + "\rRCP|I\r"
}

// found is an answer to a query with some patients.
func found(id string, numbers ...string) string {
	b := "MSH|^~\\&|EHR|NORTH|LAB|NORTH|20260301||RSP^K22^RSP_K22|a" + id + "|P|2.5\rMSA|AA|" + id + "\rQAK|tag" + id + "|OK\rQPD|Q22^Find^HL7|tag" + id + "|@PID.3.1^1\r"
	for _, n := range numbers {
		b += "PID|1||" + n + "^^^NORTH^MR||DOE^JANE||19700101|F\r"
	}
	return b
}

// controlID gives MSH-10.
func controlID(payload string) string { return strings.Split(payload, "|")[9] }

// sick is a site with something that can fail.
type sick struct {
	*rig
	engine *engine
	ledger *faulty
	clock  *settable
}

func newSick(t *testing.T, mode, more string) *sick {
	t.Helper()
	s := &sick{engine: newEngine(t), ledger: &faulty{}, clock: &settable{}}
	s.engine.answer = func(payload string) string {
		if strings.Contains(payload, "QPD") {
			return found(controlID(payload), "4711")
		}
		return ack(payload)
	}
	s.rig = begin(t, fmt.Sprintf(faultSite, s.engine.Addr(), mode, more), func(o *Options) {
		s.ledger.Ledger = o.Ledger.(*disk.Ledger)
		o.Ledger, o.Now, o.pace = s.ledger, s.clock.now, quick
		o.pace.clock = time.Hour
	})
	t.Cleanup(func() { s.ledger.set(func(f *faulty) { f.record, f.resolve, f.forgets = nil, nil, false }) })
	return s
}

// overflow cannot be evaluated, whatever is asked.
const overflow = "forbid (principal, action, resource) when { context.hour - context.hour + 9223372036854775807 + 1 > 0 };"

// missing asks for what no request has, and refuseAll refuses every one.
const (
	missing   = "forbid (principal, action, resource) when { context.nothing > 1 };"
	refuseAll = "forbid (principal, action, resource) when { context.hour >= 0 };"
)

// ownCedar gives the line of a site file for an own policy.
func ownCedar(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "own.cedar")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("cedar: [%q]\n", path)
}

// lacks insists that the guard takes no policy that asks for what there is not.
func (s *sick) lacks(mode string) {
	s.t.Helper()
	if err := s.guard.Reload(s.t.Context(), s.site(fmt.Sprintf(faultSite, s.engine.Addr(), mode, ownCedar(s.t, missing)))); err == nil {
		s.t.Error("a policy was taken that asks for what there is not")
	}
}

// loseKey takes away the file of the token key.
func (r *rig) loseKey() {
	r.t.Helper()
	if err := os.Remove(filepath.Join(r.dir, "keys", patient.KeyFile)); err != nil {
		r.t.Fatal(err)
	}
}

// TestFailClosedMatrix: whatever fails, nobody's record is released: neither what is sent, nor what is asked for, by a query or
// by its answer. What counts is what arrives at the socket of who would receive it.
func TestFailClosedMatrix(t *testing.T) {
	faults := []struct {
		name   string
		more   string
		break_ func(s *sick)
		code   string // of the answer
		rule   string
		ask    bool // also the query itself is refused
	}{
		{name: "a policy that cannot be evaluated", more: ownCedar(t, overflow), code: "AR", rule: "refused-policy-error", ask: true},
		{name: "a policy that asks for what there is not, behind one that refuses", more: ownCedar(t, refuseAll), break_: func(s *sick) { s.lacks("enforce") }, code: "AR", rule: "refused-forbidden", ask: true},
		{name: "ledger full", break_: func(s *sick) { s.ledger.set(func(f *faulty) { f.record = ledger.ErrFull }) }, code: "AE"},
		{name: "fsync failed", break_: func(s *sick) { s.ledger.set(func(f *faulty) { f.record = ledger.ErrFenced }) }, code: "AE"},
		{name: "ledger closed", break_: func(s *sick) { s.ledger.set(func(f *faulty) { f.record = ledger.ErrClosed }) }, code: "AE"},
		{name: "the ledger records nothing", break_: func(s *sick) { s.ledger.set(func(f *faulty) { f.forgets = true }) }, code: "AE"},
		{name: "patients cannot be resolved", break_: func(s *sick) { s.ledger.set(func(f *faulty) { f.resolve = errors.New("gone") }) }, code: "AE", rule: "refused-not-recorded"},
		{name: "the clock leaps", break_: func(s *sick) { s.clock.ahead.Store(int64(3 * time.Hour)) }, code: "AR", rule: "refused-clock-leap"},
		{name: "the clock leaps by a year", break_: func(s *sick) { s.clock.ahead.Store(int64(366 * 24 * time.Hour)) }, code: "AR", rule: "refused-clock-leap"},
	}
	for _, fault := range faults {
		for _, verb := range []string{"send", "query"} {
			t.Run(fault.name+"/"+verb, func(t *testing.T) {
				s := newSick(t, "enforce", fault.more)
				if fault.break_ != nil {
					fault.break_(s)
				}
				c, payload := s.call("hl7"), result("LAB|NORTH", "m1", "4711")
				if verb == "query" {
					payload = ask("m1", "4711")
				}
				got := c.send(payload)
				if strings.Contains(got, "DOE") || verb == "send" && s.engine.has("DOE") {
					t.Error("a patient was released")
				}
				if !strings.Contains(got, "MSA|"+fault.code+"|m1") {
					t.Errorf("got %q, want %s", got, fault.code)
				}
				if fault.ask && s.engine.has("QPD") {
					t.Error("the query was passed on")
				}
				s.ledger.set(func(f *faulty) { f.record, f.resolve, f.forgets = nil, nil, false })
				if found := s.findings(); fault.rule != "" && found[fault.rule] == 0 {
					t.Errorf("got findings %v, want %s", found, fault.rule)
				}
				if len(s.rows()) != 0 {
					t.Error("it is on record")
				}
			})
		}
	}
	t.Run("a policy that asks for what there is not, behind one that permits", func(t *testing.T) {
		s := newSick(t, "enforce", "")
		s.lacks("enforce")
		c, m := s.call("hl7"), result("LAB|NORTH", "m1", "4711")
		if got := c.send(m); got != ack(m) {
			t.Errorf("the policy before does not hold: got %q", got)
		}
		if got := c.send(ask("m2", "4711")); got != found("m2", "4711") {
			t.Errorf("the policy before does not hold for a query: got %q", got)
		}
	})
}

// upstreamLie is what a system says when it is asked for one patient.
type upstreamLie struct {
	name   string
	answer func(id string) string
	rule   string
	code   string // of what the client gets; "": nothing
}

func upstreamLies() []upstreamLie {
	many := make([]string, 500)
	for i := range many {
		many[i] = fmt.Sprint("9", i)
	}
	return []upstreamLie{
		{"500 patients for one", func(id string) string { return found(id, many...) }, "refused-more-than-asked", "AR"},
		{"nobody's records", func(id string) string {
			return found(id) + strings.Repeat("OBX|1|TX|||DOE\r", 3)
		}, "", "AA"},
		{"an answer to another's query", func(string) string { return found("m77", "4711") }, "refused-unasked", ""},
		{"records that nobody asked for", func(string) string {
			return strings.ReplaceAll(result("EHR|NORTH", "u1", "4711"), "LAB|NORTH", "EHR|NORTH")
		}, "refused-unasked", ""},
		{"an acknowledgement with a patient", func(string) string { return ack(result("LAB|NORTH", "m77", "1")) + "PID|1||4711||DOE^JANE\r" }, "refused-unasked", ""},
		{"an answer and another message", func(id string) string { return found(id, "4711") + result("EHR|NORTH", "u1", "4712") }, "refused-ambiguous", "AR"},
		{"two answers in a frame", func(id string) string { return found(id, "4711") + found("m77", "4712") }, "refused-unasked", "AR"},
		{"line feeds", func(id string) string { return strings.ReplaceAll(found(id, "4711"), "\r", "\n") }, "refused-ambiguous", "AR"},
		{"rows of a table", func(id string) string { return found(id) + "RDT|4711|DOE^JANE\rRDT|4712|DOE^JOHN\r" }, "", "AA"},
		{"old words with a patient in them", func(id string) string {
			return "MSH|^~\\&|EHR|NORTH|LAB|NORTH|1||ACK|a|P|2.5\nMSA|AA|" + id + "\nZPI|4711|DOE^JANE\n"
		}, "refused-ambiguous", "AR"},
	}
}

// TestFailClosedUpstream: what a system behind the guard makes up is not passed on.
func TestFailClosedUpstream(t *testing.T) {
	for _, test := range upstreamLies() {
		t.Run(test.name, func(t *testing.T) {
			s := newSick(t, "enforce", "")
			said := make(chan struct{})
			s.engine.answer = func(payload string) string {
				switch {
				case strings.Contains(payload, "MSA"):
					return ""
				case !strings.Contains(payload, "QPD"):
					return ack(payload)
				}
				defer close(said)
				return test.answer(controlID(payload))
			}
			c := s.call("hl7")
			if _, err := c.Write([]byte("\x0b" + ask("m1", "4711") + "\x1c\r")); err != nil {
				t.Fatal(err)
			}
			<-said
			if test.rule != "" {
				eventually(t, "a finding", func() bool { return s.findings()[test.rule] > 0 })
			}
			if test.code == "" { // the next one shows that nothing came before
				m := result("LAB|NORTH", "m2", "4711")
				if got := c.send(m); got != ack(m) {
					t.Errorf("the next message: got %q", got)
				}
				return
			}
			got := c.answer()
			if test.rule != "" && strings.Contains(got, "DOE") || !strings.Contains(got, "MSA|"+test.code+"|m1") {
				t.Errorf("got %q, want %s", got, test.code)
			}
			if test.code == "AA" { // it passed, and is on record as somebody's
				if rows := s.rows(); len(rows) != 1 || rows[0].Unidentified == 0 {
					t.Errorf("got %+v, want a record of nobody", rows)
				}
			}
		})
	}
	t.Run("the same answer twice", func(t *testing.T) {
		s := newSick(t, "enforce", "")
		s.engine.answer = func(payload string) string {
			if strings.Contains(payload, "QPD") {
				return found(controlID(payload), "4711") + "\x1c\r\x0b" + found(controlID(payload), "4712")
			}
			return ack(payload)
		}
		c := s.call("hl7")
		if got := c.send(ask("m1", "4711")); got != found("m1", "4711") {
			t.Fatalf("got %q", got)
		}
		m := result("LAB|NORTH", "m2", "4711")
		if got := c.send(m); got != ack(m) {
			t.Errorf("got %q", got)
		}
		if s.findings()["refused-unasked"] != 1 {
			t.Errorf("got findings %v", s.findings())
		}
	})
	t.Run("the answer to an order names its patient", func(t *testing.T) {
		s := newSick(t, "enforce", "")
		orr := func(id, number string) string {
			return "MSH|^~\\&|EHR|NORTH|LAB|NORTH|20260301||ORR^O02|a" + id + "|P|2.5\rMSA|AA|" + id + "\rPID|1||" + number + "^^^NORTH^MR\rORC|OK|1\r"
		}
		number := "4711"
		s.engine.answer = func(payload string) string { return orr(controlID(payload), number) }
		c := s.call("hl7")
		order := strings.ReplaceAll(result("LAB|NORTH", "m1", "4711"), "ORU^R01^ORU_R01", "ORM^O01")
		if got := c.send(order); got != orr("m1", "4711") {
			t.Errorf("got %q", got)
		}
		number = "PAT4712" // another one: the order was taken all the same
		if got := c.send(order); answered(got) != "AA m1" || strings.Contains(got, "PAT4712") || s.findings()["refused-unasked"] != 1 {
			t.Errorf("got %q, findings %v", got, s.findings())
		}
	})
}

// TestFailClosedQuery: a query that names nobody is refused however it is dressed.
func TestFailClosedQuery(t *testing.T) {
	s := newSick(t, "enforce", "")
	c := s.call("hl7")
	query := func(qpd string) string {
		return "MSH|^~\\&|LAB|NORTH|EHR|NORTH|20260301||QBP^Q22^QBP_Q21|m1|P|2.5\rQPD|Q22^Find^HL7|tag|" + qpd + "\rRCP|I\r"
	}
	for name, payload := range map[string]string{
		"no parameter":         query(""),
		"a wildcard":           query("@PID.5.1^D*"),
		"who is alive":         query("@PID.30^NO"),
		"an authority":         query("@PID.3.4^NORTH"),
		"a kind of name":       query("@PID.5.7^LL"),
		"two queries":          query("@PID.3.1^4711") + "QPD|Q22^Find^HL7|tag|@PID.5.1^*\r",
		"two messages":         ask("m1", "4711") + query("@PID.5.1^*"),
		"a record in a query":  ask("m1", "4711") + "PID|1||4712||DOE^JANE\r",
		"a query without QPD":  "MSH|^~\\&|LAB|NORTH|EHR|NORTH|20260301||QBP^Q22^QBP_Q21|m1|P|2.5\rQPD\r",
		"an old one":           "MSH|^~\\&|LAB|NORTH|EHR|NORTH|20260301||QRY^A19|m1|P|2.3\rQRD|20260301|R|I|1|||1^RD|*|DEM\r",
		"an old one, and more": "MSH|^~\\&|LAB|NORTH|EHR|NORTH|20260301||QRY^A19|m1|P|2.3\rQRD|20260301|R|I|1|||1^RD|4711|DEM\rQRD|20260301|R|I|1|||1^RD||DEM\r",
	} {
		if got := c.send(payload); !strings.Contains(got, "MSA|AR|m1") || s.engine.has("QBP") || s.engine.has("QRY") {
			t.Errorf("%s: got %q, want AR, and nothing passed on", name, got)
		}
	}
}

// TestFailClosedCoverage: bytes that nobody had time to read pass, and how many they are is on record.
func TestFailClosedCoverage(t *testing.T) {
	s := newSick(t, "observe", "")
	gate := make(chan struct{})
	s.ledger.set(func(f *faulty) { f.gate = gate })
	c := s.call("hl7")
	const n = 3 * mostChunks
	for i := range n {
		m := result("LAB|NORTH", fmt.Sprint("m", i), "1")
		if got := c.send(m); got != ack(m) {
			t.Fatalf("got %q", got)
		}
	}
	s.ledger.set(func(f *faulty) { f.gate = nil })
	close(gate)
	_ = c.Close()
	lost := s.lost()
	if len(s.engine.frames()) != n || lost == 0 {
		t.Errorf("got %d messages and %d bytes on record as unread, want %d and some", len(s.engine.frames()), lost, n)
	}
}

// TestFailClosedClockBack: a clock that is set back frees no budget, while the guard runs and when it starts again.
func TestFailClosedClockBack(t *testing.T) {
	s := newSick(t, "enforce", "")
	file := strings.Replace(fmt.Sprintf(faultSite, s.engine.Addr(), "enforce", ""), "budget: {1h: 100}", "budget: {1h: 1}", 1)
	if err := s.guard.Reload(t.Context(), s.site(file)); err != nil {
		t.Fatal(err)
	}
	c := s.call("hl7")
	first, second := result("LAB|NORTH", "m1", "1"), result("LAB|NORTH", "m2", "2")
	if got := c.send(first); got != ack(first) {
		t.Fatalf("got %q", got)
	}
	s.clock.ahead.Store(-int64(48 * time.Hour))
	if got := c.send(second); !strings.Contains(got, "MSA|AR|m2") {
		t.Errorf("got %q", got)
	}
	s.end()
	s.start(file, func(o *Options) { o.Now = s.clock.now })
	if got := s.call("hl7").send(second); !strings.Contains(got, "MSA|AR|m2") {
		t.Errorf("after a start: got %q", got)
	}
	if got := s.call("hl7").send(first); got != ack(first) { // who was seen may be seen again
		t.Errorf("after a start: got %q", got)
	}
}
