package ask

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/page"
)

// lookBack is how long before a digest's period somebody must have been silent to be new in it.
const lookBack = 28 * 24 * time.Hour

// busiest is how many pairs of systems a digest shows.
const busiest = 10

// Digest writes for people what a period came to, in one page: how many patients, who received most, who is new, what was
// refused and found, and how much was watched. Errors: those of the store and of out.
func Digest(ctx context.Context, out io.Writer, s ledger.Store, from, until time.Time, style Style) error {
	q := ledger.Query{From: from, Until: until, Detail: true}
	now, err := s.Scope(ctx, q)
	if err != nil {
		return err
	}
	before, err := s.Scope(ctx, ledger.Query{From: from.Add(-lookBack), Until: from, Detail: true})
	if err != nil {
		return err
	}
	groups, err := findings(ctx, s, from, until)
	if err != nil {
		return err
	}
	p := report{Style: style, Writer: page.Writer{Out: out}}
	p.Line("FROM %s TO %s (%s)", p.moment(from), p.moment(until), p.zoneName(from, until))
	p.Line("")
	p.total(now)
	if before.Disclosures > 0 {
		p.Wrap("", fmt.Sprintf("In the four weeks before it were %s in %s.", page.People(before.Patients), page.Count(int(before.Disclosures), "disclosure")))
	}
	most := mostFirst(now.Edges)
	p.edges(most[:min(len(most), busiest)])
	p.strangers(now.Edges, before.Edges)
	p.found("WHAT WAS REFUSED", groups, func(rule string) bool { return begins(rule, "refused-") })
	p.found("WHAT PASSED AND WOULD BE REFUSED", groups, func(rule string) bool { return begins(rule, "would-refuse-") })
	p.found("WHAT ELSE WAS FOUND", groups, func(rule string) bool { return !begins(rule, "refused-") && !begins(rule, "would-refuse-") })
	p.foot(q, now)
	return p.Err
}

func begins(text, prefix string) bool {
	return len(text) >= len(prefix) && text[:len(prefix)] == prefix
}

// strangers lists recipients that received nothing before.
func (p *report) strangers(now, before []ledger.EdgeCounts) {
	known := map[chaperone.Party]bool{}
	for _, e := range before {
		known[e.To] = true
	}
	var list []string
	for _, e := range mostFirst(now) {
		if len(before) > 0 && !known[e.To] {
			known[e.To] = true
			list = append(list, fmt.Sprintf("%s, from %s: %s.", p.party(e.To, 60), p.party(e.From, 60), page.People(e.Patients)))
		}
	}
	if len(list) > 0 {
		p.section("WHO IS NEW (received nothing in the four weeks before)", list[:min(len(list), maxRows)])
	}
}

// group is what was found of one kind between the same two.
type group struct {
	chaperone.Finding // the last of them
	times             int
	differ            bool // what they say, each of itself
}

// findings puts the findings of a period together that differ only in when they were, the most severe first.
func findings(ctx context.Context, s ledger.Store, from, until time.Time) ([]*group, error) {
	type kind struct {
		rule     string
		from, to chaperone.Party
	}
	kinds := map[kind]*group{}
	var all []*group
	err := s.Findings(ctx, ledger.Query{From: from, Until: until}, func(f chaperone.Finding) error {
		f.From.Port, f.To.Port = 0, 0
		k := kind{f.Rule, f.From, f.To}
		g := kinds[k]
		if g == nil {
			g = &group{Finding: f}
			kinds[k] = g
			all = append(all, g)
		}
		g.times += max(1, f.Count)
		g.differ = g.differ || f.Title != g.Title
		severity := max(g.Severity, f.Severity)
		if !f.Last.Before(g.Last) {
			g.Finding = f
		}
		g.Severity = severity
		return nil
	})
	slices.SortStableFunc(all, func(a, b *group) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(b.times, a.times))
	})
	return all, err
}

// found writes the groups that are meant, with what to do about each.
func (p *report) found(heading string, groups []*group, means func(rule string) bool) {
	var list []string
	for _, g := range groups {
		if !means(g.Rule) {
			continue
		}
		who := ""
		if g.From != (chaperone.Party{}) {
			who = p.acted(g.From)
		}
		if g.To != (chaperone.Party{}) {
			who += " to " + p.acted(g.To)
		}
		if who != "" {
			who += ", "
		}
		title := g.Title
		if g.differ { // as the amounts of connections that passed unread
			title = "The last of them: " + title
		}
		list = append(list, page.Printable(fmt.Sprintf("%s: %s%s, last %s. %s %s", g.Severity, who, page.Times(g.times), p.moment(g.Last), title, g.Advice)))
	}
	if more := len(list) - maxRows; more > 0 {
		list = append(list[:maxRows], page.Count(more, "other")+".")
	}
	if len(list) > 0 {
		p.section(heading, list)
	}
}
