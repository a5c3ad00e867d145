package rdp

import (
	"testing"

	"chaperone"
	"chaperone/wire"
)

// TestReleased: once one direction is lost and the other sealed nothing is kept, whichever comes first.
func TestReleased(t *testing.T) {
	sealed := []byte{20, 3, 3, 0, 1, 1}
	for _, lost := range []wire.Dir{wire.FromClient, wire.FromServer} {
		for _, first := range []bool{false, true} {
			at := chaperone.Mark{}
			s := New(wire.DefaultLimits, true)
			if first {
				s.Gap(lost, 1, at)
			}
			s.Feed(lost.Other(), sealed, at)
			if !first {
				s.Feed(lost, sealed[:3], at)
				s.Gap(lost, 1, at)
			}
			if s.handshake != nil || s.half[0].state != over || s.half[1].state != over {
				t.Errorf("direction %d lost, first %t: the handshake is still read", lost, first)
			}
		}
	}
}
