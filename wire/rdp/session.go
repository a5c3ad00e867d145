// Package rdp reads how a remote desktop connection begins (MS-RDPBCGR section 1.3.1.1): who asks for what, which
// protection the server chooses, and without TLS what the client says of itself. What follows is encrypted, by TLS or
// by RDP's own security: it is counted.
package rdp

import (
	"slices"

	"chaperone"
	"chaperone/wire"
	"chaperone/wire/tls"
)

// Protocol is the entry for the list of protocols.
var Protocol = wire.Protocol{
	Name:   chaperone.RDP,
	Sniff:  Sniff,
	New:    func(l wire.Limits, midstream bool) wire.Session { return New(l, midstream) },
	Opaque: true,
}

// maxKept bounds the packet that is kept of each direction.
const maxKept = 16 << 10

// Session notes one wire.Desktop when it is closed. See wire.Session.
type Session struct {
	limits    wire.Limits
	midstream bool
	desktop   wire.Desktop
	half      [2]half
	handshake *tls.Handshake // of the TLS inside, while it is read
	failed    bool
	events    []wire.Event
}

// state is where a direction stands.
type state uint8

const (
	opening state = iota // before its connection request or confirm
	opened               // behind it
	tunnel               // what comes is TLS
	over                 // nothing more is read
)

// half is one direction. Its offset is Desktop.Bytes.
type half struct {
	state state
	kept  []byte // the packet so far
	want  int    // how many bytes of it are known to be needed: its header, then all
}

// New opens a session. midstream: the connection may be anywhere.
func New(l wire.Limits, midstream bool) *Session {
	s := &Session{limits: l, midstream: midstream}
	s.half[0].want, s.half[1].want = tpktHeader, tpktHeader
	return s
}

// Clone gives an independent copy.
func (s *Session) Clone() wire.Session {
	c := *s
	c.events = nil
	c.desktop = s.copied()
	for d := range c.half {
		c.half[d].kept = slices.Clone(s.half[d].kept)
	}
	if s.handshake != nil {
		c.handshake = s.handshake.Clone()
	}
	return &c
}

// copied gives the desktop with slices of its own.
func (s *Session) copied() wire.Desktop {
	d := s.desktop
	d.Channels = slices.Clone(d.Channels)
	if d.Tunnel != nil {
		t := *d.Tunnel
		t.Names = slices.Clone(t.Names)
		d.Tunnel = &t
	}
	return d
}

// Feed takes the next bytes of one direction.
func (s *Session) Feed(d wire.Dir, p []byte, at chaperone.Mark) []wire.Event {
	s.count(d, int64(len(p)), at)
	h := &s.half[d]
	if h.state == over {
		return nil
	}
	s.events = s.events[:0]
	if err := s.read(d, p); err != nil {
		s.malformed(d, at, err)
	}
	s.settle()
	return s.events
}

// Gap says that n bytes were not seen: where the next packet begins is not known then.
func (s *Session) Gap(d wire.Dir, n int64, at chaperone.Mark) []wire.Event {
	s.count(d, n, at)
	s.end(d)
	s.settle()
	return nil
}

// Close notes the desktop.
func (s *Session) Close(at chaperone.Mark) []wire.Event {
	if s.handshake != nil {
		t := s.handshake.Tunnel()
		s.desktop.Tunnel = &t
	}
	s.events = append(s.events[:0], wire.Event{Stage: wire.Noted, Dir: wire.FromClient, End: s.desktop.Bytes[wire.FromClient], At: at, Fact: s.copied()})
	return s.events
}

func (s *Session) count(d wire.Dir, n int64, at chaperone.Mark) {
	s.desktop.Bytes[d] += n
	if s.desktop.First.IsZero() {
		s.desktop.First = at.Time
	}
	s.desktop.Last = at.Time
}

// end passes the rest of a direction by.
func (s *Session) end(d wire.Dir) {
	s.half[d].state, s.half[d].kept = over, nil
	if s.handshake != nil {
		s.handshake.Gap(d)
	}
}

// settle keeps what the TLS has shown once it will show no more.
func (s *Session) settle() {
	if s.handshake != nil && s.handshake.Over() {
		t := s.handshake.Tunnel()
		s.desktop.Tunnel, s.handshake = &t, nil
		s.end(wire.FromClient)
		s.end(wire.FromServer)
	}
}

// malformed reports the first thing that is wrong: what follows from it is not worth a word.
func (s *Session) malformed(d wire.Dir, at chaperone.Mark, err error) {
	if !s.failed {
		s.failed = true
		s.events = append(s.events, wire.Event{Stage: wire.Malformed, Dir: d, End: s.desktop.Bytes[d], At: at, Err: err})
	}
}
