package site

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// TestGroupNames: what wards are really called can be a group, in every place of the file, and is written as it was read.
func TestGroupNames(t *testing.T) {
	for _, name := range []string{"radiology", "W3", "w3", "Intensiv/Süd", "2 Ost", "0815", "A&E", "St. Anna (1. OG)", "Ward: 4", "#7", "[x]", "yes", "Хирургия", "外科", "Ü", strings.Repeat("ä", 64)} {
		s := parse(t, fmt.Sprintf("site: a\ninside: [10.0.0.0/8]\nparties:\n  - {name: v1, groups: [%[1]q]}\ngrants:\n"+
			"  - {name: g, groups: [%[1]q], actions: [hl7.query], to: [\"group:%[2]s\"]}\nbudgets: {groups: {%[1]q: {1h: 1}}}\n", name, name))
		if got := s.Parties[0].Groups[0]; got != name || s.Grants[0].Groups[0] != name || s.Grants[0].To[0] != "group:"+name || s.Budgets.Groups[name][Hour] != 1 {
			t.Errorf("%s: got %+v", name, s)
		}
		var out bytes.Buffer
		if err := s.Write(&out); err != nil {
			t.Fatal(err)
		}
		if again := parse(t, out.String()); again.Parties[0].Groups[0] != name || again.Grants[0].To[0] != "group:"+name || again.Budgets.Groups[name][Hour] != 1 {
			t.Errorf("%s: written as\n%s", name, out.String())
		}
	}
}

// TestGroupNamesBad: what no message can say, or looks like another one, is no group.
func TestGroupNamesBad(t *testing.T) {
	for name, want := range map[string]string{
		"": "not a group", " W3": "not a group", "W3 ": "not a group", "W3^101": "not a group", `W\3`: "not a group", "W3|": "not a group", "W\u00a03": "not a group",
		"W\u200b3": "not a group", strings.Repeat("ä", 65): "not a group", "Su\u0308d": "not composed", "\u212B": "not composed",
	} {
		for _, at := range []string{"groups: [%q]", "groups: [w3], hours: always}\ngrants:\n  - {name: g, parties: [v1], actions: [hl7.query], to: [%q]"} {
			text := name
			if strings.Contains(at, "grants") {
				text = "group:" + name
			}
			_, problems := Parse(fmt.Appendf(nil, "site: a\ninside: [10.0.0.0/8]\nparties:\n  - {name: v1, "+at+"}\n", text))
			found := false
			for _, p := range problems {
				found = found || strings.Contains(p.Text, want) && p.Severity == Wrong
			}
			if !found {
				t.Errorf("%q: got %v, want %s", text, problems, want)
			}
		}
	}
}

// TestGroupsAlike: of groups that people take for one, the file warns; they stay two.
func TestGroupsAlike(t *testing.T) {
	file := "site: a\ninside: [10.0.0.0/8]\nparties:\n  - {name: v1, groups: [%s]}\n  - {name: v2, groups: [%s]}\n"
	for _, test := range []struct {
		a, b string
		warn bool
	}{
		{"W3", "w3", true}, {"ICU 2", "icu-2", true}, {"Intensiv/Süd", "INTENSIV - SÜD", true}, {"2 Ost", "2  Ost", true}, {"W３", "W3", true},
		{"W3", "W4", false}, {"ICU 2", "ICU2", false}, {"1-2", "12", false}, {"Süd", "Sud", false}, {"W3", "W3", false},
	} {
		s, problems := Parse(fmt.Appendf(nil, file, test.a, test.b))
		if s == nil || s.Parties[0].Groups[0] != test.a || s.Parties[1].Groups[0] != test.b {
			t.Fatalf("%s and %s: got %v", test.a, test.b, problems)
		}
		warned := len(problems) == 1 && problems[0].Severity == Warning && problems[0].Line == 5 && strings.Contains(problems[0].Text, "are two, and two wards")
		if warned != test.warn || !test.warn && len(problems) > 0 {
			t.Errorf("%s and %s: got %v", test.a, test.b, problems)
		}
	}
}

// TestWardName: the name of a ward is trimmed and composed, and nothing else: two wards stay two.
func TestWardName(t *testing.T) {
	for text, want := range map[string]string{" W3 ": "W3", "Su\u0308d": "Süd", "\u212B": "Å", "2 Ost": "2 Ost", "2  Ost": "2  Ost", "w3": "w3", "ICU-2": "ICU-2", "ﬁ": "ﬁ", "": ""} {
		if got := WardName(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
