package guard

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	clinic "chaperone/internal/clinicsim"
	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/policy/budget"
)

// agree compares counts before and after a start.
func (r *rig) agree(file string, want map[budget.Key]int) {
	r.t.Helper()
	for _, when := range []string{"while it runs", "after a start"} {
		for key, n := range want {
			if got := r.guard.book.Count(key, budget.Day, r.guard.now()); got != n {
				r.t.Errorf("%s %s: got %d, want %d", key, when, got, n)
			}
		}
		if when == "while it runs" {
			r.end()
			r.start(file)
		}
	}
}

// TestBudgetEchoSame: an answer that names again whom its question brought is on record, and so it counts, before a start as after
// it. It is not refused by a budget: it tells its sender nothing.
func TestBudgetEchoSame(t *testing.T) {
	e := newEngine(t)
	e.answer = func(payload string) string {
		return ack(payload) + "PID|1||" + strings.SplitN(payload, "PID|1||", 2)[1]
	}
	file := strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), "    addresses: [127.0.0.1/32]\n", "    addresses: [127.0.0.1/32]\n    budget: {1h: 1}\n", 1)
	r := begin(t, file)
	for i := range 3 {
		if got := answered(r.call("hl7").send(result("LAB|NORTH", fmt.Sprint("m", i), fmt.Sprint(i)))); got != fmt.Sprint("AA m", i) {
			t.Errorf("got %s", got)
		}
	}
	r.agree(file, map[budget.Key]int{"party lab": 3, "role lab": 3, "sender lab": 3, "site north": 3})
}

// TestBudgetReportSame: what the system behind the guard reports of its own counts for that as who sends it, before a start as after it.
func TestBudgetReportSame(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.4:0") // which no party has: it proves nothing
	if err != nil {
		t.Fatal(err)
	}
	patient := clinic.DataSet{clinic.Text(0x00081195, "UI", "2.25.5"), clinic.Text(0x00100020, "LO", "4711")}.Encode(clinic.ImplicitLE)
	a := archiveOn(t, l, func(k *talker, c *command, data []byte) {
		well(k, c, nil)
		if c.field == 0x0130 {
			k.message(13, set(13, fieldEventReport, 1, true, clinic.Text(0x1000, "UI", "1.2.840.10008.1.20.1.1"), clinic.Short(0x1002, 1)), patient)
			k.reply()
		}
	})
	file := fmt.Sprintf(dicomSite, 100, a.Addr())
	r := begin(t, file)
	k := r.talk()
	q := request("CT1", "PACS", offer(13, "1.2.840.10008.1.20.1", implicitVR))
	k.must(k.control(pduAssociateRQ, q.body(pduAssociateRQ)))
	if p, err := k.pdu(); err != nil || p.kind != pduAssociateAC {
		t.Fatalf("got PDU %d, %v", p.kind, err)
	}
	nobody := clinic.DataSet{clinic.Text(0x00081195, "UI", "2.25.5")}.Encode(clinic.ImplicitLE)
	k.message(13, set(13, 0x0130, 1, true, clinic.Text(0x1001, "UI", "1.2.840.10008.1.20.1.1"), clinic.Short(0x1008, 1)), nobody)
	for range 2 {
		if c, _, end := k.reply(); c == nil {
			t.Fatalf("the association ended with PDU %d", end.kind)
		}
	}
	r.agree(file, map[budget.Key]int{"sender pacs": 1, "sender ct1": 0, "party ct1": 1, "site north": 1})
}

// TestQueryAnsweredByNotes: an answer to a query that has nothing but notes or segments of two systems' own is about somebody: it counts
// and is on record, as one who is not known. The acknowledgement of a push that has them is about whom the push brought, and on record with that.
func TestQueryAnsweredByNotes(t *testing.T) {
	for _, more := range []string{"NTE|1||he has it\r", "ZPD|1|DOE^JANE\r"} {
		e := newEngine(t)
		e.answer = func(payload string) string {
			if strings.Contains(payload, "QPD|") {
				return found(controlID(payload)) + more
			}
			return ack(payload) + more
		}
		file := strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), "actions: [hl7.send]\n    details: [ORU^R01]\n    to: [ehr]", "actions: [hl7.send, hl7.query]\n    to: [ehr, self]", 1)
		r := begin(t, file)
		c := r.call("hl7")
		if got := c.send(result("LAB|NORTH", "m1", "1")); !strings.Contains(got, more) {
			t.Errorf("an acknowledgement with %.3s did not pass", more)
		}
		if got := c.send(ask("q1", "1")); !strings.Contains(got, more) {
			t.Errorf("an answer with %.3s did not pass", more)
		}
		if n := r.guard.book.Count("party lab", budget.Day, r.guard.now()); n != 1 {
			t.Errorf("%.3s: %d are counted, want somebody unknown", more, n)
		}
		if rows := r.rows(); len(rows) != 2 || rows[1].Unidentified+rows[0].Unidentified != 1 {
			t.Errorf("%.3s: %d disclosures, want the push, and the answer of somebody unknown", more, len(rows))
		}
	}
}

// TestUnrecordable: what the record can never take is refused for good, and the ledger is well; what came in the same read passes.
func TestUnrecordable(t *testing.T) {
	e := newEngine(t)
	var books *picky
	r := begin(t, fmt.Sprintf(hl7Site, e.Addr()), func(o *Options) {
		books = &picky{Ledger: o.Ledger}
		o.Ledger = books
	})
	c := r.call("hl7")
	var all []byte
	for i, number := range []string{"1", "2", "3"} {
		message := result("LAB|NORTH", fmt.Sprint("m", i), number)
		if i == 1 {
			message = strings.Repeat("PID|1||9^^^NORTH^MR\r", 2)
			message = result("LAB|NORTH", "m1", number) + message
		}
		all = append(all, framed([]byte(message))...)
	}
	if _, err := c.Write(all); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"AA m0", "AR m1", "AA m2"} {
		if got := answered(c.answer()); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if n := r.findings()["refused-not-recordable"]; n != 1 {
		t.Errorf("got %d findings, want 1", n)
	}
	if why := r.guard.ill.Load(); why != nil {
		t.Errorf("the ledger is said to be ill: %s", *why)
	}
}

// TestUnrecordableHeld: what was held and the record can never take is refused for good once the site permits it; the queue goes on.
func TestUnrecordableHeld(t *testing.T) {
	e := newEngine(t)
	r := begin(t, clinicalFile(e, "hold", "ORU^R01"), func(o *Options) { o.Ledger, o.pace = &picky{Ledger: o.Ledger}, quick })
	c := r.call("hl7")
	c.write(order("m0", "1")+strings.Repeat("PID|1||9^^^NORTH^MR\r", 2), result("LAB|NORTH", "m1", "2"))
	eventually(t, "it is held", func() bool { return strings.Contains(r.log.String(), "held:") })
	if err := r.guard.Reload(t.Context(), r.site(clinicalFile(e, "hold", "ORU^R01, ADT^A08"))); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"AR m0", "AA m1"} {
		if got := answered(c.answer()); got != want {
			t.Errorf("got %q, want %s", got, want)
		}
	}
}

// TestObservedUnrecordable: what the record can never take of what only passes keeps nothing else off it, and a disk that stays full is told once.
func TestObservedUnrecordable(t *testing.T) {
	e := newEngine(t)
	var books *faulty
	r := begin(t, fmt.Sprintf(hl7Site, e.Addr())+"    mode: observe\n", func(o *Options) {
		books = &faulty{Ledger: o.Ledger.(*disk.Ledger)}
		o.Ledger = &picky{Ledger: books}
	})
	c := r.call("hl7")
	var all []byte
	for i := range 3 {
		message := result("LAB|NORTH", fmt.Sprint("m", i), fmt.Sprint(i))
		if i == 1 {
			message += strings.Repeat("PID|1||9^^^NORTH^MR\r", 2)
		}
		all = append(all, framed([]byte(message))...)
	}
	if _, err := c.Write(all); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c.answer()
	}
	eventually(t, "two disclosures", func() bool { return len(r.rows()) == 2 })
	if n := r.findings()[ObservedRule+"not-recordable"]; n != 1 {
		t.Errorf("got %v", r.findings())
	}
	told := strings.Count(r.log.String(), "it passed and is not on record")
	books.set(func(f *faulty) { f.record = ledger.ErrFull })
	for i := range 3 {
		c.send(result("LAB|NORTH", fmt.Sprint("n", i), "1"))
	}
	eventually(t, "all of it is read", func() bool {
		return r.metric(`chaperone_guard_turned_away_total{listener="hl7",why="unrecorded"}`) == 4
	})
	books.set(func(f *faulty) { f.record = nil })
	c.send(result("LAB|NORTH", "n4", "7"))
	eventually(t, "a third", func() bool { return len(r.rows()) == 3 })
	if n := strings.Count(r.log.String(), "it passed and is not on record"); n != told+1 {
		t.Errorf("a disk that stays full is %d lines", n-told)
	}
}

// picky is a ledger that takes at most two records of a disclosure.
type picky struct{ Ledger }

func (p *picky) Record(ctx context.Context, b ledger.Batch) (ledger.Receipt, error) {
	for i := range b.Disclosures {
		if b.Disclosures[i].Records > 2 {
			return ledger.Receipt{}, fmt.Errorf("%w: disclosure %d covers too many", ledger.ErrInvalid, i)
		}
	}
	return p.Ledger.Record(ctx, b)
}

// TestUnrecordedToldOnce: a disk that stays full is one line of the log, however often its senders try, and so is its end.
func TestUnrecordedToldOnce(t *testing.T) {
	e := newEngine(t)
	var books *faulty
	r := begin(t, fmt.Sprintf(hl7Site, e.Addr()), func(o *Options) {
		books = &faulty{Ledger: o.Ledger.(*disk.Ledger)}
		o.Ledger = books
	})
	c := r.call("hl7")
	for i, want := range []string{"AE m0", "AE m1", "AE m2", "AA m3", "AA m4"} {
		books.set(func(f *faulty) {
			if f.record = nil; i < 3 {
				f.record = ledger.ErrFull
			}
		})
		if got := answered(c.send(result("LAB|NORTH", fmt.Sprint("m", i), "1"))); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for _, line := range []string{"so not released", "recorded again"} {
		if n := strings.Count(r.log.String(), line); n != 1 {
			t.Errorf("%q is %d lines", line, n)
		}
	}
}

// TestAnswerUnrecorded: an answer that the record does not take is a refusal as any other: with a reference that the finding has, too.
func TestAnswerUnrecorded(t *testing.T) {
	for fails, want := range map[error]string{ledger.ErrFull: "not-recorded", ledger.ErrInvalid: "not-recordable"} {
		e := newEngine(t)
		e.answer = func(payload string) string { return found(controlID(payload), "1") }
		var books *faulty
		file := strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), "actions: [hl7.send]\n    details: [ORU^R01]\n    to: [ehr]", "actions: [hl7.query]\n    to: [self]", 1)
		r := begin(t, file, func(o *Options) {
			books = &faulty{Ledger: o.Ledger.(*disk.Ledger), record: fails}
			o.Ledger = books
		})
		got := r.call("hl7").send(ask("q1", "1"))
		if !strings.Contains(got, "CHAP-DENY^"+want+"^") || strings.Contains(got, "|ref |") || strings.Contains(got, "PID|") {
			t.Errorf("got %q, want %s with a reference", got, want)
		}
		books.set(func(f *faulty) { f.record = nil })
		eventually(t, "a finding", func() bool { return r.findings()["refused-"+want] == 1 })
	}
}

// TestHeldChargedOnce: a held record of somebody unknown is charged once, however often the ledger does not take it.
func TestHeldChargedOnce(t *testing.T) {
	e := newEngine(t)
	var books *faulty
	file := fmt.Sprintf(hl7Site, e.Addr()) + "    refuse: hold\n"
	r := begin(t, file, func(o *Options) {
		books = &faulty{Ledger: o.Ledger.(*disk.Ledger), record: ledger.ErrFull}
		o.Ledger, o.pace = books, quick
	})
	c := r.call("hl7")
	message := "MSH|^~\\&|LAB|NORTH|EHR|NORTH|20260301||ORU^R01^ORU_R01|m1|P|2.5\rOBX|1|TX|A||fine\r"
	if _, err := c.Write(framed([]byte(message))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "some tries", func() bool {
		return r.metric(`chaperone_guard_turned_away_total{listener="hl7",why="unrecorded"}`) > 5
	})
	books.set(func(f *faulty) { f.record = nil })
	if got := answered(c.answer()); got != "AA m1" {
		t.Errorf("got %s", got)
	}
	r.agree(file, map[budget.Key]int{"sender lab": 1, "site north": 1})
}
