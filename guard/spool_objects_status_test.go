package guard

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chaperone/guard/spool"
)

// TestDcmtkSpoolBreaksOff: what an archive says before it breaks off in the middle of an object is its answer, unless that it has it.
func TestDcmtkSpoolBreaksOff(t *testing.T) {
	for _, test := range []struct {
		says uint16
		want int // kept apart
	}{{0xC001, 1}, {statusSuccess, 0}} {
		s, _ := peerShelf(t)
		if out, err := s.storescu(nil, largeObject(t, 24<<20)); err != nil {
			t.Fatal(err, out)
		}
		var said atomic.Int64
		closes := s.halfway(func(k *talker) {
			p, err := k.pdu()
			if err != nil {
				return
			}
			q, err := readAssociation(p.kind, p.body)
			k.must(err)
			q.contexts[0].accepted = q.contexts[0].transfer[0]
			k.must(k.control(pduAssociateAC, q.body(pduAssociateAC)))
			p, err = k.pdu()
			k.must(err)
			k.must(fragments(p.body, func(f fragment) error {
				c, err := readCommand(f.context, f.data)
				k.must(err)
				return k.send(c.context, true, true, c.reply(test.says, ""))
			}))
			said.Add(1)
		})
		eventually(t, "its end", func() bool { return s.stats().Rejected == test.want && said.Load() > int64(2*(1-test.want)) })
		if got := s.stats(); got.Messages != 1-test.want {
			t.Errorf("it says %04X: got %+v", test.says, got)
		}
		s.end()
		closes()
	}
}

// TestSpoolObjectsProtocol: messages of HL7 that wait in the spool of a listener which is of DICOM now are kept apart, and hold up no image.
func TestSpoolObjectsProtocol(t *testing.T) {
	s := newShelf(t)
	key := s.guard.spools.key
	s.end()
	old, err := spool.Open(spool.Options{Dir: s.dir + "/dicom", Key: key, Bytes: 1 << 20, Messages: 10})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(old.Append(spool.Entry{To: "pacs", IDs: []string{"1"}, Awaited: true, Message: []byte("\vMSH|\x1c\r")}), old.Close()); err != nil {
		t.Fatal(err)
	}
	s.start(s.file, spooling(s.dir, spool.Disk{}))
	s.store(1, 2, statusSuccess)
	checkImages(t, s.arrivals(s.archive(well), 1), 1)
	if got := s.answers(); got != "the listener has another protocol now" {
		t.Errorf("got %s", got)
	}
}

// TestSpoolObjectsMoved: when the site file names another address, what waits goes there, also when a connection to the old one is in use.
func TestSpoolObjectsMoved(t *testing.T) {
	s := newShelf(t)
	s.store(1, 3, statusSuccess)
	hold := make(chan struct{})
	before := s.archive(func(k *talker, c *command, _ []byte) { <-hold; well(k, c, nil) })
	s.arrivals(before, 1)
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	after := archiveOn(t, l, well)
	next := s.site(strings.Replace(s.file, s.address, l.Addr().String(), 1))
	next.Listeners[0].Listen = s.guard.rules.Load().site.Listeners[0].Listen
	if err := s.guard.Reload(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	close(hold)
	checkImages(t, s.arrivals(after, 1), 2)
	checkImages(t, s.arrivals(before, 1), 1)
}

// TestSendingBelieved: who is not believed any more gets no more of an object that is being sent.
func TestSendingBelieved(t *testing.T) {
	kept, err := spool.Open(spool.Options{Dir: t.TempDir(), Key: func([16]byte) [32]byte { return [32]byte{} }, Bytes: 64 << 20, Messages: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	o, err := kept.Create()
	if err != nil {
		t.Fatal(err)
	}
	const long = 4 << 20
	_, err = o.Write(make([]byte, long))
	if err = errors.Join(err, o.Keep(spool.Entry{})); err != nil {
		t.Fatal(err)
	}
	m, err := kept.Peek()
	if err != nil {
		t.Fatal(err)
	}
	data, err := kept.OpenObject(m.Object)
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	near, far := net.Pipe()
	s := &sending{asking: asking{leg: leg{conn: near, patient: time.Minute, most: mostPDU}}}
	got := make(chan int64)
	go func() {
		_, _ = io.CopyN(io.Discard, far, 1<<20)
		time.Sleep(freshly + freshly/10) // it takes its time
		n, _ := io.Copy(io.Discard, far)
		got <- n
	}()
	revoked := errors.New("revoked")
	err = s.give(&keptObject{command: &command{raw: binary.LittleEndian.AppendUint16(nil, 1)}}, data, func() error { return revoked }, func() {})
	_ = near.Close()
	if n := <-got; !errors.Is(err, revoked) || n > 1<<20 {
		t.Errorf("got %v, and %d bytes more", err, n)
	}
}
