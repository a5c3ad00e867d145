package policy

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chaperone/policy/budget"
)

// drawGrant makes any row that New takes.
func drawGrant(t *rapid.T, i int) Grant {
	g := Grant{
		Name:     fmt.Sprint("grant ", i),
		Parties:  subset(t, "parties", "ct1", "viewer1", "insurer"),
		Roles:    subset(t, "roles", "viewer", "engine"),
		Groups:   subset(t, "groups", "radiology"),
		Actions:  []Action{rapid.SampledFrom([]Action{Find, Get, Send, "dicom.*", Associate}).Draw(t, "action")},
		Details:  subset(t, "details", "ORU^R01", "ADT^*"),
		To:       subset(t, "to", Self, "role:viewer", "group:radiology", "insurer", "pacs1"),
		Outside:  rapid.Bool().Draw(t, "outside"),
		Whose:    rapid.SampledFrom([]string{All, Named, OfWard}).Draw(t, "whose"),
		Approval: rapid.IntRange(0, 3).Draw(t, "approval") == 0,
	}
	if len(g.Parties)+len(g.Roles)+len(g.Groups) == 0 {
		g.Roles = []string{"viewer"}
	}
	if rapid.Bool().Draw(t, "limited") {
		g.Budget[budget.Day] = rapid.IntRange(1, 6).Draw(t, "limit")
	}
	return g
}

// subset leaves most lists short, so that grants cover something.
func subset(t *rapid.T, name string, from ...string) (list []string) {
	for _, word := range from {
		if rapid.IntRange(0, 3).Draw(t, name) == 0 {
			list = append(list, word)
		}
	}
	return list
}

func drawRequest(t *rapid.T) *Request {
	party := func(name string) string {
		return rapid.SampledFrom([]string{"viewer1", "viewer1", "viewer1", "viewer1", "engine1", "engine1", "insurer", "ct1", "pacs1", "", "nobody"}).Draw(t, name)
	}
	likely := func(name string) bool { return rapid.IntRange(0, 12).Draw(t, name) > 0 }
	r := &Request{
		Party: party("party"), To: party("to"), Action: rapid.SampledFrom([]Action{Find, Find, Find, Get, Get, Send, Associate, Move, "x"}).Draw(t, "action"),
		Detail:    rapid.SampledFrom([]string{"", "ORU^R01", "ADT^A01", "1.2.3"}).Draw(t, "detail"),
		ToOutside: !likely("inside"), Everybody: !likely("named"), Unresolved: !likely("resolved"),
		Wards: subset(t, "wards", "W3", "W4"), Later: !likely("answered"),
		Patients: rapid.IntRange(0, 8).Draw(t, "patients"), Unidentified: rapid.IntRange(0, 2).Draw(t, "unidentified"),
		At: noon.Add(time.Duration(rapid.IntRange(0, 23).Draw(t, "hour")) * time.Hour), Listener: "dicom",
		Approved: rapid.Bool().Draw(t, "approved"), BreakGlass: !likely("unbroken"), MutualTLS: likely("proven"),
	}
	if rapid.Bool().Draw(t, "to itself") {
		r.To = r.Party
	}
	return r
}

// drawForbids makes own forbids, one of which may meet an error when it is evaluated.
func drawForbids(t *rapid.T) []string {
	return subset(t, "forbids",
		`forbid (principal in Role::"viewer", action in Action::"dicom", resource) when { context.patients > 3 };`,
		`forbid (principal, action, resource) when { context has grant && context.grant.whose == "ward" };`,
		`forbid (principal, action, resource in Group::"radiology") when { context.hour < 6 || context.request.outside };`,
		`forbid (principal == Party::"insurer", action, resource);`,
		`forbid (principal, action, resource) when { context.patients * 2305843009213693952 > 5 };`,
		`permit (principal, action == Action::"dicom.get", resource) when { context.patients < 5 };`,
	)
}

func drawSite(t *rapid.T) Options {
	o := clinic()
	o.Parties[2].Hours = Hours{6 * 60, 22 * 60}
	o.Grants = nil
	if rapid.IntRange(0, 3).Draw(t, "wide") > 0 { // else hardly anything would be permitted
		o.Grants = append(o.Grants, Grant{Name: "wide", Roles: []string{"viewer", "engine"}, Actions: []Action{"dicom.*"}, Whose: All})
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "grants") {
		o.Grants = append(o.Grants, drawGrant(t, i))
	}
	o.Cedar = map[string][]byte{}
	for i, text := range drawForbids(t) {
		o.Cedar[fmt.Sprintf("%d.cedar", i)] = []byte(text)
	}
	return o
}

// TestNeverMore: another forbid, a grant less, more patients: none of them ever permits what was refused.
func TestNeverMore(t *testing.T) {
	permitted, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		o := drawSite(t)
		r := drawRequest(t)
		before := newRapid(t, o).Decide(r)
		if before.Permit {
			permitted++
			return
		}
		refused++

		more := o
		more.Cedar = map[string][]byte{"own.cedar": nil}
		for name, text := range o.Cedar {
			more.Cedar[name] = text
		}
		for _, text := range drawForbids(t) {
			if text[0] == 'f' {
				more.Cedar["own.cedar"] = append(more.Cedar["own.cedar"], text...)
			}
		}
		if d := newRapid(t, more).Decide(r); d.Permit {
			t.Fatalf("another forbid permits (%s) what was refused (%s)", d.Reason, before.Reason)
		}
		if len(o.Grants) > 0 && before.Reason != PolicyError {
			less := o
			i := rapid.IntRange(0, len(o.Grants)-1).Draw(t, "without")
			less.Grants = slices.Delete(slices.Clone(o.Grants), i, i+1)
			if d := newRapid(t, less).Decide(r); d.Permit {
				t.Fatalf("a grant less permits (%s) what was refused (%s)", d.Reason, before.Reason)
			}
		}
		many := *r
		many.Patients += rapid.IntRange(0, 20).Draw(t, "more patients")
		many.Unidentified += rapid.IntRange(0, 2).Draw(t, "more records")
		if d := newRapid(t, o).Decide(&many); d.Permit {
			t.Fatalf("more patients are permitted (%s) than were refused (%s)", d.Reason, before.Reason)
		}
	})
	if t.Logf("%d permitted, %d refused", permitted, refused); permitted == 0 || refused == 0 {
		t.Errorf("%d permitted, %d refused: the test shows nothing", permitted, refused)
	}
}

func newRapid(t *rapid.T, o Options) *Set {
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestGrantedIsCovered judges without Cedar: what is granted is covered by a row in every column, by a second reading of them.
func TestGrantedIsCovered(t *testing.T) {
	granted := 0
	rapid.Check(t, func(t *rapid.T) {
		o := drawSite(t)
		o.Cedar = nil
		r := drawRequest(t)
		r.BreakGlass = false
		d, want := newRapid(t, o).Decide(r), slices.ContainsFunc(o.Grants, func(g Grant) bool { return plainly(o, g, r) })
		if d.Permit != want {
			t.Fatalf("got %t (%s), want %t", d.Permit, d.Reason, want)
		}
		if d.Permit {
			granted++
		}
	})
	if granted == 0 {
		t.Error("nothing was granted: the test shows nothing")
	}
}

// plainly is the meaning of a row, written out.
func plainly(o Options, g Grant, r *Request) bool {
	find := func(name string) *Party {
		for i := range o.Parties {
			if o.Parties[i].Name == name {
				return &o.Parties[i]
			}
		}
		return nil
	}
	from, to := find(r.Party), find(r.To)
	if from == nil || !r.MutualTLS || r.Unresolved || r.Everybody && g.Whose != All || r.To != "" && to == nil {
		return false
	}
	who := slices.Contains(g.Parties, from.Name) || slices.Contains(g.Roles, from.Role)
	for _, group := range from.Groups {
		who = who || slices.Contains(g.Groups, group)
	}
	what := g.Actions[0] == r.Action || g.Actions[0] == "dicom.*" && r.Action != Send && r.Action != "x"
	kind := len(g.Details) == 0
	for _, d := range g.Details {
		kind = kind || d == r.Detail || d == "ADT^*" && r.Detail == "ADT^A01"
	}
	if r.Action != Associate {
		if to == nil {
			return false
		}
		reached := len(g.To) == 0
		for _, word := range g.To {
			reached = reached || word == to.Name || word == Self && from == to || word == "role:"+to.Role ||
				word == "group:radiology" && slices.Contains(to.Groups, "radiology")
		}
		if to.Outside || r.ToOutside {
			reached = g.Outside && (slices.Contains(g.To, to.Name) ||
				from == to && slices.Contains(g.To, Self) && slices.Contains(g.Parties, from.Name))
		}
		if !reached {
			return false
		}
	}
	ward := g.Whose != OfWard || len(r.Wards) > 0
	for _, w := range r.Wards {
		ward = ward && (g.Whose != OfWard || slices.Contains(from.Groups, w))
	}
	ward = ward || r.Later || r.Action == Associate
	hours := from.Name != "viewer1" || r.At.Hour() >= 6 && r.At.Hour() < 22
	few := g.Budget[budget.Day] == 0 || r.Patients+r.Unidentified <= g.Budget[budget.Day]
	return who && what && kind && ward && hours && few && (r.Approved || !g.Approval)
}

// TestRemembers: a set that was asked much before says what one says that was asked nothing.
func TestRemembers(t *testing.T) {
	permitted := 0
	rapid.Check(t, func(t *rapid.T) {
		o := drawSite(t)
		if rapid.Bool().Draw(t, "no own file") {
			o.Cedar = nil
		}
		s := newRapid(t, o)
		for range 8 {
			r := drawRequest(t)
			got, want := s.Decide(r), newRapid(t, o).Decide(r)
			if got != want {
				t.Fatalf("%+v: got %+v, want %+v", r, got, want)
			}
			if got.Permit {
				permitted++
			}
		}
	})
	if permitted == 0 {
		t.Error("nothing was permitted: the test shows nothing")
	}
}
