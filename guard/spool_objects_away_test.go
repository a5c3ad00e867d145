package guard

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"chaperone/guard/spool"
	clinic "chaperone/internal/clinicsim"
)

// halfway makes something at the archive's address that takes connections, and says what a test lets it say.
func (s *shelf) halfway(says func(k *talker)) (closes func()) {
	s.t.Helper()
	l, err := net.Listen("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	var work sync.WaitGroup
	over := make(chan struct{})
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			said := make(chan struct{})
			work.Go(func() { defer close(said); says(newTalker(s.t, c)) })
			work.Go(func() {
				defer c.Close()
				select {
				case <-said:
				case <-over:
				}
			})
		}
	})
	return func() { _ = l.Close(); close(over); work.Wait() }
}

// mute says nothing until the other side goes.
func mute(k *talker) { _, _ = io.Copy(io.Discard, k.conn) }

// TestSpoolObjectsOtherSyntax: an archive that accepts another transfer syntax than the one of what was kept gets nothing: it would read it as
// what it is not.
func TestSpoolObjectsOtherSyntax(t *testing.T) {
	for name, accepted := range map[string]string{"another": jpeg, "none": ""} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			s.store(1, 2, statusSuccess)
			var got pdu
			closes := s.halfway(func(k *talker) {
				p, err := k.pdu()
				if err != nil {
					return
				}
				q, err := readAssociation(p.kind, p.body)
				k.must(err)
				q.contexts[0].accepted = accepted
				k.must(k.control(pduAssociateAC, q.body(pduAssociateAC)))
				got, _ = k.pdu()
			})
			eventually(t, "it is kept apart", func() bool { return s.stats().Rejected == 1 && s.stats().Messages == 0 })
			closes()
			if got.kind != pduReleaseRQ {
				t.Errorf("got PDU %d, want the release", got.kind)
			}
			if answer := s.answers(); answer != "presentation context accepted in another transfer syntax" {
				t.Errorf("got %s", answer)
			}
		})
	}
}

// answers are those to what was rejected.
func (s *shelf) answers() string {
	var list []string
	for _, f := range glob(s.t, s.dir+"/dicom/rejected/*") {
		_ = spool.Read(f, s.guard.spools.key, func(k spool.Kept) error { list = append(list, k.Answer); return nil })
	}
	return strings.Join(list, ", ")
}

// TestSpoolObjectsHung: an archive that takes connections and says nothing is away long before a message would be overdue, as modalities wait
// less long than that. One that waits even less has to come again, and then waits for nobody.
func TestSpoolObjectsHung(t *testing.T) {
	for name, leaves := range map[string]bool{"a client that waits": false, "one that does not": true} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t) // limits: in_message: 60s
			closes := s.halfway(mute)
			if leaves {
				gone := &s.guard.spools.of("dicom").gone
				eventually(t, "it is known", func() bool {
					k := s.talk()
					k.must(k.control(pduAssociateRQ, request("CT1", "PACS", offer(1, clinic.CTImage, explicitVR)).body(pduAssociateRQ)))
					time.Sleep(spoolPace.answer * 3 / 4)
					_ = k.conn.Close()
					return gone.lately()
				})
			}
			began := time.Now()
			s.store(1, 2, statusSuccess)
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("it was kept after %v", took)
			}
			closes()
			checkImages(t, s.arrivals(s.archive(well), 1), 1)
		})
	}
}

// TestSpoolObjectsBack: an archive that takes what was kept is there, however much that is: for a query at once, and for what is stored with
// the first object that it has.
func TestSpoolObjectsBack(t *testing.T) {
	s := newShelf(t)
	s.store(1, 3, statusSuccess)
	one, gone := make(chan struct{}), &s.guard.spools.of("dicom").gone
	a := s.archive(func(k *talker, c *command, data []byte) {
		if c.id < 3 {
			<-one
		}
		well(k, c, data)
	})
	s.arrivals(a, 1)
	echo := request("CT1", "PACS", offer(1, clinic.Verification, implicitVR))
	gone.note() // as if a client had just found nobody
	if got := negotiated(s.talk(), echo); got != "1=0 "+implicitVR || gone.lately() {
		t.Errorf("an echo gets %s; away: %v", got, gone.lately())
	}
	gone.note()
	one <- struct{}{}
	s.arrivals(a, 2)
	s.store(3, 4, statusSuccess)
	if got := s.stats(); got.Messages != 1 || gone.lately() {
		t.Errorf("%d wait, want 1: only what came while the archive was away", got.Messages)
	}
	close(one)
	checkImages(t, s.arrivals(a, 3), 1, 2, 3)
}

// TestSpoolObjectsIdle: nobody is connected to for a client that says nothing: an archive that closes such a connection is not away.
func TestSpoolObjectsIdle(t *testing.T) {
	s := newShelf(t)
	l, err := net.Listen("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	idle := s.talk()
	asks := s.talk()
	asks.must(asks.control(pduAssociateRQ, request("CT1", "PACS", offer(1, clinic.CTImage, explicitVR)).body(pduAssociateRQ)))
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	p, err := newTalker(t, c).pdu()
	if err != nil || p.kind != pduAssociateRQ {
		t.Errorf("got PDU %d, %v; want the one request", p.kind, err)
	}
	_ = idle.conn.Close()
	_ = asks.conn.Close()
	_ = c.Close()
}
