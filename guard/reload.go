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
	if err := g.keepsTrust(s); err != nil {
		return err
	}
	if err := g.openSpools(r); err != nil { // before anybody can overtake what is in them
		return err
	}
	adopt := func() error { return g.adopt(context.WithoutCancel(ctx), r) }
	if err := g.countAnew(ctx, r, adopt); err != nil {
		return err
	}
	if g.trust != nil {
		if err := g.trust.Bind(Subjects(s)); err != nil {
			return err
		}
	}
	g.renew()
	g.announce(r)
	g.log.Info("reloaded", "policy", s.Version)
	return nil
}
