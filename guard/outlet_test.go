package guard

import (
	"net"
	"os"
	"testing"
	"time"

	"chaperone/site"
)

// stuck is a peer that stops reading in the middle of what comes first.
type stuck struct {
	net.Conn
	begun, stop chan struct{}
	got         []byte
}

func (*stuck) SetWriteDeadline(time.Time) error { return nil }

func (c *stuck) Write(b []byte) (int, error) {
	if len(c.got) > 0 {
		c.got = append(c.got, b...)
		return len(b), nil
	}
	c.got = append(c.got, b[:len(b)/2]...)
	close(c.begun)
	<-c.stop
	return len(b) / 2, os.ErrDeadlineExceeded
}

// TestOutletBroken: who waited for its turn writes nothing behind half an acknowledgement; to the next peer it does.
func TestOutletBroken(t *testing.T) {
	l := &listener{}
	l.spec.Store(&site.Listener{})
	h := &hl7Conn{conn: &conn{listener: l}}
	to := &stuck{begun: make(chan struct{}), stop: make(chan struct{})}
	errs := make(chan error, 2)
	write := func() { errs <- h.write(&h.down, to, []byte("MSA|AA|1")) }
	go write()
	<-to.begun
	go write()
	close(to.stop)
	for range 2 {
		if err := <-errs; err == nil {
			t.Error("a write succeeded")
		}
	}
	if string(to.got) != "MSA|" {
		t.Errorf("got %q, want half an acknowledgement", to.got)
	}
	next := &stuck{got: []byte("x")}
	if err := h.write(&h.down, next, []byte("y")); err != nil || string(next.got) != "xy" {
		t.Errorf("got %q and %v from the next peer", next.got, err)
	}
}
