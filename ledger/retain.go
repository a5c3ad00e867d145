package ledger

import (
	"errors"
	"slices"
	"strconv"
	"time"
)

// Retention is how long a day stays on record: a number of years, months or days. The zero value keeps everything.
type Retention struct {
	n    int
	unit byte // y, m or d
}

// UsualRetention is kept when nobody says otherwise: a year more than a patient may ask for.
var UsualRetention = Retention{7, 'y'}

// LeastRetention is what a patient may ask for (45 CFR 164.528), YearOfBudgets what the longest budget looks back on.
var (
	LeastRetention = Retention{6, 'y'}
	YearOfBudgets  = Retention{1, 'y'}
)

// mostRetained bounds the number, in any unit.
const mostRetained = 40000

// ParseRetention reads a text such as 7y, 90m or 2555d.
func ParseRetention(text string) (Retention, error) {
	bad := errors.New("a number and y, m or d, for years, months or days; for example 7y")
	if text == "" {
		return Retention{}, bad
	}
	n, err := strconv.Atoi(text[:len(text)-1])
	r := Retention{n, text[len(text)-1]}
	if err != nil || n < 1 || n > mostRetained || r.String() != text {
		return Retention{}, bad
	}
	switch r.unit {
	case 'y', 'm', 'd':
		return r, nil
	}
	return Retention{}, bad
}

func (r Retention) String() string {
	if r.n == 0 {
		return ""
	}
	return strconv.Itoa(r.n) + string(r.unit)
}

// Shorter reports whether it is shorter than another, by months of 30 days.
func (r Retention) Shorter(than Retention) bool { return r.days() < than.days() }

func (r Retention) days() int {
	switch r.unit {
	case 'y':
		return 360 * r.n
	case 'm':
		return 30 * r.n
	}
	return r.n
}

// First gives the first day to keep.
func (r Retention) First(now time.Time) Day {
	now = now.UTC()
	switch r.unit {
	case 'y':
		now = now.AddDate(-r.n, 0, 0)
	case 'm':
		now = now.AddDate(0, -r.n, 0)
	case 'd':
		now = now.AddDate(0, 0, -r.n)
	default:
		return 0
	}
	if now.Year() < 1970 {
		return 0
	}
	return DayOf(now)
}

// A day on record is sure when this many others are on record in this many days before it.
const (
	sureDays = 30
	sureSpan = 60
)

// SureDay gives the latest day that is sure to have come, as far as the days on record and a clock can tell; 0 when none is. A
// clock that was set ahead puts its own days on record, so neither it nor the last of them is believed: only a month of
// records, one day after the other, is. What is purged by it is purged late after a pause, and never years too early.
func SureDay(days []Day, now time.Time) Day {
	days = slices.Clone(days)
	slices.Sort(days)
	days = slices.Compact(days)
	today := DayOf(now)
	for i := len(days) - 1; i >= sureDays; i-- {
		if days[i] <= today && days[i]-days[i-sureDays] <= sureSpan {
			return days[i]
		}
	}
	return 0
}
