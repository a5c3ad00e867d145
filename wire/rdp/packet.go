package rdp

import (
	"encoding/binary"
	"fmt"

	"chaperone/format"
	"chaperone/wire"
	"chaperone/wire/tls"
)

// A TPKT header (RFC 1006 section 6): version, reserved, length of the whole packet. X.224 (ISO 8073 section 13)
// follows: the length of its header without that byte, a code, and for the two codes of the beginning the fixed part.
const (
	tpktVersion = 3
	tpktHeader  = 4
	x224Fixed   = 7 // length, code, two references, class

	codeRequest = 0xE0
	codeConfirm = 0xD0
	codeData    = 0xF0
)

// read takes bytes until nothing more can be read of their direction.
func (s *Session) read(d wire.Dir, p []byte) error {
	h := &s.half[d]
	for len(p) > 0 && h.state != over {
		switch {
		case h.state == tunnel:
			return s.handshake.Feed(d, p)
		case len(h.kept) == 0 && p[0] != tpktVersion:
			if err := s.secure(d, p[0]); err != nil {
				return s.fail(d, err)
			}
			continue
		}
		n := min(h.want-len(h.kept), len(p))
		h.kept, p = append(h.kept, p[:n]...), p[n:]
		if len(h.kept) < h.want {
			return nil
		}
		if err := s.wanted(d); err != nil {
			return s.fail(d, err)
		}
	}
	return nil
}

// secure begins the TLS of a direction, which follows without a frame around it (MS-RDPBCGR section 5.4.5.1).
func (s *Session) secure(d wire.Dir, first byte) error {
	h := &s.half[d]
	if first < 20 || first > 23 || h.state == opening && !s.midstream { // content types of RFC 8446 section 5.1
		return fmt.Errorf("rdp: neither a packet nor TLS: %w", format.ErrMalformed)
	}
	h.state, h.kept = tunnel, nil
	if s.handshake == nil {
		s.handshake = tls.NewHandshake(s.limits, s.midstream)
		if other := d.Other(); s.half[other].state == over {
			s.handshake.Gap(other)
		}
	}
	return nil
}

// fail gives a direction up. In the middle of a connection anything may come, so that it is no error.
func (s *Session) fail(d wire.Dir, err error) error {
	midstream := s.midstream && s.half[d].state == opening
	s.end(d)
	if midstream {
		return nil
	}
	return err
}

// wanted acts on the bytes that were needed: a header says how many the packet has.
func (s *Session) wanted(d wire.Dir) error {
	h := &s.half[d]
	if h.want > tpktHeader {
		err := s.packet(d, h.kept)
		h.kept, h.want = h.kept[:0], tpktHeader
		return err
	}
	n := int(binary.BigEndian.Uint16(h.kept[2:]))
	switch {
	case h.kept[1] != 0 || n < tpktHeader+2:
		return fmt.Errorf("rdp: TPKT header with a length of %d bytes: %w", n, format.ErrMalformed)
	case n > min(maxKept, s.limits.Message):
		return fmt.Errorf("rdp: packet of %d bytes: %w", n, format.ErrLimit)
	}
	h.want = n
	return nil
}

// packet reads a whole packet.
func (s *Session) packet(d wire.Dir, b []byte) error {
	h := &s.half[d]
	x := b[tpktHeader:]
	code := x[1] & 0xF0
	switch {
	case d == wire.FromClient && h.state == opening && code == codeRequest && len(x) >= x224Fixed:
		h.state = opened
		return s.request(x)
	case d == wire.FromServer && h.state == opening && code == codeConfirm && len(x) >= x224Fixed:
		h.state = opened
		return s.confirm(x)
	case code != codeData || h.state == opening && !s.midstream:
		return fmt.Errorf("rdp: X.224 packet of %d bytes out of order: %w", len(b), format.ErrMalformed)
	case d == wire.FromServer:
		s.end(d) // it answers what the client has said of itself
		return nil
	}
	err := s.connect(x)
	if err == nil {
		s.end(d)
	}
	return err
}
