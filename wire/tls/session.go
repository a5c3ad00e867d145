// Package tls reads what a TLS handshake shows to everybody on the wire (RFC 8446 sections 4 and 5, RFC 5246 sections
// 6.2 and 7.4): the name the client asks for, the versions, and up to TLS 1.2 the certificates. It decrypts nothing and
// verifies nothing: what a certificate says here is what the server claims.
package tls

import (
	"chaperone"
	"chaperone/wire"
)

// Protocol is the entry for the list of protocols.
var Protocol = wire.Protocol{
	Name:   chaperone.SSL,
	Sniff:  Sniff,
	New:    func(l wire.Limits, midstream bool) wire.Session { return New(l, midstream) },
	Opaque: true,
}

// Session notes one wire.Tunnel and counts the rest. See wire.Session.
type Session struct {
	handshake *Handshake // nil once the tunnel was noted
	offset    [2]int64
	failed    bool
	events    []wire.Event
}

// New opens a session. midstream: the connection may be inside a record.
func New(l wire.Limits, midstream bool) *Session {
	return &Session{handshake: NewHandshake(l, midstream)}
}

// Clone gives an independent copy.
func (s *Session) Clone() wire.Session {
	c := *s
	c.events = nil
	if s.handshake != nil {
		c.handshake = s.handshake.Clone()
	}
	return &c
}

// Feed takes the next bytes of one direction.
func (s *Session) Feed(d wire.Dir, p []byte, at chaperone.Mark) []wire.Event {
	s.offset[d] += int64(len(p))
	if s.handshake == nil {
		return nil
	}
	s.events = s.events[:0]
	if err := s.handshake.Feed(d, p); err != nil && !s.failed {
		s.failed = true
		s.events = append(s.events, wire.Event{Stage: wire.Malformed, Dir: d, End: s.offset[d], At: at, Err: err})
	}
	if s.handshake.Over() {
		s.note(d, at)
	}
	return s.events
}

// Gap says that n bytes were not seen.
func (s *Session) Gap(d wire.Dir, n int64, at chaperone.Mark) []wire.Event {
	s.offset[d] += n
	if s.handshake == nil {
		return nil
	}
	s.events = s.events[:0]
	if s.handshake.Gap(d); s.handshake.Over() {
		s.note(d, at)
	}
	return s.events
}

// Close notes the tunnel unless that was done.
func (s *Session) Close(at chaperone.Mark) []wire.Event {
	s.events = s.events[:0]
	if s.handshake != nil {
		s.note(wire.FromClient, at)
	}
	return s.events
}

func (s *Session) note(d wire.Dir, at chaperone.Mark) {
	s.events = append(s.events, wire.Event{Stage: wire.Noted, Dir: d, End: s.offset[d], At: at, Fact: s.handshake.Tunnel()})
	s.handshake = nil
}

// Sniff looks for a record with a hello, from either side; in the middle of a connection for any record.
func Sniff(client, server []byte, midstream bool) wire.Verdict {
	verdict := wire.No
	for _, b := range [][]byte{client, server} {
		if len(b) > 0 {
			verdict = max(verdict, begins(b, midstream))
		}
	}
	if len(client)+len(server) == 0 {
		return wire.Maybe
	}
	return verdict
}

// begins judges one direction, as soon as its first record's header and the byte behind it are there.
func begins(b []byte, midstream bool) wire.Verdict {
	first, last := byte(recordHandshake), byte(recordHandshake)
	if midstream {
		first, last = recordCipher, recordData
	}
	switch {
	case b[0] < first || b[0] > last, len(b) > 1 && b[1] != 3, len(b) > 2 && b[2] > 4,
		len(b) > 4 && int(b[3])<<8|int(b[4]) > maxRecord:
		return wire.No
	case len(b) <= recordHeader:
		return wire.Maybe
	case midstream || b[recordHeader] == clientHello || b[recordHeader] == serverHello:
		return wire.Yes
	}
	return wire.No
}
