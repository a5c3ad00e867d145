package detect

import (
	"net/netip"
	"testing"

	"chaperone/exchange"
)

// daily lets a system ask the archive for n patients at ten o'clock of every day.
func (s *scene) daily(asker netip.Addr, n int) {
	for day := 1; day <= 7; day++ {
		s.disclose(at(day, 10, 0), archive, asker, asker, people(1000*day, n))
	}
}

func TestSweep(t *testing.T) {
	ask := func(day, hour int, asker netip.Addr, first, n int, edits ...func(*exchange.Disclosed)) func(*scene) {
		return func(s *scene) { s.disclose(at(day, hour, 30), archive, asker, asker, people(first, n), edits...) }
	}
	daily := func(asker netip.Addr, n int) func(*scene) { return func(s *scene) { s.daily(asker, n) } }
	move := func(d *exchange.Disclosed) { d.Action, d.Class = "C-STORE", "1.2.840.10008.5.1.4.1.1.2" }
	const found = "store-sweep high viewer>archive"
	try(t, week, []trial{
		{name: "more than fifty out of nothing", play: ask(5, 9, viewer, 1, 51), want: found},
		{name: "fifty are never odd", play: ask(5, 9, viewer, 1, 50)},
		{name: "five times what is usual", play: after(daily(viewer, 20), ask(5, 23, viewer, 1, 100))},
		{name: "more than five times", play: after(daily(viewer, 20), ask(5, 23, viewer, 1, 101)), want: found},
		{name: "the same fifty all day", play: func(s *scene) {
			for hour := range 10 {
				ask(5, 9+hour, viewer, 1, 50)(s)
			}
		}},
		{name: "half before midnight and half after it", play: after(daily(viewer, 20), after(ask(5, 23, viewer, 1, 51), ask(6, 0, viewer, 100, 51))), want: found},
		{name: "the same people before and after midnight", play: after(daily(viewer, 20), after(ask(5, 23, viewer, 1, 100), ask(6, 0, viewer, 1, 100)))},
		{name: "an hour between the halves", play: after(daily(viewer, 20), after(ask(5, 22, viewer, 1, 51), ask(6, 0, viewer, 100, 51)))},
		{name: "the hours of a long sweep do not excuse each other", play: func(s *scene) {
			s.daily(viewer, 20)
			for hour := range 12 {
				ask(5, hour+11, viewer, 2000*hour, 150)(s)
			}
		}, want: found},
		{name: "as much thirteen hours before is usual", play: after(ask(5, 1, viewer, 1, 50), ask(5, 14, viewer, 100, 200))},
		{name: "as much twelve hours before says nothing", play: after(ask(5, 2, viewer, 1, 50), ask(5, 14, viewer, 100, 200)), want: found},
		{name: "as much fourteen hours later is usual", play: after(ask(5, 16, viewer, 1, 50), ask(5, 2, viewer, 100, 200))},
		{name: "as much thirteen hours later says nothing", play: after(ask(5, 15, viewer, 1, 50), ask(5, 2, viewer, 100, 200)), want: found},
		{name: "another viewer asks for as many", play: after(daily(viewer2, 50), ask(5, 9, viewer, 1, 250))},
		{name: "another viewer asks for fewer", play: after(daily(viewer2, 50), ask(5, 9, viewer, 1, 251)), want: found},
		{name: "a workstation that asks for as many is none of its kind", play: after(daily(desk, 50), ask(5, 9, viewer, 1, 250)), want: found},
		{name: "two workstations are not told of each other", play: after(daily(viewer, 50), ask(5, 9, desk, 1, 250)), want: "store-sweep high desk>archive"},
		{name: "another viewer asks another archive", play: func(s *scene) {
			s.disclose(at(4, 9, 0), planner, viewer2, viewer2, people(1, 50))
			ask(5, 9, viewer, 1, 250)(s)
		}, want: found},
		{name: "studies and images are one", play: after(ask(5, 9, viewer, 1, 30), ask(5, 9, viewer, 31, 30, move)), want: found},
		{name: "studies and images of the same people", play: after(ask(5, 9, viewer, 1, 30), ask(5, 9, viewer, 1, 30, move))},
		{name: "the worklist is everybody's appointments", play: ask(5, 9, ct, 1, 500, appointments)},
		{name: "HL7 queries are another matter", play: ask(5, 9, viewer, 1, 500, hl7)},
		{name: "nobody asked", play: func(s *scene) { s.disclose(at(5, 9, 0), archive, viewer, netip.Addr{}, people(1, 500)) }},
		{name: "images that were sent elsewhere are the asker's", play: func(s *scene) { s.disclose(at(5, 9, 0), archive, ct, viewer, people(1, 500)) }, want: found},
	}, StoreSweep)
}

// TestSweepShort: a short capture can only be compared with itself.
func TestSweepShort(t *testing.T) {
	ask := func(hour, first, n int) func(*scene) {
		return func(s *scene) { s.disclose(at(1, hour, 0), archive, viewer, viewer, people(first, n)) }
	}
	const found = "store-sweep medium viewer>archive"
	try(t, evening, []trial{
		{name: "many", play: ask(18, 1, 51), want: found},
		{name: "many, and as many two hours before", play: after(ask(18, 1, 50), ask(20, 100, 200))},
		{name: "many, and as many an hour before", play: after(ask(19, 1, 50), ask(20, 100, 150)), want: found},
		{name: "many, and as many three hours later", play: after(ask(21, 1, 50), ask(18, 100, 200))},
		{name: "many, and as many two hours later", play: after(ask(20, 1, 50), ask(18, 100, 200)), want: found},
	}, StoreSweep, PatientSurge)
}

// TestSweepSays: whose hours, how many disclosures and patients.
func TestSweepSays(t *testing.T) {
	s := week()
	s.daily(viewer, 20)
	s.disclose(at(5, 23, 40), archive, viewer, viewer, people(41, 60))
	s.disclose(at(5, 23, 20), archive, viewer, viewer, people(1, 60))
	s.disclose(at(6, 0, 10), archive, viewer, viewer, people(90, 30))
	s.disclose(at(6, 3, 0), archive, viewer, viewer, people(1, 10))
	found := s.judged(StoreSweep)
	if len(found) != 1 {
		t.Fatalf("got %d findings, want 1", len(found))
	}
	f := found[0]
	if want := "A system asked the archive for about 119 patients, far more than is usual for it."; f.Title != want {
		t.Errorf("got  %s\nwant %s", f.Title, want)
	}
	if f.Count != 3 || !f.First.Equal(at(5, 23, 20)) || !f.Last.Equal(at(6, 0, 10)) || f.Evidence.Packet != 9 {
		t.Errorf("got %d from %s to %s, packet %d; want 3 from 23:20 to 00:10, packet 9", f.Count, f.First, f.Last, f.Evidence.Packet)
	}
}

func TestSurge(t *testing.T) {
	none := netip.Addr{}
	push := func(day, hour int, to netip.Addr, first, n int, edits ...func(*exchange.Disclosed)) func(*scene) {
		return func(s *scene) { s.disclose(at(day, hour, 30), engine, to, none, people(first, n), edits...) }
	}
	daily := func(to netip.Addr, n int) func(*scene) {
		return func(s *scene) {
			for day := 1; day <= 7; day++ {
				push(day, 10, to, 1000*day, n, hl7)(s)
			}
		}
	}
	const inside, outside = "patient-surge medium engine>planner", "patient-surge critical engine>vendor"
	try(t, week, []trial{
		{name: "five times what is usual", play: after(daily(planner, 20), push(5, 23, planner, 1, 100, hl7))},
		{name: "more", play: after(daily(planner, 20), push(5, 23, planner, 1, 101, hl7)), want: inside},
		{name: "messages and images are one way", play: after(daily(planner, 20), push(5, 23, planner, 1, 500)), want: inside},
		{name: "to the outside", play: after(daily(vendor, 20), push(5, 23, vendor, 1, 101, hl7)), want: outside},
		{name: "a new way inside has no usual", play: push(5, 9, planner, 1, 500, hl7)},
		{name: "a way of a day is known", play: after(push(4, 9, planner, 1, 5, hl7), push(5, 9, planner, 1, 500, hl7)), want: inside},
		{name: "a way of less than a day is not", play: after(push(4, 10, planner, 1, 5, hl7), push(5, 9, planner, 1, 500, hl7))},
		{name: "a new way to the outside", play: push(5, 9, vendor, 1, 51, hl7), want: outside},
		{name: "fifty are never odd", play: push(5, 9, vendor, 1, 50, hl7)},
		{name: "the first day is learning", play: push(1, 22, vendor, 1, 500, hl7)},
		{name: "its last hour ends after it", play: push(1, 23, vendor, 1, 500, hl7), want: outside},
		{name: "the worklist", play: after(daily(vendor, 5), push(5, 23, vendor, 1, 500, appointments))},
		{name: "a receiver that nobody knows", play: after(daily(none, 20), push(5, 23, none, 1, 500, hl7))},
	}, PatientSurge)
	try(t, evening, []trial{{name: "there is nothing to compare with", play: push(1, 20, vendor, 1, 500, hl7)}}, PatientSurge)
}

// TestSurgeSays: who made it travel, and how many.
func TestSurgeSays(t *testing.T) {
	s := week()
	s.disclose(at(3, 9, 0), archive, vendor, desk, people(1, 80))
	s.disclose(at(3, 9, 10), archive, vendor, desk, people(41, 80))
	s.disclose(at(3, 9, 20), archive, viewer, viewer, people(1, 10))
	found := s.judged(PatientSurge)
	if len(found) != 1 {
		t.Fatalf("got %d findings, want 1", len(found))
	}
	f := found[0]
	if want := "About 120 patients passed to an outside system within hours, far more than is usual on this way."; f.Title != want || f.Technique != "T1048" {
		t.Errorf("got %s, %s; want %s, T1048", f.Title, f.Technique, want)
	}
	if end(f.From) != "desk" || f.Count != 2 || !f.First.Equal(at(3, 9, 0)) || !f.Last.Equal(at(3, 9, 10)) {
		t.Errorf("got %d by %s from %s to %s, want 2 by the desk from 09:00 to 09:10", f.Count, end(f.From), f.First, f.Last)
	}
}
