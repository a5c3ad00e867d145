// Package guard is the inline proxy: it stands between two systems that exchange patient data, knows by certificate who they
// are, decides every message by the site's policy and budgets, and has each release on record before the first byte leaves.
//
// It never alters a clinical byte: what it passes on are the bytes that came, and what two receivers could read in two ways it
// refuses, in the protocol's own words. A listener that only observes passes everything on and records what it saw.
//
// A connection is in conn.go; what a protocol does with it in hl7.go and the files of its name. What they want decided goes
// to judge.go.
package guard

import (
	"context"

	"chaperone"
	"chaperone/ledger"
	"chaperone/policy"
	"chaperone/site"
)

// rules are one version of the site file and what follows from it. A message is decided by one version.
type rules struct {
	site   *site.Site
	policy *policy.Set
}

func newRules(s *site.Site) (*rules, error) {
	set, err := policySet(s)
	if err != nil {
		return nil, err
	}
	return &rules{site: s, policy: set}, nil
}

// holds ends the text of a note that tells which policy does.
const holds = " holds"

// announce puts the policy that holds from here on on record.
func (g *Guard) announce(r *rules) {
	note := ledger.Note{Kind: ledger.Policy, At: g.now(), Text: "policy " + r.site.Version + " of " + r.site.Name + holds}
	if _, err := g.ledger.Record(context.Background(), ledger.Batch{Notes: []ledger.Note{note}}); err != nil {
		g.log.Error("the policy's version is not on record", "error", err)
	}
}

// Reload takes another version of the site file: from here on messages are decided by it. Connections stay. Errors: the policy
// is not good, or a new listener cannot be opened; then everything is as before.
func (g *Guard) Reload(ctx context.Context, s *site.Site) error {
	r, err := newRules(s)
	if err != nil {
		return err
	}
	first, err := g.keepsTrust(s)
	if err != nil {
		return err
	}
	if err := g.openSpools(r); err != nil { // before anybody can overtake what is in them
		return err
	}
	adopt := func() error { return g.adopt(context.WithoutCancel(ctx), r, first) }
	if err := g.countAnew(ctx, r, adopt); err != nil {
		return err
	}
	if t := g.trust.Load(); t != nil {
		if err := t.Bind(subjects(s)); err != nil {
			return err
		}
	}
	g.renew()
	g.announce(r)
	g.notTaken.Store(nil)
	g.log.Info("reloaded", "policy", s.Version)
	return nil
}

// NotTakenRule is the rule of findings about a site file that was not taken: the guard goes on by the one before, and who changed it may
// believe otherwise, because a signal has no answer.
const NotTakenRule = "guard-site-file-not-taken"

// NotTaken tells that another version of the site file was not taken, and why: the log each time, and a finding unless the one before was
// not taken for the same.
func (g *Guard) NotTaken(err error) {
	g.log.Error("the site file was not taken; the one before holds", "error", err)
	why := err.Error()
	if last := g.notTaken.Swap(&why); last != nil && *last == why {
		return
	}
	now := g.now()
	g.refused.find(chaperone.Finding{Rule: NotTakenRule, Severity: chaperone.High, First: now, Last: now, Count: 1,
		Title:  "The site file was changed and not taken: the guard goes on by the one before.",
		Advice: "The log says what is wrong with it, and chaperone guard --check of most. A listener that was to enforce goes on as it was."})
}

// taken is 1 while the last site file holds.
func (g *Guard) taken() float64 {
	if g.notTaken.Load() != nil {
		return 0
	}
	return 1
}
