package patient

import (
	"slices"
	"strings"
	"testing"

	"chaperone"
)

// TestCountsOf: the numbers for some people only, though all are in one census.
func TestCountsOf(t *testing.T) {
	for _, test := range []struct {
		name  string
		lines string // of the census
		of    string // tokens
		want  Counts
	}{
		{"nobody", "A B", "", Counts{}},
		{"one of two", "A B", "A", Counts{Patients: 1, Unmerged: 1, Min: 1, Max: 1}},
		{"one twice", "A B", "AA", Counts{Patients: 1, Unmerged: 1, Min: 1, Max: 1}},
		{"all", "A B", "AB", Counts{Patients: 2, Unmerged: 2, Min: 2, Max: 2}},
		{"two numbers of one", "AB C", "AB", Counts{Patients: 1, Unmerged: 1, Min: 1, Max: 2}},
		{"one of the two numbers of one: both are theirs", "AB C", "A", Counts{Patients: 1, Unmerged: 1, Min: 1, Max: 2}},
		{"merged", "A B C A<B@1", "AB", Counts{Patients: 1, Unmerged: 2, Min: 1, Max: 2}},
		{"merged, one of them passed", "A B C A<B@1", "B", Counts{Patients: 1, Unmerged: 1, Min: 1, Max: 2}},
		{"merged and parted", "A B A<B@1 A|B@2", "AB", Counts{Patients: 2, Unmerged: 2, Min: 2, Max: 2}},
		{"of one name", "Ax Bx C", "AB", Counts{Patients: 2, Unmerged: 2, Min: 1, Max: 2}},
		{"of one name, one of them passed", "Ax Bx C", "A", Counts{Patients: 1, Unmerged: 1, Min: 1, Max: 1}},
		{"weak", "x y A", "xA", Counts{Patients: 2, Weak: 1, Unmerged: 2, Min: 2, Max: 2}},
		{"nobody weak among them", "x y A", "A", Counts{Patients: 1, Unmerged: 1, Min: 1, Max: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := NewCensus()
			for _, line := range strings.Fields(test.lines) {
				act(c, line)
			}
			var nodes []Node
			for _, letter := range []byte(test.of) {
				n, ok := c.Find(token(letter))
				if !ok {
					t.Fatalf("%c is not in the census", letter)
				}
				nodes = append(nodes, n)
			}
			if got := c.CountsOf(nodes); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			var everybody []Node
			for n := range c.tokens {
				everybody = append(everybody, Node(n))
			}
			if got, want := c.CountsOf(everybody), c.Counts(); got != want {
				t.Errorf("of everybody: got %+v, want %+v", got, want)
			}
		})
	}
}

// TestFind: a token that passed has a node, also one that was only merged; another has none, and asking makes none.
func TestFind(t *testing.T) {
	c := NewCensus()
	for _, line := range []string{"AB", "Cx", "y", "A<D@1"} {
		act(c, line)
	}
	for letter, want := range map[byte]bool{'A': true, 'B': true, 'C': true, 'D': true, 'y': true, 'x': false, 'E': false} {
		n, ok := c.Find(token(letter))
		if ok != want {
			t.Errorf("%c: got %t, want %t", letter, ok, want)
		}
		if ok && c.Token(n) != token(letter) {
			t.Errorf("%c: got the node of another", letter)
		}
	}
	if got := c.Counts(); got.Max != 5 {
		t.Errorf("got %d identifiers after asking, want 5", got.Max)
	}
}

// TestNumbers: a bare number, as a list has it, may be that of every kind and authority that was met, and of no other.
func TestNumbers(t *testing.T) {
	tokens := NewTokenizer([32]byte{1})
	value := func(v string) chaperone.PHI { return chaperone.NewPHI(v) }
	if got := tokens.Numbers(value("123")); len(got) != 0 {
		t.Errorf("got %d tokens before anybody was met, want none", len(got))
	}
	hl7, lab, dicom := id(chaperone.HL7PatientID, "CLINIC", "1"), id(chaperone.HL7PatientID, "LAB", "2"), id(chaperone.DICOMPatientID, "CLINIC", "3")
	tokens.Identify(chaperone.Record{Identifiers: []chaperone.Identifier{hl7, lab}, Alternates: []chaperone.Identifier{id(chaperone.SSN, "", "9")}, Name: value("DOE^JANE")})
	tokens.Identify(chaperone.Record{Identifiers: []chaperone.Identifier{dicom, id(chaperone.HL7PatientID, "CLINIC", "4")}})
	got := tokens.Numbers(value("123"))
	want := []chaperone.PatientToken{
		tokens.Token(id(chaperone.HL7PatientID, "CLINIC", "123")),
		tokens.Token(id(chaperone.HL7PatientID, "LAB", "123")),
		tokens.Token(id(chaperone.DICOMPatientID, "CLINIC", "123")),
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %d tokens %v, want %v", len(got), got, want)
	}
	for _, d := range tokens.domains {
		if !d.Value.Empty() {
			t.Error("the number of a patient is kept with its authority")
		}
	}
	if slices.Equal(NewTokenizer([32]byte{2}).Numbers(value("123")), got) {
		t.Error("a tokenizer that met nobody gives the same tokens")
	}
}

// TestNumbersBound: senders put anything into the authority.
func TestNumbersBound(t *testing.T) {
	tokens := NewTokenizer([32]byte{1})
	for i := range 1000 {
		tokens.Identify(chaperone.Record{Identifiers: []chaperone.Identifier{id(chaperone.HL7PatientID, strings.Repeat("A", i), "1")}})
	}
	if got := len(tokens.Numbers(chaperone.NewPHI("1"))); got != maxDomains {
		t.Errorf("got %d tokens, want %d", got, maxDomains)
	}
}
