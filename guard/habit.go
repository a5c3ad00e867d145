package guard

import (
	"fmt"
	"sync"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/policy/budget"
)

// UnusualRule is the rule of findings about parties that get more patients in a day than on the days before: a surge is told of
// before a budget ends it.
const UnusualRule = "more-than-usual"

// A day is unusual for a party that has had patients on some days, when it has half as many again as on the busiest, and some more.
const (
	daysKnown = 7
	someMore  = 10
)

// habits remember of whom it was told today.
type habits struct {
	mu   sync.Mutex
	told map[budget.Key]ledger.Day
}

// first reports whether it is the first time on a day that a key is told of.
func (h *habits) first(key budget.Key, day ledger.Day) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if was, ok := h.told[key]; ok && was == day {
		return false
	}
	if h.told == nil {
		h.told = map[budget.Key]ledger.Day{}
	}
	h.told[key] = day
	return true
}

// watchHabit looks at what the receiver of a wish that was granted has had today. Feeds, which may carry everybody, are not looked at.
func (g *Guard) watchHabit(r *rules, w *wish, now time.Time) {
	p := w.to.party
	if p == nil || !w.limited() {
		return
	}
	habit := g.book.Usual(partyKey(p), now)
	if habit.Days < daysKnown || habit.Today <= habit.Most+max(habit.Most/2, someMore) || !g.habits.first(partyKey(p), ledger.DayOf(now)) {
		return
	}
	g.refused.tell(chaperone.Finding{
		Rule: UnusualRule, Severity: chaperone.Medium, From: w.from.record(), To: w.to.record(), First: now, Last: now, Count: 1,
		Title:    "A party got more patients today than on any of the 30 days before.",
		Advice:   fmt.Sprintf("Party %s: %d patients today so far, %d at most on any of the %d days before. See what it got with chaperone scope; lower its budget if that must not be.", p.Name, habit.Today, habit.Most, habit.Days),
		Evidence: chaperone.Evidence{File: "guard, policy " + r.site.Version},
	})
}
