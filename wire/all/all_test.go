package all

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"chaperone"
	"chaperone/internal/clinicsim"
	"chaperone/internal/wiretest"
	"chaperone/wire"
)

var at = chaperone.Mark{}

var samples = map[chaperone.Protocol]*clinicsim.Sample{
	chaperone.HL7: clinicsim.MLLPSample(3), chaperone.DICOM: clinicsim.DICOMSample(3, 64),
}

// said sums events up: stages by message.
func said(events []wire.Event) string {
	var b strings.Builder
	for _, e := range events {
		if e.Stage != wire.Body && e.Message != nil {
			fmt.Fprintf(&b, "%d:%s:%d:%d ", e.Message.Seq, e.Message.Action, e.Stage, len(e.Records))
		}
	}
	return b.String()
}

// feed gives a conversation a sample in pieces of so many bytes.
func feed(c *Conversation, s *clinicsim.Sample, n int) string {
	got := ""
	for _, chunk := range s.Chunks {
		for piece := range slices.Chunk(chunk.Bytes, n) {
			got += said(c.Feed(wire.Dir(chunk.Dir), piece, at))
		}
	}
	return got + said(c.Close(at))
}

func TestConversation(t *testing.T) {
	for protocol, s := range samples {
		t.Run(string(protocol), func(t *testing.T) {
			i := slices.IndexFunc(Protocols, func(p wire.Protocol) bool { return p.Name == protocol })
			session := Protocols[i].New(wire.DefaultLimits, false)
			want := ""
			for _, chunk := range s.Chunks {
				want += said(session.Feed(wire.Dir(chunk.Dir), chunk.Bytes, at))
			}
			want += said(session.Close(at))
			for _, n := range []int{1, 2, 7, 100, 1 << 20} {
				c := NewConversation(wire.DefaultLimits, false)
				if got := feed(c, s, n); got != want || c.Kind != Decoded || c.Protocol != protocol {
					t.Errorf("pieces of %d bytes: got kind %d, protocol %s\n%s\nwant\n%s", n, c.Kind, c.Protocol, got, want)
				}
			}
			c := NewConversation(wire.DefaultLimits, true)
			if feed(c, s, 50); c.Kind != Decoded || c.Protocol != protocol {
				t.Errorf("midstream: got kind %d, protocol %s", c.Kind, c.Protocol)
			}
		})
	}
}

func TestKind(t *testing.T) {
	tls := string([]byte{22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3})
	data := string([]byte{23, 3, 3, 0, 64, 7, 7, 7})
	for _, test := range []struct {
		name           string
		client, server string
		midstream      bool
		want           Kind
	}{
		{"nothing", "", "", false, Undecided},
		{"TLS", tls, "", false, Encrypted},
		{"TLS, the server's side only", "", string([]byte{22, 3, 3, 0, 80, 2, 0, 0, 76, 3, 3}), false, Encrypted},
		{"TLS in the middle", data, "", true, Encrypted},
		{"TLS data at the beginning is not TLS", data, "", false, Other},
		{"HTTP", "GET / HTTP/1.1\r\nHost: pacs\r\n\r\n", "", false, Other},
		{"SSH", "SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0-OpenSSH_9.2\r\n", false, Other},
		{"SMTP", "", "220 mail.example ESMTP\r\n", false, Other},
		{"RDP", string([]byte{3, 0, 0, 19, 14, 224, 0, 0, 0, 0, 0, 1, 0, 8, 0, 3, 0, 0, 0}), "", false, Encrypted},
		{"X.224 of something else", string([]byte{3, 0, 0, 22, 17, 224, 0, 0, 0, 1, 0, 0xC0, 1, 10, 0xC1, 2, 1, 0, 0xC2, 2, 1, 2}), "", false, Other},
		{"PostgreSQL asks for TLS", string([]byte{0, 0, 0, 8, 4, 0xD2, 0x16, 0x2F}), "S", false, Other},
		{"SMB", string([]byte{0, 0, 0, 64, 0xFE, 'S', 'M', 'B', 64, 0}), "", false, Decoded},
		{"SMB1", string([]byte{0, 0, 0, 64, 0xFF, 'S', 'M', 'B', 0x72, 0}), "", false, Decoded},
		{"the middle of SMB", "rest of a file" + string([]byte{0, 0, 0, 64, 0xFE, 'S', 'M', 'B', 64, 0}), "", true, Decoded},
		{"a rejected association", "", string([]byte{3, 0, 0, 0, 0, 4, 0, 1, 1, 3}), false, Undecided},
		{"endless garbage", strings.Repeat("garbage ", 20<<10), "", true, Other},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := NewConversation(wire.DefaultLimits, test.midstream)
			if test.client != "" {
				c.Feed(wire.FromClient, []byte(test.client), at)
			}
			if test.server != "" {
				c.Feed(wire.FromServer, []byte(test.server), at)
			}
			if c.Kind != test.want {
				t.Errorf("got kind %d, want %d", c.Kind, test.want)
			}
			if c.Kind != Undecided && (c.held != nil || c.first[0] != nil || c.first[1] != nil) {
				t.Error("bytes are still held")
			}
			noted := 0
			if test.want == Encrypted {
				noted = 1
			}
			if events := c.Close(at); len(events) != noted {
				t.Errorf("got %d events, want %d", len(events), noted)
			}
		})
	}
}

// TestOpaque: what is encrypted goes on to its session, which says once what there is to say.
func TestOpaque(t *testing.T) {
	for _, test := range []struct {
		file     string
		behind   [2]int // bytes of another protocol in front
		protocol chaperone.Protocol
	}{
		{"rdp-no-cookie-mstshash", [2]int{}, chaperone.RDP}, {"rdp-x509", [2]int{}, chaperone.RDP},
		{"tls-behind-postgresql", [2]int{8, 1}, chaperone.SSL}, {"tls-behind-smtp", [2]int{35, 224}, chaperone.SSL},
	} {
		t.Run(test.file, func(t *testing.T) {
			i := slices.IndexFunc(Protocols, func(p wire.Protocol) bool { return p.Name == test.protocol })
			var turns []wiretest.Turn
			for _, turn := range wiretest.Capture(t, "../../testdata/peer/"+test.file+".pcap")[0].Turns {
				n := min(test.behind[turn.Dir], len(turn.Bytes))
				test.behind[turn.Dir] -= n
				turns = append(turns, wiretest.Turn{Dir: turn.Dir, Bytes: turn.Bytes[n:]})
			}
			play := func(feed func(wire.Dir, []byte, chaperone.Mark) []wire.Event, end func(chaperone.Mark) []wire.Event, n int) []wire.Fact {
				var facts []wire.Fact
				take := func(events []wire.Event) {
					for _, e := range events {
						facts = append(facts, e.Fact)
					}
				}
				for _, turn := range turns {
					for piece := range slices.Chunk(turn.Bytes, n) {
						take(feed(turn.Dir, piece, at))
					}
				}
				take(end(at))
				return facts
			}
			session := Protocols[i].New(wire.DefaultLimits, false)
			want := play(session.Feed, session.Close, 1<<20)
			for _, midstream := range []bool{false, true} {
				for _, n := range []int{1, 2, 7, 100, 1 << 20} {
					c := NewConversation(wire.DefaultLimits, midstream)
					got := play(c.Feed, c.Close, n)
					if c.Kind != Encrypted || c.Protocol != test.protocol || len(got) != 1 || !reflect.DeepEqual(got, want) {
						t.Errorf("midstream %t, pieces of %d bytes: got kind %d, protocol %s, %+v, want %+v", midstream, n, c.Kind, c.Protocol, got, want)
					}
				}
			}
		})
	}
}

// TestGapWhenOpaque reaches the session.
func TestGapWhenOpaque(t *testing.T) {
	c := NewConversation(wire.DefaultLimits, false)
	c.Feed(wire.FromClient, []byte{3, 0, 0, 19, 14, 224, 0, 0, 0, 0, 0, 1, 0, 8, 0, 3, 0, 0, 0}, at)
	c.Gap(wire.FromServer, 100, at)
	d := c.Clone()
	c.Feed(wire.FromServer, make([]byte, 11), at)
	for conversation, want := range map[*Conversation][2]int64{c: {19, 111}, d: {19, 100}} {
		events := conversation.Close(at)
		if len(events) != 1 || events[0].Fact.(wire.Desktop).Bytes != want {
			t.Errorf("got %+v, want %d bytes", events, want)
		}
	}
}

// TestGreeting: a short text in front of the first frame, from either side, does not hide the protocol.
func TestGreeting(t *testing.T) {
	const frame = "\x0bMSH|^~\\&|A|B|C|D|20250303||ADT^A01|1|P|2.5\rPID|1||7\r\x1c\r"
	for _, test := range []struct {
		name, client, server string
		want                 Kind
	}{
		{"none", frame, "", Decoded}, {"line ends", "\r\n\r\n" + frame, "", Decoded}, {"a NUL", "\x00" + frame, "", Decoded},
		{"a word", "HELLO\r\n" + frame, "", Decoded}, {"the server's word", frame, "READY\r\n", Decoded},
		{"a page that holds a frame", "POST /messages HTTP/1.1\r\n\r\n" + frame, "", Other}, {"binary", "\x01\x02" + frame, "", Other},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := NewConversation(wire.DefaultLimits, false)
			if test.server != "" {
				c.Feed(wire.FromServer, []byte(test.server), at)
			}
			c.Feed(wire.FromClient, []byte(test.client), at)
			if c.Kind != test.want {
				t.Errorf("got kind %d, want %d", c.Kind, test.want)
			}
		})
	}
}

// TestSlowGarbage comes byte by byte: it is held only so long, and not looked at from its beginning each time.
func TestSlowGarbage(t *testing.T) {
	for _, b := range []byte{'A', 0, 4, 0x0B} {
		c := NewConversation(wire.DefaultLimits, true)
		n, looks, due := 0, 0, 0
		for ; c.Kind == Undecided && n <= 2*maxHeld+1; n++ {
			c.Feed(wire.FromClient, []byte{b}, at)
			if c.due != due {
				looks, due = looks+1, c.due
			}
		}
		if looks > 3000 {
			t.Errorf("bytes %02X: got %d looks at the beginning of %d bytes", b, looks, n)
		}
		if c.Kind != Other || n > 2*maxHeld+1 {
			t.Errorf("bytes %02X: got kind %d after %d bytes", b, c.Kind, n)
		}
	}
}

// TestGapBeforeDecision: from then on the beginning is unknown, and the offsets still count the gap.
func TestGapBeforeDecision(t *testing.T) {
	frame := []byte("\x0bMSH|^~\\&|A|B|C|D|2025||ADT^A01|1\rPID|1||1\r\x1c\r")
	c := NewConversation(wire.DefaultLimits, false)
	c.Feed(wire.FromClient, []byte("rest of a"), at)
	c = NewConversation(wire.DefaultLimits, false)
	c.Gap(wire.FromClient, 1000, at)
	c.Feed(wire.FromClient, []byte("rest of a message\x1c\r"), at)
	events := c.Feed(wire.FromClient, frame, at)
	if c.Kind != Decoded || len(events) == 0 {
		t.Fatalf("got kind %d and %d events", c.Kind, len(events))
	}
	for _, e := range events {
		if m := e.Message; m != nil && (m.Start != 1019 || m.Action != "ADT^A01") {
			t.Errorf("got %s at %d, want ADT^A01 at 1019", m.Action, m.Start)
		}
	}
}

// TestClone clones an undecided conversation and a decoded one: each goes its own way.
func TestClone(t *testing.T) {
	s := samples[chaperone.HL7]
	want := feed(NewConversation(wire.DefaultLimits, false), s, 100)
	for _, before := range []int{1, 3, 50, 500} {
		c := NewConversation(wire.DefaultLimits, false)
		first := said(c.Feed(wire.FromClient, s.Chunks[0].Bytes[:min(before, len(s.Chunks[0].Bytes))], at))
		clone := c.Clone()
		clone.Feed(wire.FromClient, []byte("\x1c\rGET / HTTP/1.1\r\n"), at)
		clone.Close(at)
		rest := *s
		rest.Chunks = slices.Clone(s.Chunks)
		rest.Chunks[0].Bytes = rest.Chunks[0].Bytes[min(before, len(rest.Chunks[0].Bytes)):]
		if got := first + feed(c, &rest, 100); got != want {
			t.Errorf("cloned after %d bytes: got\n%s\nwant\n%s", before, got, want)
		}
	}
}
