package guard

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// bulk is a socket beneath TLS that moves a whole PDU at once. TLS reads and writes a record after the other, and none is longer
// than 16 KiB (RFC 8446 section 5.1): an image is thousands of them, and each would be a call of the kernel.
type bulk struct {
	net.Conn
	in io.Reader

	mu      sync.Mutex
	gathers bool
	out     []byte
	sends   atomic.Bool
}

// newBulk makes one that reads as TLS does, until readAhead.
func newBulk(socket net.Conn) *bulk { return &bulk{Conn: socket, in: promptly(socket)} }

// readAhead lets a connection read a whole PDU at once from now on. Its handshake has to be done: the memory for it is not for everybody
// who only connects.
func readAhead(c net.Conn) {
	if b := bulkOf(c); b != nil {
		b.in = bufio.NewReaderSize(b.in, aheadOf)
	}
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
		b.sends.Store(true)
		_, err = b.Conn.Write(b.out)
		b.sends.Store(false)
	}
	b.gathers, b.out = false, b.out[:0]
	if cap(b.out) > mostRoom {
		b.out = nil
	}
	return err
}

// hangUp closes a connection. TLS says so to its peer, and waits for that (crypto/tls, 5 s) unless it is in the middle of a write:
// what is sent in one piece is one that TLS does not know of.
func hangUp(c net.Conn) error {
	if b := bulkOf(c); b != nil && b.sends.Load() {
		_ = b.Conn.Close() // ends the write
	}
	return c.Close()
}
