// Package companion stands beside an old device that knows no TLS: plain on the device's own machine, mutual TLS to the guard. It
// decides nothing and reads nothing: that is the guard's.
package companion

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"chaperone/identity"
)

// Options say between what a companion stands.
type Options struct {
	Listen string // where it listens
	To     string // where it passes connections on to
	Party  string // who has to prove to be at the TLS side
	Inward bool   // the TLS side is the one that listens: the device is a server, such as an archive. Else the device is a client
	Trust  *identity.Trust
	Log    *slog.Logger
}

// Companion is one that listens.
type Companion struct {
	o      Options
	socket net.Listener
}

// Listen opens the socket. The plain side must be on this machine alone, since anybody may speak to it.
func Listen(o Options) (*Companion, error) {
	plain := o.Listen
	if o.Inward {
		plain = o.To
	}
	if !local(plain) {
		return nil, fmt.Errorf("companion: %s: the side without TLS must be on this machine, such as 127.0.0.1:2575: anybody who reaches it is taken for the device", plain)
	}
	socket, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("companion: %w", err)
	}
	return &Companion{o, socket}, nil
}

// local reports whether an address is one of this machine alone.
func local(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// Address gives where it listens.
func (c *Companion) Address() net.Addr { return c.socket.Addr() }

// Times that connections may take to come about.
const (
	dialing   = 10 * time.Second
	handshake = 10 * time.Second
	mostOpen  = 256         // connections: a device has few
	looking   = time.Minute // at the end of the own certificate
)

// tellOwn tells the log of the end of the device's own certificate.
func (c *Companion) tellOwn(term identity.Term, text string) {
	switch term {
	case identity.Ending:
		c.o.Log.Warn("the certificate ends soon", "next", text)
	case identity.Over:
		c.o.Log.Error("the certificate is over: no connection comes about", "next", text)
	case identity.Lasting:
		c.o.Log.Info("the certificate is another one now", "until", c.o.Trust.OwnNotAfter())
	}
}

// next is an attribute of the log, none without a text.
func next(text string) slog.Attr {
	if text == "" {
		return slog.Attr{}
	}
	return slog.String("next", text)
}

// advice says what to do about an end that the other side's refusal may be, "" of others: an alert of TLS says no more than that.
func (c *Companion) advice(err error) string {
	var network *net.OpError
	for errors.As(err, &network) && network.Op != "remote error" { // copying puts one of its own around it
		err, network = network.Err, nil
	}
	if network == nil {
		return ""
	}
	if term, text := c.o.Trust.OwnTerm(time.Now()); term == identity.Over {
		return text
	}
	return "the other side does not believe this certificate, or its party may not come: its log says why, and docs/guard-identity.md what to do"
}

// Run passes connections on until the context is done, and then cuts those that are open.
func (c *Companion) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	all.Go(func() {
		<-ctx.Done()
		_ = c.socket.Close() // it only listens
	})
	all.Go(func() { c.o.Trust.WatchOwn(ctx, looking, time.Now, c.tellOwn) })
	room := make(chan struct{}, mostOpen)
	for {
		near, err := c.socket.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil: // out of descriptors: those that are open go on
			c.o.Log.Error("a connection was not taken", "error", err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		select {
		case room <- struct{}{}:
		default:
			c.o.Log.Error("too many connections", "most", mostOpen)
			_ = near.Close() // it was told nothing
			continue
		}
		all.Go(func() {
			defer func() { <-room }()
			if err := c.pass(ctx, near); err != nil && ctx.Err() == nil {
				c.o.Log.Warn("connection ended", slog.String("from", near.RemoteAddr().String()), slog.Any("why", err), next(c.advice(err)))
			}
		})
	}
}

// pass joins one connection with one to the other side. The device is answered only when the other side has proven who it is.
func (c *Companion) pass(ctx context.Context, near net.Conn) error {
	defer near.Close()
	stop := context.AfterFunc(ctx, func() { _ = near.Close() })
	defer stop()
	if c.o.Inward {
		secured := tls.Server(near, c.o.Trust.Server())
		if err := c.shake(ctx, secured); err != nil {
			return err
		}
		state := secured.ConnectionState()
		peer, err := c.o.Trust.Check(&state, time.Now())
		if err != nil {
			return err
		}
		if peer.Party != c.o.Party {
			return fmt.Errorf("companion: it is %s; only %s may come", peer.Party, c.o.Party)
		}
		near = secured
	}
	dialer := net.Dialer{Timeout: dialing}
	far, err := dialer.DialContext(ctx, "tcp", c.o.To)
	if err != nil {
		return err
	}
	defer far.Close()
	stopFar := context.AfterFunc(ctx, func() { _ = far.Close() })
	defer stopFar()
	if !c.o.Inward {
		host, _, _ := net.SplitHostPort(c.o.To)
		if _, err := netip.ParseAddr(host); err == nil {
			host = ""
		}
		secured := tls.Client(far, c.o.Trust.Client(c.o.Party, host))
		if err := c.shake(ctx, secured); err != nil {
			return err
		}
		far = secured
	}
	back := make(chan error, 1)
	go func() { back <- copyTo(near, far) }()
	return errors.Join(copyTo(far, near), <-back)
}

func (c *Companion) shake(ctx context.Context, secured *tls.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, handshake)
	defer cancel()
	return secured.HandshakeContext(ctx)
}

// copyTo passes one direction on to its end, which the other side is told. After an error both ends are closed, so that the other
// direction ends too.
func copyTo(to, from net.Conn) error {
	_, err := io.Copy(to, from)
	if err == nil {
		if half, ok := to.(interface{ CloseWrite() error }); ok {
			return half.CloseWrite()
		}
	}
	_ = to.Close() // it is over
	_ = from.Close()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
