package tls

import (
	"bytes"
	"fmt"
	"slices"

	"chaperone/format"
	"chaperone/wire"
)

// Content types of records (RFC 8446 section 5.1, RFC 6520 section 3).
const (
	recordCipher    = 20 // change_cipher_spec: up to TLS 1.2 what follows is encrypted
	recordAlert     = 21
	recordHandshake = 22
	recordData      = 23 // application_data: in TLS 1.3 everything that is encrypted
	recordHeartbeat = 24
)

const (
	recordHeader = 5
	maxRecord    = 1<<14 + 2048 // bytes of an encrypted record up to TLS 1.2 (RFC 5246 section 6.2.3)
	maxKept      = 64 << 10     // bytes of handshake that are read of each direction
)

// Versions, as the wire writes them.
const (
	ssl30 = 0x0300
	tls13 = 0x0304
)

// Handshake reads both directions of a TLS connection for as long as they are readable. It takes the sides by what
// they say, not by who opened the connection.
type Handshake struct {
	tunnel    wire.Tunnel
	half      [2]half
	limit     int
	midstream bool
}

// half is one direction.
type half struct {
	over    bool // nothing more is read
	header  [recordHeader]byte
	have    int    // bytes of header
	left    int    // bytes of the record that are still to come
	kept    []byte // the handshake so far: messages may span records
	next    int    // where in kept the next message begins
	hello   byte   // clientHello or serverHello, once this side has said it
	session string // the session ID in it
	full    bool   // it went on with what only a full handshake has
	resumed bool   // it went on as only after an earlier session
}

// NewHandshake starts to read. midstream: the bytes may begin anywhere; a direction that does not begin with a hello is
// then passed by without an error.
func NewHandshake(l wire.Limits, midstream bool) *Handshake {
	return &Handshake{limit: min(maxKept, l.Message), midstream: midstream}
}

// Clone gives an independent copy.
func (h *Handshake) Clone() *Handshake {
	c := *h
	c.tunnel.Names = slices.Clone(h.tunnel.Names)
	for d := range c.half {
		c.half[d].kept = bytes.Clone(h.half[d].kept)
	}
	return &c
}

// Over reports whether nothing more will be readable.
func (h *Handshake) Over() bool { return h.half[0].over && h.half[1].over }

// Tunnel gives what was read so far.
func (h *Handshake) Tunnel() wire.Tunnel {
	t := h.tunnel
	t.Names = slices.Clone(t.Names)
	for d := range h.half {
		this, other := &h.half[d], &h.half[1-d]
		if this.hello != serverHello {
			continue
		}
		// RFC 5246 section 7.4.1.3: the server echoes the ID of a session that it resumes. In TLS 1.3 it always does.
		echoed := this.session != "" && other.hello == clientHello && this.session == other.session
		t.Resumed = this.resumed || echoed && t.Version < tls13 && !this.full
	}
	return t
}

// Gap says that bytes of a direction are missing: its records cannot be told apart any more.
func (h *Handshake) Gap(d wire.Dir) { h.half[d].end() }

func (s *half) end() { s.over, s.kept = true, nil }

// Feed takes the next bytes of one direction. An error says how they break the rules; the rest of that direction is
// then passed by.
func (h *Handshake) Feed(d wire.Dir, p []byte) error {
	s := &h.half[d]
	for len(p) > 0 && !s.over {
		if s.have < recordHeader {
			n := copy(s.header[s.have:], p)
			s.have, p = s.have+n, p[n:]
			if s.have == recordHeader {
				if err := h.record(s); err != nil {
					return h.fail(s, err)
				}
			}
			continue
		}
		n := min(len(p), s.left)
		if s.header[0] == recordHandshake {
			if err := h.handshake(s, p[:n]); err != nil {
				return h.fail(s, err)
			}
		}
		s.left, p = s.left-n, p[n:]
		if s.left == 0 {
			s.have = 0
		}
	}
	return nil
}

// fail gives a direction up. Before its hello, the middle of a connection breaks no rule.
func (h *Handshake) fail(s *half, err error) error {
	s.end()
	if h.midstream && s.hello == 0 {
		return nil
	}
	return err
}

// record begins a record.
func (h *Handshake) record(s *half) error {
	kind, length := s.header[0], int(s.header[3])<<8|int(s.header[4])
	if kind < recordCipher || kind > recordHeartbeat || s.header[1] != 3 || length > maxRecord {
		return fmt.Errorf("tls: no record, or one of %d bytes: %w", length, format.ErrMalformed)
	}
	s.left = length
	switch {
	case kind == recordCipher && h.tunnel.Version >= tls13:
		// It only pleases middleboxes (RFC 8446 appendix D.4), and may come between two hellos.
	case kind == recordCipher:
		s.resumed = !s.full // as far as it is the server
		s.end()
	case kind == recordData:
		s.end()
	}
	return nil
}

// handshake takes a part of the payload of handshake records.
func (h *Handshake) handshake(s *half, p []byte) error {
	if len(s.kept)+len(p) > h.limit {
		room := h.limit - len(s.kept) // so that what fits is read wherever the stream is cut
		if err := h.messages(s, p[:room]); err != nil {
			return err
		}
		return fmt.Errorf("tls: handshake of more than %d bytes: %w", h.limit, format.ErrLimit)
	}
	return h.messages(s, p)
}

// messages reads those that are whole.
func (h *Handshake) messages(s *half, p []byte) error {
	s.kept = append(s.kept, p...)
	for {
		b := reader{s.kept[s.next:]}
		kind := b.number(1)
		body := b.vector(3)
		if body == nil {
			return nil // not whole yet
		}
		s.next = len(s.kept) - len(b.rest)
		if err := h.message(s, byte(kind), body); err != nil {
			return err
		}
	}
}
