package guard

import (
	"fmt"
	"net"
	"strings"
	"testing"
)

// TestObserveProbe: who connects to a listener that only observes and goes without a byte is no line of the log, however it ends; who has
// said something is one when its connection breaks.
func TestObserveProbe(t *testing.T) {
	e := newEngine(t)
	r := begin(t, strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), "  - name: hl7\n", "  - name: hl7\n    mode: observe\n", 1))
	for _, test := range []struct {
		name string
		end  func(*net.TCPConn)
		said string
		want int
	}{
		{"closed", func(*net.TCPConn) {}, "", 0},
		{"half closed", func(c *net.TCPConn) { _ = c.CloseWrite() }, "", 0},
		{"reset", func(c *net.TCPConn) { _ = c.SetLinger(0) }, "", 0},
		{"reset, after a message", func(c *net.TCPConn) { _ = c.SetLinger(0) }, result("LAB|NORTH", "m1", "1"), 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := r.call("hl7")
			if test.said != "" {
				c.send(test.said)
			}
			eventually(t, "it is there", func() bool { return r.open() == 1 })
			test.end(c.Conn.(*net.TCPConn))
			_ = c.Close()
			eventually(t, "it is over", func() bool { return r.open() == 0 })
			lines := func() int { return strings.Count(r.log.String(), "connection ended") }
			eventually(t, "its line", func() bool { return lines() >= test.want })
			if n := lines(); n != test.want {
				t.Errorf("got %d lines of the log, want %d", n, test.want)
			}
		})
	}
}
