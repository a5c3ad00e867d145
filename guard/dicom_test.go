package guard

import (
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	clinic "chaperone/internal/clinicsim"
	"chaperone/wire"
)

// TestDICOMNegotiation: what becomes of each part of a request.
func TestDICOMNegotiation(t *testing.T) {
	a := newArchive(t, well)
	r := dicomRig(t, a.Addr().String(), 100)
	ct := offer(1, clinic.CTImage, clinic.ImplicitLE)
	good := request("CT1", "PACS", ct)
	edit := func(change func(*association)) []byte {
		q := *good
		q.contexts = slices.Clone(good.contexts)
		change(&q)
		return q.body(pduAssociateRQ)
	}
	raw := func(change func([]byte) []byte) []byte { return change(good.body(pduAssociateRQ)) }
	for _, test := range []struct {
		name string
		body []byte
		want string // type and body of the answer, or the results of contexts
	}{
		{"as it should be", edit(func(*association) {}), "1=0"},
		{"a private transfer syntax only", edit(func(q *association) { q.contexts[0].transfer = []string{"1.2.840.113619.5.2"} }), "RJ 010101"},
		{"a private transfer syntax too", edit(func(q *association) {
			q.contexts = append(q.contexts, offer(3, clinic.MRImage, "1.2.840.113619.5.2", clinic.ExplicitLE), offer(5, clinic.MRImage, "1.2.840.113619.5.2"))
		}), "1=0 3=0 5=4"},
		{"unknown caller", edit(func(q *association) { copy(q.head[20:], "EVIL            ") }), "RJ 010103"},
		{"nobody calls", edit(func(q *association) { copy(q.head[20:], "                ") }), "RJ 010103"},
		{"a title with a control character", edit(func(q *association) { copy(q.head[20:], "CT1\n            ") }), "RJ 010103"},
		{"titles padded with NULs", edit(func(q *association) { copy(q.head[20:], "CT1\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00") }), "1=0"},
		{"somebody else is called", edit(func(q *association) { copy(q.head[4:], "OTHER           ") }), "RJ 010107"},
		{"another version", raw(func(b []byte) []byte { b[1] = 2; return b }), "RJ 010202"},
		{"another application context", raw(func(b []byte) []byte { b[72+20] = '9'; return b }), "RJ 010102"},
		{"an even context", edit(func(q *association) { q.contexts[0].id = 2 }), "abort 26"},
		{"a context twice", edit(func(q *association) { q.contexts = append(q.contexts, ct) }), "abort 26"},
		{"no context", edit(func(q *association) { q.contexts = nil }), "abort 26"},
		{"no transfer syntax", edit(func(q *association) { q.contexts[0].transfer = nil }), "abort 26"},
		{"two abstract syntaxes", raw(func(b []byte) []byte {
			return item(b, itemContextRQ, item(item(item([]byte{3, 0, 0, 0}, itemAbstract, []byte("1.2")), itemAbstract, []byte("1.3")), itemTransfer, []byte(implicitVR)))
		}), "abort 26"},
		{"two user items", raw(func(b []byte) []byte { return item(b, itemUser, nil) }), "abort 26"},
		{"an item longer than the PDU", raw(func(b []byte) []byte { return append(b, itemUser, 0, 255, 255) }), "abort 26"},
		{"an unknown item", raw(func(b []byte) []byte { return item(b, 0x77, []byte("x")) }), "1=0"},
		{"too short", make([]byte, 20), "abort 26"},
	} {
		k := r.talk()
		k.must(k.control(pduAssociateRQ, test.body))
		p, _ := k.pdu()
		got := fmt.Sprintf("%d %x", p.kind, p.body)
		switch p.kind {
		case pduAssociateRJ:
			got = fmt.Sprintf("RJ %x", p.body[1:])
		case pduAbort:
			got = fmt.Sprintf("abort %d%d", p.body[2], p.body[3])
		case pduAssociateAC:
			answer, err := readAssociation(pduAssociateAC, p.body)
			k.must(err)
			var results []string
			for _, c := range answer.contexts {
				results = append(results, fmt.Sprintf("%d=%d", c.id, c.result))
			}
			got = strings.Join(results, " ")
			k.must(k.control(pduReleaseRQ, make([]byte, 4)))
			if p, _ := k.pdu(); p.kind != pduReleaseRP {
				t.Errorf("%s: got PDU %d after a release", test.name, p.kind)
			}
		}
		if got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

// TestDICOMPassedOn: the system behind the guard gets the request without what would let things past it.
func TestDICOMPassedOn(t *testing.T) {
	a := newArchive(t, well)
	r := dicomRig(t, a.Addr().String(), 100)
	q := request("CT1", "PACS", offer(1, clinic.CTImage, clinic.ImplicitLE, "1.2.840.113619.5.2"), offer(3, clinic.MRImage, clinic.ExplicitLE))
	q.most = 0
	q.roles = []role{{clinic.CTImage, 1, 1}, {"1.2.3.4", 1, 1}}
	q.kept = append(q.kept, [2][]byte{{itemIdentity}, []byte("\x01\x00\x00\x04user\x00\x00")}, [2][]byte{{0x53}, {0, 0, 0, 0}}, [2][]byte{{0x56}, []byte("x")}, [2][]byte{{0x77}, []byte("x")})
	k := r.talk()
	k.must(k.control(pduAssociateRQ, q.body(pduAssociateRQ)))
	p, err := k.pdu()
	k.must(err)
	answer, err := readAssociation(p.kind, p.body)
	k.must(err)
	a.mu.Lock()
	defer a.mu.Unlock()
	got := a.requests[0]
	if got.calling() != "CT1" || got.called() != "PACS" || got.most != mostPDU || !slices.Equal(got.contexts[0].transfer, []string{clinic.ImplicitLE}) {
		t.Errorf("got %q for %q, %d bytes, %v", got.calling(), got.called(), got.most, got.contexts)
	}
	if len(got.roles) != 1 || got.roles[0] != (role{clinic.CTImage, 1, 1}) || len(answer.roles) != 1 || answer.most != usualPDU {
		t.Errorf("got roles %v, answered %v and %d bytes", got.roles, answer.roles, answer.most)
	}
	if len(got.kept) != 2 || string(got.kept[1][1]) != "\x01\x00\x00\x04user\x00\x00" {
		t.Errorf("got user items %v, want the class and the user", got.kept)
	}
}

// TestDICOMSteps walks every pair of phase and PDU: nothing is possible but what is in the table, and the table ends.
func TestDICOMSteps(t *testing.T) {
	possible := 0
	for p := phaseWaiting; p < phases; p++ {
		for _, from := range []wire.Dir{wire.FromClient, wire.FromServer} {
			for kind := byte(0); kind < 9; kind++ {
				next, ok := steps[step{p, from, kind}]
				if !ok {
					continue
				}
				possible++
				if next < p || p == phaseOver {
					t.Errorf("phase %d goes back to %d", p, next)
				}
			}
		}
	}
	if possible != len(steps) || possible != 15 {
		t.Errorf("got %d steps", possible)
	}
}

// TestDICOMReleases: a release is passed on, and when both sides ask at once each gets the other's answers.
func TestDICOMReleases(t *testing.T) {
	collide := make(chan bool)
	a := newArchive(t, func(k *talker, c *command, _ []byte) {
		well(k, c, nil)
		<-collide
		k.must(k.control(pduReleaseRQ, make([]byte, 4)))
		for _, want := range []byte{pduReleaseRQ, pduReleaseRP} {
			if p, err := k.pdu(); err != nil || p.kind != want {
				k.t.Errorf("the archive got PDU %d, %v; want %d", p.kind, err, want)
			}
		}
		k.must(k.control(pduReleaseRP, make([]byte, 4)))
	})
	r := dicomRig(t, a.Addr().String(), 100)
	k := r.talk()
	k.associate()
	k.message(9, set(9, fieldEcho, 1, false), nil)
	k.reply()
	k.must(k.control(pduReleaseRQ, make([]byte, 4)))
	collide <- true
	if p, err := k.pdu(); err != nil || p.kind != pduReleaseRQ {
		t.Fatalf("got PDU %d, %v; want the other's request", p.kind, err)
	}
	k.must(k.control(pduReleaseRP, make([]byte, 4)))
	if p, err := k.pdu(); err != nil || p.kind != pduReleaseRP {
		t.Errorf("got PDU %d, %v; want the answer", p.kind, err)
	}
}

// TestDICOMRubbish: bytes that are no DICOM, or wrong DICOM, end the association as PS3.8 says, and do not reach the system
// behind the guard.
func TestDICOMRubbish(t *testing.T) {
	a := newArchive(t, well)
	r := dicomRig(t, a.Addr().String(), 100)
	raw := func(kind byte, length uint32, body ...byte) []byte {
		return append(binary.BigEndian.AppendUint32([]byte{kind, 0}, length), body...)
	}
	pdv := func(n uint32, body ...byte) []byte {
		b := append(binary.BigEndian.AppendUint32(nil, n), body...)
		return raw(pduData, uint32(len(b)), b...)
	}
	first := func(b []byte) []byte { return pdv(uint32(len(b)+2), append([]byte{9, 3}, b...)...) }
	echo := set(9, fieldEcho, 1, false)
	for _, test := range []struct {
		name   string
		before bool // the association
		bytes  []byte
		want   string
	}{
		{"http", false, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "closed"},
		{"tls", false, []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc"), "closed"},
		{"data before the association", false, first(echo), "abort 22"},
		{"a request of 4 GB", false, raw(pduAssociateRQ, 0xFFFFFFFF), "abort 26"},
		{"data of 4 GB", true, raw(pduData, 0xFFFFFFFF), "abort 26"},
		{"an unknown PDU", true, raw(9, 4, 0, 0, 0, 0), "abort 21"},
		{"a second request", true, raw(pduAssociateRQ, 68, make([]byte, 68)...), "abort 22"},
		{"an answer to a request", true, raw(pduReleaseRP, 4, 0, 0, 0, 0), "abort 22"},
		{"a PDV of 0 bytes", true, pdv(0, 9, 3), "abort 26"},
		{"a PDV of 1 byte", true, pdv(1, 9, 3), "abort 26"},
		{"a PDV longer than its PDU", true, pdv(99, 9, 3), "abort 26"},
		{"bytes left over", true, raw(pduData, 8, 0, 0, 0, 2, 9, 1, 0, 0), "abort 26"},
		{"flags that there are not", true, pdv(2, 9, 0x10), "abort 26"},
		{"a context that was not accepted", true, pdv(uint32(len(echo)+2), append([]byte{33, 3}, echo...)...), "abort 26"},
		{"data without a command", true, pdv(4, 9, 2, 0, 0), "abort 22"},
		{"fragments of two messages", true, append(pdv(4, 9, 1, echo[0], echo[1]), pdv(uint32(len(echo)+2), append([]byte{1, 3}, echo...)...)...), "abort 22"},
		{"a command set without its end", true, first(echo[:len(echo)-1]), "abort 26"},
		{"a group length that is not true", true, first(append([]byte{0, 0, 0, 0, 4, 0, 0, 0, 99, 0, 0, 0}, echo[12:]...)), "abort 26"},
		{"no group length", true, first(echo[12:]), "abort 26"},
		{"a tag twice", true, first(withLength(append(echo[12:len(echo):len(echo)], echo[len(echo)-10:]...))), "abort 26"},
		{"another group", true, first(withLength(append(echo[12:len(echo):len(echo)], 8, 0, 0, 0, 0, 0, 0, 0))), "abort 26"},
		{"an answer to nothing", true, first(set(9, fieldEcho|answerBit, 1, false, clinic.Short(0x0900, 0))), "abort 22"},
		{"a class that is not the context's", true, pdv(uint32(len(echo)+2), append([]byte{9, 3}, set(3, fieldEcho, 1, false)...)...), "abort 26"},
		{"a store without its data set", true, func() []byte {
			b := set(1, fieldStore, 1, false)
			return pdv(uint32(len(b)+2), append([]byte{1, 3}, b...)...)
		}(), "abort 22"},
	} {
		k := r.talk()
		if test.before {
			k.associate()
		}
		k.must(k.write(test.bytes))
		_, _, end := k.reply()
		got := "closed"
		if end.kind == pduAbort {
			got = fmt.Sprintf("abort %d%d", end.body[2], end.body[3])
		}
		if got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
	if got := a.got(); len(got) != 0 {
		t.Errorf("the archive got %v", got)
	}
}

// TestDICOMSilence: who connects and says nothing, or half of something, is not waited for.
func TestDICOMSilence(t *testing.T) {
	t.Parallel()
	a := newArchive(t, well)
	r := begin(t, strings.Replace(fmt.Sprintf(dicomSite, 100, a.Addr()), "    destinations:", "    limits: {first_byte: 1s, in_message: 1s, idle: 2s}\n    destinations:", 1))
	for name, first := range map[string][]byte{"nothing": nil, "half a header": {1, 0, 0}, "half a PDU": {1, 0, 0, 0, 0, 200, 0, 1}} {
		k := r.talk()
		k.must(k.write(first))
		began := time.Now()
		if _, _, end := k.reply(); end.kind != 0 || time.Since(began) > 10*time.Second {
			t.Errorf("%s: got PDU %d after %v", name, end.kind, time.Since(began))
		}
	}
	for name, b := range map[string][]byte{"half a message": {pduData, 0, 0, 0, 0, 8, 0, 0, 0, 4, 9, 1, 0, 0}, "nothing more": nil} {
		k := r.talk()
		k.associate()
		k.must(k.write(b))
		if _, _, end := k.reply(); end.kind != pduAbort {
			t.Errorf("%s: got PDU %d, want an abort", name, end.kind)
		}
	}
}

// TestDICOMUnanswered: a system that says nothing is not laid at its client's door.
func TestDICOMUnanswered(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := begin(t, strings.Replace(fmt.Sprintf(dicomSite, 100, l.Addr()), "    destinations:", "    limits: {in_message: 1s}\n    destinations:", 1))
	k := r.talk()
	q := request("CT1", "PACS", offer(1, clinic.CTImage, clinic.ExplicitLE))
	k.must(k.control(pduAssociateRQ, q.body(pduAssociateRQ)))
	_, _ = k.pdu() // an abort
	eventually(t, "it is told", func() bool { return strings.Contains(r.log.String(), "the system behind it does not answer") })
	if r.metric(`chaperone_guard_turned_away_total{listener="dicom",why="silent"}`) != 0 {
		t.Error("it counts as the client's silence")
	}
}

// TestDICOMGetSilent: a client that does not say what became of an object it asked for is the one that is silent.
func TestDICOMGetSilent(t *testing.T) {
	a := newArchive(t, library(func(k *talker, c *command) {
		_, _, data := object(1, 1, 1)
		k.message(1, set(1, fieldStore, 10, true, clinic.Text(0x1000, "UI", "2.25.1")), data)
		_, _, _ = k.reply()
	}))
	r := begin(t, strings.Replace(fmt.Sprintf(dicomSite, 100, a.Addr()), "    destinations:", "    limits: {in_message: 1s, idle: 1s}\n    destinations:", 1))
	k := r.talk()
	k.associate()
	k.message(5, set(5, fieldGet, 1, true), keys("STUDY", clinic.Text(0x0020000D, "UI", "2.25.1.1")))
	if c, _, _ := k.reply(); c == nil || c.field != fieldStore {
		t.Fatalf("got %+v", c)
	}
	eventually(t, "it is told", func() bool { return strings.Contains(r.log.String(), "connection ended") })
	if n := r.metric(`chaperone_guard_turned_away_total{listener="dicom",why="silent"}`); n != 1 || strings.Contains(r.log.String(), "the system behind it does not answer") {
		t.Errorf("silent %v times: %s", n, r.log.String())
	}
}

// TestDICOMCommands: what the guard does with single commands.
func TestDICOMCommands(t *testing.T) {
	a := newArchive(t, well)
	r := dicomRig(t, a.Addr().String(), 100)
	k := r.talk()
	k.associate()
	step := mppsStep("P1").Encode(clinic.ImplicitLE)
	for _, test := range []struct {
		name          string
		context       byte
		command, data []byte
		want          uint16
		passes        string
	}{
		{"echo", 9, set(9, fieldEcho, 1, false), nil, statusSuccess, "C-ECHO"},
		{"a command that nobody knows", 9, set(9, 0x0777, 2, false), nil, statusUnrecognised, ""},
		{"with a data set", 9, set(9, 0x0777, 3, true), []byte("whatever"), statusUnrecognised, ""},
		{"a store where queries are", 3, set(3, fieldStore, 4, true), step, statusUnrecognised, ""},
		{"a cancel of nothing", 3, set(3, fieldCancel, 9, false), nil, 0xFFFF, ""},
		{"a step begins", 11, set(11, 0x0140, 5, true, clinic.Text(0x1000, "UI", "2.25.9")), step, statusSuccess, "N-CREATE"},
		{"a step goes on", 11, set(11, 0x0120, 6, true, clinic.Text(0x1001, "UI", "2.25.9")), clinic.DataSet{clinic.Text(0x00400252, "CS", "COMPLETED")}.Encode(clinic.ImplicitLE), statusSuccess, "N-SET"},
		{"a step in two ways", 11, set(11, 0x0140, 7, true), append(step, step...), statusProcessing, ""},
	} {
		before := len(a.got())
		k.message(test.context, test.command, test.data)
		if test.want != 0xFFFF {
			c, _, end := k.reply()
			if c == nil || c.status != test.want {
				t.Fatalf("%s: got %+v, PDU %d; want %04X", test.name, c, end.kind, test.want)
			}
		}
		if got := strings.Join(a.got()[before:], ""); got != test.passes {
			t.Errorf("%s: the archive got %q, want %q", test.name, got, test.passes)
		}
	}
	if n, d := r.covered("N-CREATE"); n != 1 || d != 1 {
		t.Errorf("N-CREATE: got %d patients in %d disclosures, want 1 in 1", n, d)
	}
	if n, d := r.covered("N-SET"); n != 0 || d != 0 {
		t.Errorf("N-SET: got %d patients in %d disclosures, want none", n, d)
	}
	var both []byte
	for id := uint16(8); id < 10; id++ {
		b := set(9, fieldEcho, id, false)
		both = binary.BigEndian.AppendUint32(append(both, pduData, 0), uint32(len(b)+6))
		both = append(append(binary.BigEndian.AppendUint32(both, uint32(len(b)+2)), 9, 3), b...)
	}
	k.must(k.write(both))
	if _, _, end := k.reply(); end.kind != pduAbort {
		t.Errorf("two requests at once: got PDU %d, want an abort", end.kind)
	}
}

// mppsStep is a performed procedure step of a patient.
func mppsStep(patient string) clinic.DataSet {
	return clinic.DataSet{clinic.Text(0x00100010, "PN", "INVENTED^A"), clinic.Text(0x00100020, "LO", patient), clinic.Text(0x00400252, "CS", "IN PROGRESS")}
}
