// Package budget counts the distinct patients that were delivered to whom, over four nested windows, and says when one more
// would be too many. It is arithmetic over numbers: no I/O, no clock (time is a parameter), no names of people.
//
// # Windows
//
// Time is cut into whole hours of UTC. A window of W hours, asked at a moment in hour h, holds the hours h-W to h: the hour
// that is running as far as it has run, and W whole hours before it. So a window is never shorter than its name, and longer
// by less than an hour.
//
// A patient who is delivered again is no new patient, but stays in the window for another W hours from then on. A record
// without identity (unidentified) counts as one each time.
//
// # Time
//
// A book knows the latest hour it has seen. What is charged with an earlier time counts in that latest hour, so that a clock
// which is set back frees nothing. A charge may begin the next hour; one that lies further ahead is refused (Leapt), because
// a clock that is set forward would empty the windows. Advance moves the book on: who calls it has checked the time.
package budget

import (
	"fmt"
	"strings"
	"time"
)

// Window is one of the spans over which patients are counted.
type Window uint8

// The windows, each inside the next.
const (
	Hour  Window = iota // 1 hour
	Day                 // 24 hours
	Month               // 30 days
	Year                // 365 days
)

// windows is how many there are.
const windows = 4

// span is the length of each window in hours, and name what people call it.
func (w Window) span() int64    { return [windows]int64{1, 24, 30 * 24, 365 * 24}[w] }
func (w Window) String() string { return [windows]string{"1h", "24h", "30d", "365d"}[w] }

// ParseWindow gives the window of a name.
func ParseWindow(name string) (Window, bool) {
	for w := Hour; w <= Year; w++ {
		if w.String() == name {
			return w, true
		}
	}
	return 0, false
}

// Limits are the most distinct patients, by window; 0 is no limit.
type Limits [windows]int

// String writes the limits that there are: "1h 50, 24h 200".
func (l Limits) String() string {
	var parts []string
	for w := Hour; w <= Year; w++ {
		if l[w] != 0 {
			parts = append(parts, fmt.Sprintf("%s %d", w, l[w]))
		}
	}
	return strings.Join(parts, ", ")
}

// Check says what is wrong with limits, nil when they can be met: none is negative, and none of a longer window is less
// than that of a shorter one, which could then never be reached.
func (l Limits) Check() error {
	before := 0
	for w := Hour; w <= Year; w++ {
		switch {
		case l[w] < 0:
			return fmt.Errorf("budget: the limit of %s is negative", w)
		case l[w] != 0 && l[w] < before:
			return fmt.Errorf("budget: the limit of %s is less than that of a shorter window", w)
		case l[w] != 0:
			before = l[w]
		}
	}
	return nil
}

// Key names what a budget is of: "party ct1", "group radiology", "role viewer", "site north".
type Key string

// Keyed is a key with its limits.
type Keyed struct {
	Key    Key
	Limits Limits
}

// Cause says why a charge was refused.
type Cause uint8

// Causes of a refusal.
const (
	Exceeded Cause = iota // a window would hold more patients than its limit
	Leapt                 // the time lies more than an hour ahead of the latest: see Advance
	Invalid               // a negative number of records
)

// Over is a refused charge. Nothing of it was counted.
type Over struct {
	Cause  Cause
	Key    Key    // the key that was exceeded; like the rest, only when Cause is Exceeded
	Window Window // its shortest window that was
	Limit  int
	Count  int // what the window would hold
}

// String names the budget: "party ct1 24h 200".
func (o *Over) String() string {
	switch o.Cause {
	case Leapt:
		return "the clock leapt forward"
	case Invalid:
		return "a negative number of records"
	}
	return fmt.Sprintf("%s %s %d", o.Key, o.Window, o.Limit)
}

// hourOf gives the hour of a time, counted from 1970. Earlier times are in the first hour, later ones than the table can
// hold in the last.
func hourOf(at time.Time) int64 { return min(max(at.Unix(), 0)/3600, maxHour) }
