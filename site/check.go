package site

import (
	"cmp"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"

	"chaperone/ledger"
)

// checker looks at what the parts of a file say of each other. Where a part could not be read it is empty, was told of
// already, and is passed over.
type checker struct {
	*Site
	problems []Problem
	parties  map[string]*Party
	titles   map[string]*Party
	groups   map[string]*string // by name, where it stands first
}

// check completes what was read, and gives what does not fit together.
func (s *Site) check() []Problem {
	c := &checker{Site: s, parties: map[string]*Party{}, titles: map[string]*Party{}, groups: map[string]*string{}}
	for i := range s.Parties {
		p := &s.Parties[i]
		if first := c.parties[p.Name]; first != nil && p.Name != "" {
			c.fail(&p.Name, "party %s stands here twice; the first is on line %d: give each its own name", p.Name, s.Line(&first.Name))
			continue
		}
		if p.Name != "" {
			c.parties[p.Name] = p
		}
	}
	c.checkRetention()
	c.checkGroups()
	c.checkParties()
	c.checkGrants()
	c.checkBudgets()
	c.checkListeners()
	return c.problems
}

// checkRetention: budgets look back a year, and patients may ask for six.
func (c *checker) checkRetention() {
	switch {
	case c.Retain == ledger.Retention{}: // it was told of
	case c.Retain.Shorter(ledger.YearOfBudgets):
		c.fail(&c.Retain, "retain: less than a year; budgets count what is on record of a year")
	case c.Retain.Shorter(ledger.LeastRetention):
		c.warn(&c.Retain, "retain: a patient may ask for six years (45 CFR 164.528); keep at least those")
	}
}

func (c *checker) fail(at any, format string, args ...any) { c.say(at, Wrong, format, args...) }

func (c *checker) warn(at any, format string, args ...any) { c.say(at, Warning, format, args...) }

func (c *checker) say(at any, s Severity, format string, args ...any) {
	if len(c.problems) < maxKept {
		c.problems = append(c.problems, Problem{c.Line(at), s, fmt.Sprintf(format, args...)})
	}
}

// meant suggests what was meant by a name, as long as that will be read: to look for it takes time.
func (c *checker) meant(name string, known iter.Seq[string]) string {
	if len(c.problems) > maxMeant {
		return ""
	}
	return meant(name, slices.Sorted(known))
}

// checkParties: what tells parties apart must not be two parties'.
func (c *checker) checkParties() {
	applications, subjects := map[string]*Party{}, map[string]*Party{}
	claim := func(owners map[string]*Party, what, name string, at any, p *Party) {
		if name == "" {
			return
		}
		key := c.fold(name)
		if owner := owners[key]; owner != nil && owner != p {
			c.fail(at, "%s %s is %s's already (line %d); a party is known by it, so it can be of one only", what, shown(name), owner.Name, c.Line(owner))
			return
		}
		owners[key] = p
	}
	for i := range c.Parties {
		p := &c.Parties[i]
		for j := range p.Titles {
			claim(c.titles, "the title", p.Titles[j], &p.Titles[j], p)
		}
		for j := range p.Applications {
			claim(applications, "the application", p.Applications[j], &p.Applications[j], p)
		}
		if owner := subjects[p.Subject]; owner != nil && p.Subject != "" {
			c.fail(&p.Subject, "the subject of this certificate is %s's already (line %d); a certificate proves one party", owner.Name, c.Line(owner))
		} else {
			subjects[p.Subject] = p
		}
		if strings.HasPrefix(p.Subject, c.own()) {
			c.fail(&p.Subject, "certificates of the own issuer name their party themselves; leave subject out")
		}
		if p.Name == self {
			c.fail(&p.Name, "a party cannot be called self: grants use the word for whoever asks")
		}
		if p.Role == Vendor && !p.Approval {
			c.warn(p, "vendor %s comes in without approval; approval: true asks somebody each time", p.Name)
		}
		if p.Refuse.Store == OutOfResources {
			c.warn(&p.Refuse.Store, "A700 tells %s to store again later what will not be permitted later; C000 does not", p.Name)
		}
		if p.Refuse != (Refusals{}) && len(p.Titles) == 0 {
			c.fail(&p.Refuse, "refuse is for DICOM, and party %s has no AE title: give it titles, or leave refuse out", p.Name)
		}
		c.limits("the budget of party "+p.Name, p.Budget, &p.Budget)
		c.inside(p)
	}
	c.overlaps()
	c.sharedInClear()
}

// checkGroups finds who is in which group, and warns of those that are easily taken for one.
func (c *checker) checkGroups() {
	first := map[string]*string{}
	for i := range c.Parties {
		for j := range c.Parties[i].Groups {
			at := &c.Parties[i].Groups[j]
			if *at == "" || c.groups[*at] != nil {
				continue
			}
			c.groups[*at] = at
			if other := first[alike(*at)]; other != nil {
				c.warn(at, "the groups %s and %s (line %d) are two, and two wards: a ward is compared letter for letter; write one of them if they are one",
					shownGroup(*at), shownGroup(*other), c.Line(other))
				continue
			}
			first[alike(*at)] = at
		}
	}
}

// self stands for whoever asks.
const self = "self"

// own is how the URIs of the own issuer's certificates begin.
func (s *Site) own() string { return "spiffe://" + s.Name + "/" }

// fold makes names of one sender equal.
func (s *Site) fold(name string) string {
	name = strings.Trim(name, " \x00") // PS3.5 section 6.2: blanks around an AE title say nothing; some senders fill up with NUL
	if s.IgnoreCase {
		name = strings.ToUpper(name)
	}
	return name
}

// inside warns where addresses contradict what is said of the party.
func (c *checker) inside(p *Party) {
	for i, a := range p.Addresses {
		if !a.IsValid() || len(c.Inside) == 0 {
			continue
		}
		within := slices.ContainsFunc(c.Inside, func(n netip.Prefix) bool { return n.Bits() <= a.Bits() && n.Contains(a.Addr()) })
		switch {
		case within && p.Outside:
			c.warn(&p.Addresses[i], "%s is outside, and its address is one of the site's own networks (inside:)", p.Name)
		case !within && !p.Outside:
			c.warn(&p.Addresses[i], "%s has an address outside of the site's own networks; say outside: true, or add the network to inside:", p.Name)
		}
	}
}

// overlaps: two parties may share addresses, whole or in part, only if each has titles or applications. Those are of one
// party only, so that what a message claims tells them apart.
func (c *checker) overlaps() {
	type place struct {
		net   netip.Prefix
		party *Party
		at    *netip.Prefix
	}
	var all []place
	for i := range c.Parties {
		p := &c.Parties[i]
		for j := range p.Addresses {
			if p.Addresses[j].IsValid() {
				all = append(all, place{p.Addresses[j], p, &p.Addresses[j]})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b place) int {
		return cmp.Or(a.net.Addr().Compare(b.net.Addr()), cmp.Compare(a.net.Bits(), b.net.Bits()))
	})
	outside := func(x place) func(place) bool { return func(y place) bool { return !y.net.Contains(x.net.Addr()) } }
	var around, silent []place // the networks that contain the next one; of them, those of parties that claim nothing
	for _, x := range all {
		around, silent = until(around, outside(x)), until(silent, outside(x))
		rivals := around
		if x.party.claims() {
			rivals = silent
		}
		for _, y := range rivals {
			if y.party == x.party {
				continue
			}
			first, second := y, x
			if c.Line(first.at) > c.Line(second.at) {
				first, second = second, first
			}
			c.fail(second.at, "%s and %s (line %d) share addresses; give both titles or applications, which tell them apart, or separate networks",
				second.party.Name, first.party.Name, c.Line(first.at))
			break // once for each network is enough
		}
		around = append(around, x)
		if !x.party.claims() {
			silent = append(silent, x)
		}
	}
}

// sharedInClear: whoever comes without a certificate is known by its address alone, and by none that several parties have.
func (c *checker) sharedInClear() {
	i := slices.IndexFunc(c.Listeners, func(l Listener) bool { return l.TLS == Clear })
	if i < 0 {
		return
	}
	type place struct {
		party *Party
		at    *netip.Prefix
	}
	first := map[netip.Prefix]place{}
	for j := range c.Parties {
		p := &c.Parties[j]
		for k := range p.Addresses {
			at := &p.Addresses[k]
			switch had, ok := first[at.Masked()]; {
			case !at.IsValid() || ok && had.party == p:
			case !ok:
				first[at.Masked()] = place{p, at}
			default:
				c.warn(at, "%s and %s (line %d) share this address: in the clear, as behind listener %s, nothing tells them apart, and neither is let in from there; give each an address of its own, or tls: mutual",
					p.Name, had.party.Name, c.Line(had.at), c.Listeners[i].Name)
			}
		}
	}
}

// until takes off the end of a stack what is over.
func until[T any](stack []T, over func(T) bool) []T {
	for len(stack) > 0 && over(stack[len(stack)-1]) {
		stack = stack[:len(stack)-1]
	}
	return stack
}

func (p *Party) claims() bool { return len(p.Titles)+len(p.Applications) > 0 }
