package guard

import (
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// prompt reads from a connection and has each read acknowledged at once. A peer that writes a message in two parts and leaves
// Nagle's algorithm on waits for that: with a delayed acknowledgement, 40 ms for each image. The kernel forgets the option, so
// it is set again after each read (tcp(7), TCP_QUICKACK).
type prompt struct {
	net.Conn
	raw syscall.RawConn
}

// promptly gives what reads from a connection and is acknowledged at once, where that is possible.
func promptly(c net.Conn) io.Reader {
	s, ok := c.(syscall.Conn)
	if !ok {
		return c
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return c
	}
	return &prompt{c, raw}
}

func (p *prompt) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	_ = p.raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) }) // it is only faster
	return n, err
}
