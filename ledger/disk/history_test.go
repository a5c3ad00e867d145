package disk

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"chaperone/ledger"
)

// Every piece of work is given to one worker, large pieces first.
func TestPortions(t *testing.T) {
	for _, test := range []struct {
		work, workers int
		want          []int
	}{
		{0, 2, nil},
		{1, 1, []int{1}},
		{64, 2, []int{64}},
		{65, 2, []int{64, 1}},
		{600, 1, []int{300, 150, 75, 64, 11}},
		{1000, 2, []int{250, 187, 140, 105, 79, 64, 64, 64, 47}},
	} {
		p := portions{rest: test.work, workers: test.workers}
		var got []int
		at := 0
		for from, until := p.next(); from < until; from, until = p.next() {
			if from != at {
				t.Errorf("%d for %d: a piece begins with %d, want %d", test.work, test.workers, from, at)
			}
			got = append(got, until-from)
			at = until
		}
		if !slices.Equal(got, test.want) || at != test.work {
			t.Errorf("%d for %d: got pieces %v, want %v", test.work, test.workers, got, test.want)
		}
	}
}

func TestSortPeople(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 40 {
		people := make([]ledger.PatientID, n)
		for i := range people {
			people[i][random.IntN(16)] = byte(random.IntN(3)) // many begin alike
			people[i][random.IntN(16)] = byte(random.IntN(256))
		}
		want := slices.SortedFunc(slices.Values(people), func(a, b ledger.PatientID) int { return bytes.Compare(a[:], b[:]) })
		if sortPeople(people); !slices.Equal(people, want) {
			t.Errorf("%d people: got %v, want %v", n, people, want)
		}
	}
}
