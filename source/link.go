package source

import (
	"encoding/binary"

	"github.com/gopacket/gopacket/layers"
)

// finding is what the link layer of a packet led to.
type finding uint8

const (
	damaged finding = iota
	foundIP
	otherNetwork
	unknownLink
)

// EtherTypes (IEEE 802 numbers) that lead to IP.
const (
	etherIPv4    = 0x0800
	etherIPv6    = 0x86DD
	etherVLAN    = 0x8100 // 802.1Q
	etherQinQ    = 0x88A8 // 802.1ad
	etherOldQinQ = 0x9100
	etherMPLS    = 0x8847
	etherMPLS2   = 0x8848
	etherPPPoE   = 0x8864 // RFC 2516 session stage
)

const (
	linkRawBSD     layers.LinkType = 12
	linkRawOpenBSD layers.LinkType = 14

	maxTags = 8 // nested VLAN tags and MPLS labels together
)

// network strips the link layer.
func network(p Packet) (span, finding) {
	b := span{data: p.Data, cut: max(0, p.Length-len(p.Data))}
	switch p.Link {
	case layers.LinkTypeEthernet:
		return ether(b, 12)
	case layers.LinkTypeLinuxSLL:
		return ether(b, 14)
	case layers.LinkTypeLinuxSLL2:
		if len(b.data) < 20 {
			return b, damaged
		}
		b.data = b.data[20:]
		return byEtherType(binary.BigEndian.Uint16(p.Data), b)
	case layers.LinkTypeNull, layers.LinkTypeLoop:
		return loopback(p.Link, b)
	case layers.LinkTypeRaw, linkRawBSD, linkRawOpenBSD, layers.LinkTypeIPv4, layers.LinkTypeIPv6:
		return b, foundIP
	}
	return b, unknownLink
}

// ether takes what lies behind an EtherType at offset n: Ethernet II, or Linux "cooked" packets (LINKTYPE_LINUX_SLL).
func ether(b span, n int) (span, finding) {
	if len(b.data) < n+2 {
		return b, damaged
	}
	t := binary.BigEndian.Uint16(b.data[n:])
	b.data = b.data[n+2:]
	return byEtherType(t, b)
}

// byEtherType goes through tags, labels and sessions until it finds IP.
func byEtherType(t uint16, b span) (span, finding) {
	for range maxTags {
		switch {
		case t == etherIPv4 || t == etherIPv6:
			return b, foundIP
		case t == etherVLAN || t == etherQinQ || t == etherOldQinQ:
			if len(b.data) < 4 {
				return b, damaged
			}
			t = binary.BigEndian.Uint16(b.data[2:]) // behind the tag control information
			b.data = b.data[4:]
		case t == etherMPLS || t == etherMPLS2: // RFC 3032 2.1
			if len(b.data) < 4 {
				return b, damaged
			}
			bottom := b.data[2]&1 != 0
			b.data = b.data[4:]
			if bottom {
				return inMPLS(b)
			}
		case t == etherPPPoE: // RFC 2516 4, then the PPP protocol number
			if len(b.data) < 8 {
				return b, damaged
			}
			switch binary.BigEndian.Uint16(b.data[6:]) {
			case 0x0021, 0x0057: // IPv4, IPv6
				b.data = b.data[8:]
				return b, foundIP
			}
			return b, otherNetwork
		case t < 0x0600: // a length: IEEE 802.3, IP only behind LLC and SNAP (RFC 1042)
			if len(b.data) < 8 || [6]byte(b.data) != [6]byte{0xAA, 0xAA, 0x03} {
				return b, otherNetwork
			}
			t = binary.BigEndian.Uint16(b.data[6:])
			b.data = b.data[8:]
			if t < 0x0600 {
				return b, otherNetwork
			}
		default:
			return b, otherNetwork
		}
	}
	return b, damaged
}

// inMPLS tells IP from the rest by its version, because a label does not say what is behind it.
func inMPLS(b span) (span, finding) {
	if len(b.data) == 0 {
		return b, damaged
	}
	if v := b.data[0] >> 4; v == 4 || v == 6 {
		return b, foundIP
	}
	return b, otherNetwork
}

// loopback reads the address family of BSD loopback packets: LINKTYPE_NULL has it in the byte order of the machine
// that captured, LINKTYPE_LOOP in network order.
func loopback(l layers.LinkType, b span) (span, finding) {
	if len(b.data) < 4 {
		return b, damaged
	}
	family := binary.BigEndian.Uint32(b.data)
	if l == layers.LinkTypeNull && family > 0xFFFF {
		family = binary.LittleEndian.Uint32(b.data)
	}
	b.data = b.data[4:]
	switch family {
	case 2, // AF_INET everywhere
		10, 23, 24, 28, 30: // AF_INET6 of Linux, Windows, NetBSD and OpenBSD, FreeBSD, macOS
		return b, foundIP
	}
	return b, otherNetwork
}
