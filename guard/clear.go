package guard

import (
	"context"
	"time"

	"chaperone"
	"chaperone/ledger"
)

// ClearRule is the rule of findings about ways on which patient data passes a network in the clear, because the site file says so.
const ClearRule = "guard-in-the-clear"

// watchClear tells of them every day.
func (g *Guard) watchClear(ctx context.Context) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		g.tellClear(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// tellClear puts today's findings on record. They are of the whole day, so that a day has each of them once.
func (g *Guard) tellClear(ctx context.Context) {
	day := ledger.DayOf(g.now()).Time()
	var b ledger.Batch
	for _, u := range g.rules.Load().site.Unprotected() {
		f := chaperone.Finding{
			Rule: ClearRule, Severity: chaperone.Medium, To: chaperone.Party{Claimed: u.Listener}, First: day, Last: day, Count: 1,
			Title:  "A listener takes patient data in the clear from the network.",
			Advice: "Give its clients certificates, or put a companion beside them; then set tls: mutual.",
		}
		if u.Upstream {
			f.From, f.To = f.To, chaperone.Party{}
			f.Title = "A listener passes patient data on in the clear over the network."
			f.Advice = "Give the system behind it a certificate, or put a companion beside it; then set tls: mutual."
		}
		b.Findings = append(b.Findings, f)
	}
	if len(b.Findings) == 0 {
		return
	}
	if _, err := g.ledger.Record(context.WithoutCancel(ctx), b); err != nil {
		g.log.Error("what passes in the clear is not on record", "error", err)
	}
}
