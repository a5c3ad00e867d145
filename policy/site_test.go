package policy

import (
	"sync"
	"testing"
	"time"

	"chaperone/policy/budget"
)

// noon is a Wednesday.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// clinic is a site with a party of each role and the grants that are shipped.
func clinic() Options {
	return Options{
		Site: "north", Version: "0123456789ab", Grants: Defaults(), Unproven: []string{"old"},
		Parties: []Party{
			{Name: "ct1", Role: "modality", Groups: []string{"radiology"}},
			{Name: "pacs1", Role: "pacs", Groups: []string{"radiology"}},
			{Name: "viewer1", Role: "viewer", Groups: []string{"radiology", "W3"}},
			{Name: "viewer2", Role: "viewer"},
			{Name: "engine1", Role: "engine"},
			{Name: "lab1", Role: "lab"},
			{Name: "vendor1", Role: "vendor"},
			{Name: "study1", Role: "research"},
			{Name: "insurer", Role: "engine", Outside: true},
		},
	}
}

func newSet(t testing.TB, o Options) *Set {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ask1 is a proven request for one patient at noon.
func ask1(party string, a Action, to string) *Request {
	return &Request{Party: party, Action: a, To: to, Patients: 1, At: noon, Listener: "dicom", MutualTLS: true}
}

func want(t testing.TB, name string, got Decision, permit bool, reason Reason) {
	t.Helper()
	if got.Permit != permit || got.Reason != reason {
		t.Errorf("%s: got permit %t, %s (%s); want %t, %s", name, got.Permit, got.Reason, got.Hint, permit, reason)
	}
	if !got.Permit && got.Hint == "" {
		t.Errorf("%s: the refusal %s has no hint", name, got.Reason)
	}
	if Explain(got.Reason) == "" {
		t.Errorf("%s: nothing explains %s", name, got.Reason)
	}
}

// TestDefaults asks for every role, action and destination, in two kinds of detail, and knows all that is permitted.
func TestDefaults(t *testing.T) {
	s := newSet(t, clinic())
	permitted := map[string]bool{
		"ct1 dicom.store pacs1 1.2.840.10008.5.1.4.1.1.2": true, "ct1 dicom.store pacs1 " + ModalityWorklist: true,
		"ct1 dicom.store pacs1 ORU^R01": true, "ct1 dicom.find ct1 " + ModalityWorklist: true,
	}
	details := []string{"1.2.840.10008.5.1.4.1.1.2", ModalityWorklist, "ORU^R01"}
	for _, detail := range details {
		for _, to := range []string{"pacs1", "viewer1", "viewer2"} {
			permitted["pacs1 dicom.store "+to+" "+detail] = true
		}
		for _, viewer := range []string{"viewer1", "viewer2"} {
			for _, a := range []Action{Find, Get, Move} {
				permitted[viewer+" "+string(a)+" "+viewer+" "+detail] = true
			}
		}
		for _, p := range clinic().Parties {
			if !p.Outside { // the insurer, an engine too, may send inside as well
				permitted["engine1 hl7.send "+p.Name+" "+detail] = true
				permitted["insurer hl7.send "+p.Name+" "+detail] = true
			}
			for _, who := range []string{"ct1", "pacs1", "viewer1", "viewer2"} {
				permitted[who+" dicom.associate "+p.Name+" "+detail] = true
			}
		}
	}
	for _, p := range clinic().Parties {
		if !p.Outside {
			permitted["lab1 hl7.send "+p.Name+" ORU^R01"] = true
		}
	}
	for _, p := range clinic().Parties {
		for _, a := range Actions() {
			for _, to := range clinic().Parties {
				for _, detail := range details {
					name := p.Name + " " + string(a) + " " + to.Name + " " + detail
					r := ask1(p.Name, a, to.Name)
					r.Role, r.Groups, r.ToRole, r.ToGroups, r.Detail, r.Site = p.Role, p.Groups, to.Role, to.Groups, detail, "north"
					got := s.Decide(r)
					if got.Permit != permitted[name] {
						t.Errorf("%s: got %t, %s", name, got.Permit, got.Reason)
					}
					if got.Version != "0123456789ab" {
						t.Fatalf("version %q", got.Version)
					}
				}
			}
		}
	}
}

// TestReasons has a request for each reason.
func TestReasons(t *testing.T) {
	o := clinic()
	o.Parties[2].Hours = Hours{6 * 60, 22 * 60}
	o.Grants = append(o.Grants,
		Grant{Name: "own ward", Parties: []string{"viewer1"}, Actions: []Action{Ask}, To: []string{Self}, Whose: OfWard},
		Grant{Name: "claims", Parties: []string{"engine1"}, Actions: []Action{Ask}, To: []string{"insurer"}, Outside: true, Whose: All},
		Grant{Name: "engines ask", Roles: []string{"engine"}, Actions: []Action{Find}, To: []string{Self}, Outside: true},
		Grant{Name: "portal", Parties: []string{"insurer"}, Actions: []Action{Ask}, To: []string{Self}, Outside: true},
	)
	s := newSet(t, o)
	for _, test := range []struct {
		name   string
		change func(r *Request) // of viewer1 looking for one patient
		permit bool
		reason Reason
	}{
		{"nothing", func(r *Request) {}, true, Granted},
		{"a claim that is true", func(r *Request) { r.Role, r.Groups, r.ToRole = "viewer", []string{"W3"}, "viewer" }, true, Granted},
		{"a stranger", func(r *Request) { r.Party = "viewer9" }, false, UnknownParty},
		{"another role", func(r *Request) { r.Role = "pacs" }, false, UnknownRole},
		{"a role that is none", func(r *Request) { r.Role = "wizard" }, false, UnknownRole},
		{"another group", func(r *Request) { r.Groups = []string{"W4"} }, false, UnknownRole},
		{"the receiver's role", func(r *Request) { r.ToRole = "pacs" }, false, UnknownRole},
		{"an action that is none", func(r *Request) { r.Action = "dicom.print" }, false, UnknownAction},
		{"no time", func(r *Request) { r.At = time.Time{} }, false, AttributeMissing},
		{"less than no patient", func(r *Request) { r.Patients = -1 }, false, RequestInvalid},
		{"another site", func(r *Request) { r.Site = "south" }, false, RequestInvalid},
		{"no certificate", func(r *Request) { r.MutualTLS = false }, false, Unproven},
		{"no certificate, where none is asked for", func(r *Request) { r.MutualTLS, r.Listener = false, "old" }, true, Granted},
		{"an unknown receiver", func(r *Request) { r.To = "" }, false, DestinationUnknown},
		{"a receiver that is no party", func(r *Request) { r.To = "viewer9" }, false, DestinationUnknown},
		{"another receiver", func(r *Request) { r.To = "pacs1" }, false, Destination},
		{"outside", func(r *Request) { r.To = "insurer" }, false, Outside},
		{"from an address outside", func(r *Request) { r.ToOutside = true }, false, Outside},
		{"everybody", func(r *Request) { r.Everybody = true }, false, Everybody},
		{"unresolved", func(r *Request) { r.Unresolved = true }, false, Unresolved},
		{"at night", func(r *Request) { r.At = noon.Add(10 * time.Hour) }, false, OutsideHours},
		{"in the morning", func(r *Request) { r.At = noon.Add(-6 * time.Hour) }, true, Granted},
		{"no such grant", func(r *Request) { r.Action = Send }, false, NoGrant},
		{"too many for an hour", func(r *Request) { r.Patients = 61 }, false, Budget1h},
		{"some without identity", func(r *Request) { r.Patients, r.Unidentified = 60, 1 }, false, Budget1h},
		{"as many as there may be", func(r *Request) { r.Patients = 60 }, true, Granted},
		{"a number that overflows", func(r *Request) { r.Patients, r.Unidentified = int(^uint(0)>>1), 5 }, false, Budget1h},
		{"a ward", func(r *Request) { r.Action, r.Wards = Ask, []string{"W3"} }, true, Granted},
		{"another ward too", func(r *Request) { r.Action, r.Wards = Ask, []string{"W3", "W4"} }, false, Ward},
		{"an unknown ward", func(r *Request) { r.Action = Ask }, false, Ward},
		{"a query that is not answered yet", func(r *Request) { r.Action, r.Later = Ask, true }, true, Granted},
		{"one that names nobody", func(r *Request) { r.Action, r.Later, r.Everybody = Ask, true, true }, false, Everybody},
		{"an unknown ward, with broken glass", func(r *Request) { r.Action, r.BreakGlass = Ask, true }, true, BrokeGlass},
		{"what another viewer may, with broken glass", func(r *Request) { r.Party, r.To, r.Action, r.BreakGlass = "viewer2", "viewer2", Ask, true }, true, BrokeGlass},
		{"the same without", func(r *Request) { r.Party, r.To, r.Action = "viewer2", "viewer2", Ask }, false, NoGrant},
		{"at night, with broken glass", func(r *Request) { r.At, r.BreakGlass = noon.Add(11*time.Hour), true }, true, BrokeGlass},
		{"many, with broken glass", func(r *Request) { r.Patients, r.BreakGlass = 61, true }, true, BrokeGlass},
		{"everybody, with broken glass", func(r *Request) { r.Everybody, r.BreakGlass = true, true }, false, Everybody},
		{"outside, with broken glass", func(r *Request) { r.To, r.BreakGlass = "insurer", true }, false, Outside},
		{"what no viewer may, with broken glass", func(r *Request) { r.Action, r.BreakGlass = Store, true }, false, NoGrant},
		{"an insurer that is named", func(r *Request) { r.Party, r.To, r.Action = "engine1", "insurer", Ask }, true, Granted},
		{"that insurer, with broken glass", func(r *Request) { r.Party, r.To, r.Action, r.BreakGlass = "engine1", "insurer", Ask, true }, false, Outside},
		{"an insurer that asks", func(r *Request) { r.Party, r.To, r.Action = "insurer", "insurer", Ask }, true, Granted},
		{"an engine that asks", func(r *Request) { r.Party, r.To = "engine1", "engine1" }, true, Granted},
		{"an insurer that asks as any engine", func(r *Request) { r.Party, r.To = "insurer", "insurer" }, false, Outside},
		{"a worklist that does not say so", func(r *Request) { r.Party, r.To = "ct1", "ct1" }, false, AttributeMissing},
		{"images for a modality", func(r *Request) { r.Party, r.To, r.Detail = "ct1", "ct1", "1.2.3" }, false, Detail},
		{"a vendor", func(r *Request) { r.Party, r.To, r.Action = "vendor1", "pacs1", Connect }, false, ApprovalMissing},
		{"a vendor, approved", func(r *Request) { r.Party, r.To, r.Action, r.Approved = "vendor1", "pacs1", Connect, true }, true, Granted},
		{"a vendor, with broken glass", func(r *Request) { r.Party, r.To, r.Action, r.BreakGlass = "vendor1", "pacs1", Connect, true }, false, ApprovalMissing},
	} {
		r := ask1("viewer1", Find, "viewer1")
		test.change(r)
		want(t, test.name, s.Decide(r), test.permit, test.reason)
	}
}

// TestApproval is for a party of which every use must be approved, whatever the grant.
func TestApproval(t *testing.T) {
	o := clinic()
	o.Parties[3].Approval = true
	s := newSet(t, o)
	r := ask1("viewer2", Find, "viewer2")
	want(t, "not approved", s.Decide(r), false, ApprovalMissing)
	r.Approved = true
	want(t, "approved", s.Decide(r), true, Granted)
}

// TestNearest says which grant came nearest: the one that lacks least.
func TestNearest(t *testing.T) {
	o := clinic()
	o.Grants = []Grant{
		{Name: "reports", Roles: []string{"viewer"}, Actions: []Action{Send}, Details: []string{"ORU^*"}},
		{Name: "to the archive", Roles: []string{"viewer"}, Actions: []Action{"hl7.*"}, To: []string{"role:pacs"}},
		{Name: "to radiology", Groups: []string{"radiology"}, Actions: []Action{Send}, To: []string{"group:radiology"}, Approval: true, Whose: OfWard},
	}
	s := newSet(t, o)
	for _, test := range []struct {
		to, detail string
		reason     Reason
		grant      string
	}{
		{"lab1", "ADT^A01", Destination, "to the archive"},
		{"viewer1", "ADT^A01", Ward, "to radiology"},
		{"pacs1", "ADT^A01", Granted, "to the archive"},
		{"lab1", "ORU^R01", Granted, "reports"},
	} {
		r := ask1("viewer1", Send, test.to)
		r.Detail = test.detail
		got := s.Decide(r)
		want(t, test.to, got, test.reason == Granted, test.reason)
		if got.Grant != test.grant {
			t.Errorf("%s: got the grant %q, want %q", test.to, got.Grant, test.grant)
		}
	}
}

// TestWidest: of several grants that permit, the one with more room is used, and its budget is what counts.
func TestWidest(t *testing.T) {
	o := clinic()
	o.Grants = []Grant{
		{Name: "few", Roles: []string{"viewer"}, Actions: []Action{Find}, Budget: budget.Limits{budget.Day: 5}},
		{Name: "more", Groups: []string{"radiology"}, Actions: []Action{Find}, Budget: budget.Limits{budget.Hour: 3, budget.Day: 9}},
	}
	s := newSet(t, o)
	r := ask1("viewer1", Find, "viewer1")
	got := s.Decide(r)
	if got.Grant != "more" || got.Limits != o.Grants[1].Budget {
		t.Errorf("got %+v", got)
	}
	r.Patients = 4 // over the hour of the wide one
	if got := s.Decide(r); got.Grant != "few" || !got.Permit {
		t.Errorf("four patients: got %+v", got)
	}
	r.Patients = 6
	if got := s.Decide(r); got.Permit || got.Budget == "" {
		t.Errorf("six patients: got %+v", got)
	}
	r.BreakGlass = true
	if got := s.Decide(r); got.Limits != (budget.Limits{}) {
		t.Error("broken glass is charged to a grant")
	}
}

// TestConcurrent asks one set from many sides at once: what it keeps of earlier requests must not show.
func TestConcurrent(t *testing.T) {
	s := newSet(t, clinic())
	var wait sync.WaitGroup
	for worker := range 8 {
		wait.Go(func() {
			for i := range 500 {
				r := ask1("viewer1", Find, "viewer1")
				reason := Granted
				if (i+worker)%2 == 0 {
					r.Everybody, reason = true, Everybody
				}
				if (i+worker)%3 == 0 {
					r.MutualTLS, reason = false, Unproven
				}
				if got := s.Decide(r); got.Reason != reason {
					t.Errorf("got %s, want %s", got.Reason, reason)
				}
			}
		})
	}
	wait.Wait()
}
