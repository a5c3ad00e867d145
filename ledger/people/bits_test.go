package people

import (
	"slices"
	"testing"

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
