package tls

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"chaperone/format"
)

// Handshake messages (RFC 8446 section 4, RFC 5246 section 7.4).
const (
	helloRequest = 0
	clientHello  = 1
	serverHello  = 2
	certificate  = 11
	helloDone    = 14
)

// Extensions of the hellos (RFC 6066 section 3, RFC 8446 section 4.2).
const (
	extServerName = 0
	extPreShared  = 41
	extVersions   = 43
)

const (
	maxNames = 100 // of a certificate
	maxName  = 255 // bytes of one
)

// message reads one whole message of a direction.
func (h *Handshake) message(s *half, kind byte, body []byte) error {
	ok := true
	switch {
	case kind == helloRequest:
	case kind == clientHello && s.hello != serverHello:
		ok = h.client(s, body)
	case kind == serverHello && s.hello != clientHello:
		ok = h.server(s, body)
	case s.hello == 0 || kind == clientHello || kind == serverHello:
		return fmt.Errorf("tls: handshake message of %d bytes out of order: %w", len(body), format.ErrMalformed)
	case kind == certificate:
		s.full = true
		ok = h.certificates(s, body)
	case kind == helloDone:
		s.full = true
	}
	if !ok {
		return fmt.Errorf("tls: lengths in the handshake message of %d bytes: %w", len(body), format.ErrMalformed)
	}
	return nil
}

// client reads a ClientHello (RFC 8446 section 4.1.2).
func (h *Handshake) client(s *half, body []byte) bool {
	b := reader{body}
	offered := b.number(2)
	b.bytes(32) // random
	session := b.vector(1)
	suites, compression := b.vector(2), b.vector(1)
	if suites == nil || compression == nil {
		return false
	}
	name := ""
	ok := b.extensions(func(kind int, e reader) bool {
		switch kind {
		case extServerName:
			list := reader{e.vector(2)}
			for len(list.rest) > 0 {
				form, value := list.number(1), list.vector(2)
				if value == nil {
					return false
				}
				if form == 0 && name == "" {
					name = text(string(value))
				}
			}
		case extVersions:
			list := reader{e.vector(1)}
			for len(list.rest) > 0 {
				// Others are drafts, and values that only test whether servers ignore them (RFC 8701).
				if v := list.number(2); v >= ssl30 && v <= tls13 {
					offered = max(offered, v)
				}
			}
		}
		return true
	})
	if ok {
		s.hello, s.session = clientHello, string(session)
		h.tunnel.Offered, h.tunnel.ServerName = uint16(offered), name
	}
	return ok
}

// server reads a ServerHello or a HelloRetryRequest, which has the same form (RFC 8446 sections 4.1.3 and 4.1.4).
func (h *Handshake) server(s *half, body []byte) bool {
	b := reader{body}
	version := b.number(2)
	b.bytes(32) // random
	session := b.vector(1)
	if b.bytes(3) == nil { // cipher suite, compression
		return false
	}
	preShared := false
	ok := b.extensions(func(kind int, e reader) bool {
		switch kind {
		case extVersions:
			version = e.number(2)
			return version > 0
		case extPreShared:
			preShared = true
		}
		return true
	})
	if ok {
		s.hello, s.session = serverHello, string(session)
		s.resumed = preShared && version >= tls13
		h.tunnel.Version = uint16(version)
	}
	return ok
}

// certificates reads a Certificate message, up to TLS 1.2 (RFC 5246 section 7.4.2): later it is encrypted.
func (h *Handshake) certificates(s *half, body []byte) bool {
	b := reader{body}
	list := reader{b.vector(3)}
	leaf := list.vector(3)
	if leaf == nil {
		return len(body) == 3 && len(list.rest) == 0 // a client that has none
	}
	if s.hello == clientHello {
		h.tunnel.Mutual = true
		return true
	}
	t := &h.tunnel
	t.Certificate, t.Names, t.Issuer, t.SelfSigned = sha256.Sum256(leaf), nil, "", false
	c, err := x509.ParseCertificate(leaf)
	if err != nil {
		return true // others may read it: its digest is what there is
	}
	t.Issuer, t.SelfSigned = text(c.Issuer.CommonName), string(c.RawSubject) == string(c.RawIssuer)
	names := append([]string{c.Subject.CommonName}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	for _, name := range names[:min(len(names), maxNames)] {
		if name = text(name); name != "" && !slices.Contains(t.Names, name) {
			t.Names = append(t.Names, name)
		}
	}
	return true
}

// text makes a name that somebody else chose fit to be shown: short, printable, and not a part of something long.
func text(name string) string {
	name = strings.ToValidUTF8(name[:min(len(name), maxName)], "\uFFFD")
	return strings.Clone(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, name))
}
