package site

import (
	"net"
	"net/netip"
	"time"
)

// Listener is one address on which the guard takes connections, and where it passes them on to.
type Listener struct {
	Name         string
	Protocol     Protocol
	Listen       netip.AddrPort
	TLS          TLS
	Because      string // why not TLS
	Mode         Mode
	Upstream     Upstream
	Refuse       Refuse // of HL7
	Spool        Spool  // of HL7 and DICOM
	Limits       Bounds
	Destinations map[string]string // of DICOM: AE titles of C-MOVE → parties
}

// Upstream is the system behind a listener.
type Upstream struct {
	Address string // host:port
	TLS     TLS
	Because string
	Party   string // who must prove to be there
}

// Protocol is what a listener speaks.
type Protocol string

// Protocols.
const (
	HL7   Protocol = "hl7"
	DICOM Protocol = "dicom"
	TCP   Protocol = "tcp" // passed on unread: only who connects is decided
)

// TLS says how a connection is protected.
type TLS string

// Kinds of protection.
const (
	Mutual TLS = "mutual" // both sides prove who they are; the default
	Clear  TLS = "none"
)

// Mode says what becomes of what is not permitted.
type Mode string

// Modes.
const (
	Enforce Mode = "enforce" // it is refused; the default
	Observe Mode = "observe" // it passes, and is recorded
)

// Refuse says how an HL7 message is refused (HL7 v2 table 0008).
type Refuse string

// Ways to refuse.
const (
	Reject Refuse = "reject" // AR or CR; the default
	Fail   Refuse = "error"  // AE or CE
	Hold   Refuse = "hold"   // not answered, and somebody is alerted
)

// Bounds are what a listener bears.
type Bounds struct {
	Connections, PerAddress int
	Message                 int64         // bytes
	Idle                    time.Duration // between messages
	FirstByte               time.Duration // after the connection, or its handshake
	InMessage               time.Duration // from the first to the last byte of one; of DICOM: of each stretch of it
	Handshake               time.Duration // of TLS
	Pending                 int           // messages of a connection that are not answered
	Bytes                   int64         // of TCP: of one connection, both directions together
	Session                 time.Duration // of TCP: of one connection, from its begin
}

// DefaultBounds are those of a listener that says nothing of them.
var DefaultBounds = Bounds{Connections: 1000, PerAddress: 100, Message: 16 << 20, Idle: 10 * time.Minute, FirstByte: 10 * time.Second,
	InMessage: time.Minute, Handshake: 10 * time.Second, Pending: 64, Bytes: 500 << 20, Session: 8 * time.Hour}

// Unprotected is a way on which patient data passes a network in the clear: a finding, every day.
type Unprotected struct {
	Listener string
	Upstream bool // between the guard and the system behind it; else before the guard
	Address  string
	Because  string
}

// Unprotected gives the ways in the clear that leave the machine.
func (s *Site) Unprotected() []Unprotected {
	var all []Unprotected
	for i := range s.Listeners {
		l := &s.Listeners[i]
		if l.TLS == Clear && !l.Listen.Addr().IsLoopback() {
			all = append(all, Unprotected{l.Name, false, l.Listen.String(), l.Because})
		}
		if l.Upstream.TLS == Clear && !l.Upstream.near() {
			all = append(all, Unprotected{l.Name, true, l.Upstream.Address, l.Upstream.Because})
		}
	}
	return all
}

// near reports whether the upstream is on the same machine.
func (u *Upstream) near() bool {
	host, _, _ := net.SplitHostPort(u.Address)
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
