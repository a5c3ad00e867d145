package guard

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/page"
)

// Rules of findings about the clock at a start.
const (
	AheadRule  = "clock-ahead"  // long after all that is on record: the machine was off, or its clock is ahead
	BehindRule = "clock-behind" // an hour or more before what is on record: its clock is behind, or was ahead
)

// believable is how far ahead of the record a clock is believed: a machine is off over a long weekend. Of more nobody can tell whether
// the time has passed or the clock was set, and the windows of the budgets do not move on for it.
const believable = 72 * time.Hour

// timeline says when, by the clock that holds now, something on record was delivered. A guard puts its time on record when it
// starts, every ten minutes and when it ends; in the order of recording these times show where the clock was set, or nobody was there.
type timeline struct {
	leaps   []leap   // the earliest first
	turns   []turn   // in their order
	detours []detour // in their order
}

// leap is a span of which the record says nothing, longer than is believed.
type leap struct{ from, until time.Time }

// turn is a clock that was put back.
type turn struct {
	from, to    time.Time
	before      []leap // as they were
	left, known int    // how many leaps and detours there are since
}

// detour is what a clock said from when it was put back until it was set to where it would have been: as that of a machine does whose
// battery is empty. What is on record from the time before the detour is as old as it would be without it.
type detour struct{ from, to, until time.Time }

func (l leap) span() time.Duration { return l.until.Sub(l.from) }

// readTimeline makes the timeline up to now of what the record says.
func (g *Guard) readTimeline(ctx context.Context, now time.Time) (timeline, error) {
	var t timeline
	var last time.Time
	err := g.ledger.Notes(ctx, func(n ledger.Note) error {
		switch {
		case n.Kind == ledger.Policy && strings.HasSuffix(n.Text, holds):
			last = t.step(last, n.At)
		case n.Kind == ledger.Coverage && n.Text == watched:
			last = t.step(last, n.Seen.Until)
		}
		return nil
	})
	t.step(last, now)
	return t, err
}

// step goes on from one time to the next, which it returns.
func (t *timeline) step(last, next time.Time) time.Time {
	if last.IsZero() {
		return next
	}
	if next.Before(last) {
		before := slices.Clone(t.leaps)
		for i := range t.leaps {
			if l := &t.leaps[i]; next.Before(l.until) {
				l.until = next // it went less far than it seemed
			}
		}
		t.leaps = slices.DeleteFunc(t.leaps, func(l leap) bool { return l.span() <= believable })
		t.turns = append(t.turns, turn{last, next, before, len(t.leaps), len(t.detours)})
	}
	l := leap{last, next}
	if l.span() <= believable {
		return next
	}
	if back := t.setRight(last, next); back != nil {
		t.detours = append(t.detours, detour{back.to, last, next})
		t.leaps, l.from = slices.Clone(back.before), back.from.Add(last.Sub(back.to)) // so much has passed meanwhile
	}
	if l.span() > believable {
		t.leaps = append(t.leaps, l)
	}
	return next
}

// setRight gives the turn that a leap undoes; nil when it undoes none, or when nobody can tell how long the clock was elsewhere.
func (t *timeline) setRight(last, next time.Time) *turn {
	lowest := last
	for i := range slices.Backward(t.turns) {
		back := &t.turns[i]
		if back.to.Before(lowest) {
			lowest = back.to
		}
		if !last.Before(back.from) {
			continue // it had come there again by itself
		}
		if next.Before(back.from) || lowest.Before(back.to) || len(t.leaps) != back.left || len(t.detours) != back.known {
			return nil
		}
		return back
	}
	return nil
}

// since gives from when on the record has to be read for what was delivered since a time.
func (t *timeline) since(at time.Time) time.Time {
	for _, l := range slices.Backward(t.leaps) {
		if at.Before(l.until) {
			at = at.Add(-l.span())
		}
	}
	for _, d := range t.detours {
		if at.Before(d.until) && d.from.Before(at) {
			at = d.from
		}
	}
	return at
}

// hour gives the hour in which what is on record under one counts: never an earlier one than that of its delivery. What lies ahead was
// recorded before the clock was put back from there.
func (t *timeline) hour(recorded int64, now time.Time) int64 {
	if ahead := recorded; ahead > hourOf(now) {
		recorded = hourOf(now)
		for _, turn := range t.turns {
			if hourOf(turn.from)+1 >= ahead { // its last time on record may be of an hour before
				recorded = min(hourOf(turn.to), hourOf(now))
			}
		}
	}
	var since time.Time
	for _, d := range slices.Backward(t.detours) {
		if to := hourOf(d.to); hourOf(d.from) <= recorded && recorded <= to+3 { // its last time on record is one of an hour before, or little more
			recorded, since = hourOf(d.until)-max(0, to-recorded), d.until
			break
		}
	}
	for _, l := range t.leaps {
		from, until := hourOf(l.from), hourOf(l.until)
		switch {
		case !l.until.After(since): // the detour was behind it
		case recorded <= from:
			recorded += until - from
		case recorded < until: // by a clock that was elsewhere, nobody knows when
			recorded = until
		}
	}
	return min(recorded, hourOf(now))
}

func hourOf(t time.Time) int64 { return t.Unix() / 3600 }

// tellClock tells of a start long after all that is on record, or before some of it.
func (g *Guard) tellClock(ctx context.Context, now time.Time) {
	leaps, turns := g.timeline.leaps, g.timeline.turns
	f := chaperone.Finding{Severity: chaperone.High, First: now, Last: now, Count: 1}
	switch n, m := len(leaps), len(turns); {
	case n > 0 && leaps[n-1].until.Equal(now):
		by := page.Span(leaps[n-1].span())
		g.log.Error("the clock is far ahead of the record; the budgets go on as if no time had passed", "by", by)
		f.Rule, f.Title = AheadRule, fmt.Sprintf("The guard started %s after all that is on record: its budgets go on as if no time had passed.", by)
		f.Advice = "If the machine was off for so long, or the record is one of a backup, nothing is wrong; a budget that is spent because of it can be raised in the site " +
			"file for a time. If its clock is ahead, set it right and start the guard again: the budgets are loaded from the record again, with what was delivered meanwhile."
	case m > 0 && turns[m-1].to.Equal(now) && turns[m-1].from.Sub(now) >= time.Hour:
		by := page.Span(turns[m-1].from.Sub(now))
		g.log.Error("the clock is behind the record; what is on record of later counts in the budgets as delivered now", "by", by)
		f.Rule, f.Title = BehindRule, fmt.Sprintf("The guard started %s before some of what is on record: that counts in its budgets as delivered now.", by)
		f.Advice = "If its clock is behind (an empty battery, another time zone), set it right and start the guard again: the budgets are as they were, with what was delivered " +
			"meanwhile. If its clock was ahead before and is right now, nothing is wrong; a budget that is spent because of it can be raised in the site file for a time."
	default:
		return
	}
	if _, err := g.ledger.Record(context.WithoutCancel(ctx), ledger.Batch{Findings: []chaperone.Finding{f}}); err != nil {
		g.log.Error("where the clock is, is not on record", "error", err)
	}
}
