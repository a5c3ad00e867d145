package guard

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chaperone/guard/spool"
	clinic "chaperone/internal/clinicsim"
)

// elsewhere reloads a site file in which another party, at another address, is behind its first listener.
func (r *rig) elsewhere(file string, change ...string) {
	r.t.Helper()
	s := r.site(strings.NewReplacer(change...).Replace(file))
	s.Listeners[0].Listen = r.guard.rules.Load().site.Listeners[0].Listen
	if err := r.guard.Reload(r.t.Context(), s); err != nil {
		r.t.Fatal(err)
	}
}

// TestInquiryElsewhere: what the guard asks for its own sake, with the client's keys, it asks of whom the association is with, and of no other whom
// a reload has put behind the listener since. A retrieval of which it cannot be found out whose it is does not begin.
func TestInquiryElsewhere(t *testing.T) {
	a, other := newArchive(t, library(nil)), newArchive(t, library(nil))
	file := fmt.Sprintf(dicomSite, 100, a.Addr())
	r := begin(t, file)
	k := r.talk()
	k.associate()
	r.elsewhere(file, a.Addr().String(), other.Addr().String(), "party: pacs}", "party: room}")
	k.message(5, set(5, fieldGet, 1, true), keys("STUDY", clinic.Text(0x0020000D, "UI", "2.25.1.1")))
	if c, _, end := k.reply(); c == nil || !failure(c.status) {
		t.Errorf("got %+v, PDU %d; want a failure", c, end.kind)
	}
	if got := other.got(); len(got) > 0 {
		t.Errorf("the other party was asked %v", got)
	}
}

// TestHL7Elsewhere: a client whose connection goes to a party that is not behind the listener any more comes again, to the one that is.
func TestHL7Elsewhere(t *testing.T) {
	for name, text := range map[string]string{"without a spool": hl7Site, "with one": spoolSite} {
		t.Run(name, func(t *testing.T) {
			e, other := newEngine(t), newEngine(t)
			file := strings.Replace(fmt.Sprintf(text, e.Addr()), "grants:", "  - {name: other, role: engine, addresses: [127.0.0.3/32]}\ngrants:", 1)
			r := begin(t, file, spooling(t.TempDir(), spool.Disk{}))
			c := r.call("hl7")
			if m := numbered(0); c.send(m) != ack(m) {
				t.Fatal("not passed on")
			}
			r.elsewhere(file, e.Addr().String(), other.Addr().String(), "party: ehr}", "party: other}")
			if got := c.answer(); got != "" {
				t.Errorf("got %q, want its end", got)
			}
		})
	}
}

// TestObserveElsewhere: so does one that is never silent, where the listener only observes.
func TestObserveElsewhere(t *testing.T) {
	e, other := newEngine(t), newEngine(t)
	file := strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), "grants:", "  - {name: other, role: engine, addresses: [127.0.0.3/32]}\ngrants:", 1)
	file = strings.Replace(file, "    tls: none\n", "    tls: none\n    mode: observe\n", 1)
	r := begin(t, file, func(o *Options) { o.pace = quick })
	c := r.call("hl7")
	if m := numbered(0); c.send(m) != ack(m) {
		t.Fatal("not passed on")
	}
	r.elsewhere(file, e.Addr().String(), other.Addr().String(), "party: ehr}", "party: other}")
	go func() {
		for _, b := range framedText(strings.Repeat(numbered(1), 20)) {
			if _, err := c.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	if got := c.answer(); got != "" {
		t.Errorf("got %q, want its end", got)
	}
	eventually(t, "all of it is read", func() bool { return r.open() == 0 })
	if refused := r.refusals(); len(refused) > 0 {
		t.Errorf("would be refused: %v", refused)
	}
}
