package stream

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/source"
)

var (
	client = netip.MustParseAddrPort("192.0.2.1:50000")
	server = netip.MustParseAddrPort("192.0.2.2:2575")
	start  = time.Date(2025, 3, 3, 8, 0, 0, 0, time.UTC)
)

// script writes down what a handler is given, as text that a person can read.
type script struct{ lines []string }

func (s *script) note(format string, args ...any) {
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

func arrow(d chaperone.Dir) string { return [2]string{">", "<"}[d] }

func (s *script) Data(_ *Flow, view int, d chaperone.Dir, p []byte, _ chaperone.Mark) {
	last := len(s.lines) - 1
	head := fmt.Sprintf("%s%d ", arrow(d), view)
	if last >= 0 && strings.HasPrefix(s.lines[last], head) { // how the bytes were cut does not matter here
		s.lines[last] += string(p)
		return
	}
	s.lines = append(s.lines, head+string(p))
}

func (s *script) Gap(_ *Flow, d chaperone.Dir, n int64, _ chaperone.Mark) {
	s.note("%s gap %d", arrow(d), n)
}
func (s *script) Fork(_ *Flow, d chaperone.Dir, _ chaperone.Mark) { s.note("%s fork", arrow(d)) }

func (s *script) Close(f *Flow, _ chaperone.Mark) {
	text := "close " + f.Client.String()
	if f.Midstream {
		text += " midstream"
	}
	s.note("%s", text)
}

// tape makes segments. Times advance by a millisecond a segment.
type tape struct {
	n   int64
	all []source.Segment
}

func (t *tape) put(from, to netip.AddrPort, flags source.Flags, seq, ack uint32, text string) *source.Segment {
	t.n++
	t.all = append(t.all, source.Segment{Src: from, Dst: to, Flags: flags, Seq: seq, Ack: ack, Payload: []byte(text),
		Mark: chaperone.Mark{Time: start.Add(time.Duration(t.n) * time.Millisecond), Packet: t.n}})
	return &t.all[len(t.all)-1]
}

// c and s send text from the client and from the server.
func (t *tape) c(seq, ack uint32, text string) *source.Segment {
	return t.put(client, server, source.ACK, seq, ack, text)
}
func (t *tape) s(seq, ack uint32, text string) *source.Segment {
	return t.put(server, client, source.ACK, seq, ack, text)
}

// shake opens the connection with the initial sequence numbers x and y.
func (t *tape) shake(x, y uint32) {
	t.put(client, server, source.SYN, x, 0, "")
	t.put(server, client, source.SYN|source.ACK, y, x+1, "")
	t.c(x+1, y+1, "")
}

func (t *tape) play(l Limits) (string, *Assembler) {
	out := &script{}
	a := New(l, out)
	for i := range t.all {
		a.Segment(&t.all[i])
	}
	a.Flush()
	return strings.Join(out.lines, "\n"), a
}

func TestAssembler(t *testing.T) {
	const closed = "\nclose 192.0.2.1:50000"
	for _, test := range []struct {
		name string
		tape func(*tape)
		want string
	}{
		{"in order", func(t *tape) {
			t.shake(100, 900)
			t.c(101, 901, "ask")
			t.s(901, 104, "tell")
			t.c(104, 905, "")
		}, ">0 ask\n<0 tell" + closed},
		{"out of order", func(t *tape) {
			t.shake(100, 900)
			t.c(104, 901, "def")
			t.c(101, 901, "abc")
			t.s(901, 107, "")
		}, ">0 abcdef" + closed},
		{"an answer captured before its question", func(t *tape) {
			t.shake(100, 900)
			t.s(901, 104, "tell")
			t.c(104, 905, "")
			t.c(101, 901, "ask")
		}, ">0 ask\n<0 tell" + closed},
		{"sent again", func(t *tape) {
			t.shake(100, 900)
			t.c(101, 901, "abc")
			t.c(101, 901, "abcdef")
			t.s(901, 107, "")
			t.c(104, 901, "def")
		}, ">0 abcdef" + closed},
		{"sequence numbers wrap", func(t *tape) {
			t.shake(0xFFFFFFFC, 900)
			t.c(0xFFFFFFFD, 901, "abcdef")
			t.c(3, 901, "ghi")
			t.s(901, 6, "")
		}, ">0 abcdefghi" + closed},
		{"beginning not seen", func(t *tape) {
			t.c(104, 901, "def")
			t.c(101, 901, "abc")
			t.s(901, 107, "x")
		}, ">0 abcdef\n<0 x" + closed + " midstream"},
		{"one direction only", func(t *tape) {
			t.put(client, server, source.SYN, 100, 0, "")
			t.c(101, 901, "abc")
			t.c(104, 901, "def")
		}, ">0 abcdef" + closed},
		{"a hole that the receiver acknowledged", func(t *tape) {
			t.shake(100, 900)
			t.c(101, 901, "abc")
			t.c(107, 901, "ghi")
			t.s(901, 110, "")
		}, ">0 abc\n> gap 3\n>0 ghi" + closed},
		{"cut by the snap length", func(t *tape) {
			t.shake(100, 900)
			t.c(101, 901, "abc").Missing = 4
			t.c(108, 901, "def")
			t.s(901, 111, "")
		}, ">0 abc\n> gap 4\n>0 def" + closed},
		{"the end is missing", func(t *tape) {
			t.shake(100, 900)
			t.c(101, 901, "abc")
			t.put(client, server, source.FIN|source.ACK, 110, 901, "")
		}, ">0 abc\n> gap 6" + closed},
		{"an overlap that differs: both views", func(t *tape) {
			t.shake(100, 900)
			t.c(101, 901, "abcdef")
			t.c(103, 901, "XY")
			t.s(901, 107, "")
			t.c(107, 901, "ghi")
			t.s(901, 110, "")
		}, "> fork\n>0 abcdef\n>1 abXYef\n>0 ghi\n>1 ghi" + closed},
		{"an overlap that differs beyond the end", func(t *tape) {
			t.shake(100, 900)
			t.c(101, 901, "abc")
			t.c(102, 901, "Xcd")
			t.s(901, 105, "")
		}, "> fork\n>0 abc\n>1 aXc\n>0 d\n>1 d" + closed},
		{"a copy that differs after the receiver took the first", func(t *tape) {
			t.shake(100, 900)
			t.c(101, 901, "abc")
			t.s(901, 104, "")
			t.c(101, 901, "XYZ")
		}, ">0 abc" + closed},
		{"keep-alive byte", func(t *tape) {
			t.shake(100, 900)
			t.c(101, 901, "abc")
			t.s(901, 104, "")
			t.c(103, 901, "\x00")
			t.c(104, 901, "def")
			t.s(901, 107, "")
		}, ">0 abcdef" + closed},
		{"the same ends again", func(t *tape) {
			t.shake(100, 900)
			t.c(101, 901, "one")
			t.s(901, 104, "")
			t.put(client, server, source.RST, 104, 0, "")
			t.shake(70000, 80000)
			t.c(70001, 80001, "two")
			t.s(80001, 70004, "")
		}, ">0 one" + closed + "\n>0 two" + closed},
		{"a copy that the snap length cut short, before a whole one", func(t *tape) {
			t.shake(100, 900)
			t.c(101, 901, "abc").Missing = 3
			t.c(101, 901, "abcdef")
			t.s(901, 107, "")
		}, ">0 abcdef" + closed},
		{"one that lost all its bytes, before a whole copy, among many that wait", func(t *tape) {
			t.shake(100, 900)
			t.c(103, 901, "").Missing = 5
			for i := range uint32(11) { // so many that sorting moves what is equal
				t.c(109+2*i, 901, "x")
			}
			t.c(103, 901, "abcde")
			t.s(901, 130, "")
		}, "> gap 2\n>0 abcde" + strings.Repeat("\n> gap 1\n>0 x", 11) + closed},
		{"a forged end with an old number", func(t *tape) {
			t.shake(100, 900)
			t.c(101, 901, "abc")
			t.s(901, 104, "xyz")
			t.c(104, 904, "")
			t.put(client, server, source.FIN|source.ACK, 90, 901, "")
			t.put(server, client, source.FIN|source.ACK, 890, 101, "")
			t.c(104, 904, "def")
			t.s(904, 107, "")
		}, ">0 abc\n<0 xyz\n>0 def" + closed},
		{"a forged end far ahead", func(t *tape) {
			t.shake(100, 900)
			t.c(101, 901, "abc")
			t.put(client, server, source.FIN|source.ACK, 1_900_000_000, 901, "")
			t.s(901, 104, "")
		}, ">0 abc" + closed},
		{"a forged reset out of the window", func(t *tape) {
			t.shake(100, 900)
			t.c(101, 901, "abc")
			t.s(901, 104, "")
			t.put(client, server, source.RST, 900_000_000, 0, "")
			t.c(104, 901, "def")
			t.s(901, 107, "")
		}, ">0 abcdef" + closed},
		{"a forged opening that nobody answers", func(t *tape) {
			t.shake(100, 900)
			t.c(101, 901, "abc")
			t.s(901, 104, "")
			t.put(client, server, source.SYN, 70000, 0, "")
			t.c(104, 901, "def")
			t.s(901, 107, "")
		}, ">0 abcdef" + closed},
		{"a new opening whose answer was not captured", func(t *tape) {
			t.shake(100, 900)
			t.c(101, 901, "abc")
			t.s(901, 104, "")
			t.put(client, server, source.SYN, 70000, 0, "")
			t.c(70001, 80001, "two")
			t.s(80001, 70004, "")
		}, ">0 abc" + closed + "\n>0 two" + closed},
		{"the port used again, its opening not captured", func(t *tape) {
			t.shake(100, 900)
			t.c(101, 901, "abc")
			t.put(server, client, source.FIN|source.ACK, 901, 104, "")
			t.put(client, server, source.FIN|source.ACK, 104, 902, "")
			t.c(90_000_000, 80_000_000, "two")
			t.s(80_000_000, 90_000_003, "")
		}, ">0 abc" + closed + "\n>0 two" + closed + " midstream"},
		{"the other tap's copy of it all, later", func(t *tape) {
			t.shake(100, 900)
			t.c(101, 901, "abc")
			t.put(server, client, source.FIN|source.ACK, 901, 104, "")
			t.put(client, server, source.FIN|source.ACK, 104, 902, "")
			t.shake(100, 900)
			t.c(101, 901, "abc")
			t.put(server, client, source.FIN|source.ACK, 901, 104, "")
			t.put(client, server, source.FIN|source.ACK, 104, 902, "")
		}, ">0 abc" + closed},
		{"closed by both, then a late copy", func(t *tape) {
			t.shake(100, 900)
			t.c(101, 901, "abc")
			t.put(server, client, source.FIN|source.ACK, 901, 104, "")
			t.put(client, server, source.FIN|source.ACK, 104, 902, "")
			t.c(101, 901, "abc")
		}, ">0 abc" + closed},
		{"the client's end captured first of all", func(t *tape) {
			t.put(client, server, source.FIN|source.ACK, 104, 905, "")
			t.shake(100, 900)
			t.s(901, 104, "tell")
			t.c(101, 901, "ask")
			t.c(104, 905, "")
			t.put(server, client, source.FIN|source.ACK, 905, 105, "")
		}, ">0 ask\n<0 tell" + closed},
	} {
		t.Run(test.name, func(t *testing.T) {
			var tape tape
			test.tape(&tape)
			if got, _ := tape.play(DefaultLimits); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// TestPatience: what is never acknowledged and what never comes is given on after a while, not held for ever.
func TestPatience(t *testing.T) {
	for _, test := range []struct {
		name string
		ack  uint32 // by the server, of the client's bytes
		wait time.Duration
		want string
	}{
		{"no acknowledgement", 101, 2 * time.Second, ">0 abc"},
		{"an acknowledged hole", 110, 2 * time.Second, ">0 abc\n> gap 3\n>0 ghi"},
		{"another hole, soon", 101, 20 * time.Second, ">0 abc"},
		{"another hole, late", 101, 80 * time.Second, ">0 abc\n> gap 3\n>0 ghi"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var tape tape
			tape.shake(100, 900)
			tape.c(101, 901, "abc")
			tape.c(107, 901, "ghi")
			tape.s(901, test.ack, "")
			out := &script{}
			a := New(DefaultLimits, out)
			for i := range tape.all {
				a.Segment(&tape.all[i])
			}
			other := source.Segment{Src: netip.MustParseAddrPort("192.0.2.8:1"), Dst: netip.MustParseAddrPort("192.0.2.9:2"), Flags: source.ACK}
			segments := 4 * DefaultLimits.Segments
			for i := range segments {
				other.Mark.Time = start.Add(test.wait * time.Duration(i+1) / time.Duration(segments))
				a.Segment(&other)
			}
			if got := strings.Join(out.lines, "\n"); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// TestBounds: memory does not grow with what a hostile capture leaves open.
func TestBounds(t *testing.T) {
	l := Limits{Flows: 100, Flow: 64 << 10, Total: 1 << 20, Patience: time.Hour, Segments: 1 << 40, Hole: time.Hour}
	a := New(l, &count{})
	payload := strings.Repeat("x", 1400)
	var tape tape
	for port := range uint16(500) {
		for i := range uint32(60) { // a hole in front of everything, never filled
			s := tape.put(netip.AddrPortFrom(client.Addr(), 1000+port), server, source.ACK, 1000+i*1400, 1, payload)
			a.Segment(s)
			tape.all = tape.all[:0]
			if a.total > l.Total || len(a.flows) > l.Flows {
				t.Fatalf("%d bytes wait in %d flows, want at most %d in %d", a.total, len(a.flows), l.Total, l.Flows)
			}
		}
	}
	a.Flush()
	if a.total != 0 || a.waiting.first != nil {
		t.Errorf("%d bytes wait after the end", a.total)
	}
	if a.Stats.Flows != 500 || a.Stats.GivenUp != 400 {
		t.Errorf("got %d flows, %d given up; want 500 and 400", a.Stats.Flows, a.Stats.GivenUp)
	}
}

// count is a handler that keeps nothing.
type count struct{ bytes int }

func (c *count) Data(_ *Flow, _ int, _ chaperone.Dir, p []byte, _ chaperone.Mark) { c.bytes += len(p) }
func (c *count) Gap(*Flow, chaperone.Dir, int64, chaperone.Mark)                  {}
func (c *count) Fork(*Flow, chaperone.Dir, chaperone.Mark)                        {}
func (c *count) Close(*Flow, chaperone.Mark)                                      {}
