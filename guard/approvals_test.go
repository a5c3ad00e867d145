package guard

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chaperone"
	"chaperone/approval"
	clinic "chaperone/internal/clinicsim"
	"chaperone/ledger"
)

// clock is a clock that a test moves.
type clock struct {
	base  time.Time
	moved atomic.Int64
}

func newClock() *clock { return &clock{base: time.Now().UTC().Truncate(time.Hour).Add(time.Minute)} }

func (c *clock) now() time.Time       { return c.base.Add(time.Duration(c.moved.Load())) }
func (c *clock) move(d time.Duration) { c.moved.Add(int64(d)) }

// approvalRig is a guard whose clock a test moves.
type approvalRig struct {
	*rig
	*clock
	file string
}

func beginApproved(t *testing.T, file string) *approvalRig {
	t.Helper()
	a := &approvalRig{&rig{t: t, dir: t.TempDir(), log: &syncBuffer{}}, newClock(), file}
	a.start(file, func(o *Options) { o.Now = a.now })
	t.Cleanup(a.end)
	return a
}

// again ends the guard and starts it anew.
func (a *approvalRig) again() {
	a.t.Helper()
	a.end()
	a.start(a.file, func(o *Options) { o.Now = a.now })
	a.guard.lookApprovals(a.t.Context())
}

// approve puts an approval in force, and gives its file.
func (a *approvalRig) approve(kind approval.Kind, party string, patients int, long time.Duration) (one approval.Approval, path string) {
	a.t.Helper()
	one = approval.Approval{ID: approval.NewID(), Kind: kind, Party: party, By: "anna", User: "anna", Reason: "the archive is away",
		From: a.now(), Until: a.now().Add(long), Patients: patients}
	dir := filepath.Join(a.dir, "approvals")
	if err := approval.Write(dir, one); err != nil {
		a.t.Fatal(err)
	}
	a.guard.lookApprovals(a.t.Context())
	return one, filepath.Join(dir, one.ID+approval.Extension)
}

// settle lets an end become on record.
func (a *approvalRig) settle() {
	a.t.Helper()
	a.guard.lookApprovals(a.t.Context())
	a.move(settling)
	a.guard.lookApprovals(a.t.Context())
}

// receipt gives the only finding of a rule.
func (r *rig) receipt(rule string) (f chaperone.Finding) {
	r.t.Helper()
	n := 0
	err := r.ledger.Findings(context.Background(), ledger.Query{}, func(one chaperone.Finding) error {
		if one.Rule == rule {
			f = one
			n++
		}
		return nil
	})
	if err != nil || n != 1 {
		r.t.Fatalf("got %d findings of %s (%v), want 1", n, rule, err)
	}
	return f
}

// sent sends the result of one patient, and reports whether it was taken.
func (c *caller) sent(n int) bool {
	c.t.Helper()
	return strings.Contains(c.send(result("LAB|NORTH", fmt.Sprint("m", n), fmt.Sprint(n))), "MSA|AA|")
}

// withBudget is hl7Site where the laboratory may send results of two patients a day.
func withBudget(e *engine, more string) string {
	file := strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), "    to: [ehr]\n", "    to: [ehr]\n    budget: {24h: 2}\n", 1)
	return strings.Replace(file, "    role: lab\n", "    role: lab\n"+more, 1)
}

// TestBreakGlass: with the budget spent and everything else away, exactly 50 more patients; each is on record as that.
func TestBreakGlass(t *testing.T) {
	a := beginApproved(t, withBudget(newEngine(t), ""))
	c := a.call("hl7")
	for n, want := range []bool{true, true, false} {
		if got := c.sent(n); got != want {
			t.Fatalf("patient %d before it: got %t", n, got)
		}
	}
	one, _ := a.approve(approval.BreakGlass, "lab", 50, time.Hour)
	for n := 100; n < 150; n++ {
		if !c.sent(n) {
			t.Fatalf("patient %d of 50 was refused", n-99)
		}
	}
	if c.sent(150) {
		t.Error("the 51st patient passed")
	}
	if !c.sent(149) || !c.sent(0) {
		t.Error("a patient who was seen already was refused")
	}
	if found := a.findings(); found[GlassRule] != 1 || found["refused-budget-approval"] != 1 {
		t.Errorf("got %v", found)
	}
	marked := 0
	for _, row := range a.rows() {
		if strings.Contains(row.Evidence.File, ", grant break-glass "+one.ID+" of results") {
			marked++
		}
	}
	if marked != 50 { // who was seen just now may be seen again, without it
		t.Errorf("got %d disclosures that name it, want 50", marked)
	}
	a.move(time.Hour)
	if c.sent(200) {
		t.Error("it passed after its end")
	}
	a.settle()
	f := a.receipt(GlassOverRule)
	if f.Severity != chaperone.High || f.Count != 50 || !strings.Contains(f.Title, "50 disclosures of 50 patients") {
		t.Errorf("got %v, count %d: %s", f.Severity, f.Count, f.Title)
	}
}

// TestBreakGlassReason: the receipt sends nobody to a file for its reason that was changed or is gone, also before the start; of one that is
// whole, or is whole again when the receipt is written, it says where the reason is.
func TestBreakGlassReason(t *testing.T) {
	change := func(t *testing.T, path string) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, bytes.Replace(b, []byte("archive is away"), []byte("archive was slow"), 1), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name string
		act  func(*testing.T, *approvalRig, string)
		lost bool
	}{
		{"its time is over", func(_ *testing.T, a *approvalRig, _ string) { a.move(time.Hour) }, false},
		{"changed", func(t *testing.T, _ *approvalRig, path string) { change(t, path) }, true},
		{"gone", func(_ *testing.T, _ *approvalRig, path string) { _ = os.Remove(path) }, true},
		{"gone while no guard ran", func(_ *testing.T, a *approvalRig, path string) { _ = os.Remove(path); a.again() }, true},
		{"gone and put back", func(t *testing.T, a *approvalRig, path string) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_ = os.Remove(path)
			a.guard.lookApprovals(t.Context())
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := beginApproved(t, withBudget(newEngine(t), ""))
			_, path := a.approve(approval.BreakGlass, "lab", 50, time.Hour)
			test.act(t, a, path)
			a.settle()
			f := a.receipt(GlassOverRule)
			if lost := strings.Contains(f.Advice, "is lost with its file"); lost != test.lost || strings.Contains(f.Advice, "that it is the one that was given") == test.lost {
				t.Errorf("got %s: %s", f.Title, f.Advice)
			}
		})
	}
}

// TestBreakGlassGone: a file that is removed ends what it permitted, and the receipt says so; nothing on record repeats its reason.
func TestBreakGlassGone(t *testing.T) {
	a := beginApproved(t, withBudget(newEngine(t), ""))
	one, path := a.approve(approval.BreakGlass, "lab", 50, time.Hour)
	begun := a.receipt(GlassRule)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	a.settle()
	over := a.receipt(GlassOverRule)
	if !strings.Contains(over.Title, "(its file is gone, or not good any more)") || !strings.Contains(begun.Advice, "chaperone approve list --check") || begun.Account != one.By {
		t.Errorf("got %+v and %+v", begun, over)
	}
	if err := a.ledger.Notes(t.Context(), func(n ledger.Note) error {
		if strings.Contains(n.Text, one.Reason) {
			t.Errorf("the reason is on record: %s", n.Text)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// TestBreakGlassSite: the budget of the site holds behind broken glass, too.
func TestBreakGlassSite(t *testing.T) {
	file := withBudget(newEngine(t), "") + "budgets: {site: {24h: 5}}\n"
	a := beginApproved(t, strings.Replace(file, "role: engine", "role: research", 1)) // to whom the site's budget applies
	a.approve(approval.BreakGlass, "lab", 50, time.Hour)
	c := a.call("hl7")
	for n := range 5 {
		if !c.sent(n) {
			t.Fatalf("patient %d was refused", n)
		}
	}
	if c.sent(5) {
		t.Error("a patient more than the site's budget passed")
	}
}

// TestBreakGlassHours: it opens what the party's hours close, and not what another party's name does.
func TestBreakGlassHours(t *testing.T) {
	yesterday := strings.ToLower(newClock().now().AddDate(0, 0, -2).Local().Weekday().String()[:3])
	a := beginApproved(t, withBudget(newEngine(t), "    hours: "+yesterday+" 10:00-11:00\n"))
	c := a.call("hl7")
	if c.sent(1) {
		t.Fatal("it passed outside the hours")
	}
	a.approve(approval.BreakGlass, "lab", 50, time.Hour)
	if !c.sent(1) {
		t.Error("it was refused behind broken glass")
	}
	if got := c.send(result("EVIL|NORTH", "m", "2")); !strings.Contains(got, "MSA|AR|") {
		t.Errorf("got %q", got)
	}
}

// TestBreakGlassReplay: a file that is copied back after its end does nothing, also after a new start.
func TestBreakGlassReplay(t *testing.T) {
	for name, end := range map[string]func(a *approvalRig, one approval.Approval, path string){
		"its time": func(a *approvalRig, _ approval.Approval, _ string) { a.move(20 * time.Minute) },
		"ended": func(a *approvalRig, one approval.Approval, path string) {
			_, _, _ = approval.End(filepath.Dir(path), one.ID, a.now())
		},
		"removed": func(a *approvalRig, _ approval.Approval, path string) { _ = os.Remove(path) },
	} {
		t.Run(name, func(t *testing.T) {
			a := beginApproved(t, withBudget(newEngine(t), "    approval: false\n"))
			c := a.call("hl7")
			one, path := a.approve(approval.BreakGlass, "lab", 50, 20*time.Minute)
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for n := range 3 {
				if !c.sent(n) {
					t.Fatalf("patient %d was refused", n)
				}
			}
			end(a, one, path)
			a.settle()
			for _, restart := range []bool{false, true} {
				if err := os.WriteFile(path, content, 0o600); err != nil {
					t.Fatal(err)
				}
				if restart {
					a.moved.Store(0) // and the clock is put back
					a.again()
					c = a.call("hl7")
				}
				a.guard.lookApprovals(t.Context())
				if c.sent(10) {
					t.Errorf("restart %t: it was believed again", restart)
				}
			}
			if f := a.receipt(GlassOverRule); !strings.Contains(f.Title, "1 disclosure of 1 patient") {
				t.Errorf("got %s", f.Title)
			}
		})
	}
}

// TestApproval: a party that needs one does nothing without; with it, as many patients as it says, until its end.
func TestApproval(t *testing.T) {
	e := newEngine(t)
	a := beginApproved(t, strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), "    role: lab\n", "    role: lab\n    approval: true\n", 1))
	c := a.call("hl7")
	if c.sent(1) || a.findings()["refused-approval-missing"] != 1 {
		t.Fatalf("got %v", a.findings())
	}
	one, _ := a.approve(approval.Approve, "lab", 2, 2*time.Hour)
	for n, want := range []bool{true, true, false} {
		if got := c.sent(n); got != want {
			t.Errorf("patient %d: got %t, want %t", n, got, want)
		}
	}
	a.again() // what it was used for is known after a new start
	c = a.call("hl7")
	for n, want := range []bool{true, true, false} {
		if got := c.sent(n); got != want {
			t.Errorf("after a new start, patient %d: got %t, want %t", n, got, want)
		}
	}
	a.approve(approval.Approve, "lab", 1, time.Hour)
	if !c.sent(2) || c.sent(3) {
		t.Error("a second one does not permit one more")
	}
	a.move(2 * time.Hour)
	if c.sent(1) {
		t.Error("it passed after its end")
	}
	a.settle()
	rows := a.rows()
	if got := rows[0].Evidence.File; !strings.HasSuffix(got, ", grant results, approval "+one.ID) {
		t.Errorf("got evidence %q", got)
	}
	receipts := map[int]int{}
	err := a.ledger.Findings(t.Context(), ledger.Query{}, func(f chaperone.Finding) error {
		if f.Rule == ApprovalOverRule {
			receipts[f.Count]++
		}
		return nil
	})
	if err != nil || receipts[2] != 1 || receipts[1] != 1 {
		t.Errorf("got receipts by patients %v, %v", receipts, err)
	}
	if log := a.log.String(); strings.Contains(log, "DOE") {
		t.Errorf("the log has content: %s", log)
	}
}

// TestApprovalBad: a file that is none permits nothing, and is found.
func TestApprovalBad(t *testing.T) {
	e := newEngine(t)
	a := beginApproved(t, strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), "    role: lab\n", "    role: lab\n    approval: true\n", 1))
	if err := os.WriteFile(filepath.Join(a.dir, "approvals", "0123456789ab.json"), []byte(`{"party":"lab"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	a.guard.lookApprovals(t.Context())
	a.guard.lookApprovals(t.Context())
	if a.call("hl7").sent(1) || a.findings()[ApprovalBadRule] != 1 {
		t.Errorf("got %v", a.findings())
	}
}

// TestDICOMBreakGlass: of matches that come together, those behind broken glass are on record as that, and count after a start.
func TestDICOMBreakGlass(t *testing.T) {
	archive := newArchive(t, func(k *talker, c *command, _ []byte) { matched(k, c, matches(6)...) })
	a := beginApproved(t, fmt.Sprintf(dicomSite, 3, archive.Addr()))
	one, _ := a.approve(approval.BreakGlass, "ct1", 2, time.Hour)
	for range 2 {
		k := a.talk()
		k.associate()
		k.message(3, set(3, fieldFind, 1, true), keys("STUDY", clinic.Text(0x00100020, "LO", "")))
		if n, final := k.answers(); n != 5 || final.status != statusNotAllowed {
			t.Errorf("got %d matches and %04X, want 5 and 0124", n, final.status)
		}
		behind := map[ledger.PatientID]bool{}
		for _, row := range a.rows() {
			for _, p := range row.People {
				if approvalOf(row.Evidence.File) == one.ID {
					behind[p] = true
				}
			}
		}
		if len(behind) != 2 {
			t.Errorf("got %d patients on record behind broken glass, want 2", len(behind))
		}
		_ = k.conn.Close()
		a.again()
	}
}

// TestDICOMApproved: a party that has to be approved is offered what it is approved for.
func TestDICOMApproved(t *testing.T) {
	archive := newArchive(t, func(k *talker, c *command, _ []byte) { matched(k, c, matches(2)...) })
	a := beginApproved(t, strings.Replace(fmt.Sprintf(dicomSite, 9, archive.Addr()), "    role: modality\n", "    role: modality\n    approval: true\n", 1))
	a.approve(approval.Approve, "ct1", 1, time.Hour)
	k := a.talk()
	k.associate()
	k.message(3, set(3, fieldFind, 1, true), keys("STUDY", clinic.Text(0x00100020, "LO", "")))
	if n, final := k.answers(); n != 1 || final.status != statusNotAllowed {
		t.Errorf("got %d matches and %04X, want the approval's 1 patient", n, final.status)
	}
}
