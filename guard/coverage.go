package guard

import (
	"context"
	"sync/atomic"
	"time"

	"chaperone/ledger"
)

// coverage counts what the guard saw since it was last put on record: every answer of the ledger about that time carries it. Bytes that
// passed unread are told by refusals, at once.
type coverage struct {
	connections atomic.Int64
	decoded     atomic.Int64 // of them, those of a protocol that is read
	malformed   atomic.Int64
}

// watched is the text of its notes.
const watched = "the guard decided what passed it"

// coverageEvery is how often it is put on record.
const coverageEvery = time.Hour

// watchCoverage puts on record what was watched: every hour, and at the end.
func (g *Guard) watchCoverage(ctx context.Context) {
	tick := time.NewTicker(coverageEvery)
	defer tick.Stop()
	from := g.now()
	for {
		over := false
		select {
		case <-ctx.Done():
			over = true
		case <-tick.C:
		}
		until := g.now()
		c := &g.coverage
		seen := ledger.Seen{From: from, Until: until, Flows: c.connections.Swap(0), Decoded: c.decoded.Swap(0), Malformed: c.malformed.Swap(0)}
		seen.Hidden = seen.Flows - seen.Decoded
		note := ledger.Note{Kind: ledger.Coverage, At: from, Text: watched, Seen: seen}
		if _, err := g.ledger.Record(context.WithoutCancel(ctx), ledger.Batch{Notes: []ledger.Note{note}}); err != nil {
			g.log.Error("what was watched is not on record", "error", err)
		}
		if over {
			return
		}
		from = until
	}
}

// malformed counts bytes that are not what a listener's protocol allows.
func (g *Guard) malformed(listener string) {
	g.metrics.malformed(listener)
	g.coverage.malformed.Add(1)
}
