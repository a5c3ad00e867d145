package people

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	"pgregory.net/rapid"

	"chaperone/ledger"
)

// TestBits compares a set with a map.
func TestBits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Uint32Range(0, 600)
		b, want := NewBits(ledger.Number(number.Draw(t, "limit"))), map[ledger.Number]bool{}
		numbers := func(t *rapid.T) []ledger.Number {
			var list []ledger.Number
			for _, n := range rapid.SliceOfN(number, 0, 40).Draw(t, "numbers") {
				list = append(list, ledger.Number(n))
				want[ledger.Number(n)] = true
			}
			slices.Sort(list)
			return slices.Compact(list)
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				n := ledger.Number(number.Draw(t, "n"))
				b.Add(n)
				want[n] = true
			},
			"add sorted": func(t *rapid.T) { b.AddSorted(numbers(t)) },
			"add range": func(t *rapid.T) {
				from, until := ledger.Number(number.Draw(t, "from")), ledger.Number(number.Draw(t, "until"))
				b.AddRange(from, until)
				for n := from; n < until; n++ {
					want[n] = true
				}
			},
			"or": func(t *rapid.T) {
				o := &Bits{}
				o.AddSorted(numbers(t))
				b.Or(o)
			},
			"or roaring": func(t *rapid.T) {
				r := roaring.New()
				for _, n := range numbers(t) {
					r.Add(uint32(n))
				}
				b.OrRoaring(r)
			},
			"reset": func(t *rapid.T) { b.Reset(); clear(want) },
			"": func(t *rapid.T) {
				if got := b.Len(); got != len(want) {
					t.Fatalf("len: got %d, want %d", got, len(want))
				}
				last := -1
				b.Each(func(n ledger.Number) {
					if !want[n] || !b.Has(n) || int(n) <= last {
						t.Fatalf("%d after %d does not belong here", n, last)
					}
					last = int(n)
				})
				if b.Has(100_000) {
					t.Fatalf("a number far away is in the set")
				}
			},
		})
	})
}

// TestOrRoaring covers all kinds of containers, on top of numbers that are there.
func TestOrRoaring(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	few, many, runs := roaring.New(), roaring.New(), roaring.New()
	for range 1000 {
		few.Add(random.Uint32N(1 << 20))
	}
	for range 400_000 {
		many.Add(random.Uint32N(1 << 20))
	}
	runs.AddRange(70_000, 500_000)
	runs.RunOptimize()
	for _, test := range []struct {
		name string
		r    *roaring.Bitmap
	}{{"none", roaring.New()}, {"few", few}, {"many", many}, {"runs", runs}} {
		t.Run(test.name, func(t *testing.T) {
			for _, limit := range []ledger.Number{0, 1 << 21} {
				b, want := NewBits(limit), test.r.Clone()
				for n := uint32(3); n < 1<<20; n += 1000 {
					b.Add(ledger.Number(n))
					want.Add(n)
				}
				b.OrRoaring(test.r)
				b.OrRoaring(test.r)
				var got []uint32
				b.Each(func(n ledger.Number) { got = append(got, uint32(n)) })
				if !slices.Equal(got, want.ToArray()) {
					t.Errorf("got %d numbers, want %d, or others", len(got), want.GetCardinality())
				}
			}
		})
	}
}
