package roster

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func TestDuty(t *testing.T) {
	for _, test := range []struct {
		people           int
		media, secretary bool
	}{{0, false, false}, {499, false, false}, {500, false, true}, {501, true, true}, {502, true, true}} {
		if got := MediaNotice(test.people); got != test.media {
			t.Errorf("%d residents: got media notice %t, want %t", test.people, got, test.media)
		}
		if got := SecretaryNow(test.people); got != test.secretary {
			t.Errorf("%d individuals: got the Secretary now %t, want %t", test.people, got, test.secretary)
		}
	}
}

func summary(t *testing.T, n *Notice) string {
	t.Helper()
	var b bytes.Buffer
	if err := n.Summary(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestSummary(t *testing.T) {
	for _, test := range []struct {
		name            string
		notice          Notice
		media, perhaps  bool
		now, look, year bool
	}{
		{"499", Notice{People: 499, States: []Residents{{"IL", 499}}}, false, false, false, false, true},
		{"500", Notice{People: 500, States: []Residents{{"IL", 500}}}, false, false, true, false, false},
		{"501", Notice{People: 501, States: []Residents{{"IL", 501}}}, true, false, true, false, false},
		{"500 and one nowhere", Notice{People: 501, States: []Residents{{"", 1}, {"IL", 500}}}, false, true, true, false, false},
		{"499 and one unnamed", Notice{People: 499, Unnamed: 1, States: []Residents{{"IL", 499}}}, false, false, true, false, false},
		{"499 and two unnamed", Notice{People: 499, Unnamed: 2, States: []Residents{{"IL", 499}}}, false, true, true, false, false},
		{"499 and one in doubt", Notice{People: 499, Duplicates: 1, Doubtful: 1, States: []Residents{{"IL", 499}}}, false, false, false, true, false},
		{"501 in two states", Notice{People: 501, States: []Residents{{"IL", 250}, {"NY", 251}}}, false, false, true, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := summary(t, &test.notice)
			for what, want := range map[string]bool{
				"media notice (45": test.media, "media notice if": test.perhaps, "164.408(b)": test.now, "in doubt; look": test.look, "end of the year": test.year,
			} {
				if got := strings.Contains(text, what); got != want {
					t.Errorf("got %q %t, want %t, in\n%s", what, got, want, text)
				}
			}
		})
	}
}

// TestSummaryHides puts marked data everywhere, also in the place of a state: none of it is in the summary.
func TestSummaryHides(t *testing.T) {
	text := "mrn,last name,first name,dob,address,city,state,zip,phone\n"
	k := known{}
	for i := range 30 {
		text += fmt.Sprintf("MARK%d,MARKname,x%d,MARK,MARK,MARK,MARK%d,MARK,MARK\n", i%20, i, i)
		k[hl7ID("", fmt.Sprintf("MARK%d", i%20))] = byte(i % 20)
	}
	text += ",,,,,,,MARK,\n,MARK,MARK\nMARK,1,2,3,4,5,6,7,8,9,MARK\n"
	_, n := ask(t, text, k, Options{})
	if n.People != 20 || n.Doubtful != 10 || n.Bad != 3 {
		t.Fatalf("got %d people, %d in doubt, %d bad rows", n.People, n.Doubtful, n.Bad)
	}
	if got := summary(t, n); strings.Contains(got, "MARK") || !strings.Contains(got, "line 2: the same number, but another name") {
		t.Errorf("got\n%s", got)
	}
}

// TestThreshold goes all the way from a roster to the rule.
func TestThreshold(t *testing.T) {
	for people, want := range map[int]string{499: "end of the year", 500: "164.408(b)", 501: "media notice (45 CFR 164.406)"} {
		var text strings.Builder
		text.WriteString("mrn,last name,state\n")
		for i := range people {
			fmt.Fprintf(&text, "%d,Muster,IL\n%d,Muster,Illinois\n", i, i) // everybody twice
		}
		seen := map[string]bool{}
		n, err := joinAll(text.String(), people, seen)
		if err != nil {
			t.Fatal(err)
		}
		got := summary(t, n)
		if n.People != people || n.Duplicates != people || len(seen) != people || !strings.Contains(got, want) {
			t.Errorf("%d people: got %d, %d duplicates, %d written, and\n%s", people, n.People, n.Duplicates, len(seen), got)
		}
		if media := strings.Contains(got, "media notice"); media != (people > 500) {
			t.Errorf("%d people: got media notice %t", people, media)
		}
	}
}
