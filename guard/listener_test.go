package guard

import (
	"net"
	"strings"
	"testing"
)

// TestListenTaken: whoever starts a second guard is told why it cannot be.
func TestListenTaken(t *testing.T) {
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	_, err = Listen(first.Addr().(*net.TCPAddr).AddrPort())
	if err == nil || !strings.Contains(err.Error(), "another program listens at "+first.Addr().String()) {
		t.Errorf("got %v", err)
	}
}
