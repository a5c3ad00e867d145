package policy

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

func withCedar(text string) Options {
	o := clinic()
	o.Cedar = map[string][]byte{"own.cedar": []byte(text)}
	return o
}

// TestOwnForbid: an own forbid wins over every grant, and says where it stands. Each row has a request that it does not mean.
func TestOwnForbid(t *testing.T) {
	for _, test := range []struct {
		name, when string
		meant      func(r *Request)
	}{
		{"principal", `principal == Party::"viewer1"`, func(r *Request) {}},
		{"a role", `principal in Role::"viewer" && context.patients > 4`, func(r *Request) { r.Patients = 5 }},
		{"a group", `principal in Group::"W3" && context.unidentified > 0`, func(r *Request) { r.Unidentified = 1 }},
		{"a protocol", `action in Action::"dicom" && resource == principal && context.detail like "1.2.*"`, func(r *Request) { r.Detail = "1.2.3" }},
		{"at night", `context.hour < 6`, func(r *Request) { r.At = noon.Add(-7 * time.Hour) }},
		{"on Sundays", `context.weekday == 7`, func(r *Request) { r.At = noon.AddDate(0, 0, 4) }},
		{"a ward", `context.wards.contains("PSY")`, func(r *Request) { r.Wards = []string{"W3", "PSY"} }},
		{"a listener", `context.listener == "old"`, func(r *Request) { r.Listener = "old" }},
		{"a site", `context.site == "north" && context.grant.name == "viewers look"`, nil},
		{"without asking whether there is a grant", `context has grant && context.grant.name == "viewers look"`, func(r *Request) {}},
		{"the receiver's role", `resource.role == "viewer"`, func(r *Request) {}},
		{"a fact", `context.request.approved`, func(r *Request) { r.Approved = true }},
	} {
		s, err := New(withCedar("\n@hint(\"ask the ward\")\nforbid (principal, action, resource)\nwhen { " + test.when + " };"))
		if test.meant == nil {
			if err == nil {
				t.Errorf("%s: it reads an attribute that may be missing, and was taken", test.name)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		r := ask1("viewer1", Find, "viewer1")
		test.meant(r)
		got := s.Decide(r)
		want(t, test.name, got, false, Forbidden)
		if !strings.Contains(got.Hint, "own.cedar:2") || !strings.Contains(got.Hint, "ask the ward") {
			t.Errorf("%s: the hint is %q", test.name, got.Hint)
		}
		other := ask1("ct1", Store, "pacs1")
		want(t, test.name+", not meant", s.Decide(other), true, Granted)
	}
}

// TestOwnPermit: an own permit adds to the grants, and stays under what is shipped.
func TestOwnPermit(t *testing.T) {
	s := newSet(t, withCedar(`permit (principal == Party::"study1", action == Action::"dicom.get", resource);`))
	r := ask1("study1", Get, "study1")
	got := s.Decide(r)
	want(t, "the permit", got, true, OwnPermit)
	if got.Grant != "own.cedar:1:1" {
		t.Errorf("it is %q that permits", got.Grant)
	}
	want(t, "another action", s.Decide(ask1("study1", Find, "study1")), false, NoGrant)
	for reason, change := range map[Reason]func(*Request){
		Everybody: func(r *Request) { r.Everybody = true }, Outside: func(r *Request) { r.To = "insurer" },
		Unresolved: func(r *Request) { r.Unresolved = true }, Unproven: func(r *Request) { r.MutualTLS = false },
		DestinationUnknown: func(r *Request) { r.To = "" },
	} {
		r := ask1("study1", Get, "study1")
		change(r)
		if got := s.Decide(r); got.Permit {
			t.Errorf("the permit goes over %s", reason)
		}
	}
	want(t, "without the file", newSet(t, clinic()).Decide(r), false, NoGrant)
}

// TestBadCedar: a file that is wrong is not taken, and the line is named.
func TestBadCedar(t *testing.T) {
	for name, test := range map[string]struct{ text, place string }{
		"syntax":                       {"forbid (principal, action, resource);\n\nforbid (principal, action resource);", "own.cedar:3: "},
		"a string not closed":          {"\nforbid (principal, action, resource) when { \"", "own.cedar:2: syntax, column "},
		"no semicolon":                 {"forbid (principal, action, resource)\n\n", "own.cedar:1: syntax, at the end: "},
		"not closed":                   {"forbid (principal, action, resource) when { true", "own.cedar:1: "},
		"an unknown attribute":         {"\nforbid (principal, action, resource) when { context.name == \"x\" };", "own.cedar:2: "},
		"an unknown fact":              {"forbid (principal, action, resource) when { context.request.vip };", "own.cedar:1: "},
		"an attribute of nobody":       {"forbid (principal, action, resource) when { principal.name == \"x\" };", "own.cedar:1: "},
		"a grant that may not be":      {"forbid (principal, action, resource) when { context.grant.outside };", "own.cedar:1: "},
		"a wrong type":                 {"forbid (principal, action, resource) when { context.patients > \"5\" };", "own.cedar:1: "},
		"no condition":                 {"forbid (principal, action, resource) when { context.patients };", "own.cedar:1: "},
		"an unknown type":              {"forbid (principal, action, resource) when { principal is User };", "own.cedar:1: "},
		"an unknown action":            {"forbid (principal, action == Action::\"dicom.print\", resource);", "own.cedar:1: "},
		"an action among others":       {"forbid (principal, action in [Action::\"dicom.get\", Action::\"dicom.print\"], resource);", "own.cedar:1: "},
		"an unknown action, in a when": {"forbid (principal, action, resource) when { action == Action::\"dicom.print\" };", "own.cedar:1: "},
		"a type in a type":             {"forbid (principal, action, resource) when { resource is User in Group::\"W3\" };", "own.cedar:1: "},
		"an unknown party":             {"\n\nforbid (principal == Party::\"vndor1\", action, resource);", "own.cedar:3: "},
		"an unknown role":              {"forbid (principal in Role::\"wizard\", action, resource);", "own.cedar:1: "},
		"an unknown group":             {"forbid (principal, action, resource in Group::\"W9\");", "own.cedar:1: "},
		"an unknown group, typed":      {"forbid (principal is Party in Group::\"W9\", action, resource);", "own.cedar:1: "},
		"an unknown party, in a when":  {"forbid (principal, action, resource) when { [Party::\"ct1\", Party::\"ct2\"].contains(resource) };", "own.cedar:1: "},
		"a function that cannot read":  {"forbid (principal, action, resource) when { decimal(\"x\").lessThan(decimal(\"1.0\")) };", "own.cedar:1: "},
		"too long":                     {strings.Repeat("// \n", maxCedar/4+1), "own.cedar:1: "},
		"a template":                   {"forbid (principal == ?principal, action, resource);", "own.cedar:1: "},
	} {
		_, err := New(withCedar(test.text))
		var all *Error
		if !errors.As(err, &all) {
			t.Errorf("%s: it was taken (%v)", name, err)
			continue
		}
		if got := all.Problems[0].String(); !strings.HasPrefix(got, test.place) {
			t.Errorf("%s: got %q, want the place %q", name, got, test.place)
		}
	}
	if _, err := New(withCedar("// nothing but a remark\n")); err != nil {
		t.Errorf("an empty file: %v", err)
	}
}

// TestCedarWards: a ward that no party is a group of is warned of with its own line, and taken all the same.
func TestCedarWards(t *testing.T) {
	for _, test := range []struct{ name, when, want string }{
		{"a group", `context.wards.contains("W3")`, ""},
		{"no group", `context.wards.contains("W9")`, `own.cedar:2: warning: no party has the group "W9"`},
		{"another letter", `context.wards.contains("w3")`, `own.cedar:2: warning: no party has the group "w3"`},
		{"one of several", `context.wards.containsAny(["W3", "W8"])`, `own.cedar:2: warning: no party has the group "W8"`},
		{"all of several", `context.wards.containsAll(["W8", "W3"])`, `own.cedar:2: warning: no party has the group "W8"`},
		{"equal", `context.wards == ["W9"]`, `own.cedar:2: warning: no party has the group "W9"`},
		{"turned round", `["W9", "W3"].containsAll(context.wards)`, `own.cedar:2: warning: no party has the group "W9"`},
		{"twice", `context.wards.contains("W9") || !context.wards.contains("W9")`, `own.cedar:2: warning: no party has the group "W9"`},
		{"on a line of its own", "\ncontext.hour > 6 &&\ncontext.wards.contains(\"W9\")", `own.cedar:4: warning: no party has the group "W9"`},
		{"behind a hint that names it", "true };\n@hint(\"Not on W9, or \\\"W9\\\".\")\nforbid (principal, action, resource)\nwhen {\ncontext.wards == [\"W9\"]", `own.cedar:6: warning: no party has the group "W9"`},
		{"behind a hint that is it", "true };\n@hint(\"W9\")\nforbid (principal, action, resource)\nwhen {\ncontext.wards == [\"W9\"]", `own.cedar:6: warning: no party has the group "W9"`},
		{"behind comments", "// \"W9\" is a ward\ntrue &&// \"W9\"\ncontext.wards == [\"W9\"]", `own.cedar:4: warning: no party has the group "W9"`},
		{"behind a text with what begins a comment", "context.detail != \"http://W9\" && context.wards == [\"W9\"]", `own.cedar:2: warning: no party has the group "W9"`},
		{"before another policy", "context.wards.contains(\"\\u{57}9\") };\nforbid (principal, action, resource) when { context.detail == \"W9\"", `own.cedar:2: warning: no party has the group "W9"`},
		{"something else", `context.detail == "W9" || ["W9"].contains(context.listener)`, ""},
	} {
		s, err := New(withCedar("\nforbid (principal, action, resource) when { " + test.when + " };"))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if got := s.Doubts(); len(got) > 1 || (len(got) == 0) != (test.want == "") || len(got) == 1 && !strings.HasPrefix(got[0].String(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, got, test.want)
		}
	}
}

// TestDeepCedar: what is nested without end is not read, and what is long without brackets does no harm.
func TestDeepCedar(t *testing.T) {
	const n = maxCedar / 2
	for name, test := range map[string]struct {
		text string
		ok   bool
	}{
		"open":            {strings.Repeat("(", n), false},
		"parentheses":     {strings.Repeat("(", n-100) + "true" + strings.Repeat(")", n-100), false},
		"sets":            {strings.Repeat("[", 100) + "1" + strings.Repeat("]", 100) + " == [1]", false},
		"records":         {strings.Repeat("{a:", 100) + "1" + strings.Repeat("}", 100) + " == {}", false},
		"records, enough": {strings.Repeat("{a:", 60) + "1" + strings.Repeat("}", 60) + " == {}", false}, // of two types
		"enough":          {strings.Repeat("(", 60) + "true" + strings.Repeat(")", 60), true},
		"conditions":      {strings.Repeat("if true then true else ", n/23) + "true", true},
		"and":             {strings.Repeat("true&&", n/6) + "true", true},
		"attributes":      {"context" + strings.Repeat(".grant", n/6) + " == 1", false},
	} {
		s, err := New(withCedar("forbid (principal, action, resource) when { " + test.text + " };"))
		if (err == nil) != test.ok {
			t.Errorf("%s: got %v", name, err)
		}
		if err != nil && len(err.Error()) > 1000 {
			t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
		if s != nil {
			want(t, name, s.Decide(ask1("viewer1", Find, "viewer1")), false, Forbidden)
		}
	}
}

// TestContextWhole: a policy that uses the context as one value sees all of it.
func TestContextWhole(t *testing.T) {
	s, err := New(withCedar(`forbid (principal, action, resource) when { [context].contains(context) && context.request.approved };`))
	if err != nil {
		t.Skip("the validator does not take such a policy: ", err)
	}
	if len(s.judge.asked) != len(contextAttributes) {
		t.Errorf("got %v", s.judge.asked)
	}
}

// TestBadTable has something wrong in every column.
func TestBadTable(t *testing.T) {
	for name, change := range map[string]func(o *Options){
		"no name":              func(o *Options) { o.Grants[0].Name = "" },
		"the same name":        func(o *Options) { o.Grants[0].Name = o.Grants[1].Name },
		"nobody":               func(o *Options) { o.Grants[0].Roles = nil },
		"an unknown party":     func(o *Options) { o.Grants[0].Parties = []string{"ct9"} },
		"an unknown role":      func(o *Options) { o.Grants[0].Roles = []string{"wizard"} },
		"an unknown group":     func(o *Options) { o.Grants[0].Groups = []string{"W9"} },
		"no action":            func(o *Options) { o.Grants[0].Actions = nil },
		"an unknown action":    func(o *Options) { o.Grants[0].Actions = []Action{"dicom.print"} },
		"every action":         func(o *Options) { o.Grants[0].Actions = []Action{"*"} },
		"half a word":          func(o *Options) { o.Grants[0].Actions = []Action{"dicom.m*"} },
		"an empty detail":      func(o *Options) { o.Grants[0].Details = []string{""} },
		"a star in the middle": func(o *Options) { o.Grants[0].Details = []string{"A*T^A01"} },
		"to an unknown party":  func(o *Options) { o.Grants[0].To = []string{"pacs9"} },
		"to an unknown role":   func(o *Options) { o.Grants[0].To = []string{"role:wizard"} },
		"to an unknown group":  func(o *Options) { o.Grants[0].To = []string{"group:W9"} },
		"to something else":    func(o *Options) { o.Grants[0].To = []string{"net:10.0.0.0"} },
		"somebody's":           func(o *Options) { o.Grants[0].Whose = "own" },
		"a negative budget":    func(o *Options) { o.Grants[0].Budget[0] = -1 },
		"a budget upside down": func(o *Options) { o.Grants[0].Budget[0], o.Grants[0].Budget[1] = 9, 5 },
		"a party without name": func(o *Options) { o.Parties[0].Name = "" },
		"a party called self":  func(o *Options) { o.Parties[0].Name = Self },
		"a party with a colon": func(o *Options) { o.Parties[0].Name = "role:pacs" },
		"two parties":          func(o *Options) { o.Parties[0].Name = o.Parties[1].Name },
		"a role that is none":  func(o *Options) { o.Parties[0].Role = "doctor" },
		"a group without name": func(o *Options) { o.Parties[0].Groups = []string{""} },
		"hours that are none":  func(o *Options) { o.Parties[0].Hours = Hours{5, 5} },
	} {
		o := clinic()
		change(&o)
		var all *Error
		if s, err := New(o); !errors.As(err, &all) || s != nil {
			t.Errorf("%s: it was taken", name)
		}
	}
}

func TestHours(t *testing.T) {
	for _, test := range []struct {
		hours   string
		in, out []string
	}{
		{"06:00-22:00", []string{"06:00", "21:59"}, []string{"05:59", "22:00", "00:00"}},
		{"22:00-06:00", []string{"22:00", "00:00", "05:59"}, []string{"06:00", "21:59"}},
		{"00:00-24:00", []string{"00:00", "23:59"}, nil},
		{"08:30-00:00", []string{"08:30", "23:59"}, []string{"00:00", "08:29"}},
	} {
		h, err := ParseHours(test.hours)
		if err != nil {
			t.Errorf("%s: %v", test.hours, err)
		}
		for want, list := range map[bool][]string{true: test.in, false: test.out} {
			for _, clock := range list {
				at, _ := time.Parse("15:04", clock)
				if got := h.hold(at); got != want {
					t.Errorf("%s at %s: got %t", test.hours, clock, got)
				}
			}
		}
	}
	for _, bad := range []string{"", "6-22", "06:00-22:0", "06:00 22:00", "06:60-22:00", "24:00-06:00", "06:00-24:01", "06:00-06:00", "00:00-00:00", "aa:00-22:00", "-1:00-22:00"} {
		if _, err := ParseHours(bad); err == nil {
			t.Errorf("%q are hours", bad)
		}
	}
	zone := time.FixedZone("", 2*3600) // the clocks of the site count
	o := clinic()
	o.Zone, o.Parties[3].Hours = zone, Hours{6 * 60, 14 * 60}
	want(t, "two o'clock there", newSet(t, o).Decide(ask1("viewer2", Find, "viewer2")), false, OutsideHours)
}

// TestDocumented: docs/policy.md lists every reason and every attribute.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range Reasons() {
		if row := "| `" + string(r) + "` | " + Explain(r) + " |"; !strings.Contains(string(page), row) {
			t.Errorf("docs/policy.md lacks the row %s", row)
		}
	}
	for _, name := range append(contextAttributes, "grant", "role") {
		if !strings.Contains(string(page), name) {
			t.Errorf("docs/policy.md lacks the attribute %s", name)
		}
	}
	for _, name := range factNames {
		if !strings.Contains(string(page), "`context.request."+string(name)+"`") {
			t.Errorf("docs/policy.md lacks the attribute %s", name)
		}
	}
}
