package budget

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// oracle is the book as one would explain it: every delivery is kept, every question goes over all of them.
type oracle struct {
	latest int64
	events map[Key][]event
}

type event struct {
	hour    int64
	patient uint32 // 0: a record without identity
}

func (o *oracle) count(key Key, w Window, hour int64) int {
	hour = max(hour, o.latest)
	patients, nobodies := map[uint32]bool{}, 0
	for _, e := range o.events[key] {
		if e.hour >= hour-w.span() {
			if e.patient == 0 {
				nobodies++
			} else {
				patients[e.patient] = true
			}
		}
	}
	return len(patients) + nobodies
}

func (o *oracle) usual(key Key, hour int64) (h Habit) {
	today := max(hour, o.latest) / 24
	for day := today - 30; day <= today; day++ {
		patients, nobodies := map[uint32]bool{}, 0
		for _, e := range o.events[key] {
			if e.hour/24 == day && e.patient == 0 {
				nobodies++
			} else if e.hour/24 == day {
				patients[e.patient] = true
			}
		}
		n := len(patients) + nobodies
		if day == today {
			h.Today = n
		} else if n > 0 {
			h.Most, h.Days = max(h.Most, n), h.Days+1
		}
	}
	return h
}

func (o *oracle) add(key Key, hour int64, patients []uint32, unidentified int) {
	for _, p := range append(make([]uint32, unidentified), patients...) {
		o.events[key] = append(o.events[key], event{hour, p})
	}
}

// charge says what the rules say: all or nothing, in the latest hour.
func (o *oracle) charge(hour int64, keys []Keyed, patients []uint32, unidentified int) (Cause, bool) {
	if hour > o.latest+1 {
		return Leapt, false
	}
	latest := max(hour, o.latest)
	o.latest = latest
	before := map[Key]int{}
	for _, k := range keys {
		before[k.Key] = len(o.events[k.Key])
	}
	counts := func() (n [][windows]int) {
		for _, k := range keys {
			var row [windows]int
			for w := Hour; w <= Year; w++ {
				row[w] = o.count(k.Key, w, latest)
			}
			n = append(n, row)
		}
		return n
	}
	old := counts()
	for key := range before {
		o.add(key, latest, patients, unidentified)
	}
	fits := true
	for i, row := range counts() {
		for w, n := range row {
			limit := keys[i].Limits[w]
			fits = fits && (limit == 0 || n == old[i][w] || n <= limit)
		}
	}
	if !fits {
		for key, n := range before {
			o.events[key] = o.events[key][:n]
		}
		return Exceeded, false
	}
	return 0, true
}

var testKeys = []Key{"party a", "party b", "group g", "site s"}

func at(hour int64) time.Time { return time.Unix(hour*3600+1799, 0) }

// start is an hour in the middle of a day, far enough from 1970 for a year before it.
const start = 490_003

func drawHour(t *rapid.T, from int64) int64 {
	step := rapid.OneOf(rapid.Int64Range(-2, 2), rapid.Int64Range(-30, 30), rapid.SampledFrom([]int64{-24, 24, 23, 25, 719, 720, 721, 8759, 8760, 8761, 20_000}))
	return from + step.Draw(t, "hours")
}

func drawPatients(t *rapid.T) []uint32 {
	return rapid.SliceOfN(rapid.Uint32Range(0, 12), 0, 5).Draw(t, "patients")
}

func drawKeys(t *rapid.T) (keys []Keyed) {
	for _, key := range rapid.SliceOfN(rapid.SampledFrom(testKeys), 0, 5).Draw(t, "keys") {
		var limits Limits
		for w := range limits {
			limits[w] = rapid.SampledFrom([]int{0, 0, 1, 3, 6, 10, 20}).Draw(t, "limit")
		}
		keys = append(keys, Keyed{key, limits})
	}
	return keys
}

func agree(t *rapid.T, b *Book, o *oracle) {
	for _, key := range testKeys {
		for _, ahead := range []int64{-25, 0, 1, 24, 700, 9000} {
			for w := Hour; w <= Year; w++ {
				if got, want := b.Count(key, w, at(o.latest+ahead)), o.count(key, w, o.latest+ahead); got != want {
					t.Fatalf("%s in %s, %d hours ahead: got %d, want %d", key, w, ahead, got, want)
				}
			}
			if got, want := b.Usual(key, at(o.latest+ahead)), o.usual(key, o.latest+ahead); got != want {
				t.Fatalf("what is usual for %s, %d hours ahead: got %+v, want %+v", key, ahead, got, want)
			}
		}
	}
}

// TestOracle plays histories with clocks that jump, and compares every count after every step.
func TestOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, o := New(at(start)), &oracle{latest: start, events: map[Key][]event{}}
		for range rapid.IntRange(0, 12).Draw(t, "loads") {
			hour, key := drawHour(t, start), rapid.SampledFrom(testKeys).Draw(t, "key")
			patients, nobodies := drawPatients(t), rapid.IntRange(0, 2).Draw(t, "unidentified")
			b.Load(key, hour, patients, nobodies)
			o.latest = max(o.latest, hour)
			o.add(key, hour, patients, nobodies)
			agree(t, b, o)
		}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			hour := drawHour(t, o.latest)
			if rapid.IntRange(0, 5).Draw(t, "kind") == 0 {
				b.Advance(at(hour))
				o.latest = max(o.latest, hour)
				agree(t, b, o)
				continue
			}
			keys, patients, nobodies := drawKeys(t), drawPatients(t), rapid.IntRange(0, 2).Draw(t, "unidentified")
			over := b.Charge(at(hour), keys, patients, nobodies)
			cause, ok := o.charge(hour, keys, patients, nobodies)
			if ok != (over == nil) || over != nil && over.Cause != cause {
				t.Fatalf("charge: got %v, want charged %t, cause %d", over, ok, cause)
			}
			if over != nil && over.Cause == Exceeded && over.Count <= over.Limit {
				t.Fatalf("refused at %d of %d", over.Count, over.Limit)
			}
			if got := b.Latest().Unix() / 3600; got != o.latest {
				t.Fatalf("latest hour: got %d, want %d", got, o.latest)
			}
			agree(t, b, o)
		}
	})
}

// TestLoadOrder loads what was charged, shuffled and in pieces, into another book: both must be the same.
func TestLoadOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		charged, hour := New(at(start)), int64(start)
		type piece struct {
			key      Key
			hour     int64
			patients []uint32
			nobodies int
		}
		var pieces []piece
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			hour += rapid.SampledFrom([]int64{0, 0, 1, 5, 24, 300}).Draw(t, "hours")
			charged.Advance(at(hour))
			patients, nobodies := drawPatients(t), rapid.IntRange(0, 2).Draw(t, "unidentified")
			for _, k := range drawKeys(t)[:] {
				if over := charged.Charge(at(hour), []Keyed{{Key: k.Key}}, patients, nobodies); over != nil {
					t.Fatal(over)
				}
				pieces = append(pieces, piece{k.Key, hour, patients, nobodies})
			}
		}
		loaded := New(at(start))
		for _, p := range rapid.Permutation(pieces).Draw(t, "order") {
			loaded.Load(p.key, p.hour, p.patients, p.nobodies)
		}
		charged.Advance(at(hour))
		loaded.Advance(at(hour))
		for _, key := range testKeys {
			for ahead := range int64(3) {
				for w := Hour; w <= Year; w++ {
					if got, want := loaded.Count(key, w, at(hour+40*ahead)), charged.Count(key, w, at(hour+40*ahead)); got != want {
						t.Fatalf("%s in %s: got %d, want %d", key, w, got, want)
					}
				}
				if got, want := loaded.Usual(key, at(hour+40*ahead)), charged.Usual(key, at(hour+40*ahead)); got != want {
					t.Fatalf("what is usual for %s: got %+v, want %+v", key, got, want)
				}
			}
		}
	})
}

// TestTable compares the table of last hours with a map, through growing, splitting and forgetting.
func TestTable(t *testing.T) {
	for _, spread := range []uint32{1, 977, 1 << 12} {
		t.Run(fmt.Sprint(spread), func(t *testing.T) {
			var got table
			want := map[uint32]int64{}
			const n = 200_000
			for i := range uint32(n) {
				patient, hour := 1+(i*7919%n)*spread, int64(i/100)
				got.put(patient, hour, 0)
				want[patient] = hour
			}
			if len(got.parts) < 8 {
				t.Errorf("%d parts: nothing was split", len(got.parts))
			}
			for patient, hour := range want {
				if last := got.last(patient); last != hour {
					t.Fatalf("patient %d: got hour %d, want %d", patient, last, hour)
				}
				if last := got.last(patient ^ 1<<31); last != never {
					t.Fatalf("a patient who never came: got hour %d", last)
				}
			}
			for i := range uint32(n) { // as many others, when the first are in no window any more
				got.put(1<<31+i, 1e6, 1e6)
			}
			size := 0
			for i, p := range got.parts {
				if i == 0 || p != got.parts[i-1] {
					size += len(p.slots)
				}
			}
			if size > 2*n {
				t.Errorf("%d slots for %d patients: the old ones were not forgotten", size, n)
			}
		})
	}
}
