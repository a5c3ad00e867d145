package guard

import (
	"time"

	"chaperone/policy"
	"chaperone/policy/budget"
	"chaperone/site"
)

// precedent is the last permission of a connection by the grants alone. Nearly every message of a feed asks for what the one before
// it did, of another patient: then the policy, which sees no patient, would say the same again, and is not asked.
type precedent struct {
	terms    terms
	decision policy.Decision
	keys     []budget.Keyed
}

// terms are all that identity, policy and the choice of budgets go by, beside what is the same for a whole connection.
type terms struct {
	rules                               *rules
	action                              policy.Action
	detail, claim                       string
	client, from, to                    *site.Party
	asked, everybody, unresolved, later bool
	minute                              int64 // hours begin and end with one
	patients, unidentified              int
}

// termsOf gives what a wish goes by but for its patients; false when the next one may differ in something else.
func termsOf(r *rules, w *wish, now time.Time) (terms, bool) {
	t := terms{
		rules: r, action: w.action, detail: w.detail, client: w.client.party, from: w.from.party, to: w.to.party,
		asked: w.asked, everybody: w.everybody, unresolved: w.unresolved, later: w.later, minute: now.Unix() / 60,
	}
	if len(w.claims) == 1 {
		t.claim = w.claims[0]
	}
	return t, len(w.claims) < 2 && w.wards == nil
}

// stands reports whether a permission was given on these terms.
func (s *precedent) stands(t *terms) bool { return s.keys != nil && s.terms == *t }
