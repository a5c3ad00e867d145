package detect

import (
	"net/netip"
	"testing"
	"time"
)

// stranger gives an outside address.
func stranger(n int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, 113, byte(n)}) }

// TestGuessedTogether: many sources of which each tries too seldom to be noticed.
func TestGuessedTogether(t *testing.T) {
	wire := func(sources, each int, pause time.Duration) func(*scene) {
		return func(s *scene) {
			for i := range sources {
				s.guesses(at(2, 9, 0).Add(time.Duration(i)*time.Second), stranger(1+i), each, pause)
			}
		}
	}
	log := func(sources, each int) func(*scene) {
		return func(s *scene) {
			for i := range sources {
				s.failures(at(2, 9, 0).Add(time.Duration(i)*time.Second), stranger(1+i), each, time.Minute)
			}
		}
	}
	const found = "rdp-guessed medium ->gate"
	try(t, week, []trial{
		{name: "five sources, fifty attempts", play: wire(5, 10, time.Minute), want: found},
		{name: "four sources", play: wire(4, 15, time.Minute)},
		{name: "forty-nine attempts", play: wire(7, 7, time.Minute)},
		{name: "in more than an hour", play: wire(5, 10, 7*time.Minute)},
		{name: "in the log", play: log(5, 10), want: found},
		{name: "in both: the same attempts", play: after(wire(5, 5, time.Minute), log(5, 5))},
		{name: "some in the log, some on the wire only", play: after(log(3, 10), func(s *scene) {
			for i := range 2 {
				s.guesses(at(2, 9, 0).Add(500*time.Millisecond), stranger(50+i), 10, time.Minute)
			}
		}), want: found},
		{name: "inside: many mistype", play: func(s *scene) {
			for i := range 10 {
				s.guesses(at(2, 9, 0), door(i), 9, time.Minute)
			}
		}},
		{name: "one of them is noticed by itself, the others are too few", play: func(s *scene) {
			wire(4, 10, time.Minute)(s)
			s.guesses(at(2, 9, 0), thief, 40, time.Second)
		}, want: "rdp-guessed medium thief>gate"},
		{name: "at different servers", play: func(s *scene) {
			for i := range 10 {
				s.failures(at(2, 9, 0), stranger(1+i), i%2*9, time.Minute)
				for j := range (i + 1) % 2 * 9 {
					s.fails(at(2, 9, j), "FILES01", stranger(1+i), "frontdesk")
				}
			}
		}},
		{name: "those who come to work do not count",
			play: after(wire(4, 15, time.Minute), func(s *scene) { s.session(at(2, 9, 0), vendor) })},
	}, RDPGuessed)
}

// TestGuessedTogetherSays: by how many, how often, from when to when.
func TestGuessedTogetherSays(t *testing.T) {
	s := week()
	for i := range 6 {
		s.guesses(at(2, 9, 5-i), stranger(1+i), 10, time.Minute)
	}
	found := s.judged(RDPGuessed)
	if len(found) != 1 {
		t.Fatalf("got %d findings, want 1", len(found))
	}
	f := found[0]
	if want := "6 outside addresses tried passwords together: 60 failures."; f.Title != want {
		t.Errorf("got  %s\nwant %s", f.Title, want)
	}
	if f.Count != 60 || !f.First.Equal(at(2, 9, 0)) || !f.Last.Equal(at(2, 9, 14)) || f.Evidence.Packet != 51 {
		t.Errorf("got %d from %s to %s, packet %d; want 60 from 09:00 to 09:14, packet 51", f.Count, f.First, f.Last, f.Evidence.Packet)
	}
}
