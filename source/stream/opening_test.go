package stream

import (
	"net/netip"
	"testing"
	"time"

	"chaperone"
	"chaperone/source"
)

// endings keep what is said of each connection when it is over.
type endings struct {
	count
	list []Flow
}

func (e *endings) Close(f *Flow, _ chaperone.Mark) { e.list = append(e.list, *f) }

// TestOpening: which connections were asked for, refused, or never answered.
func TestOpening(t *testing.T) {
	const syn, ack, rst = source.SYN, source.ACK, source.RST
	for _, test := range []struct {
		name                        string
		tape                        func(*tape)
		opened, refused, unanswered bool
	}{
		{name: "answered", opened: true, tape: func(t *tape) { t.shake(100, 900) }},
		{name: "answered and used", opened: true, tape: func(t *tape) {
			t.shake(100, 900)
			t.c(101, 901, "abc")
			t.s(901, 104, "def")
		}},
		{name: "without an answer", opened: true, unanswered: true, tape: func(t *tape) { t.put(client, server, syn, 100, 0, "") }},
		{name: "without an answer, three times", opened: true, unanswered: true, tape: func(t *tape) {
			for range 3 {
				t.put(client, server, syn, 100, 0, "")
			}
		}},
		{name: "refused", opened: true, refused: true, unanswered: true, tape: func(t *tape) {
			t.put(client, server, syn, 100, 0, "")
			t.put(server, client, rst|ack, 0, 101, "")
		}},
		{name: "refused three times", opened: true, refused: true, unanswered: true, tape: func(t *tape) {
			for range 3 {
				t.put(client, server, syn, 100, 0, "")
				t.put(server, client, rst|ack, 0, 101, "")
			}
		}},
		{name: "a forged refusal of another number", opened: true, unanswered: true, tape: func(t *tape) {
			t.put(client, server, syn, 100, 0, "")
			t.put(server, client, rst|ack, 0, 777, "")
		}},
		{name: "a forged refusal, and then the answer", opened: true, tape: func(t *tape) {
			t.put(client, server, syn, 100, 0, "")
			t.put(server, client, rst|ack, 0, 777, "")
			t.put(server, client, syn|ack, 900, 101, "")
			t.c(101, 901, "abc")
		}},
		{name: "the client takes it back", opened: true, unanswered: true, tape: func(t *tape) {
			t.put(client, server, syn, 100, 0, "")
			t.put(client, server, rst, 101, 0, "")
		}},
		{name: "half open: the server answered", opened: true, tape: func(t *tape) {
			t.put(client, server, syn, 100, 0, "")
			t.put(server, client, syn|ack, 900, 101, "")
			t.put(client, server, rst, 101, 0, "")
		}},
		{name: "reset after it was open", opened: true, tape: func(t *tape) {
			t.shake(100, 900)
			t.put(server, client, rst|ack, 901, 101, "")
		}},
		{name: "the client's side only", opened: true, tape: func(t *tape) {
			t.put(client, server, syn, 100, 0, "")
			t.c(101, 901, "")
			t.c(101, 901, "abc")
		}},
		{name: "the client's side only, and no byte", opened: true, tape: func(t *tape) {
			t.put(client, server, syn, 100, 0, "")
			t.c(101, 901, "")
		}},
		{name: "the server's side only", tape: func(t *tape) {
			t.put(server, client, syn|ack, 900, 101, "")
			t.s(901, 104, "def")
		}},
		{name: "its beginning was not seen", tape: func(t *tape) {
			t.c(101, 901, "abc")
			t.s(901, 104, "def")
		}},
		{name: "reset in the middle", tape: func(t *tape) {
			t.c(101, 901, "abc")
			t.put(server, client, rst|ack, 901, 104, "")
		}},
		{name: "the refusal was captured before the request", opened: true, refused: true, unanswered: true, tape: func(t *tape) {
			t.put(server, client, rst|ack, 0, 101, "")
			t.put(client, server, syn, 100, 0, "")
		}},
		{name: "the answer was captured before the request", opened: true, tape: func(t *tape) {
			t.put(server, client, syn|ack, 900, 101, "")
			t.put(client, server, syn, 100, 0, "")
			t.c(101, 901, "abc")
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var tape tape
			test.tape(&tape)
			out := &endings{}
			a := New(DefaultLimits, out)
			for i := range tape.all {
				a.Segment(&tape.all[i])
			}
			a.Flush()
			if len(out.list) != 1 {
				t.Fatalf("got %d connections, want 1", len(out.list))
			}
			f := &out.list[0]
			if f.Opened != test.opened || f.Refused != test.refused || f.Unanswered() != test.unanswered {
				t.Errorf("got opened %t, refused %t, unanswered %t; want %t, %t, %t", f.Opened, f.Refused, f.Unanswered(), test.opened, test.refused, test.unanswered)
			}
			if f.Opened && (f.Client != client || f.Server != server) {
				t.Errorf("got %s to %s, want the one who asked to be the client", f.Client, f.Server)
			}
			if f.Start.Packet != 1 || !f.Start.Time.Equal(start.Add(time.Millisecond)) || !f.First.Equal(f.Start.Time) {
				t.Errorf("got a start at packet %d, %s; want the first packet", f.Start.Packet, f.Start.Time)
			}
		})
	}
}

// TestOpeningAgain: a port that is used again after a refusal is a connection of its own, with a start of its own.
func TestOpeningAgain(t *testing.T) {
	var tape tape
	tape.put(client, server, source.SYN, 100, 0, "")
	tape.put(server, client, source.RST|source.ACK, 0, 101, "")
	tape.shake(70000, 900)
	tape.c(70001, 901, "abc")
	tape.s(901, 70004, "def")
	out := &endings{}
	a := New(DefaultLimits, out)
	for i := range tape.all {
		a.Segment(&tape.all[i])
	}
	a.Flush()
	if len(out.list) != 2 || !out.list[0].Refused || out.list[1].Refused || !out.list[1].Opened || out.list[1].Unanswered() {
		t.Fatalf("got %d connections, want a refused one and an answered one", len(out.list))
	}
	if got := out.list[1].Bytes; got != [2]int64{3, 3} {
		t.Errorf("got %v bytes, want 3 each way", got)
	}
}

// TestOpeningSides: which side is the client does not depend on which has the lower address or port.
func TestOpeningSides(t *testing.T) {
	for _, ends := range [][2]netip.AddrPort{{client, server}, {server, client}} {
		var tape tape
		tape.put(ends[0], ends[1], source.SYN, 100, 0, "")
		tape.put(ends[1], ends[0], source.RST|source.ACK, 0, 101, "")
		out := &endings{}
		a := New(DefaultLimits, out)
		for i := range tape.all {
			a.Segment(&tape.all[i])
		}
		a.Flush()
		f := &out.list[0]
		if f.Client != ends[0] || !f.Refused || !f.Seen[chaperone.FromClient] || f.Seen[chaperone.FromServer] {
			t.Errorf("got client %s, refused %t, seen %v; want %s, refused, its side only", f.Client, f.Refused, f.Seen, ends[0])
		}
	}
}
