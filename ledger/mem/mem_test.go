package mem_test

import (
	"flag"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/mem"
	"chaperone/ledger/storetest"
	"chaperone/patient"
)

var histories = flag.Int("histories", 200, "random histories to live through")

func open(*testing.T) storetest.Opened {
	s := mem.New()
	return storetest.Opened{Store: s, Purge: func(day ledger.Day) error { return s.Purge(day, time.Now()) }}
}

func TestStore(t *testing.T) { storetest.Run(t, open) }

func TestHistories(t *testing.T) { storetest.Histories(t, *histories, open) }

// TestCensus: the counts are those of patient.Census, which was written apart from this package.
func TestCensus(t *testing.T) {
	numbers := rapid.SliceOfN(rapid.SampledFrom([]byte("ABCDEFGHIJKLMN")), 1, 2)
	name := rapid.SampledFrom([]byte{0, 0, 'x', 'y', 'z'})
	tokens := func(letters []byte) (list []chaperone.PatientToken) {
		for _, l := range letters {
			list = append(list, chaperone.PatientToken{l})
		}
		return list
	}
	begin := time.Unix(1e9, 0)
	rapid.Check(t, func(t *rapid.T) {
		s, census := mem.New(), patient.NewCensus()
		var some, all []patient.Node
		for n := range rapid.IntRange(1, 25).Draw(t, "batches") {
			var b ledger.Batch
			d := ledger.Disclosure{Disclosure: chaperone.Disclosure{ID: [16]byte{1, byte(n)}, Time: begin.Add(time.Duration(n%2) * time.Hour), Protocol: "p", Action: "a", Outcome: chaperone.Unknown}}
			for range rapid.IntRange(0, 3).Draw(t, "covered") {
				c := ledger.Covered{Demographic: chaperone.PatientToken{name.Draw(t, "name")}}
				if c.Weak() && c.Demographic == (chaperone.PatientToken{}) || rapid.Bool().Draw(t, "number") {
					c.Numbers = tokens(numbers.Draw(t, "numbers"))
				}
				node, _ := census.Add(patient.Identity{Numbers: c.Numbers, Demographic: c.Demographic})
				all = append(all, node)
				if n%2 == 0 {
					some = append(some, node)
				}
				d.Covered = append(d.Covered, c)
			}
			b.Disclosures = []ledger.Disclosure{d}
			for range rapid.IntRange(0, 1).Draw(t, "merges") {
				m := ledger.Merge{Survivor: tokens(numbers.Draw(t, "survivor")), Prior: tokens(numbers.Draw(t, "prior")), Undo: rapid.Bool().Draw(t, "undo"),
					At: begin.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "at")) * time.Second)}
				census.Merge(m.Survivor, m.Prior, m.Undo, m.At)
				b.Merges = append(b.Merges, m)
			}
			if _, err := s.Record(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		for _, test := range []struct {
			name  string
			q     ledger.Query
			nodes []patient.Node
		}{{"all", ledger.Query{}, all}, {"some", ledger.Query{Until: begin.Add(time.Hour)}, some}} {
			scope, err := s.Scope(t.Context(), test.q)
			if err != nil {
				t.Fatal(err)
			}
			got := patient.Counts{Patients: scope.Patients, Weak: scope.Weak, Unmerged: scope.Unmerged, Min: scope.Min, Max: scope.Max}
			if want := census.CountsOf(test.nodes); got != want {
				t.Fatalf("%s: got %+v, want %+v", test.name, got, want)
			}
		}
	})
}
