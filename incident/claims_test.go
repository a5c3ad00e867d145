package incident

import (
	"strings"
	"testing"

	"chaperone"
	"chaperone/patient"
)

// rows gives the matches of a table: a row's nodes are letters with a comma between them, rows are apart by blanks.
func (s *scene) rows(text string) [][]patient.Node {
	var matches [][]patient.Node
	for _, row := range strings.Fields(text) {
		matches = append(matches, s.nodes(strings.ReplaceAll(row, ",", " ")))
	}
	return matches
}

// TestProve: how many people are behind the rows of a table. One number may be that of two patients of the census.
func TestProve(t *testing.T) {
	for _, test := range []struct {
		name   string
		census string
		rows   string
		want   int
	}{
		{"nobody", "A B", "", 0},
		{"one row", "A B", "A", 1},
		{"two rows", "A B", "A B", 2},
		{"one person twice", "A B", "A A", 1},
		{"two numbers of one person", "AB", "A B", 1},
		{"one number of two patients: one person's", "A B", "A,B", 1},
		{"one number of two patients, twice", "A B", "A,B A,B", 1},
		{"rows that share a patient", "A B C", "A,B B,C", 1},
		{"rows that share a patient, the shared one first", "A B C", "B B,A B,C", 1},
		{"rows that a later one joins", "A B C D", "A,B C,D B,C", 1},
		{"rows that a later one joins, one after the other", "A B C D", "A B C D A,B C,D", 2},
		{"groups that are joined twice", "A B C D E", "A,B C,D B,C D,E A,E", 1},
		{"a joined group does not come back", "A B C D E", "A B A,B C A,C D", 2},
		{"a row that was known, and somebody new", "A B C", "A A,B C", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScene()
			s.nodes(test.census)
			c := Claim{Matches: s.rows(test.rows)}
			if c.Prove(s.Census); c.Proven != test.want {
				t.Errorf("got %d people, want %d", c.Proven, test.want)
			}
		})
	}
}

// TestProveMerged: people that the census joins are one, whenever it learnt so.
func TestProveMerged(t *testing.T) {
	s := newScene()
	c := Claim{Matches: s.rows("A B C")}
	s.Census.Merge([]chaperone.PatientToken{{'A'}}, []chaperone.PatientToken{{'B'}}, false, entered)
	if c.Prove(s.Census); c.Proven != 2 {
		t.Errorf("got %d people, want 2", c.Proven)
	}
}

// TestClaims: how many of a table's people are among those who were taken; a story's claims are not the caller's.
func TestClaims(t *testing.T) {
	for _, test := range []struct {
		name  string
		rows  string
		taken string
		want  int
	}{
		{"all", "A B C", "A B C", 3},
		{"some", "A B C", "B D", 1},
		{"none", "A B C", "D", 0},
		{"nobody was taken", "A B", "", 0},
		{"one number of two patients, one of them taken", "A,B C", "A", 1},
		{"one number of two patients, both taken", "A,B C", "A B", 1},
		{"two rows of one person", "A B", "AB", 1},
		{"a row of two, of whom one has another row", "A,B B", "B", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScene()
			s.guessedIn()
			s.nodes(test.taken) // first, so that the census knows what belongs together
			s.Claims = []Claim{{Matches: s.rows(test.rows), Taken: 77}, {Matches: s.rows("Z")}}
			s.passed(night(1, 0), archive, viewer, viewer, "A B C Z")
			if test.taken != "" {
				s.passed(night(3, 0), archive, gate, gate, test.taken)
			}
			story := s.build()
			if got := story.Claims[0].Taken; got != test.want {
				t.Errorf("got %d taken, want %d", got, test.want)
			}
			if got := story.Claims[1].Taken; got != 0 {
				t.Errorf("got %d taken of the other table, want none", got)
			}
			if s.Claims[0].Taken != 77 {
				t.Error("the evidence's claims were changed")
			}
		})
	}
}

// TestOffered: what the last stage says.
func TestOffered(t *testing.T) {
	early, late := entered.Add(days(1)), entered.Add(days(2))
	for _, test := range []struct {
		name    string
		claims  []Claim
		want    string
		because string
	}{
		{name: "nothing"},
		{name: "a table without an offer", claims: []Claim{{Dump: "dump.csv", Rows: 9, Proven: 9, Posted: early}}},
		{name: "a price", claims: []Claim{{Price: "300 BTC", Posted: early}}, want: "The records are offered for 300 BTC. 7 to 7", because: "its author is not known"},
		{name: "a number", claims: []Claim{{Claimed: 48_000, Posted: early}}, want: "The records are offered. 7 to 7", because: "its author is not known"},
		{name: "a place", claims: []Claim{{Claimed: 48_000, Place: "a market", Posted: early}}, want: "The records are offered at a market. 7 to 7", because: "its author is not known"},
		{name: "its numbers are those of patients", claims: []Claim{{Price: "300 BTC", Proven: 1, Posted: early}}, want: "The records are offered for 300 BTC. 7 to 7", because: "are those of patients in this evidence"},
		{name: "two, the later one first", claims: []Claim{{Price: "3 BTC", Posted: late}, {Price: "2 BTC", Posted: early}}, want: "The records are offered for 2 BTC. 7 to 8", because: "its author is not known"},
		{name: "two, one without a date",
			claims: []Claim{{Price: "3 BTC", Posted: late}, {Price: "2 BTC"}}, want: "The records are offered for 2 BTC. 8 to 8", because: "its author is not known"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScene()
			s.guessedIn()
			s.Claims = test.claims
			step := s.build().Steps[8]
			got := ""
			if step.Found {
				got = step.Says + step.First.Format(" 2") + step.Last.Format(" to 2")
			}
			if got != test.want || !strings.Contains(step.Because, test.because) {
				t.Errorf("got %q because %q, want %q because %s", got, step.Because, test.want, test.because)
			}
			if step.Found && step.Belief != Inferred {
				t.Errorf("got %s, want inferred: nobody saw who offers it", step.Belief)
			}
		})
	}
}
