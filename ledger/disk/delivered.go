package disk

import (
	"context"
	"fmt"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/index"
)

// Delivered is what one recipient was given in one hour on one way.
type Delivered struct {
	From, To     chaperone.Party // without ports
	Requested    bool            // somebody asked for it
	Protocol     chaperone.Protocol
	Action       string
	Hour         int64           // since 1970-01-01T00:00Z
	Numbers      []ledger.Number // as Resolve gives them, with repetitions
	Unidentified int
}

// Delivered tells what recipients were given from the hour of a time on, in no order, in parts: what budgets are loaded with at
// a start. keep says which recipients are meant. What each gets is valid until it returns.
func (l *Ledger) Delivered(ctx context.Context, since time.Time, keep func(to chaperone.Party) bool, each func(Delivered) error) error {
	a, err := l.take(&ledger.Query{From: since.Truncate(time.Hour)})
	if err != nil {
		return err
	}
	defer a.close()
	defer a.unlock()
	d := l.dictionary
	first := since.Unix() / 3600
	for _, day := range a.days {
		ways, err := a.view.Ways(day)
		if err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
		for _, way := range ways {
			if err := ctx.Err(); err != nil {
				return err
			}
			n := way.Number()
			if n == 0 || n > a.known || !keep(d.parties[n-1].to) {
				continue
			}
			out := Delivered{From: d.parties[n-1].from, To: d.parties[n-1].to, Requested: d.ways[n-1].Requested, Protocol: d.parties[n-1].protocol, Action: d.text(d.ways[n-1].Action)}
			err := a.view.Hours(day, way, func(h index.Hour) error {
				if out.Hour = int64(day)*24 + int64(h.Hour); out.Hour < first {
					return nil
				}
				out.Numbers, out.Unidentified = h.Numbers, h.Unidentified
				return each(out)
			})
			if err != nil {
				return fmt.Errorf("ledger: %w", err)
			}
		}
	}
	return nil
}
