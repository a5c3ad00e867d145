package guard

import (
	"context"
	"time"

	"chaperone/ledger"
	"chaperone/ledger/disk"
)

// keeper is what a guard needs of the record to purge what is past its retention.
type keeper interface {
	Status() (disk.Status, error)
	Purge(ctx context.Context, day ledger.Day) error
	Begun(day ledger.Day) (time.Time, error)
}

// watchRetention purges what the site file no longer wants kept: shortly after the start, and then once a day.
func (g *Guard) watchRetention(ctx context.Context) {
	next := time.NewTimer(min(time.Minute, g.pace.purge))
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		n, err := g.purge(ctx, g.now())
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			g.log.Error("days that are past their retention could not all be purged", "purged", n, "error", err)
		case n > 0:
			g.log.Info("days that are past their retention were purged", "days", n, "retain", g.rules.Load().site.Retain.String())
		}
		next.Reset(g.pace.purge)
	}
}

// purge destroys the days that are past their retention, the earliest first, and says how many. What time it is says neither
// the clock nor the end of the record alone, which a clock that was set ahead has moved on: the earlier of the clock and the latest
// day that is sure (ledger.SureDay). Of two mistakes the safe one is to purge too late: what was destroyed does not come back.
func (g *Guard) purge(ctx context.Context, now time.Time) (n int, err error) {
	s, err := g.ledger.Status()
	if err != nil {
		return 0, err
	}
	sure := ledger.SureDay(s.Days, now)
	if sure == 0 {
		return 0, nil
	}
	first := g.rules.Load().site.Retain.First(sure.Time())
	for _, day := range s.Days { // in order
		if day >= first || ctx.Err() != nil {
			break
		}
		begun, err := g.ledger.Begun(day)
		if err != nil {
			return n, err
		}
		if ledger.DayOf(begun) >= first { // it was recorded since: of an old capture, or with a clock that was behind
			continue
		}
		if err := g.ledger.Purge(ctx, day); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
