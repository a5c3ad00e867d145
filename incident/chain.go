package incident

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"chaperone"
	"chaperone/detect"
	"chaperone/exchange"
	"chaperone/inventory"
	"chaperone/patient"
)

// Evidence is what a story is built from.
type Evidence struct {
	Site     *inventory.Site
	Findings []chaperone.Finding
	Trails   []*exchange.Trail
	Copies   []detect.Copy
	Census   *patient.Census
	Claims   []Claim
	Captured bool                // there are captures
	Logged   []netip.Addr        // systems whose logs are there
	Ways     []chaperone.Finding // who first opened whose desktop, files or shell, and when: detect.Set.Ways
}

// Build joins what belongs together. Without an entry that something proves, and without two strong acts that belong
// together, there is no story: findings alone are everyday work until somebody looks at them.
func Build(e Evidence) Story {
	c := &chain{Evidence: e, reached: map[netip.Addr]time.Time{}, how: map[netip.Addr]Belief{}, used: map[Stage][]chaperone.Finding{}}
	slices.SortStableFunc(c.Findings, func(a, b chaperone.Finding) int {
		return cmp.Or(a.First.Compare(b.First), cmp.Compare(a.Rule, b.Rule), a.From.Addr.Compare(b.From.Addr), a.To.Addr.Compare(b.To.Addr))
	})
	if !c.enter() {
		return Story{Claims: e.Claims}
	}
	c.spread()
	c.before()
	c.inside()
	c.collect()
	c.leave()
	if !slices.ContainsFunc(c.used[Entered], func(f chaperone.Finding) bool { return f.Rule == detect.GuessedIn }) &&
		len(c.used[Collected])+len(c.used[Left])+len(c.taken.Files)+len(c.taken.Sources) == 0 {
		return Story{Claims: e.Claims} // somebody came from a new address and worked: that is for the list of findings
	}
	return c.story()
}

// chain is a story in the making.
type chain struct {
	Evidence
	intruder []netip.Addr
	sources  []netip.Addr // where the entries came from; a gateway's address may be among them
	entry    netip.Addr
	entered  time.Time // when the first system was entered, or first acted
	reached  map[netip.Addr]time.Time
	order    []netip.Addr // of reached
	how      map[netip.Addr]Belief
	used     map[Stage][]chaperone.Finding
	acts     []chaperone.Finding // strong acts of reached systems
	taken    Taken
}

// slack is how far the clocks of a log and a capture may differ.
const slack = 2 * time.Minute

// enter finds the beginning: a guessed password that worked; else a first logon from outside, if the system then acted;
// else a system whose own acts are strong enough. A source inside may be a gateway or a VPN with somebody behind it.
func (c *chain) enter() bool {
	for _, kind := range []struct {
		rule     string
		outside  bool
		followed bool // it counts only when the system then acted
	}{{detect.GuessedIn, true, false}, {detect.GuessedIn, false, true}, {detect.LogonNewSource, true, true}} {
		var list []chaperone.Finding
		for _, f := range c.Findings {
			if f.Rule == kind.rule && f.Severity >= chaperone.Medium && c.Site.Inside(f.From.Addr) != kind.outside && f.To.Addr.IsValid() &&
				(!kind.followed || c.actsAfter(f.To.Addr, f.First)) {
				list = append(list, f)
			}
		}
		if kind.rule == detect.LogonNewSource {
			list = c.likely(list)
		}
		if len(list) == 0 {
			continue
		}
		for _, f := range list {
			c.use(Entered, f)
			c.reach(f.To.Addr, f.First, Observed)
			c.suspect(f.From.Addr)
			c.sources = append(c.sources, f.From.Addr)
		}
		c.entry, c.entered = list[0].To.Addr, list[0].First
		return true
	}
	return c.actor()
}

// likely leaves, of several first logons, those whose session made accounts, installed services or cleared logs; else the
// last one before the first strong act, and that is inferred: honest people come from new addresses, too.
func (c *chain) likely(list []chaperone.Finding) []chaperone.Finding {
	var tied []chaperone.Finding
	var last *chaperone.Finding
	for i, l := range list {
		if slices.ContainsFunc(c.Findings, func(f chaperone.Finding) bool {
			return f.Severity >= chaperone.High && f.From.Addr == l.From.Addr && f.To.Addr == l.To.Addr &&
				(f.Rule == detect.NewAccount || f.Rule == detect.NewService || f.Rule == detect.LogCleared)
		}) {
			tied = append(tied, l)
		}
		if act := c.firstAct(list[0].First); !l.First.After(act.Add(slack)) {
			last = &list[i]
		}
	}
	if len(tied) > 0 {
		return tied
	}
	if last == nil {
		return nil
	}
	c.how[last.From.Addr] = Inferred
	return []chaperone.Finding{*last}
}

// firstAct gives when the first strong act after a time was done.
func (c *chain) firstAct(after time.Time) time.Time {
	var first time.Time
	for _, f := range c.Findings {
		if c.strong(f) && f.Severity >= chaperone.High && !f.Last.Before(after) && (first.IsZero() || f.First.Before(first)) {
			first = f.First
		}
	}
	return first
}

// actor finds a system that did two kinds of strong acts, one of them to data, where nothing shows how it was entered.
func (c *chain) actor() bool {
	kinds := map[netip.Addr]map[string]bool{}
	first := map[netip.Addr]time.Time{}
	for _, f := range c.Findings {
		if !c.strong(f) || f.Severity < chaperone.High {
			continue
		}
		a := f.From.Addr
		if kinds[a] == nil {
			kinds[a] = map[string]bool{}
			first[a] = f.First
		}
		if f.Rule == detect.FanOut || f.Rule == detect.ClinicalSweep {
			kinds[a]["scan"] = true // the same packets
			continue
		}
		kinds[a][f.Rule] = true
		kinds[a]["data"] = kinds[a]["data"] || f.Rule != detect.DeviceActs
	}
	var best netip.Addr
	for a, k := range kinds {
		if len(k) >= 3 && k["data"] && (!best.IsValid() || first[a].Before(first[best]) || first[a].Equal(first[best]) && a.Less(best)) {
			best = a
		}
	}
	if !best.IsValid() {
		return false
	}
	c.entered = first[best]
	c.reach(best, first[best], Inferred)
	return true
}

// strong reports whether a finding is an act that no honest system of its kind does.
func (c *chain) strong(f chaperone.Finding) bool {
	if !f.From.Addr.IsValid() || !c.Site.Inside(f.From.Addr) {
		return false
	}
	switch f.Rule {
	case detect.DeviceActs, detect.StoreSweep, detect.Volume, detect.ClinicalSweep, detect.FanOut:
		return f.Severity >= chaperone.Medium
	case detect.WholeFile, detect.PatientSurge, detect.NewParty, detect.DeviceOutside:
		return f.Severity >= chaperone.Low
	}
	return false
}

func (c *chain) actsAfter(a netip.Addr, t time.Time) bool {
	return slices.ContainsFunc(c.Findings, func(f chaperone.Finding) bool {
		if c.strong(f) && f.Severity >= chaperone.High && !f.First.Before(t.Add(-slack)) {
			return f.From.Addr == a || c.path(a, t, f) != nil
		}
		return false
	})
}

// reach notes that the intruder acts from a system.
func (c *chain) reach(a netip.Addr, t time.Time, how Belief) {
	if !a.IsValid() {
		return
	}
	if have, ok := c.reached[a]; ok {
		if t.Before(have) {
			c.reached[a] = t
		}
		return
	}
	c.reached[a], c.how[a] = t, how
	c.order = append(c.order, a)
}

func (c *chain) suspect(a netip.Addr) {
	if a.IsValid() && !c.Site.Inside(a) && !slices.Contains(c.intruder, a) {
		c.intruder = append(c.intruder, a)
	}
}

// use puts a finding into a stage, once.
func (c *chain) use(s Stage, f chaperone.Finding) {
	if !slices.ContainsFunc(c.used[s], func(g chaperone.Finding) bool {
		return g.Rule == f.Rule && g.From.Addr == f.From.Addr && g.To.Addr == f.To.Addr && g.Title == f.Title && g.First.Equal(f.First)
	}) {
		c.used[s] = append(c.used[s], f)
	}
}

// spread follows the intruder from system to system, until nothing new is found.
func (c *chain) spread() {
	done := map[int]bool{}
	for again := true; again; {
		again = false
		for i, f := range c.Findings {
			if done[i] || !c.strong(f) || f.Last.Before(c.entered.Add(-slack)) {
				continue
			}
			since, here := c.reached[f.From.Addr]
			if !here {
				var how Belief
				if since, how, here = c.link(f); here {
					c.reach(f.From.Addr, since, how)
				}
			}
			if here && !f.Last.Before(since.Add(-slack)) {
				done[i], again = true, true
				c.acts = append(c.acts, f)
			}
		}
	}
}

// link says since when, and how surely, the system behind an act is the intruder's.
func (c *chain) link(f chaperone.Finding) (time.Time, Belief, bool) {
	for _, a := range c.order {
		if way := c.path(a, c.reached[a], f); way != nil {
			c.use(Moved, *way)
			return way.First, Observed, true
		}
	}
	for _, t := range c.Trails { // data that a reached system had sent to it, or that it had sent to a reached one
		for i := range t.Hours {
			first := t.Hours[i].First
			if since, ok := c.reached[t.Asker()]; ok && t.RequestedBy.IsValid() && t.To == f.From.Addr && !first.Before(since.Add(-slack)) && !first.After(f.Last) {
				return first, Observed, true
			}
			if since, ok := c.reached[t.To]; ok && t.Asker() == f.From.Addr && f.Rule == detect.StoreSweep && !first.Before(since.Add(-slack)) {
				return f.First, Inferred, true
			}
		}
	}
	return time.Time{}, "", false
}

// path gives the first new way from a reached system to the one behind an act.
func (c *chain) path(from netip.Addr, since time.Time, f chaperone.Finding) *chaperone.Finding {
	var best *chaperone.Finding
	for _, list := range [][]chaperone.Finding{c.Ways, c.Findings} {
		for i := range list {
			g := &list[i]
			switch g.Rule {
			case detect.NewRemote, detect.DeviceActs, detect.LogonNewSource, detect.GuessedIn:
				if g.From.Addr == from && g.To.Addr == f.From.Addr && !g.First.Before(since.Add(-slack)) && !g.First.After(f.Last) &&
					(best == nil || g.First.Before(best.First)) {
					best = g
				}
			}
		}
	}
	return best
}

// before looks back from the entry: who guessed, who scanned.
func (c *chain) before() {
	const memory = 7 * 24 * time.Hour
	for _, f := range c.Findings {
		if f.Rule != detect.RDPGuessed || f.First.After(c.entered.Add(slack)) || c.entered.Sub(f.Last) > memory {
			continue
		}
		if slices.Contains(c.sources, f.From.Addr) || slices.Contains(c.intruder, f.From.Addr) || f.From.Addr.IsValid() && f.To.Addr == c.entry && c.elsewhere(f) {
			c.use(Guessed, f)
			c.suspect(f.From.Addr)
		}
	}
	if len(c.used[Guessed]) == 0 { // by many together, of whom one came in, or somebody for them
		for _, f := range c.Findings {
			if f.Rule == detect.RDPGuessed && !f.From.Addr.IsValid() && f.To.Addr == c.entry && !f.First.After(c.entered.Add(slack)) && c.entered.Sub(f.Last) < memory {
				c.use(Guessed, f)
				c.how[f.From.Addr] = Inferred
			}
		}
	}
	for _, f := range c.Findings {
		if (f.Rule == detect.FanOut || f.Rule == detect.ClinicalSweep) && slices.Contains(c.intruder, f.From.Addr) && !f.First.After(c.entered.Add(slack)) {
			c.use(Scanned, f)
		}
	}
	if len(c.used[Scanned]) == 0 {
		c.scout()
	}
}

// scout looks for the scan that another address made: the last one before the first guess that found the entered system's
// door open. Nobody saw the two talk: it is inferred.
func (c *chain) scout() {
	const memory = 48 * time.Hour
	first := c.entered
	for _, f := range c.used[Guessed] {
		if f.First.Before(first) {
			first = f.First
		}
	}
	var best *chaperone.Finding
	for i := range c.Findings {
		f := &c.Findings[i]
		if f.Rule == detect.FanOut && !c.Site.Inside(f.From.Addr) && c.entry.IsValid() && c.opened(f.From.Addr, c.entry) &&
			!f.First.After(first) && first.Sub(f.First) < memory {
			best = f
		}
	}
	if best != nil {
		c.use(Scanned, *best)
		c.how[best.From.Addr] = Inferred
		c.suspect(best.From.Addr)
	}
}

// opened reports whether a system got through to another.
func (c *chain) opened(from, to netip.Addr) bool {
	return slices.ContainsFunc(c.Ways, func(w chaperone.Finding) bool { return w.From.Addr == from && w.To.Addr == to })
}

// elsewhere reports whether the one who entered was not the one who guessed, so that another's guesses explain it.
func (c *chain) elsewhere(guess chaperone.Finding) bool {
	for _, f := range c.used[Entered] {
		if slices.ContainsFunc(c.Findings, func(g chaperone.Finding) bool {
			return g.Rule == detect.RDPGuessed && g.From.Addr == f.From.Addr && g.To.Addr == f.To.Addr
		}) {
			return false
		}
		if f.Rule == detect.GuessedIn && !c.Site.Inside(guess.From.Addr) && guess.Last.Before(f.First.Add(slack)) {
			return true
		}
	}
	return false
}

// inside looks at what was done on the reached systems themselves.
func (c *chain) inside() {
	for _, f := range c.Findings {
		since, ok := c.reached[f.To.Addr]
		_, fromInside := c.reached[f.From.Addr]
		if !ok || !fromInside && !slices.Contains(c.intruder, f.From.Addr) && !slices.Contains(c.sources, f.From.Addr) || f.First.Before(since.Add(-slack)) {
			continue
		}
		switch f.Rule {
		case detect.Privileges:
			c.use(Escalated, f)
		case detect.NewService, detect.NewAccount, detect.LogCleared:
			c.use(Persisted, f)
		}
	}
	for _, f := range c.acts {
		switch f.Rule {
		case detect.DeviceActs, detect.FanOut, detect.ClinicalSweep:
			c.use(Moved, f)
		}
	}
}
