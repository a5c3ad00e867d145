package source

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/layers"
)

// decodeOne decodes one packet; length 0 means that it was not cut.
func decodeOne(link layers.LinkType, length int, data []byte) (Segment, bool, DecodeStats) {
	d := NewDecoder()
	s, ok := d.Segment(Packet{Length: max(length, len(data)), Data: data, Link: link})
	return s, ok, d.Stats()
}

func TestLinks(t *testing.T) {
	v4 := ipv4(protoTCP, 1, 0, tcpSegment("hello"))
	v6 := ipv6(protoTCP, tcpSegment("hello"))
	tag := u16(big, 0x2007) // priority 1, VLAN 7
	mac := make([]byte, 12)
	sll := make([]byte, 14)
	sll2 := make([]byte, 18)
	tests := []struct {
		name string
		link layers.LinkType
		data []byte
	}{
		{"Ethernet, IPv4", 1, ethernet(etherIPv4, v4)},
		{"Ethernet, IPv6", 1, ethernet(etherIPv6, v6)},
		{"Ethernet, padded to 60 bytes and more", 1, ethernet(etherIPv4, cat(v4, make([]byte, 9)))},
		{"802.1Q", 1, cat(mac, u16(big, etherVLAN), tag, u16(big, etherIPv4), v4)},
		{"802.1ad", 1, cat(mac, u16(big, etherQinQ), tag, u16(big, etherVLAN), tag, u16(big, etherIPv6), v6)},
		{"old QinQ", 1, cat(mac, u16(big, etherOldQinQ), tag, u16(big, etherVLAN), tag, u16(big, etherIPv4), v4)},
		{"four tags", 1, cat(mac, u16(big, etherVLAN), tag, u16(big, etherVLAN), tag, u16(big, etherVLAN), tag, u16(big, etherVLAN), tag, u16(big, etherIPv4), v4)},
		{"802.3 with LLC and SNAP", 1, cat(mac, u16(big, uint16(8+len(v4))), []byte{0xAA, 0xAA, 3, 0, 0, 0}, u16(big, etherIPv4), v4)},
		{"MPLS, two labels", 1, cat(mac, u16(big, etherMPLS), []byte{0, 1, 0x00, 64, 0, 2, 0x01, 64}, v4)},
		{"PPPoE", 1, cat(mac, u16(big, etherPPPoE), []byte{0x11, 0}, u16(big, 9, uint16(2+len(v6)), 0x0057), v6)},
		{"PPPoE in a VLAN", 1, cat(mac, u16(big, etherVLAN), tag, u16(big, etherPPPoE), []byte{0x11, 0}, u16(big, 9, uint16(2+len(v4)), 0x0021), v4)},
		{"Linux SLL", 113, cat(sll, u16(big, etherIPv4), v4)},
		{"Linux SLL, 802.1Q", 113, cat(sll, u16(big, etherVLAN), tag, u16(big, etherIPv4), v4)},
		{"Linux SLL2", 276, cat(u16(big, etherIPv6), sll2, v6)},
		{"Linux SLL2, 802.1Q", 276, cat(u16(big, etherVLAN), sll2, tag, u16(big, etherIPv4), v4)},
		{"raw, BSD", 12, v4},
		{"raw, OpenBSD", 14, v6},
		{"raw", 101, v4},
		{"raw IPv4", 228, v4},
		{"raw IPv6", 229, v6},
		{"loopback, IPv4, little endian", 0, cat(u32(little, 2), v4)},
		{"loopback, IPv4, big endian", 0, cat(u32(big, 2), v4)},
		{"loopback, IPv6, NetBSD", 0, cat(u32(big, 24), v6)},
		{"loopback, IPv6, FreeBSD", 0, cat(u32(little, 28), v6)},
		{"loopback, IPv6, macOS", 0, cat(u32(little, 30), v6)},
		{"loopback, IPv6, Linux", 0, cat(u32(little, 10), v6)},
		{"OpenBSD loopback", 108, cat(u32(big, 2), v4)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, ok, stats := decodeOne(tt.link, 0, tt.data)
			if !ok {
				t.Fatalf("got no segment, %+v", stats)
			}
			src, dst := netip.MustParseAddr(clientAddr), netip.MustParseAddr(serverAddr)
			if s.Src.Addr().Is6() {
				src, dst = netip.MustParseAddr(client6), netip.MustParseAddr(server6)
			}
			if s.Src != netip.AddrPortFrom(src, 1025) || s.Dst != netip.AddrPortFrom(dst, 2575) {
				t.Errorf("got %v to %v", s.Src, s.Dst)
			}
			if s.Seq != 1000 || s.Ack != 2000 || s.Flags != PSH|ACK || string(s.Payload) != "hello" || s.Missing != 0 {
				t.Errorf("got %d %d %v payload of %d bytes, missing %d", s.Seq, s.Ack, s.Flags, len(s.Payload), s.Missing)
			}
		})
		t.Run(tt.name+", cut anywhere", func(t *testing.T) {
			for n := range len(tt.data) {
				s, ok, _ := decodeOne(tt.link, len(tt.data), tt.data[:n:n])
				if ok && len(s.Payload)+s.Missing != 5 {
					t.Errorf("%d bytes: got a payload of %d and %d missing, want 5 together", n, len(s.Payload), s.Missing)
				}
			}
		})
	}
}

// TestNotTCP says which counter a packet belongs to that holds no segment.
func TestNotTCP(t *testing.T) {
	tcp := tcpSegment("hello")
	change := func(b []byte, at int, v byte) []byte {
		b = append([]byte(nil), b...)
		b[at] = v
		return b
	}
	v4, v6 := ipv4(protoTCP, 1, 0, tcp), ipv6(protoTCP, tcp)
	loop := []byte{}
	for range maxExtensions + 1 {
		loop = append(loop, protoDestination, 0, 0, 0, 0, 0, 0, 0)
	}
	tags := make([]byte, 12)
	for range maxTags + 1 {
		tags = append(tags, 0x81, 0, 0, 1)
	}
	tests := []struct {
		name string
		link layers.LinkType
		data []byte
		want DecodeStats
	}{
		{"ARP", 1, ethernet(0x0806, make([]byte, 28)), DecodeStats{NotIP: 1}},
		{"spanning tree", 1, ethernet(38, make([]byte, 46)), DecodeStats{NotIP: 1}},
		{"PPPoE, link control", 1, ethernet(etherPPPoE, cat(make([]byte, 6), u16(big, 0xC021), make([]byte, 9))), DecodeStats{NotIP: 1}},
		{"MPLS pseudowire", 1, ethernet(etherMPLS, []byte{0, 0, 1, 64, 0, 0, 0, 0}), DecodeStats{NotIP: 1}},
		{"loopback, AppleTalk", 0, u32(little, 16), DecodeStats{NotIP: 1}},
		{"802.11", 105, v4, DecodeStats{UnknownLink: 1}},
		{"UDP", 101, ipv4(17, 1, 0, tcp), DecodeStats{OtherTransport: 1}},
		{"ICMPv6 behind an extension", 101, ipv6(protoHopByHop, []byte{58, 0, 0, 0, 0, 0, 0, 0, 9, 9}), DecodeStats{OtherTransport: 1}},
		{"fragment of UDP", 101, ipv4(17, 1, 0x2000, tcp[:16]), DecodeStats{OtherTransport: 1}},
		{"IPv6 options in IPv4", 101, ipv4(protoDestination, 1, 0, cat([]byte{protoTCP, 0, 0, 0, 0, 0, 0, 0}, tcp)), DecodeStats{OtherTransport: 1}},
		{"nothing", 1, nil, DecodeStats{Damaged: 1}},
		{"no packet behind Ethernet", 1, ethernet(etherIPv4, nil), DecodeStats{Damaged: 1}},
		{"IP version 5", 101, change(v4, 0, 0x55), DecodeStats{Damaged: 1}},
		{"IPv4 header length 4", 101, change(change(v4, 0, 0x44), 28, 0x50), DecodeStats{Damaged: 1}},
		{"IPv4 header longer than the packet", 101, change(change(v4, 3, 20), 0, 0x46), DecodeStats{Damaged: 1}},
		{"TCP header length 4", 101, change(v4, 20+12, 0x40), DecodeStats{Damaged: 1}},
		{"TCP header longer than the packet", 101, change(v4, 20+12, 0xF0), DecodeStats{Damaged: 1}},
		{"TCP header in half", 101, ipv4(protoTCP, 1, 0, tcp[:12]), DecodeStats{Damaged: 1}},
		{"extension longer than the packet", 101, ipv6(protoRouting, []byte{protoTCP, 9, 0, 0, 0, 0, 0, 0}), DecodeStats{Damaged: 1}},
		{"endless extensions", 101, ipv6(protoDestination, loop), DecodeStats{Damaged: 1}},
		{"endless tags", 1, tags, DecodeStats{Damaged: 1}},
		{"fragment behind the last possible byte", 101, ipv4(protoTCP, 1, 0x1FFF, tcp), DecodeStats{Damaged: 1}},
		{"fragment of an odd length", 101, ipv4(protoTCP, 1, 0x2000, tcp[:15]), DecodeStats{Damaged: 1}},
		{"IPv6 of the minimum", 101, v6[:40], DecodeStats{Damaged: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, ok, got := decodeOne(tt.link, 0, tt.data); ok || got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestLengths(t *testing.T) {
	options := func(b []byte) []byte { // an IPv4 header with 8 bytes of options and a TCP header with 12
		tcp := cat(b[20:40], make([]byte, 12), b[40:])
		tcp[12] = 8 << 4
		h := cat(b[:20], make([]byte, 8), tcp)
		h[0] = 0x47
		big.PutUint16(h[2:], uint16(len(h)))
		return h
	}
	ah := []byte{protoTCP, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	total := func(b []byte, at int, n uint16) []byte {
		big.PutUint16(b[at:], n)
		return b
	}
	v4 := func() []byte { return ipv4(protoTCP, 1, 0, tcpSegment("hello")) }
	v6 := func() []byte { return ipv6(protoTCP, tcpSegment("hello")) }
	tests := []struct {
		name    string
		length  int // on the wire, 0 when the packet was not cut
		data    []byte
		payload string
		missing int
	}{
		{"IPv4 and TCP options", 0, options(v4()), "hello", 0},
		{"padding", 0, cat(v4(), make([]byte, 7)), "hello", 0},
		{"cut in the payload", 45, v4()[:42], "he", 3},
		{"cut behind the TCP header", 45, v4()[:40], "", 5},
		{"cut in the TCP options", 65, options(v4())[:55], "", 5},
		{"cut afterwards, without telling the length", 0, v4()[:42], "he", 3},
		{"IPv4 total length 0 (TSO)", 0, total(v4(), 2, 0), "hello", 0},
		{"IPv4 total length 0 (TSO), cut", 60000, total(v4(), 2, 0), "hello", 60000 - 45},
		{"IPv6 payload length 0", 0, total(v6(), 4, 0), "hello", 0},
		{"IPv6 padding", 0, cat(v6(), make([]byte, 7)), "hello", 0},
		{"IPv6 extensions", 0, ipv6(protoHopByHop, cat([]byte{protoRouting, 0, 0, 0, 0, 0, 0, 0}, []byte{protoDestination, 1}, make([]byte, 14),
			[]byte{protoAH, 0, 0, 0, 0, 0, 0, 0}, ah, tcpSegment("hello"))), "hello", 0},
		{"IPv6, an atomic fragment", 0, ipv6(protoFragment, cat([]byte{protoTCP, 0, 0, 0, 0, 0, 0, 1}, tcpSegment("hello"))), "hello", 0},
		{"IPv4 with AH", 0, ipv4(protoAH, 1, 0, cat(ah, tcpSegment("hello"))), "hello", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for n := range len(tt.data) { // no panic, no invented bytes
				if s, ok, _ := decodeOne(layers.LinkTypeRaw, 0, tt.data[:n:n]); ok && !strings.HasPrefix("hello", string(s.Payload)) {
					t.Errorf("%d bytes: got a payload of %d bytes, which is another", n, len(s.Payload))
				}
			}
			s, ok, stats := decodeOne(layers.LinkTypeRaw, tt.length, tt.data)
			if !ok || string(s.Payload) != tt.payload || s.Missing != tt.missing {
				t.Errorf("got %t, a payload of %d bytes and %d missing, want %d and %d; %+v", ok, len(s.Payload), s.Missing, len(tt.payload), tt.missing, stats)
			}
		})
	}
}

func TestFlags(t *testing.T) {
	b := ipv4(protoTCP, 1, 0, tcpSegment(""))
	b[20+13] = 0xFF // with CWR and ECE
	s, _, _ := decodeOne(layers.LinkTypeRaw, 0, b)
	if s.Flags != FIN|SYN|RST|PSH|ACK|URG || !s.Flags.Has(SYN|ACK) || (SYN | PSH).Has(SYN|ACK) {
		t.Errorf("got flags %06b, want all six", s.Flags)
	}
}

func TestNoAllocations(t *testing.T) {
	for name, p := range map[string]Packet{
		"IPv4": {Link: 1, Data: frame("hello")},
		"IPv6": {Link: 1, Data: ethernet(etherIPv6, ipv6(protoTCP, tcpSegment("hello")))},
	} {
		p.Length = len(p.Data)
		d := NewDecoder()
		if n := testing.AllocsPerRun(100, func() { d.Segment(p) }); n != 0 {
			t.Errorf("%s: got %v allocations for a segment, want none", name, n)
		}
	}
	var ng []byte
	for range 300 {
		ng = append(ng, ngPacket(little, 0, 1, 0, frame("hello"))...)
	}
	for name, file := range map[string][]byte{
		"pcap":   simplePcap(make([]int, 300)...),
		"pcapng": cat(ngSection(little, 1, 0), ngInterface(little, 276, 0), ng),
	} {
		c, err := Open(t.Context(), []string{write(t, t.TempDir(), "file", file)}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		read := func() {
			if _, err := c.Next(); err != nil {
				t.Fatal(err)
			}
		}
		read() // opens the file
		if n := testing.AllocsPerRun(200, read); n != 0 {
			t.Errorf("%s: got %v allocations for a packet, want none", name, n)
		}
	}
}
