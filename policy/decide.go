package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Decide answers a request. It never panics over one: what cannot be decided is refused.
func (s *Set) Decide(r *Request) Decision {
	if s == nil {
		return Decision{Reason: PolicyError, Hint: "no policy is in force"}
	}
	d := s.decide(r)
	d.Version = s.version
	return d
}

func (s *Set) decide(r *Request) Decision {
	if r == nil || r.Patients < 0 || r.Unidentified < 0 || r.Site != "" && r.Site != s.site {
		return refuse(RequestInvalid, "a request has a site, and numbers that are not negative")
	}
	from := s.parties[r.Party]
	if from == nil {
		return refuse(UnknownParty, "the party would have to be in the site file")
	}
	if !from.is(r.Role, r.Groups) {
		return refuse(UnknownRole, "the site file says which role and groups the party has")
	}
	if !slices.Contains(Actions(), r.Action) {
		return refuse(UnknownAction, "the program does not know this action")
	}
	if r.At.IsZero() {
		return refuse(AttributeMissing, "the request would need a time")
	}
	to := s.parties[r.To]
	if r.To != "" && to == nil {
		return refuse(DestinationUnknown, "the receiver would have to be a party of the site file")
	}
	if to == nil {
		to = &member{}
	}
	if !to.is(r.ToRole, r.ToGroups) && r.To != "" {
		return refuse(UnknownRole, "the site file says which role and groups the receiver has")
	}
	return s.search(s.ask(r, from, to), from, to)
}

// is reports whether what a request says of a party is what the site file says.
func (p *Party) is(role string, groups []string) bool {
	return (role == "" || role == p.Role) &&
		!slices.ContainsFunc(groups, func(group string) bool { return !slices.Contains(p.Groups, group) })
}

// ask puts a request for the judge.
func (s *Set) ask(r *Request, from, to *member) *question {
	q := &question{request: r, from: from.principal, to: to.principal, site: s.site, local: r.At.In(s.zone)}
	if q.to.uid.Type == "" {
		q.to = principalOf(&Party{})
	}
	carries := r.Action != Associate // an association delivers nothing to anybody
	for i, is := range [facts]bool{  // in the order of the bits
		r.MutualTLS || s.unproven[r.Listener],
		!carries || r.To != "",
		carries && (r.ToOutside || to.Outside),
		r.Everybody,
		r.Unresolved,
		!carries || r.Later || len(r.Wards) > 0 && !slices.ContainsFunc(r.Wards, func(ward string) bool { return !slices.Contains(from.Groups, ward) }),
		from.Hours.hold(q.local),
		from.Approval,
		r.Approved,
		r.BreakGlass,
	} {
		if is {
			q.facts |= 1 << i
		}
	}
	return q
}

// search asks the judge by one grant after the other, those with more room first, until one permits; and in the end by none,
// when an own file may permit what no grant does. What it refuses, it refuses for what the nearest grant lacks.
func (s *Set) search(q *question, from, to *member) Decision {
	r := q.request
	rows := from.grants[r.Action]
	if r.BreakGlass {
		rows = s.glass[from.Role][r.Action]
	}
	var best near
	for _, g := range rows {
		if d, ok := s.uncovered(q, g, from, to); ok {
			best.offer(d)
			continue
		}
		v := s.judge.decide(q, g)
		switch {
		case v.permit && r.BreakGlass:
			return Decision{Permit: true, Reason: BrokeGlass, Grant: g.Name}
		case v.permit:
			return Decision{Permit: true, Reason: Granted, Grant: g.Name, Limits: g.Budget}
		case v.reason == PolicyError:
			return Decision{Reason: PolicyError, Grant: g.Name, Hint: s.hint(v, g)}
		}
		best.offer(near{Decision{Reason: v.reason, Grant: g.Name, Hint: s.hint(v, g)}, judged, v.faults})
	}
	if s.judge.permits {
		switch v := s.judge.decide(q, nil); {
		case v.permit:
			return Decision{Permit: true, Reason: OwnPermit, Grant: string(v.by.id)}
		case v.reason == PolicyError:
			return Decision{Reason: PolicyError, Hint: s.hint(v, nil)}
		}
	}
	if best.came == 0 {
		return refuse(NoGrant, fmt.Sprintf("a grant of %s to %s, to the role %s or to one of its groups would permit it", r.Action, from.Name, from.Role))
	}
	return best.Decision
}

// near is a refusal with how much the grant lacks: the further it came and the fewer its faults, the nearer.
type near struct {
	Decision
	came   int
	faults int
}

// How far a grant came.
const (
	_ = iota
	ofAction
	ofKind
	toReceiver
	judged
)

func (n *near) offer(other near) {
	if other.came > n.came || other.came == n.came && other.faults < n.faults {
		*n = other
	}
}

// uncovered says why a grant does not cover a request, false when it does and the judge must be asked.
func (s *Set) uncovered(q *question, g *row, from, to *member) (near, bool) {
	r := q.request
	lacks := func(came int, reason Reason, hint string) (near, bool) {
		return near{Decision{Reason: reason, Grant: g.Name, Hint: hint}, came, 0}, true
	}
	if !g.ofKind(r.Detail) {
		if r.Detail == "" {
			return lacks(ofAction, AttributeMissing, fmt.Sprintf("the grant %q is for some kinds only, and the request does not say its kind", g.Name))
		}
		return lacks(ofAction, Detail, fmt.Sprintf("the grant %q is for %s", g.Name, strings.Join(g.Details, ", ")))
	}
	// who is not known is reached by no grant; the judge says so
	leaves := q.facts&outside != 0
	if q.facts&destinationKnown != 0 && r.Action != Associate && !g.reaches(&from.Party, &to.Party, leaves) {
		if leaves {
			return lacks(ofKind, Outside, fmt.Sprintf("the grant %q would have to say outside: true and name the receiver", g.Name))
		}
		return lacks(ofKind, Destination, fmt.Sprintf("the grant %q lets data go to %s", g.Name, strings.Join(g.To, ", ")))
	}
	if w, over := g.exceeded(saturatedSum(r.Patients, r.Unidentified)); over && !r.BreakGlass {
		n, _ := lacks(toReceiver, windowReason(w), fmt.Sprintf("the grant %q is for %d patients in %s", g.Name, g.Budget[w], w))
		n.Budget = fmt.Sprintf("grant %s %s %d", g.Name, w, g.Budget[w])
		return n, true
	}
	return near{}, false
}

func saturatedSum(a, b int) int {
	if sum := a + b; sum >= a {
		return sum
	}
	return int(^uint(0) >> 1)
}

func refuse(reason Reason, hint string) Decision { return Decision{Reason: reason, Hint: hint} }

// hint says what would have permitted a request that the judge refused.
func (s *Set) hint(v verdict, g *row) string {
	switch v.reason {
	case PolicyError, Forbidden:
		if v.by.own {
			return v.by.advice
		}
		return "the policies that are shipped could not be evaluated"
	case Unproven:
		return "a certificate on this listener would prove the party"
	case DestinationUnknown:
		return "the receiver would have to be known, and be a party of the site file"
	case Outside:
		return fmt.Sprintf("the grant %q would have to say outside: true", g.Name)
	case Everybody:
		return fmt.Sprintf("naming a patient would do, or whose: all in the grant %q", g.Name)
	case Unresolved:
		return "a request from which the patients can be found out would be judged by them"
	case Ward:
		return fmt.Sprintf("the grant %q is for patients on wards that are groups of the party", g.Name)
	case OutsideHours:
		return "the same request within the hours of the party"
	case ApprovalMissing:
		return "somebody would have to approve it first"
	}
	return "no policy permits it"
}
