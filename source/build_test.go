package source

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Everything in this file builds captures by hand, so that the tests know every byte.

type endian interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

var (
	little endian = binary.LittleEndian
	big    endian = binary.BigEndian

	noon = time.Date(2016, 6, 26, 12, 0, 0, 0, time.UTC)
)

const (
	clientAddr = "10.0.0.1"
	serverAddr = "10.0.0.2"
	client6    = "fd00::1"
	server6    = "fd00::2"
)

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func u16(order endian, values ...uint16) []byte {
	var b []byte
	for _, v := range values {
		b = order.AppendUint16(b, v)
	}
	return b
}

func u32(order endian, values ...uint32) []byte {
	var b []byte
	for _, v := range values {
		b = order.AppendUint32(b, v)
	}
	return b
}

// pcapHead is a pcap file header.
func pcapHead(order endian, magic uint32, link uint32) []byte {
	return cat(u32(order, magic), u16(order, 2, 4), u32(order, 0, 0, 262144, link))
}

// pcapPacket is a pcap record; length 0 means that the packet was not cut.
func pcapPacket(order endian, seconds, fraction uint32, length int, data []byte) []byte {
	if length == 0 {
		length = len(data)
	}
	return cat(u32(order, seconds, fraction, uint32(len(data)), uint32(length)), data)
}

// simplePcap is a whole file of Ethernet packets, one in each of these seconds after noon.
func simplePcap(seconds ...int) []byte {
	b := pcapHead(little, 0xA1B2C3D4, 1)
	for _, s := range seconds {
		b = append(b, pcapPacket(little, uint32(noon.Unix()+int64(s)), 0, 0, frame("hello"))...)
	}
	return b
}

// ngBlock frames the body of a pcapng block.
func ngBlock(order endian, kind uint32, body []byte) []byte {
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	n := uint32(len(body) + 12)
	return cat(u32(order, kind, n), body, u32(order, n))
}

func ngSection(order endian, major, minor uint16) []byte {
	return ngBlock(order, blockSection, cat(u32(order, byteOrderMagic), u16(order, major, minor), bytes.Repeat([]byte{0xFF}, 8)))
}

func ngInterface(order endian, link uint16, snap uint32, options ...[]byte) []byte {
	return ngBlock(order, blockInterface, cat(u16(order, link, 0), u32(order, snap), cat(options...)))
}

func ngOption(order endian, code uint16, value []byte) []byte {
	b := cat(u16(order, code, uint16(len(value))), value)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func ngPacket(order endian, iface uint32, ticks uint64, length int, data []byte) []byte {
	if length == 0 {
		length = len(data)
	}
	return ngBlock(order, blockEnhancedPacket,
		cat(u32(order, iface, uint32(ticks>>32), uint32(ticks), uint32(len(data)), uint32(length)), data))
}

func zip(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

// tcpSegment is a TCP segment from port 1025 to port 2575.
func tcpSegment(payload string) []byte {
	h := cat(u16(big, 1025, 2575), u32(big, 1000, 2000), []byte{5 << 4, byte(PSH | ACK)}, u16(big, 512, 0, 0))
	return cat(h, []byte(payload))
}

// ipv4 is an IPv4 packet; place is its fragment field.
func ipv4(proto byte, id, place uint16, payload []byte) []byte {
	src, dst := netip.MustParseAddr(clientAddr).As4(), netip.MustParseAddr(serverAddr).As4()
	return cat([]byte{0x45, 0}, u16(big, uint16(20+len(payload)), id, place), []byte{64, proto, 0, 0}, src[:], dst[:], payload)
}

func ipv6(next byte, payload []byte) []byte {
	src, dst := netip.MustParseAddr(client6).As16(), netip.MustParseAddr(server6).As16()
	return cat([]byte{0x60, 0, 0, 0}, u16(big, uint16(len(payload))), []byte{next, 64}, src[:], dst[:], payload)
}

func ethernet(etherType uint16, payload []byte) []byte {
	return cat([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, u16(big, etherType), payload)
}

// frame is a whole Ethernet packet with this TCP payload.
func frame(payload string) []byte {
	return ethernet(etherIPv4, ipv4(protoTCP, 1, 0, tcpSegment(payload)))
}

// write makes a file in a folder of the test.
func write(t *testing.T, dir, name string, b []byte) string {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// readAll gives copies of all packets.
func readAll(t *testing.T, c *Captures) []Packet {
	t.Helper()
	var packets []Packet
	for {
		p, err := c.Next()
		if errors.Is(err, io.EOF) {
			return packets
		}
		if err != nil {
			t.Fatal(err)
		}
		p.Data = bytes.Clone(p.Data)
		packets = append(packets, p)
	}
}

// readBytes reads a capture from standard input.
func readBytes(t *testing.T, b []byte) ([]Packet, File) {
	t.Helper()
	c, err := Open(context.Background(), []string{"-"}, Options{Stdin: bytes.NewReader(b)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	packets := readAll(t, c)
	return packets, c.Files()[0]
}
