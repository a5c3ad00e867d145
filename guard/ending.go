package guard

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"chaperone/policy"
	"chaperone/wire"
)

// What ends a connection because of what came, or did not come. Each is counted once, and one line of the log.

// broken notes that what came is not in the listener's protocol. It gives why the connection ends; why must not quote what came.
func (c *conn) broken(why error) error { return c.brokenBy(wire.FromClient, why) }

// brokenBy is broken for what came from a side, or would be if the listener enforced.
func (c *conn) brokenBy(d wire.Dir, why error) error {
	if !c.observes { // else its session counts it
		c.guard.malformed(c.listener.name)
	}
	from, to := c.from.record(), c.to.record()
	if d == wire.FromServer {
		from, to = to, from
	}
	reference := c.guard.refused.note(refusal{
		listener: c.listener.name, word: connection, from: from, to: to, at: c.guard.now(), observed: c.observes,
		decision: policy.Decision{Reason: malformed, Version: c.guard.rules.Load().site.Version, Hint: why.Error()},
	})
	return fmt.Errorf("%w (%v, reference %s)", errProtocol, why, reference)
}

// silent notes that nothing came, or not the rest of it, in time.
func (c *conn) silent() error {
	c.guard.metrics.silent(c.listener.name)
	return errSilent
}

// handshakeFault says why a handshake failed, without what came: crypto/tls quotes the versions and names that a client sends.
func handshakeFault(err error) string {
	var record tls.RecordHeaderError
	var network *net.OpError
	switch {
	case errors.As(err, &record):
		return "what came is no TLS"
	case errors.Is(err, context.DeadlineExceeded):
		return "it was not done in time"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF): // the latter between two records
		return "the connection ended in the middle of it"
	}
	text := err.Error()
	if errors.As(err, &network) {
		if network.Op != "remote error" { // an alert, whose text is one of a list
			return "the connection broke in the middle of it"
		}
		return text
	}
	text = strings.TrimPrefix(text, "tls: ")
	if i := strings.IndexAny(text, `:;,(["`); i >= 0 {
		text = text[:i]
	}
	return text
}

// ear is a socket beneath TLS that notes whether anything came.
type ear struct {
	net.Conn
	heard bool // of the goroutine that reads
}

func (e *ear) Read(b []byte) (int, error) {
	n, err := e.Conn.Read(b)
	e.heard = e.heard || n > 0
	return n, err
}

// SyscallConn gives what the socket is to the kernel: see prompt.
func (e *ear) SyscallConn() (syscall.RawConn, error) {
	s, ok := e.Conn.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return s.SyscallConn()
}

// lingering is how long a client may take to read the last that is said to it: closing at once may lose it (PS3.8: ARTIM, state 13).
const lingering = time.Second

// linger says that no more is answered and waits for the client's end. A socket that is closed while something in it was not read
// is reset, and with it goes what the client has not read yet. What comes is neither passed on nor answered.
func linger(client net.Conn) {
	half, ok := client.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	if client.SetReadDeadline(time.Now().Add(lingering)) == nil {
		_, _ = io.CopyN(io.Discard, client, 1<<20) // whatever it says, it is over
	}
}
