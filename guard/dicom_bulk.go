package guard

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"sync"
)

// bulk is a socket beneath TLS that moves a whole PDU at once. TLS reads and writes a record after the other, and none is longer
// than 16 KiB (RFC 8446 section 5.1): an image is thousands of them, and each would be a call of the kernel.
type bulk struct {
	net.Conn
	in *bufio.Reader

	mu      sync.Mutex
	gathers bool
	out     []byte
}

func newBulk(socket net.Conn) *bulk {
	return &bulk{Conn: socket, in: bufio.NewReaderSize(promptly(socket), aheadOf)}
}

// bulkOf gives what lies beneath a connection, nil for one in the clear.
func bulkOf(c net.Conn) *bulk {
	if t, ok := c.(*tls.Conn); ok {
		b, _ := t.NetConn().(*bulk)
		return b
	}
	return nil
}

func (b *bulk) Read(p []byte) (int, error) { return b.in.Read(p) }

func (b *bulk) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gathers {
		b.out = append(b.out, p...)
		return len(p), nil
	}
	return b.Conn.Write(p)
}

// together lets what is written to to go out in one piece.
func (b *bulk) together(to io.Writer, p []byte) error {
	b.mu.Lock()
	b.gathers = true
	b.mu.Unlock()
	_, err := to.Write(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		_, err = b.Conn.Write(b.out)
	}
	b.gathers, b.out = false, b.out[:0]
	if cap(b.out) > mostRoom {
		b.out = nil
	}
	return err
}
