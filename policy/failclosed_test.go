package policy

import (
	"testing"
	"time"

	cedar "github.com/cedar-policy/cedar-go"
)

// unchecked puts policies in force that New would refuse: what a check at load may have missed.
func unchecked(t *testing.T, text string) *Set {
	t.Helper()
	s := newSet(t, clinic())
	list, err := cedar.NewPolicyListFromBytes("own.cedar", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		s.judge.policies = append(policies{{id: "own.cedar:1:1", cedar: p, own: true, advice: "the policy at own.cedar:1"}}, s.judge.policies...)
		s.judge.permits = s.judge.permits || p.Effect() == cedar.Permit
	}
	return s
}

// erring are forbids that cannot be evaluated, though what they mean would not hold.
var erring = map[string]string{
	"a missing attribute":           `forbid (principal, action, resource) when { context.severity > 100 };`,
	"a missing attribute of a part": `forbid (principal, action, resource) when { context.request.severity };`,
	"a wrong type":                  `forbid (principal, action, resource) when { context.request.everybody > 100 };`,
	"a condition that is no truth":  `forbid (principal, action, resource) when { context.grant.name };`,
	"a function that cannot read":   `forbid (principal, action, resource) when { decimal(context.grant.name).lessThan(decimal("1.0")) };`,
	"an entity without attributes":  `forbid (principal, action, resource) when { Party::"nobody".role == "viewer" };`,
	"arithmetic that overflows":     `forbid (principal, action, resource) when { context.patients * 9223372036854775807 > 9 };`,
}

// TestFailClosedErrors: a forbid that errs refuses. The control shows that Cedar alone would allow, each time.
func TestFailClosedErrors(t *testing.T) {
	for name, text := range erring {
		t.Run(name, func(t *testing.T) {
			r := ask1("viewer1", Find, "viewer1")
			r.Patients = 2
			s := unchecked(t, text)
			s.judge.asked["patients"] = true
			want(t, "with the forbid", s.Decide(r), false, PolicyError)
			want(t, "without it", newSet(t, clinic()).Decide(r), true, Granted)

			from := s.parties["viewer1"]
			q := s.ask(r, from, from)
			answer, why := cedar.Authorize(s.judge.policies, s.judge.entities, cedar.Request{
				Principal: q.from.uid, Action: actionUID(Find), Resource: q.to.uid, Context: s.judge.context(q, from.grants[Find][0]),
			})
			if answer != cedar.Allow || len(why.Errors) != 1 {
				t.Errorf("the control: cedar answers %s with %d errors, so this test shows nothing", answer, len(why.Errors))
			}
		})
	}
}

// TestFailClosedPermit: a permit that errs does not permit, and is not passed over either.
func TestFailClosedPermit(t *testing.T) {
	s := unchecked(t, `permit (principal, action, resource) when { context.severity > 100 };`)
	want(t, "what a grant permits", s.Decide(ask1("viewer1", Find, "viewer1")), false, PolicyError)
	want(t, "what none does", s.Decide(ask1("viewer1", Send, "viewer1")), false, PolicyError)
}

// TestFailClosedOneGrant: a forbid that errs by one grant refuses, though another grant would permit.
func TestFailClosedOneGrant(t *testing.T) {
	s := unchecked(t, `forbid (principal, action, resource) when { context has grant && context.grant.name == "viewers look" && context.severity > 1 };`)
	narrow := &row{Grant: Grant{Name: "narrow", Whose: Named}, facts: factOf(&Grant{Name: "narrow", Whose: Named})}
	p := s.parties["viewer1"]
	p.grants[Find] = append(p.grants[Find], narrow)
	want(t, "the wider one errs", s.Decide(ask1("viewer1", Find, "viewer1")), false, PolicyError)
	p.grants[Find] = p.grants[Find][1:]
	want(t, "the other alone", s.Decide(ask1("viewer1", Find, "viewer1")), true, Granted)
}

// TestFailClosedEmpty: without policies, without a set, without a request there is no permission.
func TestFailClosedEmpty(t *testing.T) {
	r := ask1("viewer1", Find, "viewer1")
	var none *Set
	want(t, "no set", none.Decide(r), false, PolicyError)
	want(t, "the zero set", (&Set{}).Decide(r), false, UnknownParty)
	want(t, "no request", newSet(t, clinic()).Decide(nil), false, RequestInvalid)
	want(t, "the zero request", newSet(t, clinic()).Decide(&Request{}), false, UnknownParty)

	s := newSet(t, clinic())
	s.judge.policies = nil
	want(t, "no policies", s.Decide(r), false, NoGrant)
	s = newSet(t, clinic())
	s.judge.entities = nil
	want(t, "no entities, which nothing shipped needs", s.Decide(r), true, Granted)

	o := clinic()
	o.Grants = nil
	want(t, "no grants", newSet(t, o).Decide(r), false, NoGrant)
	want(t, "no parties", newSet(t, Options{Site: "north"}).Decide(r), false, UnknownParty)
}

// TestFailClosedZero: a request of which only one thing is left out is refused, when that is what the decision needs.
func TestFailClosedZero(t *testing.T) {
	s := newSet(t, clinic())
	for reason, empty := range map[Reason]func(*Request){
		UnknownParty:       func(r *Request) { r.Party = "" },
		UnknownAction:      func(r *Request) { r.Action = "" },
		DestinationUnknown: func(r *Request) { r.To = "" },
		AttributeMissing:   func(r *Request) { r.At = time.Time{} },
		Unproven:           func(r *Request) { r.MutualTLS = false },
	} {
		r := ask1("viewer1", Find, "viewer1")
		empty(r)
		want(t, string(reason), s.Decide(r), false, reason)
	}
}
