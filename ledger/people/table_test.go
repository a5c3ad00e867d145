package people

import (
	"slices"
	"sync"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
)

// TestNew: only what is new is called new, and numbers that are not known say nothing.
func TestNew(t *testing.T) {
	table := New()
	a, b, c := table.Add(tokenOf('n', 1), false), table.Add(tokenOf('n', 2), false), table.Add(tokenOf('n', 3), true)
	merge := func(x, y ledger.Number, undo bool, at int64) bool {
		return table.Merge([]ledger.Number{x}, []ledger.Number{y}, undo, time.UnixMicro(at))
	}
	unknown := ledger.Number(1 << 30)
	for _, test := range []struct {
		name      string
		got, want bool
	}{
		{"join", table.Join(a, b), true},
		{"join again, turned", table.Join(b, a), false},
		{"join with itself", table.Join(a, a), false},
		{"join with none", table.Join(a, 0), false},
		{"join with unknown", table.Join(unknown, a), false},
		{"first of a demographic", table.Alike(tokenOf('d', 1), a), true},
		{"the same", table.Alike(tokenOf('d', 1), a), false},
		{"alike by a join", table.Alike(tokenOf('d', 1), b), false},
		{"another one", table.Alike(tokenOf('d', 1), c), true},
		{"no demographic", table.Alike(chaperone.PatientToken{}, c), false},
		{"demographic of unknown", table.Alike(tokenOf('d', 2), unknown), false},
		{"merge", merge(a, c, false, 5), true},
		{"merge again, turned", merge(c, a, false, 5), false},
		{"undo of before", merge(a, c, true, 4), false},
		{"undo of the same time", merge(a, c, true, 5), true},
		{"undo of later", merge(a, c, true, 6), true},
		{"merge with itself", merge(a, a, false, 9), false},
		{"merge with unknown", merge(a, unknown, false, 9), false},
	} {
		if test.got != test.want {
			t.Errorf("%s: got %t, want %t", test.name, test.got, test.want)
		}
	}
	if !table.Weak(c) || table.Weak(a) || table.Weak(unknown) {
		t.Error("weak: not the one that was added so")
	}
	if (table.Token(0) != chaperone.PatientToken{}) || (table.Token(unknown) != chaperone.PatientToken{}) {
		t.Error("a number that is not known has a token")
	}
	if got := table.Everybody(unknown); got != nil {
		t.Errorf("everybody of unknown: got %v, want none", got)
	}
	far := NewBits(0)
	far.AddRange(0, 1000)
	if got, want := table.Answer(far), (Counts{Patients: 2, Weak: 1, Unmerged: 2, Min: 1, Max: 3}); got != want {
		t.Errorf("numbers that are not known: got %+v, want %+v", got, want)
	}
}

// TestChain: groups that were joined in the worst order are flat when asked.
func TestChain(t *testing.T) {
	const n = 20_000
	table := New()
	for i := range n {
		table.Add(tokenOf('n', i), false)
	}
	for i := ledger.Number(n); i > 1; i-- {
		table.Join(i-1, i)
	}
	all := NewBits(n)
	all.AddRange(1, n+1)
	if got, want := table.Answer(all), (Counts{Patients: 1, Unmerged: 1, Min: 1, Max: n}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := len(table.Everybody(n / 2)); got != n {
		t.Errorf("everybody: got %d, want %d", got, n)
	}
}

// TestReaders asks from many goroutines at once, right after statements: what is prepared is prepared once.
func TestReaders(t *testing.T) {
	table := crowd(3000, 1)
	for round := range 20 {
		n := table.Add(tokenOf('r', round), false)
		table.Join(n, ledger.Number(round+1))
		table.Merge([]ledger.Number{n}, []ledger.Number{ledger.Number(100 * (round + 1))}, false, time.UnixMicro(9))
		all := NewBits(0)
		all.AddRange(1, n+1)
		var wait sync.WaitGroup
		var answers [4]Counts
		var groups [4][]ledger.Number
		for i := range answers {
			wait.Go(func() {
				answers[i] = table.Answer(all)
				groups[i] = table.Everybody(n)
				table.PersonsOf(all, func(ledger.Number) {})
			})
		}
		wait.Wait()
		for i := range answers {
			if answers[i] != answers[0] || !slices.Equal(groups[i], groups[0]) {
				t.Fatalf("two readers differ: got %+v, want %+v", answers[i], answers[0])
			}
		}
	}
}
