package source

import (
	"encoding/binary"
	"net/netip"
)

// IP protocol numbers.
const (
	protoHopByHop    = 0
	protoTCP         = 6
	protoRouting     = 43
	protoFragment    = 44
	protoAH          = 51
	protoDestination = 60

	maxExtensions = 16 // headers in front of TCP; honest packets have three at most
)

// datagram is what an IP packet carries, or one fragment of it.
type datagram struct {
	src, dst netip.Addr
	proto    byte // of the first header in load
	load     span

	fragment bool
	id       uint32
	offset   int // of load in the whole
	more     bool
}

// internet finds the TCP header in an IP packet. Otherwise it gives the counter that the packet belongs to.
func (d *Decoder) internet(b span, p Packet) (datagram, *int64) {
	var g datagram
	var ok bool
	if len(b.data) == 0 {
		return g, &d.stats.Damaged
	}
	switch b.data[0] >> 4 {
	case 4:
		g, ok = readIPv4(b)
	case 6:
		g, ok = readIPv6(b)
	default:
		return g, &d.stats.Damaged
	}
	if ok && !g.fragment {
		ok = g.extensions()
	}
	if ok && g.fragment {
		if !mayBeTCP(g.proto) {
			return g, &d.stats.OtherTransport
		}
		var whole bool
		whole, ok = d.frags.join(&g, p.Mark.Time)
		if ok && !whole {
			return g, &d.stats.Fragments
		}
		ok = ok && g.extensions() && !g.fragment // a fragment of fragments is an attack
	}
	switch {
	case !ok:
		return g, &d.stats.Damaged
	case g.proto != protoTCP:
		return g, &d.stats.OtherTransport
	}
	return g, nil
}

// readIPv4 reads a header of RFC 791 3.1.
func readIPv4(b span) (g datagram, ok bool) {
	const header = 20
	if len(b.data) < header {
		return g, false
	}
	h := b.data
	length := int(h[0]&0x0F) * 4
	total := int(binary.BigEndian.Uint16(h[2:]))
	if total == 0 { // the card was to cut it into segments (TSO): everything belongs to it
		total = b.total()
	}
	if length < header || total < length {
		return g, false
	}
	g.src, g.dst = netip.AddrFrom4([4]byte(h[12:16])), netip.AddrFrom4([4]byte(h[16:20]))
	g.proto = h[9]
	g.load, ok = b.first(total).from(length)
	place := binary.BigEndian.Uint16(h[6:])
	g.offset, g.more = int(place&0x1FFF)*8, place&0x2000 != 0
	g.fragment = g.more || g.offset != 0
	g.id = uint32(binary.BigEndian.Uint16(h[4:]))
	return g, ok
}

// readIPv6 reads a header of RFC 8200 3.
func readIPv6(b span) (g datagram, ok bool) {
	const header = 40
	if len(b.data) < header {
		return g, false
	}
	h := b.data
	total := header + int(binary.BigEndian.Uint16(h[4:]))
	if total == header { // a jumbogram (RFC 2675) or TSO
		total = b.total()
	}
	g.src, g.dst = netip.AddrFrom16([16]byte(h[8:24])), netip.AddrFrom16([16]byte(h[24:40]))
	g.proto = h[6]
	g.load, ok = b.first(total).from(header)
	return g, ok
}

// extensions walks the IPv6 extension headers (RFC 8200 4) up to the transport or to a fragment. Of them IPv4 has only
// AH (RFC 4302): a host does not look behind the others, so neither do we.
func (g *datagram) extensions() bool {
	for range maxExtensions {
		if g.src.Is4() && g.proto != protoAH {
			return true
		}
		b := g.load.data
		switch g.proto {
		case protoHopByHop, protoRouting, protoDestination, protoAH:
			if len(b) < 2 {
				return false
			}
			n := 8 + int(b[1])*8
			if g.proto == protoAH {
				n = 8 + int(b[1])*4 // RFC 4302 2.2
			}
			rest, ok := g.load.from(n)
			if !ok {
				return false
			}
			g.proto, g.load = b[0], rest
		case protoFragment:
			if len(b) < 8 {
				return false
			}
			place := binary.BigEndian.Uint16(b[2:])
			g.offset, g.more = int(place&^7), place&1 != 0
			g.id = binary.BigEndian.Uint32(b[4:])
			g.proto = b[0]
			g.load, _ = g.load.from(8)
			if g.offset != 0 || g.more { // otherwise it is whole: RFC 6946
				g.fragment = true
				return true
			}
		default:
			return true
		}
	}
	return false
}

// mayBeTCP keeps fragments of UDP, ICMP and others from taking memory.
func mayBeTCP(proto byte) bool {
	switch proto {
	case protoTCP, protoHopByHop, protoRouting, protoDestination, protoAH, protoFragment:
		return true
	}
	return false
}
