package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"chaperone"
	"chaperone/approval"
	"chaperone/ledger"
	"chaperone/page"
	"chaperone/policy"
	"chaperone/site"
	"chaperone/wire"
)

// Rules of findings about connections that pass unread: remote desktops, shells, anything that is not decoded. They are not
// disclosures: a disclosure says whose records passed, and here nobody knows; an empty one would be counted as nobody's. They
// are not notes either: a finding says who reached whom, when, and how many bytes, so that it can be asked for and joined.
//
// Each amount is of the whole connection from its begin on: the last one on record is the connection's, and they are never added.
const (
	TunnelRule      = "unread-connection"
	TunnelSoFarRule = "unread-connection-so-far" // what it has carried until then
	TunnelOverRule  = "unread-connection-over"   // its receipt
)

// mostUntold bounds what a connection carries before that is on record; so does a minute (pace.tally). Of one that is open for long, or has
// carried much, it is more: what a kill may lose is a small part of all then, and a record that is full of it serves nobody.
const mostUntold = 64 << 20

// untold is how much may pass before it is on record, of a connection of which so many bytes are.
func untold(told int64) int64 { return max(mostUntold, told/8) }

// rarer is how many times a minute may pass before what has passed is on record, of a connection that is open for so long: 1,440 findings
// of each day of each desktop would be most of the record.
func rarer(age time.Duration) time.Duration {
	switch {
	case age < time.Hour:
		return 1
	case age < 24*time.Hour:
		return 10
	}
	return 60
}

func (t *tunnel) record(ctx context.Context, f chaperone.Finding) error {
	_, err := t.guard.ledger.Record(context.WithoutCancel(ctx), ledger.Batch{Findings: []chaperone.Finding{f}})
	return err
}

// tally puts on record, from time to time, what has passed so far: a guard that is killed loses no more than that time of it.
func (t *tunnel) tally(ctx context.Context) {
	due := time.NewTimer(t.guard.pace.tally)
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-due.C:
		}
		if err := t.tell(ctx, 0); err != nil {
			t.close(err)
			return
		}
		due.Reset(t.guard.pace.tally * rarer(t.lasted()))
	}
}

// due reports whether more than most bytes more have passed than are on record. When the record does not take them, only the timer tries
// again, which leaves none out: what is only observed does not wait for a sick disk again and again.
func (t *tunnel) due(most int64) bool {
	return t.bytes()-t.told.Load() > most && (most == 0 || !t.untold.Load())
}

// tell puts on record what has passed so far, when that is due. Error: the record does not take it, and the listener enforces: then
// nothing more may pass.
func (t *tunnel) tell(ctx context.Context, most int64) error {
	t.telling.Lock()
	defer t.telling.Unlock()
	if !t.due(most) { // the other direction may have told meanwhile
		return nil
	}
	f, n := t.opened(), t.bytes()
	f.Rule, f.Last, f.Bytes = TunnelSoFarRule, t.guard.now(), n
	f.First, f.Evidence.Offset = f.Last, n // findings of one time and place would be one
	f.Title = fmt.Sprintf("%s is connected to %s, and what passes is not read: %s so far.", called(&t.from), called(&t.to), page.Size(n))
	if err := t.record(ctx, f); err != nil {
		t.guard.metrics.unrecorded(t.listener.name)
		if t.spec().Mode != site.Observe {
			return fmt.Errorf("%w: %w", errUntold, err)
		}
		if !t.untold.Swap(true) {
			t.guard.log.Error("what has passed unread is not on record", "listener", t.listener.name, "error", err)
		}
		return nil
	}
	t.told.Store(n)
	t.untold.Store(false)
	return nil
}

// opened is the finding that it begins; over, that it has ended, with what it carried.
func (t *tunnel) opened() chaperone.Finding {
	f := chaperone.Finding{
		Rule: TunnelRule, Severity: chaperone.Info, From: t.from.record(), To: t.to.record(), Account: t.by(), First: t.began, Last: t.began, Count: 1,
		Title:    fmt.Sprintf("%s was connected to %s, and what passes is not read.", called(&t.from), called(&t.to)),
		Evidence: chaperone.Evidence{File: evidence(t.listener.name, &policy.Decision{Grant: t.grant, Version: t.guard.rules.Load().site.Version})},
	}
	if t.use.glass() {
		f.Severity = chaperone.High
	}
	return f
}

func (t *tunnel) over(why error) chaperone.Finding {
	f := t.opened()
	up, down := t.passed[wire.FromClient].Load(), t.passed[wire.FromServer].Load()
	f.Rule, f.First, f.Last, f.Bytes = TunnelOverRule, t.guard.now(), t.guard.now(), up+down
	f.Title = fmt.Sprintf("%s was connected to %s for %s: %s went there, %s came back, none of it was read. It ended: %s.",
		called(&t.from), called(&t.to), page.Span(t.lasted()), page.Size(up), page.Size(down), ending(why))
	return f
}

// by gives who approved.
func (t *tunnel) by() string {
	if t.use == nil {
		return ""
	}
	return t.use.By
}

// called gives what people call a side.
func called(s *side) string {
	if s.party != nil {
		return s.party.Name
	}
	return s.addr.Addr().String()
}

// ending says why a tunnel ended; what the network says is not repeated.
func ending(why error) string {
	for _, known := range []error{errUnapproved, errSession, errBytes, errIdle, errUntold, errDrained} {
		if errors.Is(why, known) {
			return known.Error()
		}
	}
	if errors.Is(why, io.EOF) || errors.Is(why, net.ErrClosed) {
		return "a side hung up"
	}
	return "it was cut"
}

// longestTunnel is how long one can last: what the site file lets it, at most, and a day for a clock that was set.
const longestTunnel = 8 * 24 * time.Hour

// restoreTunnels reads what the record says of connections that passed unread: those without an end were open when a guard was
// killed, and get their receipts now; those under an approval that is still in force count in its receipt.
func (g *Guard) restoreTunnels(ctx context.Context, r *rules, begun map[string]approval.Past) error {
	if !slices.ContainsFunc(r.site.Listeners, func(l site.Listener) bool { return l.Protocol == site.TCP }) {
		return nil
	}
	since := g.timeline.since(g.now().Add(-longestTunnel - believable)) // for so long the machine may have been off
	for _, p := range begun {
		if p.Begun.Before(since) {
			since = p.Begun
		}
	}
	type ends struct{ from, to chaperone.Party }
	open := map[ends]chaperone.Finding{}
	count := func(f *chaperone.Finding) {
		if p, ok := begun[approvalOf(f.Evidence.File)]; ok {
			u := g.approvals.use(&approval.Approval{ID: p.ID, Kind: p.Kind, Party: p.Party})
			u.connections.Add(1)
			u.bytes.Add(f.Bytes)
		}
	}
	var cut []chaperone.Finding
	over := func(f chaperone.Finding) {
		who, _, _ := strings.Cut(f.Title, ", and what passes")
		f.Title = fmt.Sprintf("%s, when the guard was killed: %s were on record by then, none of it was read.", strings.Replace(who, " is connected", " was connected", 1), page.Size(f.Bytes))
		f.Rule, f.First = TunnelOverRule, f.Last
		cut = append(cut, f)
	}
	err := g.ledger.Findings(ctx, ledger.Query{From: since}, func(f chaperone.Finding) error {
		key := ends{f.From, f.To}
		last, ok := open[key]
		switch f.Rule {
		case TunnelRule:
			if ok {
				over(last) // the same port again
			}
			open[key] = f
		case TunnelSoFarRule:
			if !ok || f.Bytes >= last.Bytes {
				open[key] = f
			}
		case TunnelOverRule:
			delete(open, key)
			count(&f)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, f := range open {
		over(f)
	}
	for i := range cut {
		count(&cut[i])
	}
	if len(cut) > 0 {
		if _, err := g.ledger.Record(ctx, ledger.Batch{Findings: cut}); err != nil { // they are found again at the next start
			g.log.Error("receipts of connections that a kill ended are not on record", "error", err)
		}
	}
	return nil
}
