package identity

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
)

// suites are those of TLS 1.2 with ephemeral keys and authenticated encryption (RFC 9325, 4.2; PS3.15 B.12). Those of 1.3 all are.
func suites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}

// common is what both sides have in common. Groups are Go's own choice, which has X25519, P-256 and P-384 in it, and a hybrid
// against quantum computers before them.
func (t *Trust) common() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, CipherSuites: suites(), Time: t.o.Now}
}

// Server is the configuration of the side that answers: the client must prove who it is, and stands at an address where its
// certificate is good. A handshake that is refused gives an *Error; the text of any other error is that of crypto/tls, which may
// quote a certificate, and is not for logs.
//
// In TLS 1.3 the client's side of a handshake ends before the server has refused. Nothing is sent to it before that.
func (t *Trust) Server() *tls.Config { return t.server(false) }

// Receiver is Server for a caller that refuses in words of its own: a client whose certificate is believed (Error.Believed), and who
// is nobody here or at another address, is let end its handshake. The caller MUST ask CheckAt before it does anything for it.
func (t *Trust) Receiver() *tls.Config { return t.server(true) }

func (t *Trust) server(tells bool) *tls.Config {
	c := t.common()
	c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return t.own() }
	// Check looks at the certificate, with more rules than crypto/tls has, and with errors that quote nothing. It stands in
	// VerifyConnection, since VerifyPeerCertificate is not asked when a session is resumed.
	c.ClientAuth = tls.RequireAnyClientCert
	c.VerifyConnection = t.client(netip.Addr{}, tells)
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if len(hello.SupportedProtos) > 0 && len(c.NextProtos) == 0 { // RFC 9325, 3.7: else another protocol's words could be taken for ours
			return nil, &Error{Code: Protocol, Why: "the client asked for another protocol (ALPN)"}
		}
		mine := c.Clone()
		mine.VerifyConnection = t.client(addressOf(hello.Conn), tells)
		return mine, nil
	}
	return c
}

// client checks the client of one connection.
func (t *Trust) client(address netip.Addr, tells bool) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		_, err := t.CheckAt(&s, address, t.o.Now())
		var why *Error
		if tells && errors.As(err, &why) && why.Believed {
			return nil
		}
		return err
	}
}

// Client is the configuration of the side that asks: the server must prove to be that party. A server with a certificate of the own
// authority is known by its party's name alone; one of an outside authority by its DNS name, when one is given, or what is bound
// to the party.
func (t *Trust) Client(party, dns string) *tls.Config {
	c := t.common()
	c.ServerName = dns
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return t.own() }
	// Not insecure: crypto/tls would look for a host's name, where a party's is to be proven. CheckServer does all that it would
	// have done.
	c.InsecureSkipVerify = true
	c.VerifyConnection = func(s tls.ConnectionState) error {
		_, err := t.CheckServer(&s, party, dns, t.o.Now())
		return err
	}
	return c
}

// own gives what this side proves itself by, as it is in its files now.
func (t *Trust) own() (*tls.Certificate, error) {
	if pair := t.state.Load().pair; pair != nil {
		return pair, nil
	}
	return nil, errors.New("identity: this side has no certificate to prove itself by")
}

// addressOf gives where a connection comes from; the zero address, which is nobody's, when it has none.
func addressOf(c net.Conn) netip.Addr {
	from, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return from.Addr().Unmap().WithZone("")
}
