package guard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"chaperone/site"
)

// listener is one address on which connections are taken.
type listener struct {
	guard  *Guard
	name   string
	socket net.Listener
	spec   atomic.Pointer[site.Listener] // of the rules that hold

	goodbyes atomic.Int32 // that are being said

	mu    sync.Mutex
	conns map[*conn]bool     // open connections
	from  map[netip.Addr]int // of them, those of an address
}

// adopt opens the listeners that rules name and closes those that they do not name any more, and makes the rules hold. When
// one cannot be opened everything stays as it was. first is who is believed from here on, where nobody was yet.
func (g *Guard) adopt(ctx context.Context, r *rules, first *trusted) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.draining {
		return errDrained
	}
	var opened []*listener
	next := map[string]*listener{}
	for i := range r.site.Listeners {
		spec := &r.site.Listeners[i]
		have := g.listeners[spec.Name]
		if have != nil && have.spec.Load().Listen == spec.Listen {
			next[spec.Name] = have
			continue
		}
		l, err := g.listen(spec)
		if err != nil {
			for _, l := range opened {
				_ = l.socket.Close() // nobody has come yet
			}
			return fmt.Errorf("guard: listener %s: %w", spec.Name, err)
		}
		opened = append(opened, l)
		next[spec.Name] = l
	}
	for name, have := range g.listeners {
		if next[name] != have {
			g.log.Warn("not listening any more: the site file does not name the listener, or its address", "listener", name, "address", have.socket.Addr().String())
			_ = have.socket.Close() // connections stay until they end
		}
	}
	if first != nil { // before anybody can be asked to prove something
		g.trust.Store(first)
		g.watchTrust(g.spools.running, first)
	}
	for i := range r.site.Listeners {
		spec := &r.site.Listeners[i]
		next[spec.Name].spec.Store(spec)
	}
	g.listeners = next
	g.rules.Store(r)
	for _, l := range opened {
		g.accepting.Add(1)
		g.work.Go(func() {
			defer g.accepting.Done()
			l.accept(ctx)
		})
		g.log.Info("listening", "listener", l.name, "address", l.socket.Addr().String(), "protocol", l.spec.Load().Protocol, "mode", l.spec.Load().Mode)
	}
	return nil
}

func (g *Guard) listen(spec *site.Listener) (*listener, error) {
	socket := g.inherited(spec)
	if socket == nil {
		var err error
		if socket, err = Listen(spec.Listen); err != nil {
			return nil, err
		}
	}
	return &listener{guard: g, name: spec.Name, socket: socket, conns: map[*conn]bool{}, from: map[netip.Addr]int{}}, nil
}

// Listen is net.Listen with an error that says what to do.
func Listen(at netip.AddrPort) (net.Listener, error) {
	socket, err := net.Listen("tcp", at.String())
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		err = fmt.Errorf("another program listens at %s already, or this one does twice: ss -ltnp says which: %w", at, err)
	case errors.Is(err, syscall.EACCES):
		err = fmt.Errorf("ports below 1024, such as that of %s, need a permission: docs/chaperone-guard.service gives it: %w", at, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		err = fmt.Errorf("%s is no address of this machine: %w", at, err)
	}
	return socket, err
}

// inherited gives the socket at a listener's address that whoever started the guard had opened, nil when there is none. Each is
// taken once; clients that came before there was a guard wait in it.
func (g *Guard) inherited(spec *site.Listener) net.Listener {
	for i, socket := range g.sockets {
		if socket.Addr().String() == spec.Listen.String() {
			g.sockets = append(g.sockets[:i:i], g.sockets[i+1:]...)
			return socket
		}
	}
	return nil
}

func (g *Guard) closeListeners() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.listeners {
		_ = l.socket.Close() // only listening ends
	}
}

// Address gives where a listener listens, for those that were told to take any free port. It is nil for one that there is not.
func (g *Guard) Address(listener string) net.Addr {
	g.mu.Lock()
	defer g.mu.Unlock()
	if l := g.listeners[listener]; l != nil {
		return l.socket.Addr()
	}
	return nil
}

// accept takes connections until the socket is closed.
func (l *listener) accept(ctx context.Context) {
	for {
		socket, err := l.socket.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors: those that are open go on
			l.guard.metrics.shed(l.name)
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond): // it would fail again at once
			}
			continue
		}
		from := socket.RemoteAddr().(*net.TCPAddr).AddrPort()
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		c := newConn(l, socket, from)
		if ok, own := l.enter(c); !ok {
			l.turnAway(socket, c.from.record(), own)
			continue
		}
		l.guard.register(c)
		l.guard.work.Go(func() {
			defer l.leave(c)
			c.serve(ctx)
		})
	}
}
