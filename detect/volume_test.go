package detect

import (
	"net/netip"
	"testing"

	"chaperone/exchange"
)

const mb = 1 << 20

// sends lets a system send to another and get a little back.
func (s *scene) sends(day, hour int, from, to netip.Addr, out int64, edits ...func(*exchange.Contact)) {
	s.connect(at(day, hour, 0), from, to, 443, append([]func(*exchange.Contact){carries(out, out/100)}, edits...)...)
}

func TestVolume(t *testing.T) {
	send := func(day int, from netip.Addr, out int64, edits ...func(*exchange.Contact)) func(*scene) {
		return func(s *scene) { s.sends(day, 12, from, thief, out, edits...) }
	}
	days := func(amounts ...int64) func(*scene) {
		return func(s *scene) {
			for i, n := range amounts {
				s.sends(1+i, 12, desk, thief, n)
			}
		}
	}
	const found = "volume-outside high desk>thief"
	try(t, func() *scene { return newScene(at(1, 0, 0), at(7, 23, 59)) }, []trial{
		{name: "a hundred MiB are never odd", play: send(4, desk, 100*mb)},
		{name: "more", play: send(4, desk, 100*mb+1), want: found},
		{name: "a device's ten MiB are never odd", play: send(4, ct, 10*mb)},
		{name: "a device's more", play: send(4, ct, 10*mb+1), want: "volume-outside high ct>thief"},
		{name: "two transfers of a day add up", play: after(send(4, desk, 60*mb), send(4, desk, 60*mb)), want: found},
		{name: "two transfers of two days do not", play: after(send(4, desk, 60*mb), send(5, desk, 60*mb))},
		{name: "a nightly upload is usual", play: days(500*mb, 510*mb, 490*mb, 505*mb, 495*mb, 500*mb, 500*mb)},
		{name: "a nightly upload, and one night three times of it", play: days(500*mb, 500*mb, 500*mb, 500*mb, 1500*mb, 500*mb, 500*mb)},
		{name: "a nightly upload, and one night more", play: days(500*mb, 500*mb, 500*mb, 500*mb, 1500*mb+1, 500*mb, 500*mb), want: found},
		{name: "a week's backup on one night", play: days(0, 0, 0, 0, 0, 0, 5000*mb), want: found},
		{name: "two nights do not excuse each other", play: days(0, 0, 0, 5000*mb, 5000*mb), want: found},
		{name: "amounts that differ much", play: days(100*mb, 200*mb, 300*mb, 400*mb, 500*mb, 600*mb, 1200*mb)},
		{name: "amounts that differ much, and more", play: days(100*mb, 200*mb, 300*mb, 400*mb, 500*mb, 600*mb, 1200*mb+1), want: found},
		{name: "five times what comes back", play: send(4, desk, 0, carries(500*mb, 100*mb)), want: found},
		{name: "less: it is no transfer out", play: send(4, desk, 0, carries(500*mb, 100*mb+1))},
		{name: "a download", play: send(4, desk, 0, carries(1*mb, 900*mb))},
		{name: "somebody outside fetches", play: func(s *scene) { s.connect(at(4, 12, 0), thief, desk, 443, carries(1*mb, 900*mb)) }, want: found},
		{name: "inside", play: func(s *scene) { s.sends(4, 12, desk, shares, 900*mb) }},
		{name: "outside to outside", play: func(s *scene) { s.sends(4, 12, vendor, thief, 900*mb) }},
		{name: "to many at once", play: func(s *scene) { s.sends(4, 12, desk, netip.MustParseAddr("233.252.0.1"), 900*mb) }},
		{name: "a connection that failed", play: send(4, desk, 900*mb, func(c *exchange.Contact) { c.Failed = true })},
		{name: "another system's usual", play: func(s *scene) {
			for day := 1; day <= 7; day++ {
				s.sends(day, 12, shares, thief, 900*mb)
			}
			s.sends(4, 12, desk, thief, 900*mb)
		}, want: found},
	}, Volume)
}

// TestVolumeShort: two days cannot say what is usual, so large amounts are told more softly; a transfer over midnight too.
func TestVolumeShort(t *testing.T) {
	const found = "volume-outside medium desk>thief"
	send := func(days ...int) func(*scene) {
		return func(s *scene) {
			for _, day := range days {
				s.sends(day, 12, desk, thief, 900*mb)
			}
		}
	}
	try(t, func() *scene { return newScene(at(1, 0, 0), at(1, 23, 59)) }, []trial{
		{name: "one day", play: send(1), want: found},
		{name: "little", play: func(s *scene) { s.sends(1, 12, desk, thief, 100*mb) }},
	}, Volume)
	try(t, func() *scene { return newScene(at(1, 0, 0), at(2, 23, 59)) }, []trial{
		{name: "two days, the second", play: send(2), want: found},
		{name: "two days, both", play: send(1, 2), want: found},
	}, Volume)
	try(t, func() *scene { return newScene(at(1, 0, 0), at(3, 23, 59)) }, []trial{
		{name: "three days, one", play: send(3), want: "volume-outside high desk>thief"},
		{name: "three days, all", play: send(1, 2, 3)},
	}, Volume)
}

// TestVolumeSays: how much on the days that are odd, from when to when, and the largest connection.
func TestVolumeSays(t *testing.T) {
	s := week()
	s.sends(2, 12, desk, thief, 5*mb)
	s.sends(4, 12, desk, thief, 1000*mb)
	s.sends(4, 14, desk, thief, 2000*mb)
	s.sends(4, 10, desk, thief, 1000*mb)
	s.sends(5, 1, desk, thief, 1000*mb)
	f := s.judged(Volume)[0]
	if want := "A system sent 5.2 GB to an outside address, far more than on other days."; f.Title != want {
		t.Errorf("got  %s\nwant %s", f.Title, want)
	}
	if f.Bytes != 5000*mb || f.Count != 2 || !f.First.Equal(at(4, 10, 0)) || f.Last.Before(at(5, 1, 0)) || f.Evidence.Packet != 3 {
		t.Errorf("got %d bytes on %d days from %s to %s, packet %d; want 5000 MiB on 2 from 10:00 to 01:00, packet 3", f.Bytes, f.Count, f.First, f.Last, f.Evidence.Packet)
	}
}
