package wiretest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"chaperone/wire"
)

// budget is how many bytes a promise may feed; where trying everything takes more, it takes a seeded sample.
const budget = 4 << 20 / (slow/4 + 1)

// settings are the sessions a damaged conversation is given to.
var settings = []struct {
	name      string
	limits    wire.Limits
	midstream bool
}{
	{"whole", wire.DefaultLimits, false},
	{"tight", tight, false},
	{"midstream", tight, true},
}

// size counts the bytes of a conversation.
func size(turns []Turn) int {
	n := 0
	for _, turn := range turns {
		n += len(turn.Bytes)
	}
	return n
}

// trials calls try with every number below n, or with as many seeded ones as the budget allows at this cost each.
func trials(n, cost int, try func(r *rand.Rand, i int) bool) {
	r := rand.New(rand.NewPCG(uint64(n), uint64(cost)))
	if n*cost <= budget {
		for i := range n {
			if !try(r, i) {
				return
			}
		}
		return
	}
	for range budget / cost {
		if !try(r, r.IntN(n)) {
			return
		}
	}
}

// cutTurns cuts turns at random, each piece of at most so many bytes. No cut changes which turn a byte belongs to.
func cutTurns(r *rand.Rand, turns []Turn, most int) (cut []Turn, of []int) {
	for i, turn := range turns {
		b := turn.Bytes
		for len(b) > 0 {
			n := 1 + r.IntN(min(most, len(b)))
			cut, of = append(cut, Turn{Dir: turn.Dir, Bytes: b[:n:n]}), append(of, i)
			b = b[n:]
		}
		if turn.Gap > 0 {
			cut, of = append(cut, turn), append(of, i)
		}
	}
	return cut, of
}

// playCut is play with the turns cut into pieces of at most so many bytes.
func playCut(s wire.Session, r *rand.Rand, turns []Turn, most int) *trace {
	tr := newTrace()
	cut, of := cutTurns(r, turns, most)
	for i, turn := range cut {
		tr.feed(s, turn, mark(of[i]))
	}
	tr.close(s, mark(len(turns)))
	return tr
}

// cuts: the same messages wherever the stream is cut.
func cuts(t *testing.T, p wire.Protocol, c Conversation) {
	for _, set := range settings {
		want := play(p.New(set.limits, set.midstream), c.Turns)
		trials(100, size(c.Turns), func(r *rand.Rand, i int) bool {
			most := 1 + i*i // from single bytes to whole turns
			got := playCut(p.New(set.limits, set.midstream), r, c.Turns, most)
			if d := got.differs(want); d != "" {
				t.Errorf("%s session, pieces of at most %d bytes: %s", set.name, most, d)
			}
			return got.report(t, fmt.Sprintf("%s session, pieces of at most %d bytes", set.name, most)) && !t.Failed()
		})
	}
}

// prefixes: any beginning of a conversation is read without harm, and cut in any way the same.
func prefixes(t *testing.T, p wire.Protocol, c Conversation) {
	n := size(c.Turns)
	for _, set := range settings {
		trials(n, n, func(r *rand.Rand, i int) bool {
			return harmless(t, p, fmt.Sprintf("%s session, the first %d bytes", set.name, i), set.limits, set.midstream, r, without(c.Turns, i, n, false))
		})
	}
}

// missingSpans: any span that is missing, noticed or not. Across one that is noticed no fact is invented.
func missingSpans(t *testing.T, p wire.Protocol, c Conversation) {
	n := size(c.Turns)
	whole := play(p.New(wire.DefaultLimits, false), c.Turns)
	for _, set := range settings {
		trials(8*n, 2*n, func(r *rand.Rand, i int) bool {
			from, noticed := i/8, i%2 == 0
			to := min(n, from+1+[]int{r.IntN(4), r.IntN(16), r.IntN(256), r.IntN(n)}[i/2%4])
			how := fmt.Sprintf("%s session, without bytes %d to %d, as a gap %t", set.name, from, to, noticed)
			turns := without(c.Turns, from, to, noticed)
			if noticed {
				if strange := invented(play(p.New(set.limits, set.midstream), turns).facts, whole.facts); strange != "" {
					t.Errorf("%s: invented %s", how, strange)
				}
			}
			return harmless(t, p, how, set.limits, set.midstream, r, turns)
		})
	}
}

// flippedBytes: any byte that is another.
func flippedBytes(t *testing.T, p wire.Protocol, c Conversation) {
	n := size(c.Turns)
	for _, set := range settings {
		trials(4*n, 2*n, func(r *rand.Rand, i int) bool {
			to := []byte{0x01, 0x80, 0xFF, byte(1 + r.IntN(255))}[i%4]
			how := fmt.Sprintf("%s session, byte %d xor %02X", set.name, i/4, to)
			return harmless(t, p, how, set.limits, set.midstream, r, flip(c.Turns, i/4, to))
		})
	}
}

// harmless plays a damaged conversation whole and cut; both must keep the promises and say the same.
func harmless(t *testing.T, p wire.Protocol, how string, l wire.Limits, midstream bool, r *rand.Rand, turns []Turn) bool {
	want := play(p.New(l, midstream), turns)
	got := playCut(p.New(l, midstream), r, turns, 1+r.IntN(64))
	if d := got.differs(want); d != "" {
		t.Errorf("%s, cut differently: %s", how, d)
	}
	return want.report(t, how) && got.report(t, how+", cut") && !t.Failed()
}

// without leaves out the bytes from one place to another of a conversation in time order; noticed puts gaps there.
func without(turns []Turn, from, to int, noticed bool) []Turn {
	var out []Turn
	at := 0
	for _, turn := range turns {
		a, b := min(max(from-at, 0), len(turn.Bytes)), min(max(to-at, 0), len(turn.Bytes))
		at += len(turn.Bytes)
		for _, part := range []Turn{{turn.Dir, turn.Bytes[:a], 0}, {Dir: turn.Dir, Gap: int64(b - a)}, {turn.Dir, turn.Bytes[b:], 0}} {
			if len(part.Bytes) > 0 || part.Gap > 0 && noticed {
				out = append(out, part)
			}
		}
	}
	return out
}

// flip changes the byte at one place.
func flip(turns []Turn, at int, with byte) []Turn {
	out := append([]Turn(nil), turns...)
	for i, turn := range turns {
		if at < len(turn.Bytes) {
			out[i].Bytes = append([]byte(nil), turn.Bytes...)
			out[i].Bytes[at] ^= with
			break
		}
		at -= len(turn.Bytes)
	}
	return out
}
