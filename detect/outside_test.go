package detect

import (
	"net/netip"
	"testing"
	"time"
)

func TestNewParty(t *testing.T) {
	none := netip.Addr{}
	gives := func(when time.Time, from, to, asker netip.Addr, n int) func(*scene) {
		return func(s *scene) { s.disclose(when, from, to, asker, people(1, n)) }
	}
	const found = "patients-to-new-outside-party critical archive>vendor"
	try(t, week, []trial{
		{name: "one patient", play: gives(at(3, 9, 0), archive, vendor, none, 1), want: found},
		{name: "the first day is learning", play: gives(at(1, 23, 59), archive, vendor, none, 1)},
		{name: "the second day is not", play: gives(at(2, 0, 0), archive, vendor, none, 1), want: found},
		{name: "known since the first day", play: after(gives(at(1, 9, 0), archive, vendor, none, 1), gives(at(3, 9, 0), archive, vendor, none, 500))},
		{name: "known to another system since the first day", play: after(gives(at(1, 9, 0), engine, vendor, none, 1), gives(at(3, 9, 0), archive, vendor, none, 1))},
		{name: "another party is known", play: after(gives(at(1, 9, 0), archive, thief, none, 1), gives(at(3, 9, 0), archive, vendor, none, 1)), want: found},
		{name: "inside", play: gives(at(3, 9, 0), archive, viewer, none, 1)},
		{name: "an outside system gives", play: gives(at(3, 9, 0), thief, vendor, none, 1)},
		{name: "at the request of the receiver", play: gives(at(3, 9, 0), archive, vendor, vendor, 1), want: "patients-to-new-outside-party critical vendor>vendor"},
		{name: "at the request of a third", play: gives(at(3, 9, 0), archive, vendor, desk, 1), want: "patients-to-new-outside-party critical desk>vendor"},
		{name: "two systems give", play: after(gives(at(3, 9, 0), archive, vendor, none, 1), gives(at(4, 9, 0), engine, vendor, none, 1)),
			want: found + "; patients-to-new-outside-party critical engine>vendor"},
		{name: "a receiver that nobody knows", play: gives(at(3, 9, 0), archive, none, viewer, 1)},
	}, NewParty)
	try(t, evening, []trial{
		{name: "too short to say that it is new", play: gives(at(1, 19, 0), archive, vendor, none, 1), want: "patients-to-new-outside-party medium archive>vendor"},
		{name: "inside", play: gives(at(1, 19, 0), archive, viewer, none, 1)},
	}, NewParty)
}

// TestNewPartySays: how many people, from when to when; all hours count.
func TestNewPartySays(t *testing.T) {
	for _, test := range []struct {
		name  string
		fresh func() *scene
		n     int
		want  string
	}{
		{"many", week, 30, "Records of 45 patients went to an outside address that never got any before."},
		{"one", week, 1, "Records of 1 patient went to an outside address that never got any before."},
		{"many, short", evening, 30, "Records of 45 patients went to an outside address."},
		{"one, short", evening, 1, "Records of 1 patient went to an outside address."},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := test.fresh()
			first, last := s.end.Add(-3*time.Hour), s.end.Add(-time.Hour)
			s.disclose(last, archive, vendor, netip.Addr{}, people(1+test.n/2, test.n))
			s.disclose(first, archive, vendor, netip.Addr{}, people(1, test.n), hl7)
			f := s.judged(NewParty)[0]
			if f.Title != test.want {
				t.Errorf("got  %s\nwant %s", f.Title, test.want)
			}
			if f.Count != 2 || !f.First.Equal(first) || !f.Last.Equal(last) || f.Evidence.Packet != 2 {
				t.Errorf("got %d from %s to %s, packet %d; want 2 from %s to %s, packet 2", f.Count, f.First, f.Last, f.Evidence.Packet, first, last)
			}
		})
	}
}
