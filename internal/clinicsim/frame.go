package clinicsim

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Packet is one captured Ethernet frame.
type Packet struct {
	Time   time.Time
	Frame  []byte
	Length int // of the frame on the wire, when more passed than was captured; otherwise 0
}

// TCP flags.
const (
	flagFIN = 1 << iota
	flagSYN
	flagRST
	flagPSH
	flagACK
)

const (
	protocolTCP = 6
	protocolUDP = 17
	ethernetMin = 60 // shorter frames are padded; the padding is captured too
)

// mac gives a host's locally administered hardware address.
func mac(a netip.Addr) []byte {
	ip := a.As4()
	return []byte{0x02, 0x00, ip[0], ip[1], ip[2], ip[3]}
}

// ipv4 wraps a transport segment, whose checksum is still zero, into an Ethernet frame.
func ipv4(from, to netip.Addr, id uint16, protocol byte, checksumAt int, segment []byte) []byte {
	b := make([]byte, 0, max(ethernetMin, 34+len(segment)))
	b = append(b, mac(to)...)
	b = append(b, mac(from)...)
	b = append(b, 0x08, 0x00, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(20+len(segment)))
	b = binary.BigEndian.AppendUint16(b, id)
	b = append(b, 0x40, 0, 64, protocol, 0, 0) // don't fragment
	src, dst := from.As4(), to.As4()
	b = append(b, src[:]...)
	b = append(b, dst[:]...)
	binary.BigEndian.PutUint16(b[24:], ^fold(sum(0, b[14:34])))
	pseudo := sum(sum(0, b[26:34]), []byte{0, protocol, byte(len(segment) >> 8), byte(len(segment))})
	check := ^fold(sum(pseudo, segment))
	if protocol == protocolUDP && check == 0 {
		check = 0xFFFF
	}
	b = append(b, segment...)
	binary.BigEndian.PutUint16(b[34+checksumAt:], check)
	for len(b) < ethernetMin {
		b = append(b, 0)
	}
	return b
}

// sum and fold are the Internet checksum (RFC 1071).
func sum(total uint32, b []byte) uint32 {
	for len(b) >= 2 {
		total += uint32(b[0])<<8 | uint32(b[1])
		b = b[2:]
	}
	if len(b) == 1 {
		total += uint32(b[0]) << 8
	}
	return total
}

func fold(total uint32) uint16 {
	for total > 0xFFFF {
		total = total>>16 + total&0xFFFF
	}
	return uint16(total)
}

// tcpSegment gives header, options and payload with a zero checksum at offset 16.
func tcpSegment(from, to uint16, seq, ack uint32, flags byte, options, payload []byte) []byte {
	b := make([]byte, 0, 20+len(options)+len(payload))
	b = binary.BigEndian.AppendUint16(b, from)
	b = binary.BigEndian.AppendUint16(b, to)
	b = binary.BigEndian.AppendUint32(b, seq)
	b = binary.BigEndian.AppendUint32(b, ack)
	b = append(b, byte(5+len(options)/4)<<4, flags)
	b = binary.BigEndian.AppendUint16(b, 64240)
	b = append(b, 0, 0, 0, 0)
	b = append(b, options...)
	return append(b, payload...)
}

// udpDatagram gives header and payload with a zero checksum at offset 6.
func udpDatagram(from, to uint16, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, from)
	b = binary.BigEndian.AppendUint16(b, to)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	return append(append(b, 0, 0), payload...)
}
