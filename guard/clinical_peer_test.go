package guard

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chaperone/approval"
	"chaperone/guard/spool"
	"chaperone/ledger"
)

// sender starts python3-hl7's mllp_send, which sends each message when the one before is answered, and gives what waits for it to end
// and says the answers that it had. A CR at the end of a message it takes away.
func (r *rig) sender(payloads ...string) (answers func() []string) {
	r.t.Helper()
	needPeer(r.t)
	program, err := exec.LookPath("mllp_send")
	if err != nil {
		r.t.Skip("mllp_send is not installed: apt-get install python3-hl7")
	}
	file := filepath.Join(r.t.TempDir(), "messages")
	if err := os.WriteFile(file, []byte("\x0b"+strings.Join(payloads, "\x1c\r\x0b")+"\x1c\r"), 0o600); err != nil {
		r.t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(r.guard.Address("hl7").String())
	type end struct {
		out string
		err error
	}
	over := make(chan end, 1)
	go func() {
		out, err := run(r.t, program, "--port", port, "--file", file, "127.0.0.1")
		over <- end{out, err}
	}()
	return func() (all []string) {
		r.t.Helper()
		e := <-over
		if e.err != nil {
			r.t.Fatalf("%v: %s", e.err, e.out)
		}
		for frame := range strings.SplitSeq(e.out, "\x1c\r") {
			if said := answered(strings.TrimLeft(frame, "\n\x0b")); said != "" {
				all = append(all, said)
			}
		}
		return all
	}
}

// asSent is what arrives of messages that mllp_send sends.
func asSent(payloads ...string) (all string) {
	for _, p := range payloads {
		all += "\x0b" + strings.TrimSuffix(p, "\r") + "\x1c\r"
	}
	return all
}

// arrived gives all that an engine got.
func (e *engine) arrived() (all string) {
	for _, f := range e.frames() {
		all += string(f)
	}
	return all
}

// TestClinicalPeerRefused: a sender whose message is refused hears it as its site's rule says, and goes on with the next one.
func TestClinicalPeerRefused(t *testing.T) {
	for refuse, code := range map[string]string{"reject": "AR", "error": "AE"} {
		t.Run(refuse, func(t *testing.T) {
			r, e := clinicalRig(t, refuse)
			all := []string{result("LAB|NORTH", "m0", "1"), order("m1", "2"), result("LAB|NORTH", "m2", "3"), order("m3", "4"), result("LAB|NORTH", "m4", "5")}
			got := fmt.Sprint(r.sender(all...)())
			if want := fmt.Sprintf("[AA m0 %[1]s m1 AA m2 %[1]s m3 AA m4]", code); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if e.arrived() != asSent(all[0], all[2], all[4]) || len(r.rows()) != 3 {
				t.Errorf("the engine got %d messages and %d are on record, want the 3 that are permitted", len(e.frames()), len(r.rows()))
			}
		})
	}
}

// TestClinicalPeerHold: a sender whose message is held waits, somebody is told, and all of its messages pass in their order when the site
// permits it.
func TestClinicalPeerHold(t *testing.T) {
	r, e := clinicalRig(t, "hold")
	all := []string{result("LAB|NORTH", "m0", "1"), order("m1", "2"), result("LAB|NORTH", "m2", "3")}
	answers := r.sender(all...)
	eventually(t, "an alert", func() bool { return r.findings()["refused-detail"] > 0 })
	time.Sleep(5 * quick.hold) // it is tried again, and stays
	if e.arrived() != asSent(all[0]) || len(r.rows()) != 1 {
		t.Errorf("the engine got %d messages and %d are on record, want the first", len(e.frames()), len(r.rows()))
	}
	if err := r.guard.Reload(t.Context(), r.site(clinicalFile(e, "hold", "ORU^R01, ADT^A08"))); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(answers()); got != "[AA m0 AA m1 AA m2]" {
		t.Errorf("got %s", got)
	}
	if e.arrived() != asSent(all...) || len(r.rows()) != len(all) {
		t.Errorf("the engine got %d messages and %d are on record, want %d in their order", len(e.frames()), len(r.rows()), len(all))
	}
}

// TestClinicalPeerObserve: a listener that observes passes what a sender says byte for byte, also what it would refuse and what is no
// HL7, while nothing can be put on record; that something is missing is on record when that can be.
func TestClinicalPeerObserve(t *testing.T) {
	for _, full := range []bool{false, true} {
		t.Run(fmt.Sprint("ledger full ", full), func(t *testing.T) {
			s := newSick(t, "observe", "")
			if full {
				s.ledger.set(func(f *faulty) { f.record = ledger.ErrFull })
			}
			s.engine.answer = func(payload string) string {
				if a := ack(payload); a != "" {
					return a
				}
				return "MSA|CR|none"
			}
			all := []string{result("LAB|NORTH", "m0", "1"), strings.Replace(result("EVIL|SOUTH", "m1", "2"), "fine", "sch\xf6n", 1), "no hl7 at all \x00", result("LAB|NORTH", "m3", "3")}
			if got := fmt.Sprint(s.sender(all...)()); got != "[AA m0 AA m1 CR none AA m3]" {
				t.Errorf("got %s", got)
			}
			if s.engine.arrived() != asSent(all...) {
				t.Errorf("the engine got %d messages, want %d as they were sent", len(s.engine.frames()), len(all))
			}
			eventually(t, "all of it is read", func() bool { return s.open() == 0 })
			s.ledger.set(func(f *faulty) { f.record = nil })
			found, rows := s.findings(), s.rows()
			if full != (found["would-refuse-not-recorded"] > 0) || full != (len(rows) == 0) || !full && (len(rows) != 3 || found["would-refuse-identity-application"] == 0) {
				t.Errorf("got %d disclosures, findings %v", len(rows), found)
			}
		})
	}
}

// TestClinicalPeerSpool: while nobody is behind the guard a sender's messages are acknowledged, each not before it is on disk, and are
// delivered in their order when somebody is.
func TestClinicalPeerSpool(t *testing.T) {
	address := nowhere(t)
	var synced atomic.Int32
	gate := make(chan struct{})
	open := sync.OnceFunc(func() { close(gate) })
	r := begin(t, fmt.Sprintf(spoolSite, address), spooling(filepath.Join(t.TempDir(), "spool"), spool.Disk{Sync: func(f *os.File) error {
		<-gate
		err := f.Sync()
		synced.Add(1)
		return err
	}}))
	t.Cleanup(open)
	var all []string
	for n := range 4 {
		all = append(all, numbered(n))
	}
	answers := r.sender(all...)
	eventually(t, "the first is on record", func() bool { return len(r.rows()) > 0 })
	time.Sleep(50 * time.Millisecond) // the second comes when the first is acknowledged
	if n := len(r.rows()); n != 1 {
		t.Errorf("%d are on record: the first was acknowledged before it was on disk", n)
	}
	open()
	if got := fmt.Sprint(answers()); got != "[AA m0 AA m1 AA m2 AA m3]" || synced.Load() < 4 {
		t.Errorf("got %s after %d fsyncs", got, synced.Load())
	}
	if len(r.rows()) != 4 || r.kept() != 4 {
		t.Errorf("%d are on record and %d are kept, want 4", len(r.rows()), r.kept())
	}
	e := comeBack(t, address, ack)
	eventually(t, "all messages", func() bool { return len(e.frames()) >= len(all) })
	eventually(t, "an empty spool", func() bool { return r.kept() == 0 })
	if e.arrived() != asSent(all...) {
		t.Errorf("the engine got %d messages, want each once, in their order", len(e.frames()))
	}
}

// TestClinicalPeerSpoolDisk: what the disk does not take is not acknowledged.
func TestClinicalPeerSpoolDisk(t *testing.T) {
	r := begin(t, fmt.Sprintf(spoolSite, nowhere(t)), spooling(filepath.Join(t.TempDir(), "spool"), spool.Disk{Sync: func(*os.File) error { return errors.New("gone") }}))
	if got := fmt.Sprint(r.sender(numbered(0), numbered(1))()); got != "[AE m0 AE m1]" {
		t.Errorf("got %s", got)
	}
}

// TestClinicalPeerBreakGlass: a sender whose budget is spent gets on behind broken glass, for as many patients and as long as that says,
// and each of them is on record as that.
func TestClinicalPeerBreakGlass(t *testing.T) {
	e := newEngine(t)
	a := beginApproved(t, withBudget(e, ""))
	send := func(from, to int) string {
		var all []string
		for n := from; n < to; n++ {
			all = append(all, result("LAB|NORTH", fmt.Sprint("m", n), fmt.Sprint(n)))
		}
		return fmt.Sprint(a.sender(all...)())
	}
	if got := send(0, 3); got != "[AA m0 AA m1 AR m2]" {
		t.Fatalf("before it: got %s", got)
	}
	one, _ := a.approve(approval.BreakGlass, "lab", 3, time.Hour)
	if got := send(2, 6); got != "[AA m2 AA m3 AA m4 AR m5]" {
		t.Errorf("behind it: got %s", got)
	}
	behind := 0
	for _, row := range a.rows() {
		if approvalOf(row.Evidence.File) == one.ID {
			behind++
		}
	}
	if found := a.findings(); behind != 3 || found[GlassRule] != 1 || len(e.frames()) != 5 {
		t.Errorf("%d are on record as behind broken glass and %d arrived, findings %v", behind, len(e.frames()), found)
	}
	a.move(time.Hour)
	if got := send(6, 7); got != "[AR m6]" {
		t.Errorf("after its end: got %s", got)
	}
}
