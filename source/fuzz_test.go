package source

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/gopacket/gopacket/layers"
)

// FuzzCapture reads any bytes as a capture, to the last segment.
func FuzzCapture(f *testing.F) {
	files, err := filepath.Glob("testdata/*.pcap*")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(simplePcap(1, 2))
	f.Add(zip(simplePcap(1, 2)))
	f.Add(cat(pcapHead(big, 0xA1B23C4D, 276), pcapPacket(big, 1, 2, 3, frame(""))))
	f.Add(cat(ngSection(big, 1, 0), ngInterface(big, 101, 9, ngOption(big, 9, []byte{0x8A})), ngPacket(big, 0, 1, 0, cutting{0, 24, false}.ipv4(tcpSegment(fragmented))),
		ngBlock(big, blockSimplePacket, cat(u32(big, 99), make([]byte, 9))), ngSection(little, 9, 0), ngSection(little, 1, 2)))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Open(context.Background(), []string{"-"}, Options{Stdin: bytes.NewReader(b)})
		if err != nil {
			return
		}
		defer c.Close()
		d := NewDecoder()
		n := int64(0)
		for {
			p, err := c.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			n++
			if p.Mark.Packet != n || p.Length < len(p.Data) || p.Mark.Time.Year() > 9999 {
				t.Fatalf("packet %d: number %d, length %d for %d bytes, year %d", n, p.Mark.Packet, p.Length, len(p.Data), p.Mark.Time.Year())
			}
			checkSegment(t, d, p)
		}
		if got := c.Files()[0]; got.Packets != n {
			t.Fatalf("got %d packets in Files, want %d", got.Packets, n)
		}
		st := d.Stats()
		if st.Segments+st.NotIP+st.OtherTransport+st.UnknownLink+st.Damaged+st.Fragments != n {
			t.Fatalf("got %+v, which is not %d packets", st, n)
		}
	})
}

// FuzzSegment decodes any bytes as two packets of any link layer.
func FuzzSegment(f *testing.F) {
	v4, v6 := ipv4(protoTCP, 1, 0, tcpSegment("hello")), ipv6(protoHopByHop, cat([]byte{protoTCP, 0, 0, 0, 0, 0, 0, 0}, tcpSegment("hello")))
	f.Add(uint16(1), uint16(0), frame("hello"), frame(""))
	f.Add(uint16(1), uint16(9), ethernet(etherVLAN, cat(u16(big, 1, etherQinQ, 1, etherIPv4), v4)), ethernet(etherMPLS, cat([]byte{0, 0, 1, 0}, v6)))
	f.Add(uint16(113), uint16(0), cat(make([]byte, 14), u16(big, etherIPv4), v4), cat(make([]byte, 14), u16(big, etherVLAN, 1, etherIPv6), v6))
	f.Add(uint16(276), uint16(0), cat(u16(big, etherIPv4), make([]byte, 18), v4), []byte(nil))
	f.Add(uint16(0), uint16(0), cat(u32(little, 2), v4), cat(u32(big, 30), v6))
	whole := tcpSegment(fragmented)
	f.Add(uint16(101), uint16(0), cutting{0, 24, false}.ipv4(whole), cutting{24, len(whole), true}.ipv4(whole))
	f.Add(uint16(229), uint16(0), cutting{16, len(whole), true}.ipv6(whole), cutting{0, 24, false}.ipv6(whole))
	f.Fuzz(func(t *testing.T, link, more uint16, a, b []byte) {
		d := NewDecoder()
		for _, data := range [][]byte{a, b, a} {
			checkSegment(t, d, Packet{Link: layers.LinkType(link), Data: data, Length: len(data) + int(more)})
		}
	})
}

// checkSegment holds for every packet.
func checkSegment(t *testing.T, d *Decoder, p Packet) {
	s, ok := d.Segment(p)
	switch {
	case !ok:
		return
	case !s.Src.IsValid() || !s.Dst.IsValid() || s.Src.Addr().Is4() != s.Dst.Addr().Is4():
		t.Fatal("a segment without addresses")
	case s.Missing < 0 || len(s.Payload) > maxDatagram && len(s.Payload) > len(p.Data):
		t.Fatalf("payload of %d bytes, %d missing", len(s.Payload), s.Missing)
	case d.frags.bytes > maxFragmentBytes || d.frags.bytes < 0:
		t.Fatalf("%d bytes of fragments", d.frags.bytes)
	}
}
