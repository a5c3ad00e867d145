package guard

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"chaperone/ledger"
	"chaperone/ledger/disk"
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

// beginCoverage puts on record that a run begins, before anything can pass it, and of the run before, if it was cut off, the time from
// its last note to its last release: that one is on record, and so somebody decided until then, and no longer as far as anybody knows.
func (g *Guard) beginCoverage(ctx context.Context, now time.Time) error {
	notes := []ledger.Note{{Kind: ledger.Coverage, At: now, Text: watched, Seen: ledger.Seen{From: now, Until: now}}}
	cut, err := g.cutOff(ctx, now)
	if cut.From.Before(cut.Until) {
		notes = append([]ledger.Note{{Kind: ledger.Coverage, At: cut.From, Text: watched, Seen: cut}}, notes...)
	}
	_, failed := g.ledger.Record(context.WithoutCancel(ctx), ledger.Batch{Notes: notes})
	return errors.Join(err, failed)
}

// cutOff gives what no note covers of the run before. Who began without saying so, as the first guards did, is not gone by; and what
// lies further behind a note than the next one would is of no run that is known.
func (g *Guard) cutOff(ctx context.Context, now time.Time) (cut ledger.Seen, err error) {
	begun := false
	err = g.ledger.Notes(ctx, func(n ledger.Note) error {
		if n.Kind == ledger.Coverage && n.Text == watched {
			begun = begun || n.Seen.From.Equal(n.Seen.Until)
			cut.From, cut.Until = n.Seen.Until, n.Seen.Until
		}
		return nil
	})
	if err != nil || !begun {
		return ledger.Seen{}, err
	}
	most := cut.From.Add(ledger.CoverageEvery + ledger.Pause)
	if now.Before(most) {
		most = now
	}
	released := func(file string) bool { return strings.HasPrefix(file, "guard ") }
	err = g.ledger.Evidenced(ctx, cut.From, released, func(d disk.Evidenced) error {
		if d.Time.After(cut.Until) && !d.Time.After(most) {
			cut.Until = d.Time
		}
		return nil
	})
	return cut, err
}

// watchCoverage puts on record what was watched since a time: again and again, and at the end.
func (g *Guard) watchCoverage(ctx context.Context, from time.Time) {
	tick := time.NewTicker(ledger.CoverageEvery)
	defer tick.Stop()
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
