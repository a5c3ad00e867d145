package guard

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	clinic "chaperone/internal/clinicsim"
)

// counted counts the bytes that arrive.
type counted struct {
	net.Conn
	n atomic.Int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// countedAll counts the bytes that arrive at the listener's last connection.
type countedAll struct {
	net.Listener
	last atomic.Pointer[counted]
}

func (l *countedAll) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	counts := &counted{Conn: c}
	l.last.Store(counts)
	return counts, nil
}

// Sizes of an object that is being sent when a certificate is revoked: it would take seconds, and the certificate is revoked when
// some of it has arrived.
const (
	endless = 1 << 30
	some    = 1 << 20
)

// pour sends an object of a patient in many PDUs, and reports whether all of it could be sent.
func (k *talker) pour(command []byte) (all bool) {
	object := imageOf(askedNumber, askedUID, 0)
	object = binary.LittleEndian.AppendUint32(object[:len(object)-4], endless)
	if k.send(1, true, true, command) != nil || k.send(1, false, false, object) != nil {
		return false
	}
	piece := bytes.Repeat([]byte(mark+"  "), 2000)
	for sent := 0; sent+len(piece) < endless; sent += len(piece) {
		if k.send(1, false, false, piece) != nil {
			return false
		}
	}
	return true
}

// revocable is a guard before an archive, both with certificates, and a client that has begun something.
type revocable struct {
	*rig
	papers  *papers
	serials map[string]string // by party
	config  *tls.Config       // the client's
	client  *counted
	archive *archive
	at      *countedAll
	moved   atomic.Int64 // objects that the archive sent elsewhere
	poured  atomic.Bool  // it sent all
	ended   sync.WaitGroup
}

func newRevocable(t *testing.T, version uint16) *revocable {
	t.Helper()
	v := &revocable{papers: newPapers(t), serials: map[string]string{}}
	own, serial := v.papers.issue(t, "pacs", true)
	v.serials["pacs"] = serial
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAnyClientCert, MinVersion: version, MaxVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	v.at = &countedAll{Listener: l}
	v.archive = archiveOn(t, v.at, func(k *talker, c *command, data []byte) {
		switch c.field {
		case fieldFind:
			matched(k, c, study(askedNumber, askedUID))
		case fieldGet:
			v.poured.Store(k.pour(set(1, fieldStore, 9, true, clinic.Text(0x1000, "UI", askedUID+".1.1"))))
		case fieldMove:
			for v.moved.Load() < endless && k.send(c.context, true, true, set(7, fieldMove|answerBit, c.id, false, clinic.Short(0x0900, statusPending), clinic.Short(0x1021, 1))) == nil {
				v.moved.Add(1)
			}
		default:
			well(k, c, data)
		}
	})
	file := strings.Replace(fmt.Sprintf(dicomTLSSite, v.papers.dir, v.at.Addr()), "    upstream:", "    destinations: {ROOM: pacs}\n    upstream:", 1)
	v.rig = begin(t, file, func(o *Options) { o.Trust, o.pace = v.papers.trust, quick })
	ct1, serial := v.papers.issue(t, "ct1", false)
	v.serials["ct1"] = serial
	v.config = client(ct1)
	v.config.MinVersion, v.config.MaxVersion, v.config.ClientSessionCache = version, version, tls.NewLRUClientSessionCache(4)
	return v
}

func (v *revocable) dial() (*talker, *tls.Conn) {
	v.t.Helper()
	raw, err := net.Dial("tcp", v.guard.Address("dicom").String())
	if err != nil {
		v.t.Fatal(err)
	}
	secured := tls.Client(raw, v.config)
	v.client = &counted{Conn: secured}
	return newTalker(v.t, v.client), secured
}

// open reports how many connections the guard has.
func (v *revocable) open() int {
	v.guard.mu.Lock()
	defer v.guard.mu.Unlock()
	return len(v.guard.conns)
}

// over reports whether the archive has no association any more.
func (v *revocable) over() bool {
	v.archive.mu.Lock()
	defer v.archive.mu.Unlock()
	return len(v.archive.ends) == len(v.archive.requests)
}

// TestRevokeDICOM: a certificate that is revoked in the middle of a large object, of the client or of the archive, ends the live
// association in every version of TLS. Nothing of the patient passes behind that, the object has no end, and a session that is
// resumed is let in no more.
func TestRevokeDICOM(t *testing.T) {
	one := clinic.Text(0x0020000D, "UI", askedUID)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, who := range []string{"ct1", "pacs"} {
			for _, what := range []struct {
				name  string
				begin func(v *revocable, k *talker)
				got   func(v *revocable) int64 // of what is released: bytes, or objects
			}{
				{"C-STORE", func(v *revocable, k *talker) {
					v.ended.Go(func() {
						v.poured.Store(k.pour(set(1, fieldStore, 1, true, clinic.Text(0x1000, "UI", askedUID+".1.1"))))
					})
				}, func(v *revocable) int64 { return v.at.last.Load().n.Load() }},
				{"C-GET", func(v *revocable, k *talker) {
					k.message(5, set(5, fieldGet, 1, true), keys("STUDY", one))
					v.ended.Go(func() { drainPDUs(k) })
				}, func(v *revocable) int64 { return v.client.n.Load() }},
				{"C-MOVE", func(v *revocable, k *talker) {
					k.message(7, set(7, fieldMove, 1, true, clinic.Text(0x0600, "AE", "ROOM")), keys("STUDY", one))
					v.ended.Go(func() { drainPDUs(k) })
				}, func(v *revocable) int64 { return v.moved.Load() * 1000 }},
			} {
				t.Run(fmt.Sprintf("%s/%s/%s", tls.VersionName(version), who, what.name), func(t *testing.T) {
					v := newRevocable(t, version)
					first, _ := v.dial() // so that there is a session to be resumed
					first.associate()
					_ = first.conn.Close()
					k, secured := v.dial()
					k.associate()
					if !secured.ConnectionState().DidResume {
						t.Error("no session was resumed: the test shows less than it should")
					}
					eventually(t, "the first is gone", func() bool { return v.open() == 1 })
					what.begin(v, k)
					eventually(t, "some of it arrives", func() bool { return what.got(v) > some })
					v.papers.revoke(t, v.serials[who])
					eventually(t, "the association ends", func() bool { return v.open() == 0 })
					v.ended.Wait()
					eventually(t, "the archive knows", v.over)
					if v.poured.Load() || what.got(v) >= endless {
						t.Error("all of it passed")
					}
					if n := len(v.rows()); n == 0 {
						t.Error("what passed before is not on record")
					}
					again, _ := v.dial()
					q := request("CT1", "PACS", offer(9, clinic.Verification, implicitVR))
					if again.control(pduAssociateRQ, q.body(pduAssociateRQ)) == nil {
						if p, err := again.pdu(); err == nil {
							t.Errorf("a new connection got PDU %d", p.kind)
						}
					}
					eventually(t, "a finding", func() bool { return v.findings()["refused-identity-revoked"] > 0 })
				})
			}
		}
	}
}

// drainPDUs reads until nothing comes, and fails if an object or an answer ends.
func drainPDUs(k *talker) {
	for {
		p, err := k.pdu()
		if err != nil || p.kind != pduData {
			return
		}
		if err := fragments(p.body, func(f fragment) error {
			if f.last && !f.command {
				k.t.Error("the object has an end")
			}
			return nil
		}); err != nil {
			k.t.Error(err)
		}
	}
}
