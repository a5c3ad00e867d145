package guard

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"chaperone/identity"
	"chaperone/policy"
	"chaperone/site"
)

// conn is one connection: a client, and the system behind the guard.
type conn struct {
	guard      *Guard
	listener   *listener
	client     net.Conn // TLS, once the handshake is over
	upstream   net.Conn
	from, to   side
	state      tls.ConnectionState // of the client
	observes   bool                // the listener only observed when the connection came; set before identified
	identified atomic.Bool         // it is known whose it is: it can be checked again
	proved     atomic.Pointer[proof]
	checked    atomic.Pointer[checked]
	secured    bool
	spools     atomic.Bool            // its listener keeps messages
	tunnel     atomic.Pointer[tunnel] // of a connection that passes unread
	owing      owing

	sockets sync.Mutex // guards client and upstream while the connection begins
	ended   chan struct{}
	once    sync.Once
	why     error // why it was closed
	leaving atomic.Bool
}

// newConn makes a connection of a socket that came; it owes everything yet.
func newConn(l *listener, socket net.Conn, from netip.AddrPort) *conn {
	c := &conn{guard: l.guard, listener: l, client: socket, from: side{addr: from}, ended: make(chan struct{})}
	c.owing.begin(time.Now())
	return c
}

// register makes a connection known. One that comes while the guard is ending is told so as those are that were there before.
func (g *Guard) register(c *conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c.leaving.Store(g.draining)
	g.conns[c] = true
}

// Errors that end a connection; each is one line of the log, which says nothing of what came.
var (
	errNotTLS     = errors.New("it does not speak TLS, or has no certificate that is believed")
	errOwn        = errors.New("it does not believe the guard's own certificate")
	errProtocol   = errors.New("it does not speak the listener's protocol")
	errUnanswered = errors.New("the system behind it does not answer, or not to the end, for as long as the site file lets it")
	errSilent     = errors.New("nothing came, or not the rest of it, for as long as the site file lets it")
	errRefused    = errors.New("refused")
	errMode       = errors.New("the listener's mode in the site file is another now")
	errClear      = errors.New("it came in the clear, and the listener's tls in the site file is mutual now")
	errMoved      = errors.New("another party is behind the listener than when it came")
)

// spec gives the listener's part of the rules that hold.
func (c *conn) spec() *site.Listener { return c.listener.spec.Load() }

// elsewhere reports whether a reload has put another party behind the listener since the connection came: everything on it is decided for the one
// before.
func (c *conn) elsewhere(spec *site.Listener) bool { return spec.Upstream.Party != c.to.name() }

// serve does everything with a connection, and closes it.
func (c *conn) serve(ctx context.Context) {
	g := c.guard
	g.metrics.connection(c.listener.name, 1)
	g.coverage.connections.Add(1)
	err := c.work(ctx)
	c.close(err)
	g.mu.Lock()
	delete(g.conns, c)
	g.mu.Unlock()
	g.metrics.connection(c.listener.name, -1)
	if c.why != nil && !quiet(c.why) {
		g.log.Warn("connection ended", "listener", c.listener.name, "client", c.from.addr.String(), "party", c.called(), "why", c.why.Error())
	}
}

// called gives whose connection it was, as the log does: the party; of who is not let in, whom its certificate names.
func (c *conn) called() string {
	var u *unwelcome
	if name := c.from.name(); name != "" || !errors.As(c.why, &u) {
		return name
	}
	return u.who
}

func (s *side) name() string {
	if s.party != nil {
		return s.party.Name
	}
	return ""
}

// errTold ends a connection whose refusal the log has.
var errTold = errors.New("refused, and told")

// quiet reports whether an end is how connections end, or was told already.
func quiet(err error) bool {
	var u *unwelcome
	return errors.As(err, &u) && u.believed || errors.Is(err, io.EOF) || errors.Is(err, errTold) || errors.Is(err, net.ErrClosed) || errors.Is(err, errDrained) || errors.Is(err, errClosed) || errors.Is(err, os.ErrDeadlineExceeded)
}

func (c *conn) work(ctx context.Context) error {
	spec := c.spec()
	if err := c.secure(ctx, spec); err != nil {
		return err
	}
	if err := c.identify(spec); err != nil {
		return c.decline(spec, err)
	}
	if spec.Protocol == site.TCP {
		return c.serveTCP(ctx) // it decides before it dials
	}
	k := c.spooler(spec)
	if k == nil { // else it is served when nobody is behind it, too
		if err := c.dial(ctx, spec); err != nil {
			return err
		}
	}
	c.guard.coverage.decoded.Add(1)
	switch {
	case spec.Mode == site.Observe:
		return c.observe(ctx)
	case spec.Protocol == site.HL7 && k != nil:
		return c.serveSpooled(ctx, k, spec)
	case spec.Protocol == site.HL7:
		return c.serveHL7(ctx)
	case spec.Protocol == site.DICOM:
		return c.serveDICOM(ctx, k)
	}
	return fmt.Errorf("%s: %w", spec.Protocol, errProtocol)
}

// secure does the client's handshake.
func (c *conn) secure(ctx context.Context, spec *site.Listener) error {
	if spec.TLS != site.Mutual {
		return nil
	}
	below := &ear{Conn: c.client}
	socket := net.Conn(below)
	if spec.Protocol == site.DICOM {
		socket = newBulk(below)
	}
	secured := tls.Server(socket, c.guard.trust.Load().server)
	ctx, cancel := context.WithTimeout(ctx, spec.Limits.Handshake)
	defer cancel()
	if err := secured.HandshakeContext(ctx); err != nil {
		if c.outOfRoom() {
			return errRoom
		}
		if !below.heard && !errors.Is(err, context.DeadlineExceeded) { // who comes and goes without a word asks whether somebody is there
			return io.EOF
		}
		c.guard.metrics.handshake(c.listener.name)
		linger(c.client)
		var why *identity.Error
		if errors.As(err, &why) {
			return c.disbelieved(why)
		}
		if hint, ok := c.guard.ownFault(err); ok {
			c.refused(ownCertificate, hint)
			return fmt.Errorf("%w (%s)", errOwn, handshakeFault(err))
		}
		c.refused(handshake, "Only a client that speaks TLS 1.2 or later and shows its certificate is let in.")
		return fmt.Errorf("%w (%s)", errNotTLS, handshakeFault(err))
	}
	readAhead(secured)
	c.state, c.secured = secured.ConnectionState(), true
	return c.swap(&c.client, secured)
}

// swap puts a socket in its place, unless the connection is over: then it is closed.
func (c *conn) swap(place *net.Conn, socket net.Conn) error {
	c.sockets.Lock()
	defer c.sockets.Unlock()
	*place = socket
	if c.over() {
		_ = socket.Close() // nobody is there any more
		return net.ErrClosed
	}
	return nil
}

// refused notes a connection that is not let through, and gives the reference of that. The line of the log is that of its end.
func (c *conn) refused(reason policy.Reason, hint string) string {
	return c.guard.refused.note(refusal{
		listener: c.listener.name, word: connection, from: c.from.record(), to: c.to.record(), at: c.guard.now(),
		decision: policy.Decision{Reason: reason, Version: c.guard.rules.Load().site.Version, Hint: hint},
	})
}

// dial connects to the system behind the guard, which must prove to be the party that the site file names.
func (c *conn) dial(ctx context.Context, spec *site.Listener) error {
	up, err := c.guard.reach(ctx, spec, func(socket net.Conn) error {
		if err := c.swap(&c.upstream, socket); err != nil {
			return err
		}
		if addr := addrOf(socket); addr.IsValid() {
			c.to.addr = addr
		}
		return nil
	})
	var bad *unproven
	if errors.As(err, &bad) {
		return c.unproven(bad.party, bad.err)
	}
	if err != nil || up.proof == nil {
		return err
	}
	c.to.proven = up.subject
	c.proved.Store(up.proof)
	return c.swap(&c.upstream, up.Conn)
}

// close ends both sides at once.
func (c *conn) close(why error) {
	c.once.Do(func() {
		c.sockets.Lock()
		defer c.sockets.Unlock()
		c.why = why
		close(c.ended)
		_ = hangUp(c.client) // whatever it says, it is over
		if c.upstream != nil {
			_ = hangUp(c.upstream)
		}
	})
}

// over reports whether the connection was closed here.
func (c *conn) over() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// drain lets a connection end when nothing is in the middle of passing: a reader that waits for the next message wakes up.
func (c *conn) drain() {
	c.leaving.Store(true)
	c.sockets.Lock()
	defer c.sockets.Unlock()
	_ = c.client.SetReadDeadline(time.Now()) // of a closed one nothing is read
}
