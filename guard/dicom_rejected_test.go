package guard

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"chaperone"
	clinic "chaperone/internal/clinicsim"
	"chaperone/wire"
	"chaperone/wire/dimse"
)

// rejectedSite grants CT images alone.
func rejectedSite(archive net.Addr) string {
	file := strings.Replace(fmt.Sprintf(dicomSite, 100, archive), "actions: [dicom.*]", "actions: [dicom.store]\n    details: ["+clinic.CTImage+"]", 1)
	return strings.Replace(file, "grants:\n", "grants:\n  - {name: associates, parties: [ct1], actions: [dicom.associate], to: [pacs]}\n", 1)
}

const privateSyntax = "1.2.840.113619.5.2"

// rejectedContexts are what is told of what a client proposes: rule, behind refused-, is "" where all passes.
var rejectedContexts = []struct {
	name     string
	contexts []proposed
	rule     string
	says     string
}{
	{"all pass", []proposed{offer(1, clinic.CTImage, clinic.ImplicitLE)}, "", ""},
	{"a class that no grant is for", []proposed{offer(1, clinic.CTImage, clinic.ImplicitLE), offer(3, clinic.MRImage, clinic.ImplicitLE)},
		"detail", "The SOP class " + clinic.MRImage + ` (dicom.store) was rejected: the grant "everything" is for ` + clinic.CTImage},
	{"several", []proposed{offer(1, clinic.CTImage, clinic.ImplicitLE), offer(3, clinic.MRImage, clinic.ImplicitLE), offer(5, clinic.MRImage, clinic.ExplicitLE), offer(7, "1.2.3", clinic.ImplicitLE)},
		"detail", "The SOP class " + clinic.MRImage + " (dicom.store) was rejected, and 1 more that were proposed with it"},
	{"pixels that the guard cannot walk", []proposed{offer(1, clinic.CTImage, clinic.ImplicitLE), offer(3, clinic.CTImage, privateSyntax)}, "", ""},
	{"no other transfer syntax", []proposed{offer(1, "1.2.840.10008.1.1", clinic.ImplicitLE), offer(3, clinic.CTImage, privateSyntax)},
		"transfer-syntax", "The SOP class " + clinic.CTImage + " (dicom.store) was rejected"},
	{"nothing passes", []proposed{offer(1, clinic.MRImage, clinic.ImplicitLE)}, "no-grant", "No grant allows any of the services"},
}

// toldOfContexts gives what was found about an association.
func (r *rig) toldOfContexts(prefix string) (found []chaperone.Finding) {
	for _, reason := range []string{"detail", "transfer-syntax", "no-grant", "identity-title", "destination", "malformed"} {
		found = append(found, r.everyFinding(prefix+reason)...)
	}
	return found
}

// TestDICOMRejected: a service that is rejected beside others that pass is a finding, with its class, once for an association.
func TestDICOMRejected(t *testing.T) {
	a := newArchive(t, well)
	for _, test := range rejectedContexts {
		r := begin(t, rejectedSite(a.Addr()))
		k := r.talk()
		k.must(k.control(pduAssociateRQ, request("CT1", "PACS", test.contexts...).body(pduAssociateRQ)))
		if _, err := k.pdu(); err != nil {
			t.Fatal(err)
		}
		found := r.toldOfContexts(RefusedRule)
		switch {
		case test.rule == "" && len(found) > 0, test.rule != "" && len(found) != 1:
			t.Errorf("%s: got %+v", test.name, found)
		case test.rule != "" && (found[0].Rule != RefusedRule+test.rule || found[0].Count != 1 || !strings.HasPrefix(found[0].Advice, test.says) || found[0].From.Proven != "" && found[0].From.Proven != "ct1"):
			t.Errorf("%s: got %+v, want %s: %s", test.name, found[0], test.rule, test.says)
		case test.rule != "" && !strings.Contains(r.log.String(), "reference="):
			t.Errorf("%s: the log has no reference: %s", test.name, r.log.String())
		}
	}
}

// accepting answers each request as it came, under a title of its own, and gives what it got and said.
func accepting(t *testing.T) (at net.Addr, got func() (asked, said []byte)) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var asked, said []byte
	var work sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); work.Wait() })
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				defer c.Close()
				raw := make([]byte, 6)
				if _, err := io.ReadFull(c, raw); err != nil {
					return
				}
				raw = append(raw, make([]byte, binary.BigEndian.Uint32(raw[2:]))...)
				if _, err := io.ReadFull(c, raw[6:]); err != nil {
					return
				}
				answer := append([]byte{pduAssociateAC}, raw[1:]...) // no system would, and no listener that observes minds
				mu.Lock()
				asked, said = raw, answer
				mu.Unlock()
				_, _ = c.Write(answer) // the test sees what does not come
				_, _ = io.Copy(io.Discard, c)
			})
		}
	})
	return l.Addr(), func() ([]byte, []byte) { mu.Lock(); defer mu.Unlock(); return asked, said }
}

// TestDICOMRejectedObserved: a listener that observes tells of the same, once for an association, however the request is cut, and every byte passes as it came.
func TestDICOMRejectedObserved(t *testing.T) {
	archive, got := accepting(t)
	file := strings.Replace(rejectedSite(archive), "protocol: dicom\n", "protocol: dicom\n    mode: observe\n", 1)
	type observed struct {
		name       string
		request    *association
		rule, says string
	}
	var tests []observed
	for _, one := range rejectedContexts {
		tests = append(tests, observed{one.name, request("CT1", "PACS", one.contexts...), one.rule, strings.Replace(one.says, "was rejected", "would be rejected", 1)})
	}
	both := []proposed{offer(1, clinic.CTImage, clinic.ImplicitLE), offer(3, clinic.MRImage, clinic.ImplicitLE)}
	tests = append(tests, observed{"somebody else's title", request("CT9", "PACS", both...), "identity-title", ""},
		observed{"somebody else is called", request("CT1", "OTHER", both...), "destination", "The AE title that was called"},
		observed{"a title that is none", request(`CT\1`, "PACS", both...), "malformed", ""})
	for _, test := range tests {
		for _, piece := range []int{1, 1 << 20} {
			t.Run(fmt.Sprintf("%s, in pieces of %d", test.name, piece), func(t *testing.T) {
				r := begin(t, file)
				c, err := net.Dial("tcp", r.guard.Address("dicom").String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(20 * time.Second))
				body := test.request.body(pduAssociateRQ)
				sent := append(binary.BigEndian.AppendUint32([]byte{pduAssociateRQ, 0}, uint32(len(body))), body...)
				for rest := sent; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
					if _, err := c.Write(rest[:min(piece, len(rest))]); err != nil {
						t.Fatal(err)
					}
				}
				back := make([]byte, len(sent))
				if _, err := io.ReadFull(c, back); err != nil {
					t.Fatal(err)
				}
				if asked, said := got(); !bytes.Equal(asked, sent) || !bytes.Equal(back, said) {
					t.Errorf("other bytes passed than came")
				}
				_ = c.Close()
				eventually(t, "all of it is read", func() bool { return r.open() == 0 })
				found := r.toldOfContexts(ObservedRule)
				switch {
				case test.rule == "" && len(found) > 0, test.rule != "" && len(found) != 1:
					t.Errorf("got %+v, want one of %q", found, test.rule)
				case test.rule != "" && (found[0].Rule != ObservedRule+test.rule || found[0].Count != 1 || !strings.HasPrefix(found[0].Advice, test.says)):
					t.Errorf("got %+v, want %s: %s", found[0], test.rule, test.says)
				}
				if more := r.toldOfContexts(RefusedRule); len(more) > 0 {
					t.Errorf("got refusals: %+v", more)
				}
			})
		}
	}
}

// TestDICOMRequestUnread: of a request for an association part of which passed unread nobody knows what is in it.
func TestDICOMRequestUnread(t *testing.T) {
	r := dicomRig(t, "127.0.0.1:1", 100)
	o := newObserver(&conn{guard: r.guard, listener: r.guard.listeners["dicom"]})
	o.session, o.request = dimse.New(wire.DefaultLimits, false), newRequestReader(o.conn, o.judge) // as where it observes
	body := request("CT1", "PACS", offer(1, clinic.CTImage, clinic.ImplicitLE)).body(pduAssociateRQ)
	sent := append(binary.BigEndian.AppendUint32([]byte{pduAssociateRQ, 0}, uint32(len(body))), body...)
	o.hear(t.Context(), passed(wire.FromClient, sent[:40]))
	o.hear(t.Context(), chunk{dir: wire.FromClient, gap: 20, at: time.Now()})
	o.hear(t.Context(), passed(wire.FromClient, append(sent[60:], make([]byte, 20)...)))
	if refused := r.refusals(); len(refused) > 0 {
		t.Errorf("would be refused: %v", refused)
	}
}
