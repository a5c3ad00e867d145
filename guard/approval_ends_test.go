package guard

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chaperone/approval"
	clinic "chaperone/internal/clinicsim"
	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/policy/budget"
)

// moments is a ledger in which something happens at a moment of each release.
type moments struct {
	*disk.Ledger
	mu                 sync.Mutex
	resolved, recorded func() // behind the decision's last look; in the middle of the write
	fails              error
}

func (m *moments) at() (resolved, recorded func(), fails error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.resolved, m.recorded, m.fails
}

func (m *moments) set(change func(*moments)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

func (m *moments) Resolve(covered []ledger.Covered) ([]ledger.Number, error) {
	if then, _, _ := m.at(); then != nil {
		defer then()
	}
	return m.Ledger.Resolve(covered)
}

func (m *moments) Record(ctx context.Context, b ledger.Batch) (ledger.Receipt, error) {
	_, then, fails := m.at()
	if len(b.Disclosures) == 0 && (len(b.Findings) == 0 || b.Findings[0].Rule != TunnelRule) {
		return m.Ledger.Record(ctx, b)
	}
	if then != nil {
		then()
	}
	if fails != nil {
		return ledger.Receipt{}, fails
	}
	return m.Ledger.Record(ctx, b)
}

// momentRig is a guard whose clock and whose ledger's moments are a test's.
func momentRig(t *testing.T, file string) (*approvalRig, *moments) {
	t.Helper()
	a, m := &approvalRig{&rig{t: t, dir: t.TempDir(), log: &syncBuffer{}}, newClock(), file}, &moments{}
	a.start(file, func(o *Options) {
		m.Ledger = o.Ledger.(*disk.Ledger)
		o.Ledger, o.Now, o.pace = m, a.now, quick
	})
	t.Cleanup(a.end)
	return a, m
}

func approvedSite(e *engine, more string) string {
	return strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), "    role: lab\n", "    role: lab\n    approval: true\n", 1) + more
}

// TestApprovalEndsBeforeRecord: what was decided by an approval that ends before it is on record does not pass, and is not on record
// by it; what ends in the middle of the write is on record, and does not pass either. Its receipt waits for that.
func TestApprovalEndsBeforeRecord(t *testing.T) {
	for _, test := range []struct {
		name, file string
		kind       approval.Kind
		at         func(*moments, func())
		rows       int
	}{
		{"decided", "", approval.Approve, func(m *moments, then func()) { m.resolved = then }, 0},
		{"being written", "", approval.Approve, func(m *moments, then func()) { m.recorded = then }, 1},
		{"decided behind glass", "    hours: never\n", approval.BreakGlass, func(m *moments, then func()) { m.resolved = then }, 0},
		{"being written behind glass", "    hours: never\n", approval.BreakGlass, func(m *moments, then func()) { m.recorded = then }, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newEngine(t)
			file := approvedSite(e, "")
			if test.kind == approval.BreakGlass {
				never := strings.ToLower(newClock().now().AddDate(0, 0, -2).Local().Weekday().String()[:3]) + " 10:00-11:00"
				file = strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), "    role: lab\n", "    role: lab\n    hours: "+never+"\n", 1)
			}
			a, m := momentRig(t, file)
			a.approve(test.kind, "lab", 5, time.Hour)
			rule := map[approval.Kind]string{approval.Approve: ApprovalOverRule, approval.BreakGlass: GlassOverRule}[test.kind]
			m.set(func(m *moments) {
				test.at(m, func() {
					a.move(time.Hour + 2*settling)
					a.guard.lookApprovals(context.Background())
					if test.rows > 0 && a.findings()[rule] != 0 {
						t.Error("its receipt did not wait for what was being written")
					}
				})
			})
			if got := a.call("hl7").send(result("LAB|NORTH", "m1", "1")); !strings.Contains(got, "MSA|AR|m1") || !strings.Contains(got, "CHAP-DENY^approval-over^") {
				t.Errorf("got %q", got)
			}
			if n := len(e.frames()); n != 0 {
				t.Errorf("%d messages passed", n)
			}
			if n := len(a.rows()); n != test.rows {
				t.Errorf("got %d disclosures on record, want %d", n, test.rows)
			}
			a.settle()
			if f := a.receipt(rule); !strings.Contains(f.Title, fmt.Sprintf(" %d disclosure", test.rows)) {
				t.Errorf("got receipt %q, want %d disclosures", f.Title, test.rows)
			}
		})
	}
}

// TestApprovalEndsAmongOthers: of messages that came together, only those pass whose approval holds when they are on record; each
// counts once in its receipt.
func TestApprovalEndsAmongOthers(t *testing.T) {
	e := newEngine(t)
	a, m := momentRig(t, approvedSite(e, ""))
	long, _ := a.approve(approval.Approve, "lab", 2, 3*time.Hour)
	a.move(time.Second)
	a.approve(approval.Approve, "lab", 5, time.Hour)
	var once sync.Once
	m.set(func(m *moments) { m.recorded = func() { once.Do(func() { a.move(time.Hour) }) } })
	c := a.call("hl7")
	var all []byte
	for n := range 4 { // two of them by the one, two by the other
		all = append(all, framed([]byte(result("LAB|NORTH", fmt.Sprint("m", n), fmt.Sprint(n))))...)
	}
	if _, err := c.Write(all); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for range 4 {
		got[answered(c.answer())] = true
	}
	for _, want := range []string{"AA m0", "AA m1", "AR m2", "AR m3"} {
		if !got[want] {
			t.Errorf("got %v, want %s", got, want)
		}
	}
	a.move(3 * time.Hour)
	a.settle()
	for _, f := range a.of(ApprovalOverRule) {
		if f.Evidence.File == long.Name() && !strings.Contains(f.Title, "2 disclosures of 2 patients") {
			t.Errorf("got receipt %q", f.Title)
		}
	}
}

// TestApprovalEndsDICOM: the same of matches, of which none passes, and of an object.
func TestApprovalEndsDICOM(t *testing.T) {
	archive := newArchive(t, func(k *talker, c *command, data []byte) {
		if c.field == fieldFind {
			matched(k, c, matches(2)...)
			return
		}
		well(k, c, data)
	})
	a, m := momentRig(t, strings.Replace(fmt.Sprintf(dicomSite, 9, archive.Addr()), "    role: modality\n", "    role: modality\n    approval: true\n", 1))
	for i, ask := range []func(*talker){
		func(k *talker) {
			k.message(3, set(3, fieldFind, 1, true), keys("STUDY", clinic.Text(0x00100020, "LO", "")))
		},
		func(k *talker) {
			k.message(1, set(1, fieldStore, 1, true, clinic.Text(0x1000, "UI", "2.25.1")), imageOf("P1", "2.25.1", 100))
		},
	} {
		m.set(func(m *moments) { m.resolved = nil })
		a.approve(approval.Approve, "ct1", 5, time.Hour)
		k := a.talk()
		k.associate()
		m.set(func(m *moments) { m.resolved = func() { a.move(time.Hour) } })
		ask(k)
		if n, final := k.answers(); n != 0 || final.status != statusNotAllowed {
			t.Errorf("%d: got %d matches and %04X, want 0124", i, n, final.status)
		}
		_ = k.conn.Close()
	}
	if n := len(a.rows()); n != 0 {
		t.Errorf("got %d disclosures on record", n)
	}
}

// TestApprovalEndsAmongMatches: of matches that are put on record together, those that rest on what holds pass, in their order; the
// query does not end in success.
func TestApprovalEndsAmongMatches(t *testing.T) {
	for _, test := range []struct {
		name string
		at   func(*moments, func())
		rows int // at least: the matches may come in several pieces
	}{
		{"decided", func(m *moments, then func()) {
			looks := 0
			m.resolved = func() {
				if looks++; looks == 5 { // three by the grant, and the fourth by it and behind the glass
					then()
				}
			}
		}, 1},
		{"being written", func(m *moments, then func()) {
			var looks atomic.Int32
			m.resolved = func() { looks.Add(1) }
			once := sync.OnceFunc(then)
			m.recorded = func() {
				if looks.Load() >= 5 {
					once()
				}
			}
		}, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			list := append(matches(4), matches(1)...)
			archive := newArchive(t, func(k *talker, c *command, _ []byte) { matched(k, c, list...) })
			a, m := momentRig(t, fmt.Sprintf(dicomSite, 3, archive.Addr()))
			a.approve(approval.BreakGlass, "ct1", 5, time.Hour)
			m.set(func(m *moments) { test.at(m, func() { a.move(time.Hour) }) })
			k := a.talk()
			k.associate()
			k.message(3, set(3, fieldFind, 1, true), keys("STUDY", clinic.Text(0x00100020, "LO", "")))
			for _, want := range []int{0, 1, 2, 4} {
				if c, data, _ := k.reply(); c == nil || c.status != statusPending || string(data) != string(list[want].Encode(clinic.ImplicitLE)) {
					t.Fatalf("got %+v with %q, want match %d", c, data, want)
				}
			}
			if n, final := k.answers(); n != 0 || final.status != statusNotAllowed {
				t.Errorf("got %d more matches and %04X, want 0124", n, final.status)
			}
			if n := len(a.rows()); n < test.rows {
				t.Errorf("got %d disclosures on record, want %d", n, test.rows)
			}
			if n := a.findings()["refused-approval-over"]; n != 1 {
				t.Errorf("it was told %d times, want once", n)
			}
		})
	}
}

// TestApprovalEndsTunnel: a connection whose approval ends before it is on record that it is open carries nothing.
func TestApprovalEndsTunnel(t *testing.T) {
	a, m := momentRig(t, fmt.Sprintf(tcpSite, "", "tls: none\n    because: this is a test", newDesktop(t).Addr()))
	a.approve(approval.Approve, "ct-service", 20, time.Hour)
	m.set(func(m *moments) { m.recorded = func() { a.move(time.Hour) } })
	if says(a.call("desktop"), []byte("hello")) {
		t.Error("it passed")
	}
	a.quiesce()
	if f := a.receipt(TunnelOverRule); f.Bytes != 0 || !strings.Contains(f.Title, errUnapproved.Error()) {
		t.Errorf("got %+v", f)
	}
	m.set(func(m *moments) { m.recorded = nil })
	a.approve(approval.Approve, "ct-service", 20, time.Hour)
	u := a.guard.passes(a.guard.rules.Load().site.Party("ct-service"), true, a.now())[0]
	if err := a.guard.inForce(u); err != nil {
		t.Fatal(err)
	}
	a.move(time.Hour)
	if err := a.guard.inForce(u); !errors.Is(err, errUnapproved) {
		t.Errorf("got %v", err)
	}
	if err := a.guard.inForce(nil); err != nil {
		t.Errorf("what rests on no approval: got %v", err)
	}
}

// TestHeldApprovalEnds: what is held because the disk fails, and was permitted by an approval that is over when the disk is mended,
// passes by another one, is on record by that, and counts in that, also after a new start.
func TestHeldApprovalEnds(t *testing.T) {
	e := newEngine(t)
	a, m := momentRig(t, approvedSite(e, "    refuse: hold\n"))
	first, path := a.approve(approval.Approve, "lab", 5, time.Hour)
	m.set(func(m *moments) { m.fails = ledger.ErrFull })
	c := a.call("hl7")
	if _, err := c.Write(framed([]byte(result("LAB|NORTH", "m1", "1")))); err != nil {
		t.Fatal(err)
	}
	tries := func(n int) func() bool {
		was := a.metric(`chaperone_guard_turned_away_total{listener="hl7",why="unrecorded"}`)
		return func() bool {
			return int(a.metric(`chaperone_guard_turned_away_total{listener="hl7",why="unrecorded"}`)-was) >= n
		}
	}
	eventually(t, "some tries", tries(3))
	if _, ended, err := approval.End(filepath.Dir(path), first.ID, a.now()); err != nil || !ended {
		t.Fatal(err)
	}
	a.guard.lookApprovals(t.Context())
	m.set(func(m *moments) { m.fails = nil })
	eventually(t, "it is decided again", func() bool { return a.findings()["refused-approval-missing"] > 0 })
	if len(a.rows())+len(e.frames()) != 0 {
		t.Fatal("it passed by an approval that is over")
	}
	second, _ := a.approve(approval.Approve, "lab", 1, time.Hour)
	if got := answered(c.answer()); got != "AA m1" {
		t.Fatalf("got %s", got)
	}
	if rows := a.rows(); len(rows) != 1 || approvalOf(rows[0].Evidence.File) != second.ID {
		t.Errorf("got %+v, want it on record by the second", rows)
	}
	_ = c.Close()
	a.move(settling)
	a.guard.lookApprovals(t.Context())
	if f := a.receipt(ApprovalOverRule); !strings.Contains(f.Title, "0 disclosures of 0 patients") {
		t.Errorf("got %q of the first, by which nothing passed", f.Title)
	}
	for _, restart := range []bool{false, true} {
		if restart {
			a.again()
		}
		if u := a.guard.passes(a.guard.rules.Load().site.Party("lab"), true, a.now())[0]; u == nil || u.ID != second.ID || a.guard.book.Count(u.key(), 3, a.now()) != 1 {
			t.Errorf("restart %t: the second does not count who was released because of it", restart)
		}
	}
}

// TestApprovalPays: what the grants permit costs no approval anything; an exchange that they do not permit costs the one that does all
// of its patients, also those whom the grants would have permitted alone, or another approval has paid for. A new start counts alike.
func TestApprovalPays(t *testing.T) {
	a := beginApproved(t, withBudget(newEngine(t), ""))
	one, _ := a.approve(approval.BreakGlass, "lab", 2, time.Hour)
	a.move(time.Second)
	two, _ := a.approve(approval.BreakGlass, "lab", 2, time.Hour)
	c := a.call("hl7")
	both := func(id string, n, m int) bool {
		return strings.Contains(c.send(result("LAB|NORTH", id, fmt.Sprint(n))+result("LAB|NORTH", id, fmt.Sprint(m))), "MSA|AA|")
	}
	counts := func() (got [2]int) {
		for i, one := range []approval.Approval{one, two} {
			got[i] = a.guard.book.Count(a.guard.approvals.use(&one).key(), 3, a.now())
		}
		return got
	}
	for i, test := range []struct {
		n, m   int
		passes bool
		want   [2]int
	}{
		{0, 1, true, [2]int{0, 0}}, // by the grant
		{0, 2, true, [2]int{2, 0}}, // by the first, which pays for both
		{2, 3, true, [2]int{2, 2}}, // by the second, which pays for both
		{0, 2, true, [2]int{2, 2}}, // they are in the grant's window
		{0, 4, false, [2]int{2, 2}},
	} {
		if got := both(fmt.Sprint("m", i), test.n, test.m); got != test.passes || counts() != test.want {
			t.Errorf("%d and %d: got %t and %v paid, want %t and %v", test.n, test.m, got, counts(), test.passes, test.want)
		}
	}
	a.again()
	if want := [2]int{2, 2}; counts() != want {
		t.Errorf("after a new start: got %v paid, want %v", counts(), want)
	}
}

// TestGlassEndsBeforeRecord: who was permitted behind broken glass and is not on record by its end has cost the party's budgets
// nothing, and costs them as anybody does: sent again, the budget refuses.
func TestGlassEndsBeforeRecord(t *testing.T) {
	for name, begin := range map[string]func(*approvalRig, *moments, func()){
		"approval-over": func(_ *approvalRig, m *moments, end func()) { m.set(func(m *moments) { m.resolved = end }) },
		"not-recorded":  func(_ *approvalRig, m *moments, _ func()) { m.set(func(m *moments) { m.fails = ledger.ErrFull }) },
	} {
		t.Run(name, func(t *testing.T) {
			a, m := momentRig(t, withBudget(newEngine(t), ""))
			c := a.call("hl7")
			if !c.sent(0) || !c.sent(1) {
				t.Fatal("the budget is less than the test needs")
			}
			a.approve(approval.BreakGlass, "lab", 50, time.Hour)
			if !c.sent(2) {
				t.Fatal("it was refused behind broken glass")
			}
			looks := 0
			begin(a, m, func() {
				if looks++; looks == 2 { // by the grant, and behind the glass
					a.move(time.Hour)
				}
			})
			if got := c.send(result("LAB|NORTH", "m3", "3")); !strings.Contains(got, "CHAP-DENY^"+name+"^") && !strings.Contains(got, "CHAP-RETRY^"+name+"^") {
				t.Errorf("got %q, want %s", got, name)
			}
			m.set(func(m *moments) { m.resolved, m.fails = nil, nil })
			if name == "not-recorded" {
				a.move(time.Hour)
			}
			for _, restart := range []bool{false, true} {
				if restart {
					a.again()
					c = a.call("hl7")
				}
				if got := c.send(result("LAB|NORTH", "m4", "3")); !strings.Contains(got, "CHAP-DENY^budget-24h^") {
					t.Errorf("restart %t: got %q, want that the budget refuses", restart, got)
				}
				if !c.sent(2) {
					t.Errorf("restart %t: who was released behind the glass may not be seen again", restart)
				}
				for _, key := range []budget.Key{"sender lab", "party ehr", "role engine"} {
					if n := a.guard.book.Count(key, budget.Day, a.now()); n != 3 {
						t.Errorf("restart %t: %s counts %d patients, want 3", restart, key, n)
					}
				}
			}
		})
	}
}

// TestGlassEndsAmidTheWrite: who is on record by then was not released, and the budget does not let him pass afterwards.
func TestGlassEndsAmidTheWrite(t *testing.T) {
	a, m := momentRig(t, withBudget(newEngine(t), ""))
	c := a.call("hl7")
	if !c.sent(0) || !c.sent(1) {
		t.Fatal("the budget is less than the test needs")
	}
	a.approve(approval.BreakGlass, "lab", 50, time.Hour)
	m.set(func(m *moments) { m.recorded = func() { a.move(time.Hour) } })
	if got := c.send(result("LAB|NORTH", "m2", "2")); !strings.Contains(got, "^approval-over^") {
		t.Errorf("got %q, want that its time is over", got)
	}
	m.set(func(m *moments) { m.recorded = nil })
	if got := c.send(result("LAB|NORTH", "m3", "2")); !strings.Contains(got, "CHAP-DENY^budget-24h^") {
		t.Errorf("got %q, want that the budget refuses", got)
	}
	if n := a.guard.book.Count("party ehr", budget.Day, a.now()); n != 2 {
		t.Errorf("the receiver's budget counts %d patients, want 2", n)
	}
}

// TestHeldGlassEnds: the same of what is held. It waits for the budget, or for other glass.
func TestHeldGlassEnds(t *testing.T) {
	e := newEngine(t)
	a, m := momentRig(t, withBudget(e, "")+"    refuse: hold\n")
	c := a.call("hl7")
	if !c.sent(0) || !c.sent(1) {
		t.Fatal("the budget is less than the test needs")
	}
	a.approve(approval.BreakGlass, "lab", 50, time.Hour)
	var looks atomic.Int32
	m.set(func(m *moments) {
		m.resolved = func() {
			if looks.Add(1) == 2 { // by the grant, and behind the glass
				a.move(time.Hour)
			}
		}
	})
	if _, err := c.Write(framed([]byte(result("LAB|NORTH", "m2", "2")))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is held, and decided again and again", func() bool { return looks.Load() > 6 })
	if n := len(e.frames()); n != 2 || len(a.rows()) != 2 {
		t.Errorf("%d messages passed, %d are on record; want 2, which the budget is for", n, len(a.rows()))
	}
	two, _ := a.approve(approval.BreakGlass, "lab", 50, time.Hour)
	if got := answered(c.answer()); got != "AA m2" {
		t.Errorf("got %s", got)
	}
	if rows := a.rows(); approvalOf(rows[len(rows)-1].Evidence.File) != two.ID {
		t.Errorf("got %+v, want it on record by the second", rows[len(rows)-1])
	}
	for _, key := range []budget.Key{"sender lab", "party ehr", "role engine", a.guard.approvals.use(&two).key()} {
		want := 3
		if strings.Contains(string(key), two.ID) {
			want = 1
		}
		if n := a.guard.book.Count(key, budget.Day, a.now()); n != want {
			t.Errorf("%s counts %d patients, want %d", key, n, want)
		}
	}
}

// TestOwed: what is decided again is charged once to each budget, and the party's wait for the record as long as only broken glass has
// paid.
func TestOwed(t *testing.T) {
	glass := func(id string) *use { return &use{Approval: approval.Approval{ID: id, Kind: approval.BreakGlass}} }
	approved := func(id string) *use { return &use{Approval: approval.Approval{ID: id, Kind: approval.Approve}} }
	g, h, a, b := glass("1"), glass("2"), approved("3"), approved("4")
	for i, test := range []struct {
		paid       []*use
		by         *use
		now, later string
	}{
		{nil, nil, "site party role", ""},
		{nil, a, "site own party role", ""},
		{nil, g, "site own", "party role"},
		{[]*use{g}, nil, "party role", ""}, // the site's is charged behind glass, too
		{[]*use{g}, a, "own party role", ""},
		{[]*use{g}, g, "", "party role"},
		{[]*use{g}, h, "own", "party role"},
		{[]*use{g, h}, a, "own party role", ""},
		{[]*use{g, a}, g, "", ""},
		{[]*use{g, a}, b, "own", ""},
		{[]*use{a}, h, "own", ""},
		{[]*use{a}, nil, "", ""},
		{[]*use{nil}, nil, "", ""},
	} {
		keys := test.by.keys([]budget.Keyed{{Key: "site"}, {Key: "party"}, {Key: "role"}}, "site")
		said := func(keys []budget.Keyed) string {
			var all []string
			for _, k := range keys {
				if test.by != nil && k.Key == test.by.key() {
					k.Key = "own"
				}
				all = append(all, string(k.Key))
			}
			return strings.Join(all, " ")
		}
		now, later := (&judge{paid: test.paid}).owed(keys, test.by)
		if said(now) != test.now || said(later) != test.later {
			t.Errorf("%d: got %q now and %q later, want %q and %q", i, said(now), said(later), test.now, test.later)
		}
	}
}
