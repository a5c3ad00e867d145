package guard

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
)

// TestHandOver: a client that comes while no guard is there waits in the socket, and is served by the next one.
func TestHandOver(t *testing.T) {
	e := newEngine(t)
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	held := func(o *Options) {
		f, err := socket.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		own, err := net.FileListener(f) // as a new process gets it
		if err != nil {
			t.Fatal(err)
		}
		o.Sockets = []net.Listener{own}
		o.Site.Listeners[0].Listen = socket.Addr().(*net.TCPAddr).AddrPort()
	}
	file := fmt.Sprintf(hl7Site, e.Addr())
	r := begin(t, file, held)
	for round := range 3 {
		before := r.call("hl7")
		if m := result("LAB|NORTH", fmt.Sprint("a", round), "1"); before.send(m) != ack(m) {
			t.Fatal("not served")
		}
		address := r.guard.Address("hl7").String()
		r.end()
		conn, err := net.Dial("tcp", address) // nobody accepts
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		m := result("LAB|NORTH", fmt.Sprint("b", round), "2")
		if _, err := conn.Write([]byte("\x0b" + m + "\x1c\r")); err != nil {
			t.Fatal(err)
		}
		r.start(file, held)
		waiting := &caller{conn, t, bufio.NewReader(conn)}
		if got := waiting.answer(); !strings.Contains(got, "MSA|AA|b") {
			t.Errorf("round %d: got %q", round, got)
		}
		_ = conn.Close()
	}
	if n := len(r.rows()); n != 6 {
		t.Errorf("got %d disclosures, want 6", n)
	}
}
