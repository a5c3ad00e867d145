package guard

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	clinic "chaperone/internal/clinicsim"
)

const dicomTLSSite = `site: north
inside: [127.0.0.0/8]
identity: {authority: %[1]s/authority, certificate: %[1]s/guard.pem, key: %[1]s/guard.key}
parties:
  - {name: ct1, role: viewer, titles: [CT1]}
  - {name: ct2, role: viewer, titles: [CT2]}
  - {name: pacs, role: pacs, titles: [PACS]}
grants:
  - {name: all, roles: [viewer], actions: ["dicom.*"], to: [pacs, self]}
listeners:
  - name: dicom
    protocol: dicom
    listen: 127.0.0.1:2762
    upstream: {address: "%[2]s", party: pacs}
`

// TestDICOMTLS: with certificates on both sides, inquiries of the guard's own too; an AE title is only for whom it is bound to.
func TestDICOMTLS(t *testing.T) {
	p := newPapers(t)
	own, _ := p.issue(t, "pacs", true)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAnyClientCert})
	if err != nil {
		t.Fatal(err)
	}
	a := archiveOn(t, l, library(nil))
	r := begin(t, fmt.Sprintf(dicomTLSSite, p.dir, a.Addr()), func(o *Options) { o.Trust, o.pace = p.trust, quick })
	talk := func(party string) *talker {
		c, _ := p.issue(t, party, false)
		raw, err := net.Dial("tcp", r.guard.Address("dicom").String())
		if err != nil {
			t.Fatal(err)
		}
		return newTalker(t, tls.Client(raw, client(c)))
	}
	k := talk("ct1")
	k.associate()
	_, _, data := object(1, 1, 1)
	k.message(1, set(1, fieldStore, 1, true), data)
	k.reply()
	k.message(5, set(5, fieldGet, 2, true), keys("STUDY", clinic.Text(0x0020000D, "UI", "2.25.2.1")))
	if c, _, _ := k.reply(); c == nil || c.status != statusSuccess {
		t.Errorf("got %+v", c)
	}
	for _, row := range r.rows() {
		if row.From.Proven == "" || row.To.Proven == "" || row.Protection != "mtls" || row.Persons != 1 {
			t.Errorf("on record is %+v", row.Disclosure)
		}
	}
	if n := len(r.rows()); n != 2 {
		t.Errorf("got %d disclosures, want 2", n)
	}
	k = talk("ct2")
	q := request("CT1", "PACS", offer(9, clinic.Verification, implicitVR))
	k.must(k.control(pduAssociateRQ, q.body(pduAssociateRQ)))
	if p, err := k.pdu(); err != nil || p.kind != pduAssociateRJ || p.body[3] != 3 {
		t.Errorf("another's title: got PDU %d % x, %v", p.kind, p.body, err)
	}
}

// TestHangUp: a connection whose peer does not read what is sent to it in one piece ends at once, and not when TLS has waited to say so.
func TestHangUp(t *testing.T) {
	own, _ := newPapers(t).issue(t, "pacs", true)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	socket, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := tls.Server(newBulk(socket), &tls.Config{Certificates: []tls.Certificate{own}})
	shaken := make(chan error, 1)
	go func() { shaken <- tls.Client(peer, &tls.Config{InsecureSkipVerify: true}).Handshake() }()
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- (&leg{conn: c, patient: time.Minute}).write(make([]byte, 64<<20)) }()
	eventually(t, "a write that nobody reads", bulkOf(c).sends.Load)
	began := time.Now()
	_ = hangUp(c)
	if <-over == nil {
		t.Error("all of it was written")
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
}

// halfway takes a part of what is written.
type halfway struct {
	net.Conn
	took int
}

func (h *halfway) SetWriteDeadline(time.Time) error { return nil }

func (h *halfway) Write(b []byte) (int, error) {
	n := len(b) - min(len(b), 5)
	h.took += n
	return n, os.ErrDeadlineExceeded
}

// TestBrokenLeg: behind a PDU of which a part was written comes nothing: an A-ABORT would be taken for the rest of it.
func TestBrokenLeg(t *testing.T) {
	h := &halfway{}
	l := &leg{conn: h, most: 16384, patient: time.Second}
	if err := l.send(1, false, true, make([]byte, 100)); err == nil {
		t.Fatal("it was written")
	}
	was := h.took
	l.abort(2, 0)
	if h.took != was {
		t.Errorf("%d bytes stand behind the half of a PDU", h.took-was)
	}
	if l.send(1, false, true, nil) == nil {
		t.Error("a leg that is broken takes more")
	}
}

// TestHandshakeMemory: who only connects, or begins a handshake and does not end it, takes no memory to read images with. Who has done it
// reads a PDU at once.
func TestHandshakeMemory(t *testing.T) {
	p := newPapers(t)
	const many = 200
	own, _ := p.issue(t, "pacs", true)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAnyClientCert})
	if err != nil {
		t.Fatal(err)
	}
	file := strings.Replace(fmt.Sprintf(dicomTLSSite, p.dir, archiveOn(t, l, well).Addr()), "    upstream:", "    limits: {per_address: 1000}\n    upstream:", 1)
	r := begin(t, file, func(o *Options) { o.Trust, o.pace = p.trust, quick })
	before := heap()
	for i := range many {
		c, err := net.Dial("tcp", r.guard.Address("dicom").String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte{22, 3, 1}[:i%4]); err != nil { // the beginning of a record
			t.Fatal(err)
		}
	}
	eventually(t, "all are in their handshake", func() bool { return r.owe() == many })
	if each := (int64(heap().HeapAlloc) - int64(before.HeapAlloc)) / many; each > aheadOf/2 {
		t.Errorf("each takes %d bytes", each)
	}
	ct1, _ := p.issue(t, "ct1", false)
	k := newTalker(t, r.mustDialAt("dicom", client(ct1)).Conn)
	k.associate()
	r.guard.mu.Lock()
	defer r.guard.mu.Unlock()
	ahead := 0
	for c := range r.guard.conns {
		c.sockets.Lock()
		sides := []net.Conn{c.client, c.upstream}
		c.sockets.Unlock()
		for _, side := range sides {
			if b := bulkOf(side); b != nil {
				if in, ok := b.in.(*bufio.Reader); ok && in.Size() == aheadOf {
					ahead++
				}
			}
		}
	}
	if ahead != 2 {
		t.Errorf("%d sides read ahead, want both of one connection", ahead)
	}
}
