package guard

import (
	"context"
	"fmt"
	"time"

	"chaperone"
	"chaperone/ledger"
)

// monotonic gives a clock that goes on from now whatever is done to the machine's: budgets are counted in hours, and must not
// be emptied by setting a clock.
func monotonic() func() time.Time {
	start := time.Now()
	return func() time.Time { return start.Round(0).Add(time.Since(start)) }
}

func (g *Guard) now() time.Time { return g.clock() }

// ClockRule is the rule of findings about a clock that was put forward or back.
const ClockRule = "clock-moved"

// drift is how far the machine's clock may be from the guard's.
const drift = 2 * time.Minute

// watchClock moves the budgets on with time, and tells when somebody moved the machine's clock.
func (g *Guard) watchClock(ctx context.Context) {
	tick := time.NewTicker(g.pace.clock)
	defer tick.Stop()
	told := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := g.now()
		g.book.Advance(now)
		moved := time.Now().Round(0).Sub(now)
		if off := moved.Abs() > drift; off == told {
			continue
		}
		told = !told
		if !told {
			continue
		}
		g.log.Error("the machine's clock was moved; the guard goes on by its own", "by", moved.Round(time.Second).String())
		f := chaperone.Finding{
			Rule: ClockRule, Severity: chaperone.High, First: now, Last: now, Count: 1,
			Title:  fmt.Sprintf("The clock of the guard's machine was put %s.", direction(moved)),
			Advice: "Find out who did it. If the new time is right, start the guard again: until then it goes on by the old one.",
		}
		if _, err := g.ledger.Record(context.WithoutCancel(ctx), ledger.Batch{Findings: []chaperone.Finding{f}}); err != nil {
			g.log.Error("that the clock was moved is not on record", "error", err)
		}
	}
}

func direction(moved time.Duration) string {
	if moved < 0 {
		return "back"
	}
	return "forward"
}
