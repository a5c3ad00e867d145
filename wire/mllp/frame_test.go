package mllp

import (
	"bytes"
	"fmt"
	"testing"

	"chaperone"
	"chaperone/wire"
)

// TestTransitions walks every pair of state and input (MLLP release 1; what is not in it is read as lenient receivers
// read it, and is malformed).
func TestTransitions(t *testing.T) {
	states := map[state]string{idle: "idle", body: "body", end1: "end1", lost: "lost"}
	inputs := map[input]byte{vt: 0x0B, fs: 0x1C, cr: 0x0D, other: 'A'}
	want := map[string]step{
		"idle 0B": {body, begin}, "idle 1C": {idle, noise}, "idle 0D": {idle, nothing}, "idle 41": {idle, noise},
		"body 0B": {body, restart}, "body 1C": {end1, nothing}, "body 0D": {body, keep}, "body 41": {body, keep},
		"end1 0B": {body, finishBad}, "end1 1C": {end1, unend}, "end1 0D": {idle, finish}, "end1 41": {body, unend},
		"lost 0B": {body, restart}, "lost 1C": {end1, nothing}, "lost 0D": {lost, keep}, "lost 41": {lost, keep},
	}
	if len(transitions) != len(states) || len(want) != len(states)*len(inputs) {
		t.Fatalf("got %d states and %d pairs", len(transitions), len(want))
	}
	for s, name := range states {
		for in, b := range inputs {
			pair := fmt.Sprintf("%s %02X", name, b)
			t.Run(pair, func(t *testing.T) {
				if classify(b) != in {
					t.Errorf("byte %02X: got input %d, want %d", b, classify(b), in)
				}
				if got := transitions[s][in]; got != want[pair] {
					t.Errorf("got %+v, want %+v", got, want[pair])
				}
			})
		}
	}
	for b := range 256 {
		if in := classify(byte(b)); inputs[in] != byte(b) && in != other {
			t.Errorf("byte %02X: got input %d", b, in)
		}
	}
}

// TestPlain compares with the plainest search, at sizes around the window.
func TestPlain(t *testing.T) {
	for _, n := range []int{0, 1, 1023, 1024, 1025, 3000} {
		for _, block := range []byte{startBlock, endBlock} {
			for at := range n {
				p := bytes.Repeat([]byte{'A'}, n)
				p[at] = block
				p[n-1] = startBlock + endBlock - block
				if want := bytes.IndexAny(p, "\x0b\x1c"); plain(p) != want {
					t.Fatalf("%02X at %d of %d: got %d, want %d", block, at, n, plain(p), want)
				}
			}
		}
		if p := bytes.Repeat([]byte{'A'}, n); plain(p) != n {
			t.Errorf("nothing in %d: got %d", n, plain(p))
		}
	}
}

// TestGapAtTheLimit puts gap marks behind a buffer that is full: it may then be longer than the limit.
func TestGapAtTheLimit(t *testing.T) {
	for _, midstream := range []bool{false, true} {
		s := New(wire.Limits{Message: 8, Depth: 1, Pending: 1}, midstream)
		at := chaperone.Mark{}
		s.Feed(wire.FromClient, []byte("\x0bMSH|^~\\\r"), at)
		s.Gap(wire.FromClient, 1, at)
		s.Feed(wire.FromClient, []byte("MSH|^~\\&|\r"), at)
		s.Gap(wire.FromClient, 1, at)
		s.Feed(wire.FromClient, []byte("\r\r\x1c\r"), at)
		s.Close(at)
	}
}
