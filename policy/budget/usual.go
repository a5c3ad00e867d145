package budget

import "time"

// Habit is what a key receives in a day. Days are those of UTC.
type Habit struct {
	Most  int // distinct patients on the busiest of the 30 days before today
	Days  int // of those 30, how many had any: what the rest stands on
	Today int // distinct patients today, so far
}

// Usual says what is usual for a key, so that a surge can be noticed long before it meets a limit.
func (b *Book) Usual(key Key, at time.Time) (h Habit) {
	b.mu.RLock()
	a := b.accounts[key]
	b.mu.RUnlock()
	if a == nil {
		return Habit{}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	today := max(hourOf(at), b.latest.Load()) / 24
	last := a.head / 24
	for day := max(today-days+1, last-days+1, 0); day <= last; day++ {
		n := int(a.distinct[day%days])
		switch {
		case day == today:
			h.Today = n
		case n > 0:
			h.Most, h.Days = max(h.Most, n), h.Days+1
		}
	}
	return h
}
