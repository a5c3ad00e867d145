package wiretest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"chaperone/wire"
)

// What a session is fed, and the bound of what it keeps with the limits below. Streams of whole messages take more time
// than those that never end; 16 MB of them are thousands of messages.
const (
	flooded         = 64 << 20 / slow
	floodedMessages = 16 << 20 / slow
	heapBound       = 32 << 20
)

var floodLimits = wire.Limits{Message: 1 << 20, Depth: 64, Pending: 256}

// floods: a session keeps no more than its limits allow, however much it is fed.
func floods(t *testing.T, p wire.Protocol, c Conversation) {
	for _, f := range general(c) {
		t.Run(f.Name, func(t *testing.T) { flood(t, p, f, flooded) })
	}
	for _, f := range append(repeated(c), c.Floods...) {
		t.Run(f.Name, func(t *testing.T) { flood(t, p, f, max(f.Bytes, floodedMessages)) })
	}
}

func flood(t *testing.T, p wire.Protocol, f Flood, enough int) {
	s := p.New(floodLimits, f.Midstream)
	feed := func(turns []Turn) (n int) {
		for _, turn := range turns {
			if turn.Gap > 0 {
				s.Gap(turn.Dir, turn.Gap, mark(0))
				n++
			}
			s.Feed(turn.Dir, turn.Bytes, mark(0))
			n += len(turn.Bytes)
		}
		return n
	}
	before := heap()
	fed, looked, most := feed(f.First), 0, int64(0)
	for i := 0; fed < enough; i++ {
		fed += feed(f.Next(i))
		if fed-looked >= enough/4 {
			looked = fed
			most = max(most, heap()-before)
		}
	}
	if most > heapBound {
		t.Errorf("got %d MB on the heap after %d MB, want at most %d", most>>20, fed>>20, heapBound>>20)
	}
	s.Close(mark(0))
	runtime.KeepAlive(s)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// general are the floods that can be made from any conversation.
func general(c Conversation) []Flood {
	r := rand.New(rand.NewPCG(1, 2))
	garbage := make([]byte, 1<<20)
	for i := range garbage {
		garbage[i] = byte(r.Uint32())
	}
	fill := func(d wire.Dir, b byte) func(int) []Turn {
		turns := []Turn{{Dir: d, Bytes: bytes.Repeat([]byte{b}, 64<<10)}}
		return func(int) []Turn { return turns }
	}
	list := []Flood{
		{Name: "garbage", Midstream: true, Next: func(i int) []Turn {
			at := i * 4093 % (1 << 19)
			return []Turn{{Dir: wire.Dir(i % 2), Bytes: garbage[at : at+64<<10]}}
		}},
		{Name: "garbage behind a conversation", First: c.Turns, Next: func(i int) []Turn {
			return []Turn{{Dir: wire.Dir(i % 2), Bytes: garbage[i%(1<<19) : i%(1<<19)+64<<10]}}
		}},
	}
	n := size(c.Turns)
	for _, b := range []byte{0, 'A', '\r', 0xFF} {
		list = append(list, Flood{Name: fmt.Sprintf("nothing but %02X", b), Midstream: true, Next: fill(wire.FromClient, b)})
		at := 1 + r.IntN(n-1)
		first := without(c.Turns, at, n, false)
		d := first[len(first)-1].Dir // what was begun never ends
		list = append(list, Flood{Name: fmt.Sprintf("%d bytes and then nothing but %02X", at, b), First: first, Next: fill(d, b)})
	}
	return list
}

// repeated are conversations that go on and on.
func repeated(c Conversation) []Flood {
	n := size(c.Turns)
	return []Flood{
		{Name: "one side of the conversation, again and again", Next: func(int) []Turn {
			var turns []Turn
			for _, turn := range c.Turns {
				if turn.Dir == wire.FromClient {
					turns = append(turns, turn)
				}
			}
			return turns
		}},
		{Name: "the conversation with gaps, again and again", Next: func(i int) []Turn {
			from := i * 31 % n
			return without(c.Turns, from, min(n, from+1+i%97), i%3 > 0)
		}},
	}
}
