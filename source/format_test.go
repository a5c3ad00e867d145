package source

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"
)

func TestFormats(t *testing.T) {
	data := frame("hello")
	sec := uint32(noon.Unix())
	micros := uint64(noon.UnixMicro())
	at := func(d time.Duration) time.Time { return noon.Add(d) }
	type want struct {
		time   time.Time
		link   layers.LinkType
		length int
	}
	whole := len(data)
	tests := []struct {
		name   string
		file   []byte
		format string
		want   []want
	}{
		{"pcap, little endian, microseconds", cat(pcapHead(little, 0xA1B2C3D4, 1), pcapPacket(little, sec, 7, 0, data)), "pcap",
			[]want{{at(7 * time.Microsecond), 1, whole}}},
		{"pcap, big endian, microseconds", cat(pcapHead(big, 0xA1B2C3D4, 1), pcapPacket(big, sec, 7, 0, data)), "pcap",
			[]want{{at(7 * time.Microsecond), 1, whole}}},
		{"pcap, little endian, nanoseconds", cat(pcapHead(little, 0xA1B23C4D, 1), pcapPacket(little, sec, 7, 0, data)), "pcap",
			[]want{{at(7), 1, whole}}},
		{"pcap, big endian, nanoseconds", cat(pcapHead(big, 0xA1B23C4D, 1), pcapPacket(big, sec, 7, 0, data)), "pcap",
			[]want{{at(7), 1, whole}}},
		{"pcap with the length of check sequences in its link type", cat(pcapHead(little, 0xA1B2C3D4, 0x44000001), pcapPacket(little, sec, 0, 0, data)), "pcap",
			[]want{{noon, 1, whole}}},
		{"pcap, cut by its snap length", cat(pcapHead(little, 0xA1B2C3D4, 1), pcapPacket(little, sec, 0, 9000, data)), "pcap",
			[]want{{noon, 1, 9000}}},
		{"pcap, more captured than was on the wire", cat(pcapHead(little, 0xA1B2C3D4, 1), pcapPacket(little, sec, 0, 3, data)), "pcap",
			[]want{{noon, 1, whole}}},
		{"pcap without packets", pcapHead(little, 0xA1B2C3D4, 1), "pcap", nil},
		{"pcapng, little endian", cat(ngSection(little, 1, 0), ngInterface(little, 1, 0), ngPacket(little, 0, micros+7, 0, data)), "pcapng",
			[]want{{at(7 * time.Microsecond), 1, whole}}},
		{"pcapng, big endian", cat(ngSection(big, 1, 0), ngInterface(big, 1, 0), ngPacket(big, 0, micros+7, 0, data)), "pcapng",
			[]want{{at(7 * time.Microsecond), 1, whole}}},
		{"pcapng, version 1.2 is 1.0", cat(ngSection(little, 1, 2), ngInterface(little, 1, 0), ngPacket(little, 0, micros, 0, data)), "pcapng",
			[]want{{noon, 1, whole}}},
		{"pcapng, three interfaces of their own links and clocks", cat(ngSection(little, 1, 0),
			ngInterface(little, 1, 0, ngOption(little, 2, []byte("eth0")), ngOption(little, 9, []byte{9}), ngOption(little, 0, nil)),
			ngInterface(little, 113, 0, ngOption(little, 9, []byte{0x80 | 10})),
			ngInterface(little, 276, 0, ngOption(little, 9, []byte{0}), ngOption(little, 14, u32(little, 3600, 0))),
			ngPacket(little, 0, uint64(noon.UnixNano())+1, 0, data),
			ngPacket(little, 1, uint64(noon.Unix())<<10+512, 0, data),
			ngPacket(little, 2, uint64(noon.Unix())-3599, 0, data)), "pcapng",
			[]want{{at(1), 1, whole}, {at(500 * time.Millisecond), 113, whole}, {at(time.Second), 276, whole}}},
		{"pcapng, packets without a time take that of the one before", cat(ngSection(little, 1, 0), ngInterface(little, 1, 40),
			ngPacket(little, 0, micros, 0, data),
			ngBlock(little, blockSimplePacket, cat(u32(little, uint32(whole)), data[:44])),
			ngPacket(little, 0, 1<<63, 0, data)), "pcapng",
			[]want{{noon, 1, whole}, {noon, 1, whole}, {noon, 1, whole}}},
		{"pcapng, clocks that cannot be read", cat(ngSection(little, 1, 0), ngInterface(little, 1, 0),
			ngInterface(little, 1, 0, ngOption(little, 9, []byte{20})), ngInterface(little, 1, 0, ngOption(little, 9, []byte{0xC0})),
			ngPacket(little, 0, micros, 0, data), ngPacket(little, 1, 5, 0, data), ngPacket(little, 2, 5, 0, data)), "pcapng",
			[]want{{noon, 1, whole}, {noon, 1, whole}, {noon, 1, whole}}},
		{"pcapng, an option longer than its block", cat(ngSection(little, 1, 0), ngInterface(little, 1, 0, u16(little, 9, 60000)),
			ngPacket(little, 0, micros, 0, data)), "pcapng",
			[]want{{noon, 1, whole}}},
		{"pcapng, the obsolete packet block", cat(ngSection(little, 1, 0), ngInterface(little, 1, 0), ngInterface(little, 101, 0),
			ngBlock(little, blockPacket, cat(u16(little, 1, 9), u32(little, uint32(micros>>32), uint32(micros), uint32(whole), uint32(whole)), data))), "pcapng",
			[]want{{noon, 101, whole}}},
		{"pcapng, other blocks, comments and a second section in the other byte order", cat(ngSection(little, 1, 0),
			ngBlock(little, 4, []byte("names")), ngInterface(little, 1, 0), ngBlock(little, 0x0A, bytes.Repeat([]byte("k"), 300000)),
			ngBlock(little, blockEnhancedPacket, cat(u32(little, 0, uint32(micros>>32), uint32(micros), uint32(whole), uint32(whole)),
				data, make([]byte, (4-whole%4)%4), ngOption(little, 1, []byte("a comment")), ngOption(little, 0, nil))),
			ngSection(big, 1, 0), ngInterface(big, 228, 0), ngBlock(big, 0x80000001, nil), ngPacket(big, 0, micros, 0, data)), "pcapng",
			[]want{{noon, 1, whole}, {noon, 228, whole}}},
	}
	for _, tt := range tests {
		for _, zipped := range []bool{false, true} {
			name, file := tt.name, tt.file
			if zipped {
				name, file = name+", gzipped", zip(file)
			}
			t.Run(name, func(t *testing.T) {
				packets, f := readBytes(t, file)
				if f.Err != nil {
					t.Errorf("got error %v, want none", f.Err)
				}
				if f.Format != tt.format || f.Packets != int64(len(tt.want)) {
					t.Errorf("got %s with %d packets, want %s with %d", f.Format, f.Packets, tt.format, len(tt.want))
				}
				if len(packets) != len(tt.want) {
					t.Fatalf("got %d packets, want %d", len(packets), len(tt.want))
				}
				var sum int64
				for i, w := range tt.want {
					p := packets[i]
					sum += int64(w.length)
					if !p.Mark.Time.Equal(w.time) || p.Link != w.link || p.Length != w.length || p.Mark.Packet != int64(i+1) {
						t.Errorf("packet %d: got %v link %d length %d, want %v link %d length %d", i+1, p.Mark, p.Link, p.Length, w.time, w.link, w.length)
					}
					if p.Mark.Time.Location() != time.UTC {
						t.Errorf("packet %d: time is not in UTC", i+1)
					}
					if simple := strings.Contains(tt.name, "without a time") && i == 1; simple && len(p.Data) != 40 {
						t.Errorf("packet %d: got %d bytes, want as many as the snap length", i+1, len(p.Data))
					} else if !simple && !bytes.Equal(data, p.Data) {
						t.Errorf("packet %d: got other bytes than were written", i+1)
					}
				}
				if f.Bytes != sum {
					t.Errorf("got %d bytes, want %d", f.Bytes, sum)
				}
			})
		}
	}
}

// TestCutAnywhere cuts files at every byte: the packets before are delivered, and the error tells a cut from an end.
func TestCutAnywhere(t *testing.T) {
	data := frame("hello")
	micros := uint64(noon.UnixMicro())
	pcap := [][]byte{pcapHead(little, 0xA1B2C3D4, 1), pcapPacket(little, 1, 0, 0, data), pcapPacket(little, 2, 0, 0, data[:50]), pcapPacket(little, 3, 0, 0, nil)}
	ng := [][]byte{ngSection(little, 1, 0), ngInterface(little, 1, 0), ngPacket(little, 0, micros, 0, data),
		ngBlock(little, 5, make([]byte, 20)), ngPacket(little, 0, micros, 0, data[:51]), ngSection(big, 1, 0), ngInterface(big, 1, 0), ngPacket(big, 0, micros, 0, data)}
	tests := []struct {
		name   string
		parts  [][]byte
		header int // bytes without which the format is not known
		packet func(part []byte) bool
	}{
		{"pcap", pcap, 24, func(part []byte) bool { return len(part) != 24 }},
		{"pcapng", ng, 12, func(part []byte) bool {
			return part[0] == blockEnhancedPacket || part[3] == blockEnhancedPacket
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := cat(tt.parts...)
			for cut := range len(file) + 1 {
				packets, orderly, at := 0, cut == 0, 0
				for _, part := range tt.parts {
					if at += len(part); at > cut {
						break
					}
					orderly = at == cut
					if tt.packet(part) {
						packets++
					}
				}
				for _, zipped := range []bool{false, true} {
					b := file[:cut]
					if zipped {
						b = zip(b)
					}
					c, err := Open(context.Background(), []string{"-"}, Options{Stdin: bytes.NewReader(b)})
					if cut < tt.header {
						if err == nil {
							t.Fatalf("%d bytes: got no error from Open", cut)
						}
						continue
					}
					if err != nil {
						t.Fatalf("%d bytes: %v", cut, err)
					}
					got := readAll(t, c)
					f := c.Files()[0]
					if len(got) != packets || f.Packets != int64(packets) || (f.Err == nil) != orderly {
						t.Fatalf("%d bytes: got %d packets and error %v, want %d packets, an orderly end: %t", cut, len(got), f.Err, packets, orderly)
					}
					if err := c.Close(); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

func TestCutGzip(t *testing.T) {
	file := zip(cat(simplePcap(1, 2), bytes.Repeat(pcapPacket(little, 9, 0, 0, frame("a longer one")), 50)))
	for cut := range len(file) {
		c, err := Open(context.Background(), []string{"-"}, Options{Stdin: bytes.NewReader(file[:cut])})
		if err != nil {
			continue // too little to know what it is
		}
		if readAll(t, c); c.Files()[0].Err == nil {
			t.Errorf("cut at %d: got no error", cut)
		}
	}
}

// TestDamage lists what can be wrong with a file, and what its user is told.
func TestDamage(t *testing.T) {
	data := frame("secret name of a patient")
	micros := uint64(noon.UnixMicro())
	ng := cat(ngSection(little, 1, 0), ngInterface(little, 1, 0), ngPacket(little, 0, micros, 0, data))
	packet := ngPacket(little, 0, micros, 0, data)
	patch := func(b []byte, at int, v uint32) []byte {
		b = bytes.Clone(b)
		little.PutUint32(b[at:], v)
		return b
	}
	tests := []struct {
		name    string
		file    []byte
		packets int
		err     string // behind the file's name
	}{
		{"pcap ends in a packet", simplePcap(1, 2)[:24+2*(16+len(frame("hello")))-1], 1,
			"packet 2, at byte 99: the file ends in the middle of a packet"},
		{"pcap with a length that cannot be", patch(simplePcap(1, 2), 24+8, 0xFFFFFFF0), 0,
			"packet 1, at byte 24: a packet of 4294967280 bytes is more than a capture can hold; the file is damaged here"},
		{"gzipped pcap ends in a packet", zip(simplePcap(1, 2)[:120]), 1,
			"packet 2, at uncompressed byte 99: the file ends in the middle of a packet"},
		{"pcapng ends in a packet", cat(ng, packet[:50]), 1, "packet 2, at byte 160: the file ends in the middle of a packet"},
		{"pcapng ends in statistics", cat(ng, ngBlock(little, 5, make([]byte, 20))[:20]), 1,
			"behind packet 1, at byte 160: the file ends in the middle of a block"},
		{"packet longer than its block", cat(ng, patch(packet, 8+12, 4000), packet), 1,
			"packet 2, at byte 160: a packet of 4000 bytes in a block of 112; the file is damaged here"},
		{"packet of an unknown interface", cat(ng, patch(packet, 8, 3)), 1,
			"packet 2, at byte 160: a packet of interface 3, where 1 are described; the file is damaged here"},
		{"block that contradicts itself", cat(ng, patch(packet, 108, 77)), 1,
			"packet 2, at byte 160: a block says at its beginning that it has 112 bytes and at its end that it has 77; the file is damaged here"},
		{"block too short for its frame", cat(ng, u32(little, 5, 4)), 1,
			"behind packet 1, at byte 160: a block of 4 bytes cannot be; the file is damaged here"},
		{"packet block too short for a packet", cat(ng, ngBlock(little, blockEnhancedPacket, make([]byte, 16))), 1,
			"packet 2, at byte 160: a block of 28 bytes cannot be; the file is damaged here"},
		{"packet block of gigabytes", cat(ng, u32(little, blockEnhancedPacket, 0xFFFFFFF0)), 1,
			"packet 2, at byte 160: a block of 4294967280 bytes is more than a capture can hold; the file is damaged here"},
		{"unknown block of gigabytes", cat(ng, u32(little, 77, 0xFFFFFFF0)), 1,
			"behind packet 1, at byte 160: the file ends in the middle of a block"},
		{"section without byte order", cat(ng, ngBlock(little, blockSection, make([]byte, 16))), 1,
			"behind packet 1, at byte 160: a section without byte order; the file is damaged here"},
		{"section of an unknown version is passed over", cat(ng, ngSection(little, 2, 0), ngInterface(little, 1, 0), packet, ng), 2,
			"a section in pcapng version 2.0 was passed over"},
		{"section header too short", cat(ng, ngBlock(little, blockSection, cat(u32(little, byteOrderMagic), u16(little, 1, 0)))), 1,
			"behind packet 1, at byte 160: a section header of 8 bytes is too short; the file is damaged here"},
		{"interfaces without end", cat(ng, bytes.Repeat(ngInterface(little, 1, 0), maxInterfaces), packet), 1,
			"behind packet 1, at byte 1310860: more than 65536 interfaces; the file is damaged here"},
		{"interface description too short", cat(ng, ngBlock(little, blockInterface, make([]byte, 4))), 1,
			"behind packet 1, at byte 160: an interface description of 4 bytes is too short; the file is damaged here"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			packets, f := readBytes(t, tt.file)
			if len(packets) != tt.packets {
				t.Errorf("got %d packets, want %d", len(packets), tt.packets)
			}
			if want := "standard input: " + tt.err; f.Err == nil || f.Err.Error() != want {
				t.Errorf("got error  %v\nwant       %s", f.Err, want)
			}
		})
	}
}
