package guard

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"time"

	"chaperone/site"
)

// dialing bounds how long the system behind the guard may take to answer.
const dialing = 10 * time.Second

// reached is a connection to the system behind a listener.
type reached struct {
	net.Conn
	proof   *proof // nil in the clear
	subject string // that it proved
}

// unproven says that the system behind a listener is not believed to be the party that it has to be.
type unproven struct {
	party string
	err   error
}

func (u *unproven) Error() string {
	return fmt.Sprintf("the system behind it does not prove to be %s: %v", u.party, u.err)
}
func (u *unproven) Unwrap() error { return u.err }

// reach connects to the system behind a listener, which must prove to be the party that the site file names. opened is given the
// connection before anything is said on it.
//
// Errors: it does not answer; *unproven; that of opened.
func (g *Guard) reach(ctx context.Context, spec *site.Listener, opened func(net.Conn) error) (*reached, error) {
	ctx, cancel := context.WithTimeout(ctx, dialing)
	defer cancel()
	var d net.Dialer
	socket, err := d.DialContext(ctx, "tcp", spec.Upstream.Address)
	if err != nil {
		return nil, fmt.Errorf("the system behind it does not answer: %w", err)
	}
	if err := opened(socket); err != nil {
		_ = socket.Close() // nothing was said on it
		return nil, err
	}
	if spec.Upstream.TLS != site.Mutual {
		return &reached{Conn: socket}, nil
	}
	p := &proof{party: spec.Upstream.Party, host: hostOf(&spec.Upstream)}
	if spec.Protocol == site.DICOM {
		socket = newBulk(socket)
	}
	secured := tls.Client(socket, g.trust.Load().Client(p.party, p.host))
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = socket.Close() // it is not whom anything is for
		return nil, &unproven{p.party, err}
	}
	readAhead(secured)
	p.state = secured.ConnectionState()
	peer, err := g.trust.Load().CheckServer(&p.state, p.party, p.host, g.now())
	if err != nil {
		_ = socket.Close() // it is not whom anything is for
		return nil, &unproven{p.party, err}
	}
	return &reached{secured, p, peer.Subject}, nil
}

// addrOf gives the address at the other end.
func addrOf(c net.Conn) (a netip.AddrPort) {
	if addr, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		a = netip.AddrPortFrom(addr.AddrPort().Addr().Unmap(), addr.AddrPort().Port())
	}
	return a
}

// hostOf gives the DNS name under which the system behind the guard is reached, "" for an address.
func hostOf(u *site.Upstream) string {
	host, _, err := net.SplitHostPort(u.Address)
	if err != nil {
		return ""
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return ""
	}
	return host
}
