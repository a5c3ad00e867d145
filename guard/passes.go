package guard

import (
	"slices"
	"time"

	"chaperone/approval"
	"chaperone/policy"
	"chaperone/policy/budget"
	"chaperone/site"
)

// spentApproval is the reason of a refusal when an approval's own number of patients is used up.
const spentApproval policy.Reason = "budget-approval"

// endedApproval is the reason of a refusal when an approval ended between a decision and the record of it.
const endedApproval policy.Reason = "approval-over"

var byGrants = []*use{nil}

// passes gives the grounds on which a wish of a party is tried, one after the other: its approvals, if it needs one, else its
// grants alone (nil); and if the glass is broken for it, that at last, so that no more is done behind the glass than has to be.
func (g *Guard) passes(p *site.Party, needed bool, now time.Time) []*use {
	if p == nil || g.approvals.register == nil {
		return byGrants
	}
	var list, glass []*use
	for _, a := range g.approvals.register.InForce(p.Name, now) {
		switch {
		case a.Kind == approval.BreakGlass:
			glass = append(glass, g.approvals.use(&a))
		case needed:
			list = append(list, g.approvals.use(&a))
		}
	}
	if len(list) == 0 {
		list = append(list, nil)
	}
	return append(list, glass...)
}

// inForce says whether a ground on which something was permitted is still there; without an approval it does not end.
func (g *Guard) inForce(u *use) error {
	if u == nil || g.approvals.holds(u, g.now()) {
		return nil
	}
	return errUnapproved
}

// needsApproval reports whether what a client wishes must be approved: the site file says so, or a connection that nobody
// reads comes from somebody who has not proved who it is.
func (j *judge) needsApproval(w *wish) bool {
	return w.client.party != nil && (w.client.party.Approval || w.action == policy.Connect && !j.mutual)
}

// glass reports whether it is a break-glass.
func (u *use) glass() bool { return u != nil && u.Kind == approval.BreakGlass }

// put says in a request what it rests on.
func (u *use) put(q *policy.Request) {
	q.BreakGlass = u.glass()
	q.Approved = u != nil && !q.BreakGlass
}

// keys are the budgets that count: an approval's own beside the others, behind the site's, which is the first. Behind broken glass
// those of the party, its groups and its role still count and do not limit; the site's does.
func (u *use) keys(keys []budget.Keyed, site budget.Key) []budget.Keyed {
	if u == nil {
		return keys
	}
	for i := range keys {
		if u.glass() && keys[i].Key != site {
			keys[i].Limits = budget.Limits{}
		}
	}
	return slices.Insert(keys, 1, budget.Keyed{Key: u.key(), Limits: budget.Limits{u.Patients, u.Patients, u.Patients, u.Patients}})
}

// grant is how the record names what permitted: approvalOf reads it back.
func (u *use) grant(name string) string {
	switch {
	case u == nil:
		return name
	case u.glass():
		return u.Name() + " of " + name
	}
	return name + ", " + u.Name()
}

// over says why a charge was refused.
func (u *use) over(over *budget.Over) (reason policy.Reason, hint string) {
	if u != nil && over.Cause == budget.Exceeded && over.Key == u.key() {
		return spentApproval, "Its patients are used up; those already seen may be seen again. Another approval would permit more."
	}
	return policy.BudgetReason(over), spent
}
