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

// AheadRule is the rule of findings about a start long after all that is on record: the machine was off, or its clock is ahead.
const AheadRule = "clock-ahead"

// believable is how far ahead of the record a clock is believed: a machine is off over a long weekend. Of more nobody can tell whether
// the time has passed or the clock was set, and the windows of the budgets do not move on for it.
const believable = 72 * time.Hour

// timeline says when, by the clock that holds now, something on record was delivered. A guard puts its time on record when it
// starts, every hour and when it ends; in the order of recording these times show where the clock was set, or nobody was there.
type timeline struct {
	leaps []leap // the earliest first
	turns []turn // in their order
}

// leap is a span of which the record says nothing, longer than is believed.
type leap struct{ from, until time.Time }

// turn is a clock that was put back.
type turn struct{ from, to time.Time }

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
		t.turns = append(t.turns, turn{last, next})
		for i := range t.leaps {
			if l := &t.leaps[i]; next.Before(l.until) {
				l.until = next // it went less far than it seemed
			}
		}
		t.leaps = slices.DeleteFunc(t.leaps, func(l leap) bool { return l.span() <= believable })
	}
	if l := (leap{last, next}); l.span() > believable {
		t.leaps = append(t.leaps, l)
	}
	return next
}

// since gives from when on the record has to be read for what was delivered since a time.
func (t *timeline) since(at time.Time) time.Time {
	for _, l := range slices.Backward(t.leaps) {
		if at.Before(l.until) {
			at = at.Add(-l.span())
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
	for _, l := range t.leaps {
		from, until := hourOf(l.from), hourOf(l.until)
		switch {
		case recorded <= from:
			recorded += until - from
		case recorded < until: // by a clock that was elsewhere, nobody knows when
			recorded = until
		}
	}
	return recorded
}

func hourOf(t time.Time) int64 { return t.Unix() / 3600 }

// tellAhead tells of a start long after all that is on record.
func (g *Guard) tellAhead(ctx context.Context, now time.Time) {
	n := len(g.timeline.leaps)
	if n == 0 || !g.timeline.leaps[n-1].until.Equal(now) {
		return
	}
	last := g.timeline.leaps[n-1]
	g.log.Error("the clock is far ahead of the record; the budgets go on as if no time had passed", "by", page.Span(last.span()))
	f := chaperone.Finding{
		Rule: AheadRule, Severity: chaperone.High, First: now, Last: now, Count: 1,
		Title: fmt.Sprintf("The guard started %s after all that is on record: its budgets go on as if no time had passed.", page.Span(last.span())),
		Advice: "If the machine was off for so long, nothing is wrong. If its clock is ahead, set it right and start the guard again: " +
			"the budgets are loaded from the record again, with what was delivered meanwhile.",
	}
	if _, err := g.ledger.Record(context.WithoutCancel(ctx), ledger.Batch{Findings: []chaperone.Finding{f}}); err != nil {
		g.log.Error("that the clock is far ahead is not on record", "error", err)
	}
}
