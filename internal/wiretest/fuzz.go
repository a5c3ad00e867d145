package wiretest

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"chaperone/wire"
)

// Fuzz is the body of a protocol's fuzz target: any turns and gaps, cut in any way. The seeds are the conversations.
//
//	func FuzzSession(f *testing.F) { wiretest.Fuzz(f, dimse.Protocol, conversation) }
func Fuzz(f *testing.F, p wire.Protocol, seeds ...Conversation) {
	for i, c := range seeds {
		f.Add(Pack(c.Turns), uint64(i))
	}
	f.Fuzz(func(t *testing.T, packed []byte, seed uint64) { Check(t, p, Unpack(packed), seed) })
}

// Check plays turns to the session that the seed chooses: whole, cut, and cut with a clone in the middle.
func Check(t *testing.T, p wire.Protocol, turns []Turn, seed uint64) {
	t.Helper()
	set := settings[seed%uint64(len(settings))]
	r := rand.New(rand.NewPCG(seed, 6))
	want := play(p.New(set.limits, set.midstream), turns)
	want.report(t, "whole")

	cut, of := cutTurns(r, turns, 1+r.IntN(64))
	s, got := p.New(set.limits, set.midstream), newTrace()
	at := r.IntN(len(cut) + 1)
	for i, turn := range cut {
		if i == at { // go on with the clone, and let the original read something else
			clone, other := s.Clone(), newTrace()
			other.feed(s, Turn{turn.Dir, []byte("\x0bMSH|^~\\&|\x04\x00\x00\x00\x00\x10"), 0}, mark(0))
			s.Close(mark(0))
			s = clone
		}
		got.feed(s, turn, mark(of[i]))
	}
	got.close(s, mark(len(turns)))
	got.report(t, "cut")
	if d := got.differs(want); d != "" {
		t.Errorf("cut differently: %s", d)
	}
}

// A packed turn is a byte of flags, a length in two bytes (little endian), and so many bytes unless it is a gap.
const (
	packedServer = 1
	packedGap    = 2
)

// Pack writes turns as a fuzzer's input.
func Pack(turns []Turn) []byte {
	var out []byte
	for _, turn := range turns {
		flags, rest := byte(turn.Dir)*packedServer, turn.Bytes
		for len(rest) > 0 {
			n := min(len(rest), 0xFFFF)
			out = binary.LittleEndian.AppendUint16(append(out, flags), uint16(n))
			out = append(out, rest[:n]...)
			rest = rest[n:]
		}
		if turn.Gap > 0 {
			out = binary.LittleEndian.AppendUint16(append(out, flags|packedGap), uint16(turn.Gap))
		}
	}
	return out
}

// Unpack reads any bytes as turns.
func Unpack(b []byte) []Turn {
	var turns []Turn
	for len(b) >= 3 {
		turn := Turn{Dir: wire.Dir(b[0] & packedServer)}
		n := int(binary.LittleEndian.Uint16(b[1:]))
		if b[0]&packedGap != 0 {
			turn.Gap = int64(n)
			b = b[3:]
		} else {
			n = min(n, len(b)-3)
			turn.Bytes, b = b[3:3+n], b[3+n:]
		}
		if n > 0 {
			turns = append(turns, turn)
		}
	}
	return turns
}
