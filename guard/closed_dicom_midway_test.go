package guard

import (
	"bytes"
	"net"
	"sync"
	"testing"

	clinic "chaperone/internal/clinicsim"
)

// TestFailClosedDICOMMidway: what fails in the middle of an answer ends it there: what was released before is on record, nothing
// comes behind it, and the end says that it is not all.
func TestFailClosedDICOMMidway(t *testing.T) {
	for _, what := range []string{"C-FIND", "C-GET"} {
		for _, fault := range append(sicknesses(), sickness{name: "nothing fails", break_: func(*testing.T, *sickDICOM, string) {}, recorded: true, silent: true}) {
			t.Run(what+"/"+fault.name, func(t *testing.T) {
				half := make(chan bool) // the client has the first
				next := askedUID
				if fault.rule == "policy-error" || fault.rule == "forbidden" { // another policy
					next += "2" // the study that has begun comes by the policy that it began with
				}
				s := newSickDICOM(t, "enforce", func(k *talker, c *command, _ []byte) {
					switch {
					case c.field == fieldFind && what == "C-FIND":
						onePending(k, c.context, c.id, study(askedNumber, askedUID).Encode(clinic.ImplicitLE))
						<-half
						more := append(study(askedNumber, askedUID), clinic.Text(0x00200010, "SH", mark))
						matched(k, c, more)
					case c.field == fieldFind:
						matched(k, c, study(askedNumber, askedUID))
					case c.field == fieldGet:
						k.bring(8, imageOf(askedNumber, askedUID, 0))
						<-half
						k.bring(9, imageOf(askedNumber, next, 24<<10))
						_ = k.send(c.context, true, true, c.reply(statusSuccess, "", 0, 2)) // the test sees what does not come
					}
				})
				goOn := sync.OnceFunc(func() { close(half) })
				t.Cleanup(goOn)
				k := s.dial()
				k.associate()
				ask := askFor(what)
				k.message(ask.context, ask.command, ask.data)
				c, _, end := k.reply()
				if c == nil || !pending(c.status) && c.field != fieldStore {
					t.Fatalf("got %+v, PDU %d, want the first", c, end.kind)
				}
				before := len(s.rows())
				fault.break_(t, s, "enforce")
				if c.field == fieldStore {
					k.message(c.context, c.reply(statusSuccess, ""), nil)
				}
				goOn()
				final := (*command)(nil)
				for {
					if final, _, end = k.reply(); final == nil || final.answer() && !pending(final.status) {
						break
					}
					if final.field == fieldStore {
						k.message(final.context, final.reply(statusSuccess, ""), nil)
					}
				}
				s.heal()
				if fault.name == "nothing fails" {
					if final == nil || final.status != statusSuccess || s.released() != "client" || len(s.rows()) != before+1 {
						t.Errorf("got %+v, PDU %d, released to %q, %d disclosures", final, end.kind, s.released(), len(s.rows()))
					}
					return
				}
				if final == nil || !failure(final.status) || s.released() != "" || len(s.rows()) != before || before == 0 {
					t.Errorf("got %+v, PDU %d, released to %q, %d disclosures and %d before", final, end.kind, s.released(), len(s.rows()), before)
				}
				if found := s.findings(); fault.rule != "" && found["refused-"+fault.rule] == 0 {
					t.Errorf("got findings %v, want %s", found, fault.rule)
				}
			})
		}
	}
}

// TestFailClosedDICOMAccept: an archive that answers an association in a way that it was not asked for, or says something before
// there is one, says nothing to the client.
func TestFailClosedDICOMAccept(t *testing.T) {
	object := func(k *talker, context byte) {
		_ = k.send(context, true, true, set(1, fieldStore, 1, true, clinic.Text(0x1000, "UI", "2.25.1"))) // the guard may be gone
		_ = k.send(context, false, true, marked())
	}
	accept := func(k *talker, q *association, change func(*association)) {
		a := *q
		a.contexts = nil
		for _, c := range q.contexts {
			a.contexts = append(a.contexts, proposed{id: c.id, accepted: c.transfer[0]})
		}
		change(&a)
		_ = k.control(pduAssociateAC, a.body(pduAssociateAC))
		object(k, a.contexts[len(a.contexts)-1].id)
	}
	for _, test := range []struct {
		name string
		tell func(k *talker, q *association)
		want byte // what the client gets first
	}{
		{"as asked, and then what nobody asked for", func(k *talker, q *association) { accept(k, q, func(*association) {}) }, pduAssociateAC},
		{"a context that was not asked for", func(k *talker, q *association) {
			accept(k, q, func(a *association) { a.contexts = append(a.contexts, proposed{id: 77, accepted: implicitVR}) })
		}, pduAbort},
		{"a transfer syntax that was not asked for", func(k *talker, q *association) {
			accept(k, q, func(a *association) { a.contexts[0].accepted = "1.2.840.10008.1.2.2" })
		}, pduAbort},
		{"a role that was not asked for", func(k *talker, q *association) {
			accept(k, q, func(a *association) { a.roles = []role{{clinic.CTImage, 1, 1}} })
		}, pduAssociateAC},
		{"an object before the answer", func(k *talker, q *association) { object(k, 1) }, pduAbort},
		{"a rejection, and an object", func(k *talker, q *association) { _ = k.control(pduAssociateRJ, []byte{0, 1, 1, 1}); object(k, 1) }, pduAssociateRJ},
		{"a request of its own", func(k *talker, q *association) { _ = k.control(pduAssociateRQ, q.body(pduAssociateRQ)); object(k, 1) }, pduAbort},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
			go func() {
				c, err := l.Accept()
				if err != nil {
					return
				}
				defer c.Close()
				k := &talker{asking: asking{leg: leg{conn: c, in: newPDUReader(c, lingering), patient: lingering, most: 16384}}, t: t}
				if p, err := k.pdu(); err == nil {
					if q, err := readAssociation(p.kind, p.body); err == nil {
						test.tell(k, q)
					}
				}
				_, _ = k.pdu() // until the guard says that it is over
			}()
			r := dicomRig(t, l.Addr().String(), 100)
			c, err := net.Dial("tcp", r.guard.Address("dicom").String())
			if err != nil {
				t.Fatal(err)
			}
			kept := &tap{Conn: c}
			k := newTalker(t, kept)
			q := request("CT1", "PACS", offer(1, clinic.CTImage, clinic.ExplicitLE))
			k.must(k.control(pduAssociateRQ, q.body(pduAssociateRQ)))
			if p, err := k.pdu(); err != nil || p.kind != test.want {
				t.Errorf("got PDU %d, %v; want %d", p.kind, err, test.want)
			}
			for err == nil { // until it is over
				_, err = k.pdu()
			}
			if read, _ := kept.kept(); bytes.Contains(read, []byte(mark)) || len(r.rows()) != 0 {
				t.Errorf("a patient was released, or %d disclosures are on record", len(r.rows()))
			}
		})
	}
}
