package rdp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"chaperone/format"
	"chaperone/wire"
)

// Blocks of the negotiation (MS-RDPBCGR sections 2.2.1.1.1, 2.2.1.1.2, 2.2.1.2.1 and 2.2.1.2.2): type, flags, length
// in two bytes (little endian), content.
const (
	negotiationRequest     = 1
	negotiationResponse    = 2
	negotiationFailure     = 3
	negotiationCorrelation = 6

	flagCorrelation = 0x08 // of the request: the correlation block follows
)

var blockLengths = map[byte]int{negotiationRequest: 8, negotiationResponse: 8, negotiationFailure: 8, negotiationCorrelation: 36}

// Protocols that a server selects (MS-RDPBCGR section 2.2.1.2.1), and the failure that asks for one.
const (
	protocolRDP      = 0
	protocolTLS      = 1
	protocolHybrid   = 2
	protocolHybridEx = 8

	failureHybridRequired = 5
)

// Cookies stand in front of the negotiation and end in CR LF (MS-RDPBCGR section 2.2.1.1).
const (
	cookieUser   = "Cookie: mstshash="
	cookieRouted = "Cookie: msts="
	cookieTSV    = "tsv://" // a session broker's token
	maxCookie    = 512
)

// block takes a block off the front of bytes.
func block(b []byte) (kind, flags byte, value uint32, rest []byte, ok bool) {
	if len(b) < 8 || blockLengths[b[0]] != int(binary.LittleEndian.Uint16(b[2:])) || len(b) < blockLengths[b[0]] {
		return 0, 0, 0, nil, false
	}
	return b[0], b[1], binary.LittleEndian.Uint32(b[4:]), b[blockLengths[b[0]]:], true
}

// odd reports an X.224 length that is not that of the packet around it. A long cookie does not fit into it.
func odd(x []byte) bool { return len(x)-1 < 255 && int(x[0]) != len(x)-1 }

// request reads the variable part of a connection request. What is wrong with one part leaves the others alone.
func (s *Session) request(x []byte) error {
	b := x[x224Fixed:]
	wrong := odd(x)
	if len(b) > 0 && b[0] >= ' ' {
		cookie, rest, ok := bytes.Cut(b, []byte("\r\n"))
		if !ok || len(cookie) > maxCookie {
			return fmt.Errorf("rdp: cookie of at least %d bytes without an end: %w", min(len(b), maxCookie), format.ErrMalformed)
		}
		s.cookie(string(cookie))
		b = rest
	}
	if len(b) > 0 {
		kind, flags, value, rest, ok := block(b)
		if ok && kind == negotiationRequest {
			s.desktop.Negotiates, s.desktop.Requested = true, value
		}
		wrong = wrong || !ok || kind != negotiationRequest
		if b = rest; flags&flagCorrelation != 0 && ok {
			kind, _, _, rest, ok = block(b)
			wrong, b = wrong || !ok || kind != negotiationCorrelation, rest
		}
	}
	if wrong || len(b) > 0 {
		return fmt.Errorf("rdp: lengths in the connection request of %d bytes: %w", len(x), format.ErrMalformed)
	}
	return nil
}

func (s *Session) cookie(text string) {
	if user, ok := strings.CutPrefix(text, cookieUser); ok {
		s.desktop.Cookie = strings.TrimRight(shown(user), " ")
	}
	s.desktop.Routed = strings.HasPrefix(text, cookieRouted) || strings.HasPrefix(text, cookieTSV)
}

// confirm reads a connection confirm. One without a negotiation comes from a server that has only RDP's own security.
func (s *Session) confirm(x []byte) error {
	s.desktop.Answered = true
	b := x[x224Fixed:]
	if len(b) == 0 {
		s.desktop.NLA = wire.NLAOff
		return nil
	}
	kind, _, value, rest, ok := block(b)
	switch {
	case ok && kind == negotiationResponse:
		s.desktop.Selected = value
		switch value {
		case protocolRDP, protocolTLS:
			s.desktop.NLA = wire.NLAOff
		case protocolHybrid, protocolHybridEx:
			s.desktop.NLA = wire.NLAOffered
		}
	case ok && kind == negotiationFailure:
		if s.desktop.Failure = value; value == failureHybridRequired {
			s.desktop.NLA = wire.NLARequired
		}
	default:
		ok = false
	}
	if !ok || len(rest) > 0 || odd(x) {
		return fmt.Errorf("rdp: lengths in the connection confirm of %d bytes: %w", len(x), format.ErrMalformed)
	}
	return nil
}
