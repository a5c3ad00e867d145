package policy

import (
	"strings"
	"testing"
)

// FuzzCedar loads own files, and a grant written in their words. What is taken must decide without panic, and a file that
// only forbids must not permit anything.
func FuzzCedar(f *testing.F) {
	for _, text := range []string{
		"", "// a remark", `forbid (principal, action, resource);`,
		`@id("x") @hint("y") forbid (principal in Role::"viewer", action in Action::"dicom", resource) when { context.patients > 3 } unless { context.request.approved };`,
		`permit (principal == Party::"study1", action == Action::"dicom.get", resource is Party);`,
		`forbid (principal is Party in Group::"W3", action in [Action::"hl7.send"], resource) when { context has grant && context.grant.whose == "all" };`,
		`forbid (principal, action, resource) when { if context.hour < 6 then context.wards.contains("W3") else context.detail like "ADT*" };`,
		`forbid (principal, action, resource) when { context.patients * 9223372036854775807 > context.unidentified - 1 };`,
		`forbid (principal, action, resource) when { ((((principal == resource)))) && !(!(!(context.weekday == 7))) };`,
	} {
		f.Add([]byte(text), "dicom.*", "ORU^*", "role:pacs")
	}
	f.Fuzz(func(t *testing.T, text []byte, action, detail, to string) {
		o := clinic()
		o.Cedar = map[string][]byte{"own.cedar": text}
		s, err := New(o)
		if err != nil && !strings.HasPrefix(err.Error(), "policy: own.cedar:") {
			t.Fatalf("the error names no place: %v", err)
		}
		requests := []*Request{ask1("viewer1", Find, "viewer1"), ask1("study1", Get, "study1"), ask1("lab1", Send, "insurer"), {Party: "ct1"}}
		if s != nil {
			plain := newSet(t, clinic())
			for _, r := range requests {
				d := s.Decide(r)
				if d.Permit && !plain.Decide(r).Permit && !s.judge.permits {
					t.Errorf("a file that permits nothing permits: %s", d.Reason)
				}
			}
		}
		o.Cedar = nil
		o.Grants = []Grant{{Name: detail, Roles: []string{"viewer"}, Actions: []Action{Action(action)}, Details: []string{detail}, To: []string{to}}}
		if s, err := New(o); err == nil {
			for _, r := range requests {
				r.Detail = detail
				s.Decide(r)
			}
		}
	})
}
