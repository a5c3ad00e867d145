package guard

import (
	"fmt"
	"net"
	"strings"
	"testing"

	clinic "chaperone/internal/clinicsim"
	"chaperone/policy/budget"
)

// TestBudgetStart: a guard that starts again knows what a sender has sent, and what a system has received that proves nothing and
// has no address in the site file.
func TestBudgetStart(t *testing.T) {
	for name, change := range map[string][2]string{
		"of the sender's grant": {"    to: [ehr]\n", "    to: [ehr]\n    budget: {1h: 2}\n"},
		"of the receiver":       {"role: engine\n    addresses: [127.0.0.2/32]\n", "role: research\n    budget: {1h: 2}\n"},
	} {
		t.Run(name, func(t *testing.T) {
			e := &engine{answer: ack, host: "127.0.0.3"}
			e.listen(t, func(l net.Listener) net.Listener { return l })
			file := strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), change[0], change[1], 1)
			file = strings.Replace(file, "    addresses: [127.0.0.2/32]\n", "", 1)
			r := begin(t, file)
			for i, want := range []string{"AA m0", "AA m1", "AR m2", "AA m3"} {
				if i == 2 {
					r.end()
					r.start(file)
				}
				if got := answered(r.call("hl7").send(result("LAB|NORTH", fmt.Sprint("m", i), fmt.Sprint(i%3)))); got != want {
					t.Fatalf("got %s, want %s", got, want)
				}
			}
		})
	}
}

// TestBudgetStartMove: what was sent to the destination of a C-MOVE counts after a start, also when it has no address in the site file.
func TestBudgetStartMove(t *testing.T) {
	a := newArchive(t, library(nil))
	file := strings.Replace(fmt.Sprintf(dicomSite, 100, a.Addr()), "    titles: [ROOM]\n    addresses: [127.0.0.3/32]\n", "    titles: [ROOM]\n    budget: {1h: 1}\n", 1)
	r := begin(t, file)
	for i, want := range []uint16{statusSuccess, statusNotAllowed, statusSuccess} {
		if i == 1 {
			r.end()
			r.start(file)
		}
		k := r.talk()
		k.associate()
		uid := clinic.Text(0x0020000D, "UI", fmt.Sprintf("2.25.%d.1", i%2+1))
		k.message(7, set(7, fieldMove, 1, true, clinic.Text(0x0600, "AE", "ROOM")), keys("STUDY", uid))
		c, _, end := k.reply()
		if c == nil {
			t.Fatalf("move %d: the association ended with PDU %d", i, end.kind)
		}
		if c.status != want {
			t.Errorf("move %d: got %04X, want %04X", i, c.status, want)
		}
	}
}

// TestBudgetStartSame: a start changes no count: what a feed carries counts for its receiver's groups and role before it as after it.
func TestBudgetStartSame(t *testing.T) {
	e := newEngine(t)
	file := strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), "    role: engine\n", "    role: engine\n    groups: [house]\n", 1)
	r := begin(t, strings.Replace(file, "    addresses: [127.0.0.2/32]\n", "", 1))
	c := r.call("hl7")
	for i := range 3 {
		if m := result("LAB|NORTH", fmt.Sprint("m", i), fmt.Sprint(i)); c.send(m) != ack(m) {
			t.Fatal("it does not pass")
		}
	}
	counts := func() (all [5]int) {
		for i, key := range []budget.Key{"party ehr", "group house", "role engine", "sender lab", "site north"} {
			all[i] = r.guard.book.Count(key, budget.Day, r.guard.now())
		}
		return all
	}
	before := counts()
	r.end()
	r.start(strings.Replace(file, "    addresses: [127.0.0.2/32]\n", "", 1))
	if after := counts(); before != [5]int{3, 3, 3, 3, 3} || after != before {
		t.Errorf("got %v, and %v after a start", before, after)
	}
}

// TestBudgetStartName: a start at which the name of a system behind the guard cannot be looked up does not forget what that was sent.
func TestBudgetStartName(t *testing.T) {
	e := &engine{answer: ack, host: "127.0.0.3"}
	e.listen(t, func(l net.Listener) net.Listener { return l })
	file := strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), "    addresses: [127.0.0.2/32]\n", "", 1)
	r := begin(t, file)
	if m := result("LAB|NORTH", "m1", "1"); r.call("hl7").send(m) != ack(m) {
		t.Fatal("it does not pass")
	}
	r.end()
	r.start(strings.Replace(file, e.Addr().String(), "ehr.invalid:2575", 1)) // RFC 2606 section 2
	if n := r.guard.book.Count("party ehr", budget.Day, r.guard.now()); n != 1 {
		t.Errorf("got %d patients, want 1", n)
	}
}

// TestBudgetReload: a group that a party is put into while the guard runs counts what that party got before, and so does one that
// others are in already; nothing is loaded twice.
func TestBudgetReload(t *testing.T) {
	e := newEngine(t)
	file := strings.Replace(fmt.Sprintf(querySite, e.Addr()), "{24h: 3}", "{24h: 100}", 1)
	r := begin(t, file)
	ask := func(n int) bool {
		t.Helper()
		e.mu.Lock()
		e.answer = candidates(n, n+1)
		e.mu.Unlock()
		c := r.call("hl7")
		defer c.Close()
		return strings.Contains(c.send(query(fmt.Sprint("q", n), fmt.Sprintf("@PID.3.1^%d", n))), "DOE^NUMBER")
	}
	for n := range 2 {
		if !ask(n) {
			t.Fatalf("patient %d was refused", n)
		}
	}
	groups := "\nbudgets: {groups: {front: {24h: 3}}}\n"
	in := strings.Replace(file, "    role: viewer\n", "    role: viewer\n    groups: [front]\n", 1) + groups
	for _, text := range []string{in, file, in, in + "# again\n"} {
		if err := r.guard.Reload(t.Context(), r.site(text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		n    int
		want bool
	}{{0, true}, {2, true}, {3, false}, {1, true}} {
		if got := ask(test.n); got != test.want {
			t.Errorf("patient %d: permitted %t, want %t: the group may see three, and its member saw two before", test.n, got, test.want)
		}
	}
}

// TestBudgetName: a budget that is exceeded has the name by which the site file has it, from the guard and from a trial.
func TestBudgetName(t *testing.T) {
	for _, test := range []struct{ grant, party, want string }{
		{"{24h: 2}", "{}", "grant looks up 24h 2"},
		{"{24h: 2}", "{24h: 5}", "grant looks up 24h 2"},
		{"{24h: 5}", "{24h: 2}", "party portal 24h 2"},
		{"{}", "{24h: 2}", "party portal 24h 2"},
	} {
		e := newEngine(t)
		file := strings.Replace(fmt.Sprintf(querySite, e.Addr()), "budget: {24h: 3}", "budget: "+test.party, 1)
		file = strings.Replace(file, "    whose: named\n", "    whose: named\n    budget: "+test.grant+"\n", 1)
		r := begin(t, file)
		c := r.call("hl7")
		for n := range 3 {
			e.mu.Lock()
			e.answer = candidates(n, n+1)
			e.mu.Unlock()
			c.send(query(fmt.Sprint("q", n), "@PID.5.1^DOE"))
		}
		if !strings.Contains(r.log.String(), `budget="`+test.want+`"`) {
			t.Errorf("grant %s, party %s: want %s in the log: %s", test.grant, test.party, test.want, r.log.String())
		}
		trial, err := NewTrial(r.site(file), r.guard.now())
		if err != nil {
			t.Fatal(err)
		}
		q := trial.QuestionOf(&r.rows()[0])
		var got Answer
		for n := range 3 {
			q.Numbers = []uint32{uint32(n + 1)}
			got = trial.Decide(q)
		}
		if got.Decision.Budget != test.want {
			t.Errorf("grant %s, party %s: a trial says %q, want %s", test.grant, test.party, got.Decision.Budget, test.want)
		}
	}
}
