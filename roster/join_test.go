package roster

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"chaperone"
	"chaperone/ledger"
	"chaperone/patient"
)

// known is what a ledger says of tokens, for tests: tokens by person.
type known map[chaperone.PatientToken]byte

func testTokens() *patient.Tokenizer { return patient.NewTokenizer([32]byte{1}) }

func id(kind chaperone.IdentifierKind, authority, value string) chaperone.PatientToken {
	return testTokens().Token(chaperone.Identifier{Kind: kind, Authority: chaperone.NewPHI(authority), Value: chaperone.NewPHI(value)})
}

func hl7ID(authority, value string) chaperone.PatientToken {
	return id(chaperone.HL7PatientID, authority, value)
}

func dicomID(authority, value string) chaperone.PatientToken {
	return id(chaperone.DICOMPatientID, authority, value)
}

func demographic(name, birth, sex string) chaperone.PatientToken {
	return testTokens().Identify(chaperone.Record{Name: chaperone.NewPHI(name), Birth: chaperone.NewPHI(birth), Sex: chaperone.NewPHI(sex)}).Demographic
}

// ask joins a text with what a ledger knows.
func ask(t rapid.TB, text string, k known, o Options) (lines []string, n *Notice) {
	t.Helper()
	persons := map[byte]bool{}
	for _, p := range k {
		persons[p] = true
	}
	n, err := Join(strings.NewReader(text), Question{
		Options: o, Tokens: testTokens(), Persons: len(persons),
		Affected: func(token chaperone.PatientToken) (ledger.PatientID, bool) {
			p, ok := k[token]
			return ledger.PatientID{p}, ok
		},
	}, func(p *Person, doubt bool) error {
		mark := ""
		if doubt {
			mark = "?"
		}
		lines = append(lines, fmt.Sprintf("%d%s", p.Line, mark))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines, n
}

func TestJoin(t *testing.T) {
	const head = "mrn,authority,last name,first name,dob,sex,address,city,state\n"
	for _, test := range []struct {
		name, text string
		known      known
		options    Options
		lines      string // written; with ? in doubt
		want       string // people named unnamed duplicates doubtful
	}{
		{"nobody is affected", head + "1,,Muster,Erika,,,,,\n", known{hl7ID("", "2"): 1}, Options{}, "", "0 0 1 0 0"},
		{"bare number", head + "1,,Muster,Erika,,,,,\n2,,Probe,Otto,,,,,\n", known{hl7ID("", "2"): 1}, Options{}, "3", "1 1 0 0 0"},
		{"number of its authority", head + "1,A,Muster,Erika,,,,,\n1,B,Probe,Otto,,,,,\n", known{hl7ID("B", "1"): 1}, Options{}, "3", "1 1 0 0 0"},
		{"authority does not say less", head + "1,A,Muster,Erika,,,,,\n", known{hl7ID("", "1"): 1}, Options{}, "", "0 0 1 0 0"},
		{"authority of the options", head + "1,,Muster,Erika,,,,,\n", known{hl7ID("A", "1"): 1}, Options{Authorities: []string{"B", "A"}}, "2", "1 1 0 0 0"},
		{"images without an authority", head + "1,A,Muster,Erika,,,,,\n", known{dicomID("", "1"): 1}, Options{}, "2", "1 1 0 0 0"},
		{"images with an authority", head + "1,A,Muster,Erika,,,,,\n", known{dicomID("A", "1"): 1}, Options{}, "2", "1 1 0 0 0"},
		{"name only", head + ",,Muster,Erika,08/12/1962,female,,,\n", known{demographic("MUSTER^ERIKA", "19620812", "F"): 1}, Options{}, "2", "1 1 0 0 0"},
		{"messages and images of one person", head + "1,A,Muster,Erika,,,,,\n", known{dicomID("", "1"): 1, hl7ID("A", "1"): 2}, Options{}, "2", "1 2 0 0 0"},
		{"duplicate, the last one stands", head + "1,,Muster,Erika,,,,,\n2,,Probe,,,,,,\n1,,muster,erika,,,x,y,IL\n", known{hl7ID("", "1"): 1}, Options{}, "4", "1 1 0 1 0"},
		{"duplicate under another name", head + "1,,Muster,Erika,,,,,\n1,,Probe,Otto,,,,,\n1,,Probe,Otto,,,,,\n", known{hl7ID("", "1"): 1}, Options{}, "2? 4", "1 1 0 2 1"},
		{"another name, and the first again", head + "1,,Muster,,,,,,\n1,,Probe,,,,,,\n1,,Muster,,,,,,\n", known{hl7ID("", "1"): 1}, Options{}, "3? 4", "1 1 0 2 1"},
		{"two numbers of a merged person", head + "1,,Muster,,,,,,\n2,,Muster,,,,,,\n", known{hl7ID("", "1"): 1, hl7ID("", "2"): 1}, Options{}, "3", "1 1 0 1 0"},
		{"not in the roster", head + "1,,Muster,,,,,,\n", known{hl7ID("", "1"): 1, hl7ID("", "2"): 2, hl7ID("", "3"): 3}, Options{}, "2", "1 1 2 0 0"},
		{"a row that joins two others", "mrn,hospital no,last name\n1,,Muster\n2,,Muster\n1,2,Muster\n", known{hl7ID("", "1"): 1, hl7ID("", "2"): 2}, Options{}, "4", "1 2 0 2 0"},
		{"messages", adt1 + adt2 + adt1, known{hl7ID("CLINIC", "1001"): 1, hl7ID("CLINIC", "1002"): 2}, Options{}, "5 7", "2 2 0 1 0"},
		{"social security number", adt1, known{id(chaperone.SSN, "", "999123456"): 1}, Options{}, "1", "1 1 0 0 0"},
		{"resource", resource, known{hl7ID("A", "1001"): 1}, Options{Authorities: []string{"A"}}, "1", "1 1 0 0 0"},
		{"resource by its own system", resource, known{hl7ID("http://clinic.example/mrn", "1001"): 1}, Options{}, "1", "1 1 0 0 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			lines, n := ask(t, test.text, test.known, test.options)
			if got := strings.Join(lines, " "); got != test.lines {
				t.Errorf("got lines %s, want %s", got, test.lines)
			}
			if got := fmt.Sprint(n.People, n.Named, n.Unnamed, n.Duplicates, n.Doubtful); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if len(n.Pairs) != n.Duplicates {
				t.Errorf("got %d pairs of %d duplicates", len(n.Pairs), n.Duplicates)
			}
			for _, pair := range n.Pairs {
				if pair.Stands <= pair.Line {
					t.Errorf("line %d is said to be as line %d, want a later one", pair.Line, pair.Stands)
				}
			}
		})
	}
}

// TestBare: rows that cannot be found by their number are counted, so that it can be said why.
func TestBare(t *testing.T) {
	const head = "mrn,authority,last name\n"
	for _, test := range []struct {
		name, text string
		options    Options
		want       string // rows with a number, and of them those without an authority
	}{
		{"no authority", head + "1,,Muster\n2,,Probe\n", Options{}, "2 2"},
		{"some have one", head + "1,A,Muster\n2,,Probe\n", Options{}, "2 1"},
		{"one of the options", head + "1,,Muster\n", Options{Authorities: []string{"A"}}, "1 0"},
		{"names only", head + ",,Muster\n,,Probe\n", Options{}, "0 0"},
		{"two numbers, one with an authority", "mrn,authority,hospital no,last name\n1,A,2,Muster\n", Options{}, "1 0"},
		{"messages", adt1 + adt2, Options{}, "2 0"},
		{"a resource has a URI, which no message names", resource, Options{}, "1 1"},
		{"a resource with an authority of the options", resource, Options{Authorities: []string{"A"}}, "1 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, n := ask(t, test.text, nil, test.options)
			if got := fmt.Sprint(n.Numbered, n.Bare); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// TestJoinRandom compares with a join that is done the slow way.
func TestJoinRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type row struct{ a, b, name int }
		rows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) row {
			return row{rapid.IntRange(1, 8).Draw(t, "a"), rapid.IntRange(0, 8).Draw(t, "b"), rapid.IntRange(0, 2).Draw(t, "name")}
		}), 1, 12).Draw(t, "rows")
		persons := rapid.SliceOfN(rapid.IntRange(0, 4), 9, 9).Draw(t, "persons") // of each number; 0: not affected
		var text strings.Builder
		text.WriteString("mrn,hospital no,last name,state\n")
		k, all := known{}, map[int]bool{}
		for n := 1; n < 9; n++ {
			if persons[n] > 0 {
				k[hl7ID("", fmt.Sprint(n))] = byte(persons[n])
				all[persons[n]] = true
			}
		}
		of := func(r row) map[int]bool {
			found := map[int]bool{persons[r.a]: true, persons[r.b]: r.b > 0}
			if r.b == 0 {
				found = map[int]bool{persons[r.a]: true}
			}
			delete(found, 0)
			return found
		}
		var groups [][]int // rows by person
		named := map[int]bool{}
		for i, r := range rows {
			b := ""
			if r.b > 0 {
				b = fmt.Sprint(r.b)
			}
			fmt.Fprintf(&text, "%d,%s,Name%c,S%d\n", r.a, b, 'A'+r.name, i)
			mine := of(r)
			if len(mine) == 0 {
				continue
			}
			group := []int{i}
			for p := range mine {
				named[p] = true
			}
			for changed := true; changed; {
				changed = false
				for g := len(groups) - 1; g >= 0; g-- {
					if slices.ContainsFunc(groups[g], func(o int) bool {
						return slices.ContainsFunc(group, func(m int) bool {
							for p := range of(rows[m]) {
								if of(rows[o])[p] {
									return true
								}
							}
							return false
						})
					}) {
						group = append(group, groups[g]...)
						groups = slices.Delete(groups, g, g+1)
						changed = true
					}
				}
			}
			groups = append(groups, group)
		}
		want := map[string]bool{}
		duplicates := 0
		for _, group := range groups {
			last := slices.Max(group)
			want[fmt.Sprint(last+2)] = true
			duplicates += len(group) - 1
			for _, i := range group {
				later := slices.ContainsFunc(group, func(o int) bool { return o > i && rows[o].name == rows[i].name })
				if i != last && !later {
					want[fmt.Sprintf("%d?", i+2)] = true
				}
			}
		}
		lines, n := ask(t, text.String(), k, Options{})
		got := map[string]bool{}
		for _, line := range lines {
			got[line] = true
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if n.People != len(groups) || n.Duplicates != duplicates || n.Named != len(named) || n.Unnamed != len(all)-len(named) {
			t.Errorf("got %d people, %d duplicates, %d and %d persons; want %d, %d, %d and %d",
				n.People, n.Duplicates, n.Named, n.Unnamed, len(groups), duplicates, len(named), len(all)-len(named))
		}
		sum := 0
		for _, r := range n.States {
			sum += r.People
		}
		if sum != n.People {
			t.Errorf("the states have %d people, want %d", sum, n.People)
		}
	})
}

func TestJoinChanged(t *testing.T) {
	first, second := csvText+"1002,Probe,,,,,,,,,,\n", csvText+"1002,Prube,,,,,,,,,,\n"
	q := Question{Tokens: testTokens(), Affected: func(chaperone.PatientToken) (ledger.PatientID, bool) { return ledger.PatientID{}, false }}
	write := func(*Person, bool) error { return nil }
	if _, err := Join(&swapped{strings.NewReader(first), strings.NewReader(second)}, q, write); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("got %v, want that it changed", err)
	}
	if _, err := Join(strings.NewReader(first), q, write); err != nil {
		t.Error(err)
	}
}

// swapped gives another text after the first time that it was sought back.
type swapped struct{ now, then *strings.Reader }

func (s *swapped) Read(b []byte) (int, error) { return s.now.Read(b) }

func (s *swapped) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekStart {
		s.now = s.then
	}
	return s.now.Seek(offset, whence)
}

func TestJoinWriteFails(t *testing.T) {
	broken := errors.New("broken")
	q := Question{Tokens: testTokens(), Persons: 1, Affected: func(chaperone.PatientToken) (ledger.PatientID, bool) { return ledger.PatientID{1}, true }}
	if _, err := Join(strings.NewReader(csvText), q, func(*Person, bool) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v, want the error of write", err)
	}
}

func TestList(t *testing.T) {
	var b bytes.Buffer
	l, err := NewList(&b)
	if err != nil {
		t.Fatal(err)
	}
	evil := "mrn,authority,last name,first name,address,city,state,zip,phone\n" +
		"=1+1,@A,\"+Muster\",\"-Erika\",\"=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\",\"@Chur\",=IL,-1,+1 555 0100\n"
	for _, doubt := range []bool{false, true} {
		if _, err := Read(strings.NewReader(evil), Options{}, func(p *Person) error { return l.Write(p, doubt) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(rows) != 3 {
		t.Fatalf("got %d rows and %v", len(rows), err)
	}
	want := `'+Muster|'-Erika|||'=HYPERLINK("http://x","y")|'@Chur|'=IL|'-1|'+1 555 0100|'=1+1 (@A)|2|`
	if got := strings.Join(rows[1], "|"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := rows[2][11]; got == "" || rows[0][11] != "look at it" {
		t.Error("a row in doubt has no mark")
	}
	for cell, want := range map[string]string{"\tx": "'\tx", "\rx": "'\rx", "x=": "x=", "": "", "'=": "'="} {
		if got := safe(cell); got != want {
			t.Errorf("%q: got %q, want %q", cell, got, want)
		}
	}
}

// joinAll joins a roster everybody in which is affected, by number.
func joinAll(text string, persons int, seen map[string]bool) (*Notice, error) {
	ids := map[chaperone.PatientToken]ledger.PatientID{}
	for i := range persons {
		ids[hl7ID("", fmt.Sprint(i))] = ledger.PatientID{1, byte(i >> 8), byte(i)}
	}
	return Join(strings.NewReader(text), Question{
		Tokens: testTokens(), Persons: persons,
		Affected: func(token chaperone.PatientToken) (id ledger.PatientID, ok bool) { id, ok = ids[token]; return id, ok },
	}, func(p *Person, _ bool) error {
		seen[p.Record.Identifiers[0].Value.Reveal()] = true // invented
		return nil
	})
}
