package source

import (
	"encoding/binary"
	"net/netip"

	"chaperone"
)

// Flags are the control bits of a TCP header (RFC 9293 3.1).
type Flags uint8

// The control bits.
const (
	FIN Flags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
)

// Has reports whether all of these bits are set.
func (f Flags) Has(bits Flags) bool { return f&bits == bits }

// Segment is one TCP segment.
type Segment struct {
	Mark     chaperone.Mark // of the packet that completed it
	Src, Dst netip.AddrPort
	Seq, Ack uint32
	Flags    Flags
	Payload  []byte // valid until the next packet
	Missing  int    // payload bytes behind Payload that the capture's snap length cut off
}

// DecodeStats count what became of the packets. All but the last three add up to the number of packets.
type DecodeStats struct {
	Segments       int64 // TCP
	NotIP          int64 // ARP, spanning tree, …
	OtherTransport int64 // IP, but not TCP
	UnknownLink    int64 // of a link layer that this program does not read
	Damaged        int64 // a header that is too short or contradicts itself
	Fragments      int64 // kept to be joined with the rest of their datagram

	FragmentsHeld      int64 // of Fragments: still waiting for the rest
	FragmentsDropped   int64 // of Fragments: given up, because the rest did not come in time or memory was short
	AmbiguousFragments int64 // overlap another fragment with different bytes; the first was believed
}

// Decoder reads the layers below TCP. It checks no checksums: network cards fill them in behind the capture.
type Decoder struct {
	stats DecodeStats
	frags fragments
}

// NewDecoder gives a decoder for packets in capture order.
func NewDecoder() *Decoder { return &Decoder{} }

// Stats gives the counts so far.
func (d *Decoder) Stats() DecodeStats {
	s := d.stats
	s.FragmentsHeld, s.FragmentsDropped, s.AmbiguousFragments = d.frags.held, d.frags.dropped, d.frags.ambiguous
	return s
}

// Segment finds the TCP segment in a packet. It gives false when there is none: another protocol, a damaged packet or
// a fragment whose datagram is not whole yet. Stats says how many of which.
func (d *Decoder) Segment(p Packet) (Segment, bool) {
	s := Segment{Mark: p.Mark}
	n := d.decode(p, &s)
	*n++
	return s, n == &d.stats.Segments
}

// span is a part of a packet: the bytes at hand and how many more were cut off behind them.
type span struct {
	data []byte
	cut  int
}

// total is the length on the wire.
func (b span) total() int { return len(b.data) + b.cut }

// first gives the first n bytes. A capture that was cut afterwards, without telling the length on the wire, may have
// fewer: the header that says n is believed.
func (b span) first(n int) span {
	if n < len(b.data) {
		return span{data: b.data[:n]}
	}
	return span{b.data, n - len(b.data)}
}

// from gives what lies behind the first n bytes; ok is false when there are not so many on the wire.
func (b span) from(n int) (span, bool) {
	if n <= len(b.data) {
		return span{b.data[n:], b.cut}, true
	}
	if n <= b.total() {
		return span{nil, b.total() - n}, true
	}
	return span{}, false
}

// decode fills s and gives the counter that this packet belongs to.
func (d *Decoder) decode(p Packet, s *Segment) *int64 {
	ip, kind := network(p)
	switch kind {
	case foundIP:
	case unknownLink:
		return &d.stats.UnknownLink
	case otherNetwork:
		return &d.stats.NotIP
	default:
		return &d.stats.Damaged
	}
	g, other := d.internet(ip, p)
	if other != nil {
		return other
	}
	return d.tcp(g, s)
}

// tcp reads a TCP header (RFC 9293 3.1).
func (d *Decoder) tcp(g datagram, s *Segment) *int64 {
	const header = 20
	b := g.load
	if len(b.data) < header {
		return &d.stats.Damaged
	}
	h := b.data
	length := int(h[12]>>4) * 4
	if length < header || length > b.total() {
		return &d.stats.Damaged
	}
	s.Src = netip.AddrPortFrom(g.src, binary.BigEndian.Uint16(h))
	s.Dst = netip.AddrPortFrom(g.dst, binary.BigEndian.Uint16(h[2:]))
	s.Seq = binary.BigEndian.Uint32(h[4:])
	s.Ack = binary.BigEndian.Uint32(h[8:])
	s.Flags = Flags(h[13]) & (FIN | SYN | RST | PSH | ACK | URG)
	payload, _ := b.from(length) // length ≤ total
	s.Payload, s.Missing = payload.data, payload.cut
	return &d.stats.Segments
}
