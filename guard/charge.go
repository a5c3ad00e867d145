package guard

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"chaperone/ledger"
	"chaperone/policy"
	"chaperone/policy/budget"
)

// spent says what can be done about a budget that is exceeded.
const spent = "Wait until the window has moved on, raise the budget in the site file, or approve more for a time."

// charge counts patients against budgets, all or nothing.
func (g *Guard) charge(keys []budget.Keyed, numbers []ledger.Number, unidentified int, now time.Time) *budget.Over {
	return g.book.Charge(now, keys, patientsOf(numbers), unidentified)
}

// patientsOf gives numbers as a book has them.
func patientsOf(numbers []ledger.Number) []uint32 {
	patients := make([]uint32, len(numbers))
	for i, n := range numbers {
		patients[i] = uint32(n)
	}
	return patients
}

// owed gives the budgets that are charged for what is decided, and those that count it later, when it is released: behind broken
// glass all but the site's and its own, since whoever is counted in a budget passes it again without the glass. What is decided
// again is charged to what is not charged yet: by another approval to its own, and to the party's if only broken glass has paid.
func (j *judge) owed(keys []budget.Keyed, u *use) (now, later []budget.Keyed) {
	paid := len(j.paid) > 0
	if !paid && !u.glass() {
		return keys, nil
	}
	// The site's budget is the first of keys, and an approval's own the second: see use.keys.
	if !slices.ContainsFunc(j.paid, func(by *use) bool { return !by.glass() }) {
		if !u.glass() {
			return keys[1:], nil
		}
		later = keys[2:]
	}
	switch {
	case !paid:
		now = keys[:2]
	case u != nil && !slices.Contains(j.paid, u):
		now = keys[1:2]
	}
	return now, later
}

// keys gives the budgets that a wish is charged to. What was asked for is limited by the grant and by whoever receives it, its
// groups, its role and the site; so is what is pushed to a vendor, to research or outside. Any other push is a feed that may
// legitimately carry everybody: it counts, and its grant alone limits it, by sender.
func (r *rules) keys(w *wish, grant budget.Limits) []budget.Keyed {
	site := budget.Keyed{Key: siteKey(r.site)}
	limited := w.limited()
	if limited {
		site.Limits = budget.Limits(r.site.Budgets.Site)
	}
	keys := []budget.Keyed{site}
	if !w.asked {
		if from := w.from.party; from != nil { // of a report, the system behind the guard
			keys = append(keys, budget.Keyed{Key: senderKey(from), Limits: grant})
		}
		grant = budget.Limits{}
	}
	p := w.to.party
	if p == nil {
		return keys
	}
	limit := func(key budget.Key, limits budget.Limits) {
		if !limited {
			limits = budget.Limits{} // it counts all the same, as it will when it is loaded
		}
		keys = append(keys, budget.Keyed{Key: key, Limits: limits})
	}
	limit(partyKey(p), stricter(grant, budget.Limits(p.Budget)))
	for _, group := range p.Groups {
		limit(groupKey(group), budget.Limits(r.site.Budgets.Groups[group]))
	}
	if p.Role != "" {
		limit(roleKey(p), budget.Limits(r.site.Budgets.Roles[p.Role]))
	}
	return keys
}

// exceeded names the budget that a permission would exceed. A grant's has its own name, as where one request alone exceeds it, and not
// that of the party whose patients it counts.
func (w *wish) exceeded(over *budget.Over, permission *policy.Decision, u *use) string {
	var counts budget.Key
	switch {
	case !w.asked && w.from.party != nil:
		counts = senderKey(w.from.party)
	case w.asked && w.to.party != nil:
		counts = partyKey(w.to.party)
	}
	if over.Cause == budget.Exceeded && over.Key == counts && over.Limit == permission.Limits[over.Window] {
		grant := permission.Grant
		if u != nil {
			grant = strings.TrimSuffix(grant, ", "+u.Name())
		}
		return fmt.Sprintf("grant %s %s %d", grant, over.Window, over.Limit)
	}
	return over.String()
}

// limited reports whether whoever receives what a wish is for is limited in it.
func (w *wish) limited() bool {
	p := w.to.party
	return w.asked || p != nil && (p.Outside || p.Role == "vendor" || p.Role == "research")
}

// stricter gives the lower of two limits in each window; 0 is none.
func stricter(a, b budget.Limits) budget.Limits {
	for i := range a {
		if a[i] == 0 || b[i] != 0 && b[i] < a[i] {
			a[i] = b[i]
		}
	}
	return a
}
