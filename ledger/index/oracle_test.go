package index

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"chaperone/ledger"
	"chaperone/ledger/people"
)

// oracle answers the same questions from a list.
type oracle struct {
	events []Event
	places []Place
}

func (o *oracle) purge(day ledger.Day) {
	o.events = slices.DeleteFunc(o.events, func(e Event) bool { return ledger.DayOf(e.Time) == day })
	o.places = slices.DeleteFunc(o.places, func(p Place) bool { return p.Day == day })
}

func (o *oracle) clone() *oracle { return &oracle{slices.Clone(o.events), slices.Clone(o.places)} }

func (o *oracle) cells(day ledger.Day, ways []Way, from, until int) (numbers []ledger.Number, sums Sums, seqs []uint64) {
	for _, e := range o.events {
		if ledger.DayOf(e.Time) != day || !slices.Contains(ways, e.Way) || e.Time.Hour() < from || e.Time.Hour() >= until {
			continue
		}
		numbers = append(numbers, e.Numbers...)
		seqs = append(seqs, e.Seq)
		sums.Add(Sums{1, int64(e.Records), int64(e.Unidentified), int64(e.Objects), e.Bytes, e.Time, e.Time})
	}
	slices.Sort(numbers)
	return slices.Compact(numbers), sums, seqs
}

// errWrong is an answer that is not the oracle's.
var errWrong = errors.New("wrong answer")

// differ is the error of a question, or tells of a wrong answer.
func differ(err error, format string, args ...any) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: %s", errWrong, fmt.Sprintf(format, args...))
}

// check compares all answers of a view, and look-ups by id when x is not nil.
func (o *oracle) check(v *View, x *Index) error {
	days, ways := map[ledger.Day]bool{}, map[dayWay]bool{}
	for _, e := range o.events {
		day := ledger.DayOf(e.Time)
		days[day] = true
		ways[dayWay{day, e.Way}] = true
	}
	for _, p := range o.places {
		days[p.Day] = true
	}
	var want []ledger.Day
	for day := range days {
		want = append(want, day)
	}
	slices.Sort(want)
	if got := v.Days(); !slices.Equal(got, want) {
		return differ(nil, "days: got %v, want %v", got, want)
	}
	for _, day := range want {
		var some []Way
		for way := range ways {
			if way.day == day {
				some = append(some, way.way)
			}
		}
		slices.Sort(some)
		got, err := v.Ways(day)
		if err != nil || !slices.Equal(got, some) {
			return differ(err, "ways of %s: got %v, want %v", day, got, some)
		}
		for _, ways := range [][]Way{some, {1}, {2, 3}, {1, 4, 70_000 << wayBits}} {
			if err := o.checkWays(v, day, ways); err != nil {
				return err
			}
		}
		if err := o.checkPairs(v, day); err != nil {
			return err
		}
		if err := o.checkPlaces(v, day); err != nil {
			return err
		}
	}
	return cmp.Or(o.checkPostings(v), o.checkFind(x))
}

func (o *oracle) checkWays(v *View, day ledger.Day, ways []Way) error {
	for _, hours := range [][2]int{{0, 24}, {0, 12}, {12, 13}, {5, 20}} {
		numbers, want, _ := o.cells(day, ways, hours[0], hours[1])
		var bits people.Bits
		var got Sums
		if err := v.Cells(day, ways, hours[0], hours[1], &bits, &got); err != nil {
			return err
		}
		var there []ledger.Number
		bits.Each(func(n ledger.Number) { there = append(there, n) })
		if !slices.Equal(there, numbers) || got != want {
			return differ(nil, "%s ways %d hours %v: got %v %+v, want %v %+v", day, ways, hours, there, got, numbers, want)
		}
	}
	for hour := range hours {
		until := min(hours, hour+1+hour%3)
		_, _, want := o.cells(day, ways, hour, until)
		var got []uint64
		err := v.Seqs(day, ways, hour, until, func(seq uint64) error { got = append(got, seq); return nil })
		if err != nil || !slices.Equal(got, want) {
			return differ(err, "%s ways %d hour %d: got %v, want %v", day, ways, hour, got, want)
		}
	}
	return nil
}

func (o *oracle) checkPairs(v *View, day ledger.Day) error {
	type pair struct {
		n   ledger.Number
		seq uint64
	}
	want, got := map[pair]int{}, map[pair]int{}
	for _, e := range o.events {
		for _, n := range e.Numbers {
			if ledger.DayOf(e.Time) == day {
				want[pair{n, e.Seq}]++
			}
		}
	}
	err := v.Pairs(day, func(n ledger.Number, seq uint64) error { got[pair{n, seq}]++; return nil })
	if err != nil || !maps.Equal(got, want) {
		return differ(err, "pairs of %s: got %v, want %v", day, got, want)
	}
	return nil
}

func (o *oracle) checkPlaces(v *View, day ledger.Day) error {
	var near Near
	var want, got []Place
	for _, p := range o.places {
		if p.Day == day {
			want = append(want, p)
		}
	}
	err := v.Places(day, func(p Place) error { got = append(got, p); return nil })
	if err != nil || !slices.Equal(got, want) {
		return differ(err, "places of %s: got %v, want %v", day, got, want)
	}
	for _, p := range want {
		for _, seq := range []uint64{p.First, p.First + uint64(p.Count) - 1} {
			if got, ok, err := v.Place(seq, &near); err != nil || !ok || got != p {
				return differ(err, "place of %d: got %v %v, want %v", seq, got, ok, p)
			}
		}
	}
	return nil
}

func (o *oracle) checkPostings(v *View) error {
	type posting struct {
		day ledger.Day
		seq uint64
	}
	of := map[ledger.Number][]posting{1_000_000_007: nil}
	for _, e := range o.events {
		for _, n := range e.Numbers {
			of[n] = append(of[n], posting{ledger.DayOf(e.Time), e.Seq})
		}
	}
	for n, list := range of {
		slices.SortStableFunc(list, func(a, b posting) int { return cmp.Compare(a.day, b.day) })
		for _, days := range [][2]ledger.Day{{0, 1 << 31}, {testDay, testDay + 1}, {testDay + 1, testDay + 3}} {
			var want, got []uint64
			for _, p := range list {
				if days[0] <= p.day && p.day < days[1] {
					want = append(want, p.seq)
				}
			}
			err := v.Postings(n, days[0], days[1], func(seq uint64) error { got = append(got, seq); return nil })
			if err != nil || !slices.Equal(got, want) {
				return differ(err, "postings of %d in %v: got %v, want %v", n, days, got, want)
			}
		}
	}
	return nil
}

func (o *oracle) checkFind(x *Index) error {
	if x == nil {
		return nil
	}
	for _, e := range o.events {
		day := ledger.DayOf(e.Time)
		if seq, ok, err := x.Find(e.ID, day); err != nil || !ok || seq != e.Seq {
			return differ(err, "find %d: got %d %v", e.Seq, seq, ok)
		}
		if _, ok, err := x.Find(e.ID, day+100); err != nil || ok {
			return differ(err, "find %d on another day: got %v", e.Seq, ok)
		}
		e.ID[15] ^= 0x80
		if _, ok, err := x.Find(e.ID, day); err != nil || ok {
			return differ(err, "find an id that is not there: got %v", ok)
		}
	}
	return nil
}

const testDay = ledger.Day(20_000)

// made is what a test adds: batches of one day each.
type made struct {
	place  Place
	events []Event
}

// source makes batches.
type source struct {
	batch, seq uint64
}

func (s *source) next(t *rapid.T) made {
	day := testDay + ledger.Day(rapid.IntRange(0, 4).Draw(t, "day"))
	count := rapid.IntRange(1, 12).Draw(t, "events")
	m := made{place: Place{
		Batch: s.batch, First: s.seq, Count: uint32(count), Day: day, Segment: uint32(s.batch / 7),
		Offset: int64(s.batch%7) * 1000, EntriesAt: 128, EntriesSize: rapid.Uint32().Draw(t, "size"),
	}}
	for range count {
		e := Event{
			Seq: s.seq, Way: rapid.SampledFrom([]Way{1, 2, 3, 70_000 << wayBits}).Draw(t, "way"),
			Time:    day.Time().Add(time.Duration(rapid.Int64Range(0, dayMicros-1).Draw(t, "time")) * time.Microsecond),
			Records: rapid.IntRange(0, 3).Draw(t, "records"), Unidentified: rapid.IntRange(0, 2).Draw(t, "unidentified"),
			Objects: rapid.IntRange(0, 2).Draw(t, "objects"), Bytes: rapid.Int64Range(0, 1<<40).Draw(t, "bytes"),
		}
		binary.BigEndian.PutUint64(e.ID[4:], s.seq*0x9E3779B97F4A7C15)
		for range rapid.IntRange(0, 6).Draw(t, "numbers") {
			e.Numbers = append(e.Numbers, ledger.Number(rapid.OneOf(rapid.IntRange(1, 30), rapid.IntRange(505, 530), rapid.IntRange(1<<20-2, 1<<20+2)).Draw(t, "number")))
		}
		slices.Sort(e.Numbers)
		e.Numbers = slices.Compact(e.Numbers)
		m.events = append(m.events, e)
		s.seq++
	}
	s.batch++
	return m
}

// add puts a batch into an index and into the oracle.
func (o *oracle) add(x *Index, m made) error {
	if err := x.Batch(m.place); err != nil {
		return err
	}
	o.places = append(o.places, m.place)
	for _, e := range m.events {
		if err := x.Add(e); err != nil {
			return err
		}
		o.events = append(o.events, e)
	}
	return nil
}

// TestAnswers compares an index with the oracle over random histories: buffers that fill up, flushes, runs that are united,
// days that are purged, closing and opening, and views that are kept while all of it goes on.
func TestAnswers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := Options{Dir: "index", Cache: 1 << 20, fs: vfs.NewMem()}
		x, err := Create(o)
		if err != nil {
			t.Fatal(err)
		}
		small := func() {
			x.pairs, x.patience = rapid.IntRange(5, 60).Draw(t, "pairs"), rapid.IntRange(2, 4).Draw(t, "patience")
		}
		small()
		type kept struct {
			*View
			*oracle
		}
		var views []kept
		closeViews := func() {
			for _, k := range views {
				if err := cmp.Or(k.oracle.check(k.View, nil), k.Close()); err != nil {
					t.Fatalf("a kept view: %v", err)
				}
			}
			views = nil
		}
		var s source
		var want oracle
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"add", "add", "add", "add", "flush", "purge", "open", "view"}).Draw(t, "step") {
			case "add":
				err = want.add(x, s.next(t))
			case "flush":
				err = x.Flush()
			case "purge":
				day := testDay + ledger.Day(rapid.IntRange(0, 4).Draw(t, "day"))
				want.purge(day)
				err = x.Purge(day)
			case "open":
				closeViews()
				if err = x.Close(); err == nil {
					x, err = Open(o)
				}
				if err == nil {
					small()
				}
			case "view":
				var v *View
				if v, err = x.View(); err == nil {
					views = append(views, kept{v, want.clone()})
				}
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		closeViews()
		v, err := x.View()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmp.Or(want.check(v, x), v.Close(), x.Close()); err != nil {
			t.Fatal(err)
		}
		o.ReadOnly = true
		if x, err = Open(o); err != nil {
			t.Fatal(err)
		}
		if v, err = x.View(); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(want.check(v, x), v.Close(), x.Close()); err != nil {
			t.Fatalf("for asking only: %v", err)
		}
	})
}
