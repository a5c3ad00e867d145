package source

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"
)

// cutting is one fragment: bytes from at up to to of a datagram.
type cutting struct {
	at, to int
	last   bool
}

const fragmented = "a message that is so long that it needs more than one fragment"

func (c cutting) ipv4(whole []byte) []byte {
	place := uint16(c.at / 8)
	if !c.last {
		place |= 0x2000
	}
	return ipv4(protoTCP, 77, place, whole[c.at:c.to])
}

func (c cutting) ipv6(whole []byte) []byte {
	place := uint16(c.at)
	if !c.last {
		place |= 1
	}
	return ipv6(protoFragment, cat([]byte{protoTCP, 0}, u16(big, place), u32(big, 77), whole[c.at:c.to]))
}

func TestFragments(t *testing.T) {
	whole := tcpSegment(fragmented)
	n := len(whole)
	wrong := bytes.Repeat([]byte("X"), n)
	tests := []struct {
		name      string
		pieces    []cutting
		wrong     int // index of a piece with other bytes, -1 for none
		ambiguous int64
		whole     bool
	}{
		{"in order", []cutting{{0, 24, false}, {24, 48, false}, {48, n, true}}, -1, 0, true},
		{"the last first", []cutting{{48, n, true}, {24, 48, false}, {0, 24, false}}, -1, 0, true},
		{"the middle last", []cutting{{48, n, true}, {0, 24, false}, {24, 48, false}}, -1, 0, true},
		{"one twice", []cutting{{0, 24, false}, {0, 24, false}, {24, n, true}}, -1, 0, true},
		{"overlapping with the same bytes", []cutting{{0, 40, false}, {24, 48, false}, {16, n, true}}, -1, 0, true},
		{"around what is there", []cutting{{24, 32, false}, {48, 56, false}, {72, n, true}, {0, 72, false}}, -1, 0, true},
		{"overlapping with other bytes: the first is believed", []cutting{{0, 40, false}, {24, 40, false}, {40, n, true}}, 1, 1, true},
		{"other bytes over two pieces: the first are believed", []cutting{{0, 24, false}, {24, 48, false}, {8, 40, false}, {48, n, true}}, 2, 1, true},
		{"two ends: the first is believed", []cutting{{48, n, true}, {24, 32, true}, {0, 24, false}, {24, 48, false}}, -1, 1, true},
		{"a hole", []cutting{{0, 24, false}, {32, n, true}}, -1, 0, false},
		{"no end", []cutting{{0, 24, false}, {24, 48, false}}, -1, 0, false},
	}
	for _, tt := range tests {
		for version, make := range map[string]func(cutting, []byte) []byte{"IPv4": cutting.ipv4, "IPv6": cutting.ipv6} {
			t.Run(version+", "+tt.name, func(t *testing.T) {
				d := NewDecoder()
				for i, c := range tt.pieces {
					b := whole
					if i == tt.wrong {
						b = wrong
					}
					data := make(c, b)
					s, ok := d.Segment(Packet{Link: layers.LinkTypeRaw, Data: data, Length: len(data)})
					if want := tt.whole && i == len(tt.pieces)-1; ok != want {
						t.Fatalf("fragment %d: got a segment: %t, want %t", i+1, ok, want)
					}
					if ok && (string(s.Payload) != fragmented || s.Missing != 0) {
						t.Errorf("got %d other bytes, want those of the fragments", len(s.Payload))
					}
				}
				st := d.Stats()
				if st.AmbiguousFragments != tt.ambiguous || st.FragmentsDropped != 0 || tt.whole && st.FragmentsHeld != 0 {
					t.Errorf("got %+v, want %d ambiguous", st, tt.ambiguous)
				}
				if st.Fragments+st.Segments+st.OtherTransport+st.Damaged != int64(len(tt.pieces)) {
					t.Errorf("got %+v, which is not %d packets", st, len(tt.pieces))
				}
			})
		}
	}
}

// TestFragmentProtocol: in IPv6 the fragment at offset 0 says what the datagram carries (RFC 8200 4.5).
func TestFragmentProtocol(t *testing.T) {
	whole := cat([]byte{protoTCP, 0, 0, 0, 0, 0, 0, 0}, tcpSegment(fragmented)) // destination options in the fragmented part
	first, last := cutting{0, 24, false}.ipv6(whole), cutting{24, len(whole), true}.ipv6(whole)
	first[40], last[40] = protoDestination, protoTCP
	for name, order := range map[string][][]byte{"in order": {first, last}, "the last first": {last, first}} {
		d := NewDecoder()
		for i, b := range order {
			s, ok := d.Segment(Packet{Link: layers.LinkTypeRaw, Data: b, Length: len(b)})
			if ok != (i == 1) || ok && string(s.Payload) != fragmented {
				t.Errorf("%s, fragment %d: got a segment: %t, with %d bytes", name, i+1, ok, len(s.Payload))
			}
		}
	}
}

// TestFragmentsApart: what must not be joined.
func TestFragmentsApart(t *testing.T) {
	whole := tcpSegment(fragmented)
	v4, v6 := cutting{24, len(whole), true}.ipv4(whole), cutting{24, len(whole), true}.ipv6(whole)
	change := func(b []byte, at int) []byte {
		b = bytes.Clone(b)
		b[at] ^= protoTCP ^ protoAH
		return b
	}
	tests := []struct {
		name          string
		first, second []byte
	}{
		{"IPv4, another source", cutting{0, 24, false}.ipv4(whole), change(v4, 15)},
		{"IPv4, another destination", cutting{0, 24, false}.ipv4(whole), change(v4, 19)},
		{"IPv4, another identification", cutting{0, 24, false}.ipv4(whole), change(v4, 5)},
		{"IPv4, another protocol", cutting{0, 24, false}.ipv4(whole), change(v4, 9)},
		{"IPv6, another source", cutting{0, 24, false}.ipv6(whole), change(v6, 23)},
		{"IPv6, another destination", cutting{0, 24, false}.ipv6(whole), change(v6, 39)},
		{"IPv6, another identification", cutting{0, 24, false}.ipv6(whole), change(v6, 47)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := NewDecoder()
			for _, b := range [][]byte{tt.first, tt.second} {
				if _, ok := d.Segment(Packet{Link: layers.LinkTypeRaw, Data: b, Length: len(b)}); ok {
					t.Error("got a segment, want none")
				}
			}
			if st := d.Stats(); st.FragmentsHeld != 2 {
				t.Errorf("got %+v, want 2 held", st)
			}
		})
	}
	t.Run("IPv6, an atomic fragment (RFC 6946)", func(t *testing.T) {
		d := NewDecoder()
		pending, atomic := cutting{0, 24, false}.ipv6(bytes.Repeat([]byte("X"), 24)), cutting{0, len(whole), true}.ipv6(whole)
		for i, b := range [][]byte{pending, atomic} {
			s, ok := d.Segment(Packet{Link: layers.LinkTypeRaw, Data: b, Length: len(b)})
			if ok != (i == 1) || ok && string(s.Payload) != fragmented {
				t.Errorf("packet %d: got a segment: %t, with %d bytes", i+1, ok, len(s.Payload))
			}
		}
	})
}

func TestFragmentBounds(t *testing.T) {
	first := cutting{0, 24, false}.ipv4(tcpSegment(fragmented))
	send := func(d *Decoder, id int, at time.Time, data []byte) {
		data = bytes.Clone(data)
		big.PutUint16(data[4:], uint16(id))
		data[15] = byte(id >> 16) // source address
		p := Packet{Link: layers.LinkTypeRaw, Data: data, Length: len(data)}
		p.Mark.Time = at
		d.Segment(p)
	}
	t.Run("age", func(t *testing.T) {
		d := NewDecoder()
		send(d, 1, noon, first)
		send(d, 2, noon.Add(30*time.Second), first)
		if st := d.Stats(); st.FragmentsHeld != 2 || st.FragmentsDropped != 0 {
			t.Errorf("after 30 s: got %+v, want 2 held", st)
		}
		send(d, 3, noon.Add(31*time.Second), first)
		if st := d.Stats(); st.FragmentsHeld != 2 || st.FragmentsDropped != 1 {
			t.Errorf("after 31 s: got %+v, want 2 held and 1 dropped", st)
		}
	})
	t.Run("datagrams", func(t *testing.T) {
		d := NewDecoder()
		for id := range 5000 {
			send(d, id, noon, first)
		}
		if st := d.Stats(); st.FragmentsHeld != maxDatagrams || st.FragmentsDropped != 5000-maxDatagrams {
			t.Errorf("got %+v, want %d held", st, maxDatagrams)
		}
	})
	t.Run("bytes", func(t *testing.T) {
		d := NewDecoder()
		large := ipv4(protoTCP, 1, 0x2000, make([]byte, 60000))
		for id := range 200 {
			send(d, id, noon, large)
			if d.frags.bytes > maxFragmentBytes {
				t.Fatalf("got %d bytes kept, want at most %d", d.frags.bytes, maxFragmentBytes)
			}
		}
		if st := d.Stats(); st.FragmentsHeld+st.FragmentsDropped != 200 || st.FragmentsHeld < 60 {
			t.Errorf("got %+v, want 200 together", st)
		}
	})
	t.Run("cut by the snap length", func(t *testing.T) {
		d := NewDecoder()
		d.Segment(Packet{Link: layers.LinkTypeRaw, Data: first[:40], Length: len(first)})
		if st := d.Stats(); st.Fragments != 1 || st.FragmentsHeld != 0 || st.FragmentsDropped != 1 {
			t.Errorf("got %+v, want 1 dropped", st)
		}
	})
}

// TestFragmentShuffle cuts datagrams in random ways with random overlaps: what comes out is what went in.
func TestFragmentShuffle(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		payload := make([]byte, 1+r.IntN(3000))
		for i := range payload {
			payload[i] = byte(r.Uint32())
		}
		whole := tcpSegment(string(payload))
		var pieces []cutting
		for at := 0; at < len(whole); {
			to := at + 8*(1+r.IntN(20))
			from := max(0, at-8*r.IntN(4))
			pieces = append(pieces, cutting{from, min(to, len(whole)), to >= len(whole)})
			at = to
		}
		r.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
		d := NewDecoder()
		found := false
		for _, c := range pieces {
			b := c.ipv4(whole)
			if s, ok := d.Segment(Packet{Link: layers.LinkTypeRaw, Data: b, Length: len(b)}); ok {
				found = true
				if !bytes.Equal(s.Payload, payload) {
					t.Fatalf("got other bytes from %d fragments of %d bytes", len(pieces), len(whole))
				}
			}
		}
		if st := d.Stats(); !found || st.AmbiguousFragments != 0 || st.Damaged != 0 {
			t.Fatalf("%d fragments of %d bytes: got %+v, want the segment", len(pieces), len(whole), st)
		}
	}
}
