package stream

import (
	"net/netip"
	"testing"
	"time"

	"chaperone"
	"chaperone/source"
)

// ledger checks that what is given on of a direction has no hole and no overlap, and adds up to what the flow says.
type ledger struct {
	t      *testing.T
	given  map[*Flow]*[2][2]int64 // by view and direction
	lost   map[*Flow]*[2]int64
	closed map[*Flow]bool
}

func (l *ledger) of(f *Flow) *[2][2]int64 {
	if l.closed[f] {
		l.t.Fatal("something was given on after Close")
	}
	if l.given[f] == nil {
		l.given[f], l.lost[f] = &[2][2]int64{}, &[2]int64{}
	}
	return l.given[f]
}

func (l *ledger) Data(f *Flow, view int, d chaperone.Dir, p []byte, _ chaperone.Mark) {
	l.of(f)[view][d] += int64(len(p))
	if f.Bytes[d] != l.given[f][0][d] {
		l.t.Fatalf("flow says %d bytes, %d were given on", f.Bytes[d], l.given[f][0][d])
	}
}

func (l *ledger) Gap(f *Flow, d chaperone.Dir, n int64, _ chaperone.Mark) {
	l.of(f)
	if l.lost[f][d] += n; n <= 0 || f.Lost[d] != l.lost[f][d] {
		l.t.Fatalf("gap of %d bytes; flow says %d in all, %d were given on", n, f.Lost[d], l.lost[f][d])
	}
}

func (l *ledger) Fork(f *Flow, _ chaperone.Dir, _ chaperone.Mark) { l.of(f)[1] = l.of(f)[0] }

func (l *ledger) Close(f *Flow, _ chaperone.Mark) {
	if g := l.of(f); f.Views == 2 && g[0] != g[1] {
		l.t.Fatalf("the views were given %v and %v bytes", g[0], g[1])
	}
	l.closed[f] = true
}

// FuzzAssembler reads segments of 8 bytes each: flags, ends, sequence number, acknowledgement, length, time.
func FuzzAssembler(f *testing.F) {
	f.Add([]byte("\x02\x00\x00\x00\x00\x00\x00\x00\x12\x01\x00\x00\x01\x00\x00\x00\x10\x00\x01\x00\x01\x09\x05\x00"))
	f.Add([]byte("\x10\x00\x05\x00\x01\x09\x05\x00\x10\x00\x01\x00\x01\x09\x09\x00\x10\x01\x01\x00\x09\x02\x05\x09"))
	f.Fuzz(func(t *testing.T, script []byte) {
		l := &ledger{t, map[*Flow]*[2][2]int64{}, map[*Flow]*[2]int64{}, map[*Flow]bool{}}
		limits := Limits{Flows: 4, Flow: 2000, Total: 4000, Patience: time.Second, Segments: 4, Hole: 10 * time.Second}
		a := New(limits, l)
		ends := [4]netip.AddrPort{client, server, netip.AddrPortFrom(client.Addr(), 7), netip.AddrPortFrom(server.Addr(), 9)}
		at := start
		payload := make([]byte, 512)
		for n := int64(1); len(script) >= 8; n++ {
			b := script[:8]
			script = script[8:]
			at = at.Add(time.Duration(b[7]) * 50 * time.Millisecond)
			size := int(b[5])
			for i := range size {
				payload[i] = b[4] + byte(i)
			}
			a.Segment(&source.Segment{
				Src: ends[b[1]&3], Dst: ends[(b[1]>>2)&3], Flags: source.Flags(b[0] & 0x17),
				Seq: uint32(int8(b[2])) + uint32(b[3])<<2, Ack: uint32(int8(b[4])), Payload: payload[:size], Missing: int(b[6]) & 7,
				Mark: chaperone.Mark{Time: at, Packet: n},
			})
			if a.total > limits.Total {
				t.Fatalf("%d bytes wait, want at most %d", a.total, limits.Total)
			}
		}
		a.Flush()
		if a.total != 0 || len(l.closed) != len(l.given) && len(l.closed) < len(l.given) {
			t.Fatalf("%d bytes wait after the end; %d of %d flows are closed", a.total, len(l.closed), len(l.given))
		}
	})
}
