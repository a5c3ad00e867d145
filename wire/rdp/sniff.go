package rdp

import (
	"bytes"
	"encoding/binary"

	"chaperone/wire"
)

// anything stands in a pattern for a byte that may be any.
const anything = -1

// How each side begins: TPKT and X.224, with what may follow them, or with the packet behind them when nothing does.
var beginnings = [2]struct {
	packet, next []int // the length of the next packet is not fixed
	blocks       []byte
	cookies      []string
}{
	wire.FromClient: {
		packet:  []int{tpktVersion, 0, anything, anything, anything, codeRequest, 0, 0, anything, anything, 0},
		next:    []int{tpktVersion, 0, anything, anything, 2, codeData, 0x80, 0x7F, 0x65}, // MCS Connect-Initial
		blocks:  []byte{negotiationRequest},
		cookies: []string{cookieUser, cookieRouted, cookieTSV},
	},
	wire.FromServer: {
		packet: []int{tpktVersion, 0, anything, anything, anything, codeConfirm, anything, anything, anything, anything, 0},
		next:   []int{tpktVersion, 0, anything, anything, 2, codeData, 0x80, 0x7F, 0x66}, // MCS Connect-Response
		blocks: []byte{negotiationResponse, negotiationFailure},
	},
}

// Sniff looks for a connection request or confirm with a cookie or a negotiation: others than RDP use X.224, too. Without
// either it is RDP when its MCS follows.
func Sniff(client, server []byte, _ bool) wire.Verdict {
	verdict := wire.No
	for d, b := range [][]byte{client, server} {
		if len(b) > 0 {
			verdict = max(verdict, begins(wire.Dir(d), b))
		}
	}
	if len(client)+len(server) == 0 {
		return wire.Maybe
	}
	return verdict
}

// begins judges one direction.
func begins(d wire.Dir, b []byte) wire.Verdict {
	form := &beginnings[d]
	if v := matches(b, form.packet); v != wire.Yes {
		return v
	}
	fixed := len(form.packet)
	n, rest := int(binary.BigEndian.Uint16(b[2:])), b[fixed:]
	if n == fixed {
		return matches(rest, form.next)
	}
	if n < fixed+8 { // no block and no cookie is shorter
		return wire.No
	}
	verdict := wire.No
	for _, kind := range form.blocks {
		verdict = max(verdict, matches(rest, []int{int(kind), anything, 8, 0}))
	}
	for _, cookie := range form.cookies {
		k := min(len(cookie), len(rest))
		switch {
		case !bytes.HasPrefix([]byte(cookie), rest[:k]):
		case k < len(cookie):
			verdict = max(verdict, wire.Maybe)
		default:
			verdict = wire.Yes
		}
	}
	return verdict
}

// matches judges whether bytes begin with a pattern.
func matches(b []byte, pattern []int) wire.Verdict {
	for i, want := range pattern {
		if i == len(b) {
			return wire.Maybe
		}
		if want != anything && int(b[i]) != want {
			return wire.No
		}
	}
	return wire.Yes
}
