package guard

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/policy"
)

// restart ends the guard and starts another with the same ledger.
func (r *rig) restart(file string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 5*time.Second)
	defer cancel()
	if err := r.guard.Drain(ctx); err != nil {
		r.t.Fatal(err)
	}
	if err := r.ledger.Close(); err != nil {
		r.t.Fatal(err)
	}
	l, err := disk.Open(r.t.Context(), disk.Options{Dir: filepath.Join(r.dir, "ledger"), Keys: filepath.Join(r.dir, "keys"), Reserve: -1})
	if err != nil {
		r.t.Fatal(err)
	}
	r.ledger = l
	if r.guard, err = Start(r.t.Context(), Options{Site: r.site(file), Ledger: l, Tokens: r.guard.tokens, Log: slog.New(slog.NewTextHandler(r.log, nil))}); err != nil {
		r.t.Fatal(err)
	}
}

// TestBudget: the patient who is one too many is refused, those who were there before are not, also after a restart.
func TestBudget(t *testing.T) {
	e := newEngine(t)
	file := strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), "    to: [ehr]\n", "    to: [ehr]\n    budget: {1h: 2}\n", 1)
	r := begin(t, file)
	for round := range 2 {
		c := r.call("hl7")
		for i, test := range []struct{ patient, want string }{{"1", "AA"}, {"2", "AA"}, {"1", "AA"}, {"3", "AR"}, {"2", "AA"}, {"4", "AR"}} {
			id := fmt.Sprint("m", round, i)
			if got := c.send(result("LAB|NORTH", id, test.patient)); !strings.Contains(got, "MSA|"+test.want+"|"+id) {
				t.Errorf("round %d, message %d, patient %s: got %q, want %s", round, i, test.patient, got, test.want)
			}
		}
		if found := r.findings(); found["refused-budget-1h"] == 0 {
			t.Errorf("got findings %v, want refused-budget-1h", found)
		}
		_ = c.Close()
		if round == 0 {
			r.restart(file)
		}
	}
	s, err := r.ledger.Scope(t.Context(), ledger.Query{})
	if err != nil || s.Patients != 2 || s.Disclosures != 8 {
		t.Errorf("got %+v, %v; want 2 patients in 8 disclosures", s.Counts, err)
	}
}

const querySite = `site: north
inside: [127.0.0.0/8]
parties:
  - name: portal
    role: viewer
    applications: [PORTAL@NORTH]
    addresses: [127.0.0.1/32]
    budget: {24h: 3}
  - name: ehr
    role: engine
    addresses: [127.0.0.2/32]
grants:
  - name: looks up
    roles: [viewer]
    actions: [hl7.query]
    to: [self]
    whose: named
listeners:
  - name: hl7
    protocol: hl7
    listen: 127.0.0.1:2575
    tls: none
    because: this is a test
    upstream: {address: "%s", tls: none, party: ehr}
`

func query(id, who string) string {
	return "MSH|^~\\&|PORTAL|NORTH|EHR|NORTH|20260301||QBP^Q22^QBP_Q21|" + id + "|P|2.5\rQPD|Q22^Find^HL7|t" + id + "|" + who + "\rRCP|I\r"
}

// candidates answers a query with the patients from..until.
func candidates(from, until int) func(string) string {
	return func(payload string) string {
		f := strings.Split(strings.Split(payload, "\r")[0], "|")
		b := "MSH|^~\\&|EHR|NORTH|PORTAL|NORTH|20260301||RSP^K22^RSP_K21|r" + f[9] + "|P|2.5\rMSA|AA|" + f[9] + "\rQAK|t" + f[9] + "|OK\r"
		for i := from; i < until; i++ {
			b += fmt.Sprintf("PID|1||%d^^^NORTH^MR||DOE^NUMBER%d||19700101|F\r", i, i)
		}
		return b
	}
}

// TestQuery: an answer is decided by whom it shows, not by whom was asked for. What is one too many is replaced as a whole.
func TestQuery(t *testing.T) {
	e := newEngine(t)
	r := begin(t, fmt.Sprintf(querySite, e.Addr()))
	c := r.call("hl7")
	set := func(from, until int) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.answer = candidates(from, until)
	}
	for _, test := range []struct {
		id, who     string
		from, until int
		want, rule  string
	}{
		{"q1", "@PID.3.1^1", 1, 2, "MSA|AA|q1", ""},
		{"q2", "@PID.5.1^DOE", 1, 4, "MSA|AA|q2", ""},
		{"q3", "@PID.3.1^1", 2, 5, "MSA|AR|q3", "refused-more-than-asked"}, // the system behind gives more than was asked for
		{"q4", "@PID.5.1^S*", 1, 2, "MSA|AR|q4", "refused-everybody"},
		{"q5", "@PID.8^F", 1, 2, "MSA|AR|q5", "refused-everybody"},
		{"q6", "@PID.3.1^9", 1, 1, "MSA|AA|q6", ""}, // nobody
		{"q7", "@PID.3.1^1", 1, 501, "MSA|AR|q7", "refused-more-than-asked"},
		{"q9", "@PID.5.1^DOE", 1, 501, "MSA|AR|q9", "refused-budget-24h"},
		{"q8", "@PID.3.1^3", 3, 4, "MSA|AA|q8", ""},
	} {
		set(test.from, test.until)
		got := c.send(query(test.id, test.who))
		if !strings.Contains(got, test.want) {
			t.Errorf("%s: got %q, want %s", test.id, got, test.want)
		}
		if refused := test.rule != ""; refused != !strings.Contains(got, "DOE^NUMBER") && test.until > test.from {
			t.Errorf("%s: refused %t, got %q", test.id, refused, got)
		}
		if test.rule != "" && (r.findings()[test.rule] == 0 || !strings.Contains(got, "QAK|t"+test.id+"|AR")) {
			t.Errorf("%s: got findings %v and %q", test.id, r.findings(), got)
		}
	}
	s, err := r.ledger.Scope(t.Context(), ledger.Query{})
	if err != nil || s.Patients != 3 || s.Disclosures != 3 {
		t.Errorf("got %+v, %v; want 3 patients in 3 disclosures", s.Counts, err)
	}
	for _, row := range r.rows() {
		if row.To.Claimed != "PORTAL@NORTH" || row.From.Claimed != "EHR@NORTH" || row.RequestedBy == nil {
			t.Errorf("got %+v: the data flows back to who asked", row.Disclosure)
		}
	}
}

// TestQueryKind: an answer is decided as the query that it answers, by the guard and by a replay of the record.
func TestQueryKind(t *testing.T) {
	for _, test := range []struct {
		details, want string
		replayed      policy.Reason
	}{
		{"[QBP^Q22]", "MSA|AA|q1", policy.Granted},
		{"[QBP^*]", "MSA|AA|q1", policy.Granted},
		{"[QBP^Q22, RSP^K22]", "MSA|AA|q1", policy.Granted},
		{"[RSP^K22]", "MSA|AR|q1", policy.Detail},
		{"[QBP^Q21]", "MSA|AR|q1", policy.Detail},
	} {
		e := newEngine(t)
		e.answer = candidates(1, 2)
		whole := fmt.Sprintf(querySite, e.Addr())
		file := strings.Replace(whole, "actions: [hl7.query]", "actions: [hl7.query]\n    details: "+test.details, 1)
		if got := begin(t, file).call("hl7").send(query("q1", "@PID.3.1^1")); !strings.Contains(got, test.want) {
			t.Errorf("details %s: got %q, want %s", test.details, got, test.want)
		}
		r := begin(t, whole)
		r.call("hl7").send(query("q1", "@PID.3.1^1"))
		trial, err := NewTrial(r.site(file), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range r.rows() {
			if got := trial.Decide(trial.QuestionOf(&row)).Reason; got != test.replayed {
				t.Errorf("details %s: a replay of %s says %s, want %s", test.details, row.Action, got, test.replayed)
			}
		}
	}
}

// TestObserve: everything passes as it came, also what would be refused, and all of it is on record.
func TestObserve(t *testing.T) {
	e := newEngine(t)
	r := begin(t, strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), "    tls: none\n", "    tls: none\n    mode: observe\n", 1))
	c := r.call("hl7")
	var sent string
	for i, m := range []string{
		result("LAB|NORTH", "m1", "1"), result("EVIL|NORTH", "m2", "2"), strings.ReplaceAll(result("LAB|NORTH", "m3", "3"), "\r", "\n"),
		strings.Replace(result("LAB|NORTH", "m4", "4"), "ORU^R01^ORU_R01", "ADT^A01", 1),
	} {
		sent += "\x0b" + m + "\x1c\r"
		if got := c.send(m); !strings.Contains(got, fmt.Sprint("MSA|AA|m", i+1)) && i != 2 {
			t.Errorf("message %d: got %q", i+1, got)
		}
	}
	var got []byte
	for _, f := range e.frames() {
		got = append(got, f...)
	}
	if string(got) != sent {
		t.Errorf("the engine got %q, want %q", got, sent)
	}
	for range 200 {
		if len(r.rows()) == 4 {
			break
		}
		time.Sleep(10 * time.Millisecond) // it reads along, behind what passes
	}
	if rows := r.rows(); len(rows) != 4 {
		t.Errorf("got %d disclosures on record, want 4", len(rows))
	}
	if found := r.findings(); found["would-refuse-identity-application"] != 1 || found["would-refuse-detail"] != 1 {
		t.Errorf("got findings %v", found)
	}
}

// TestObserveDrain: a message that is in the middle of passing passes whole when the guard ends, also where it only observes.
func TestObserveDrain(t *testing.T) {
	e := newEngine(t)
	r := begin(t, strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), "    tls: none\n", "    tls: none\n    mode: observe\n", 1))
	c, m := r.call("hl7"), result("LAB|NORTH", "m1", "1")
	_, _ = c.Write([]byte("\x0b" + m[:9])) // what does not come is seen below
	eventually(t, "its beginning", func() bool { return e.has(m[:9]) })
	done := make(chan error)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		done <- r.guard.Drain(ctx)
	}()
	eventually(t, "that it ends", func() bool { r.guard.mu.Lock(); defer r.guard.mu.Unlock(); return r.guard.draining })
	_, _ = c.Write([]byte(m[9:] + "\x1c\r"))
	if got := c.answer(); got != ack(m) {
		t.Errorf("got %q", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestReload: from the next message on the new policy holds, and connections stay. A policy that is not good changes nothing.
func TestReload(t *testing.T) {
	r, e := hl7Rig(t)
	file := fmt.Sprintf(hl7Site, e.Addr())
	c := r.call("hl7")
	admit := strings.Replace(result("LAB|NORTH", "m1", "1"), "ORU^R01^ORU_R01", "ADT^A01", 1)
	for i, test := range []struct{ file, want string }{
		{file, "MSA|AR|m1"}, {strings.Replace(file, "[ORU^R01]", "[ADT^A01]", 1), "MSA|AA|m1"}, {file, "MSA|AR|m1"},
	} {
		s := r.site(test.file)
		s.Listeners[0].Listen = r.guard.rules.Load().site.Listeners[0].Listen
		if err := r.guard.Reload(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if got := c.send(admit); !strings.Contains(got, test.want) {
			t.Errorf("version %d: got %q, want %s", i, got, test.want)
		}
	}
	s := r.site(file)
	s.Grants[0].To = []string{"nobody"}
	if err := r.guard.Reload(t.Context(), s); err == nil {
		t.Error("a policy that names nobody was taken")
	}
	if m := result("LAB|NORTH", "m2", "1"); c.send(m) != ack(m) {
		t.Error("after a bad policy the one before does not hold")
	}
	versions := map[string]bool{}
	for _, row := range r.rows() {
		versions[row.Evidence.File] = true
	}
	if len(versions) != 2 {
		t.Errorf("got decisions by %v, want two versions", versions)
	}
}

// TestReloadMode: a connection does not outlive the mode that it began in: enforced is enforced for everybody.
func TestReloadMode(t *testing.T) {
	e := newEngine(t)
	enforce := fmt.Sprintf(hl7Site, e.Addr())
	observe := strings.Replace(enforce, "    tls: none\n", "    tls: none\n    mode: observe\n", 1)
	r := begin(t, observe, func(o *Options) { o.pace = quick })
	for _, file := range []string{enforce, observe} {
		c := r.call("hl7")
		if m := result("LAB|NORTH", "m1", "1"); c.send(m) != ack(m) {
			t.Fatal("it does not pass")
		}
		s := r.site(file)
		s.Listeners[0].Listen = r.guard.rules.Load().site.Listeners[0].Listen
		if err := r.guard.Reload(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("got %v, want that the connection ends", err)
		}
	}
}

// TestMerges: two numbers become one person's only by the word of a system that may say so; both were disclosed all the same.
func TestMerges(t *testing.T) {
	for role, want := range map[string]int{"lab": 3, "engine": 2, "server": 2} {
		e := newEngine(t)
		file := strings.NewReplacer("role: lab", "role: "+role, "[lab]", "["+role+"]", "[ORU^R01]", "[ORU^R01, ADT^A40]").Replace(fmt.Sprintf(hl7Site, e.Addr()))
		r := begin(t, file)
		c := r.call("hl7")
		for i, m := range []string{
			result("LAB|NORTH", "m1", "1"), result("LAB|NORTH", "m2", "2"), result("LAB|NORTH", "m3", "3"),
			"MSH|^~\\&|LAB|NORTH|EHR|NORTH|20260301||ADT^A40^ADT_A39|m4|P|2.5\rEVN|A40|20260301\rPID|1||1^^^NORTH^MR\rMRG|2^^^NORTH^MR\r",
		} {
			if got := c.send(m); !strings.Contains(got, fmt.Sprint("MSA|AA|m", i+1)) {
				t.Fatalf("%s: got %q", role, got)
			}
		}
		s, err := r.ledger.Scope(t.Context(), ledger.Query{})
		if err != nil || s.Patients != want || s.Unmerged != 3 || s.Disclosures != 4 {
			t.Errorf("%s: got %+v, %v; want %d patients, 3 without merges", role, s.Counts, err, want)
		}
		r.end()
	}
}

// TestReasonsAreTold: every reason that the guard finds has words, and stands in the documentation.
func TestReasonsAreTold(t *testing.T) {
	doc, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range []policy.Reason{unknown, ambiguous, unrecorded, handshake, unasked, tooMany, spentApproval, endedApproval, busy, away, ownCertificate} {
		if explain(reason) == explain("nothing") || !strings.Contains(string(doc), "`"+string(reason)+"`") {
			t.Errorf("%s is not explained, or not documented", reason)
		}
	}
}

// TestBudgetNamesTogether: a sender that says of many numbers that they are one person's does not widen its budget, nor does one
// whose message was refused, and not after a restart either.
func TestBudgetNamesTogether(t *testing.T) {
	e := newEngine(t)
	file := strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), "    to: [ehr]\n", "    to: [ehr]\n    budget: {1h: 2}\n", 1)
	r := begin(t, file)
	for round := range 2 {
		c := r.call("hl7")
		for i, test := range []struct{ patient, want string }{
			{"1^^^NORTH~2^^^NORTH~3^^^NORTH~4^^^NORTH", "AA"}, {"2", "AA"}, {"3", "AR"}, {"4^^^NORTH~5^^^NORTH", "AR"}, {"5", "AR"}, {"1", "AA"},
		} {
			id := fmt.Sprint("m", round, i)
			if got := c.send(result("LAB|NORTH", id, test.patient)); !strings.Contains(got, "MSA|"+test.want+"|"+id) {
				t.Errorf("round %d, message %d: got %q, want %s", round, i, got, test.want)
			}
		}
		_ = c.Close()
		if round == 0 {
			r.restart(file)
		}
	}
	if s, err := r.ledger.Scope(t.Context(), ledger.Query{}); err != nil || s.Patients != 1 || s.Max != 4 {
		t.Errorf("got %+v, %v; want one person of four numbers, for the record says so", s.Counts, err)
	}
}

// TestClear: what passes a network in the clear is a finding, once a day.
func TestClear(t *testing.T) {
	e := newEngine(t)
	open := func(o *Options) { o.Site.Listeners[0].Listen = netip.MustParseAddrPort("0.0.0.0:0") }
	file := fmt.Sprintf(hl7Site, e.Addr())
	r := begin(t, file, open)
	for range 2 {
		r.guard.tellClear(t.Context())
		if found := r.findings(); found[ClearRule] != 1 {
			t.Errorf("got findings %v, want one of %s", found, ClearRule)
		}
		r.end()
		r.start(file, open)
	}
	r.end()
	r = begin(t, file) // on this machine alone
	r.guard.tellClear(t.Context())
	if found := r.findings(); found[ClearRule] != 0 {
		t.Errorf("got findings %v of what never leaves the machine", found)
	}
}
