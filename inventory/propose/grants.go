package propose

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"chaperone/page"
	"chaperone/site"
)

// worklist is the SOP class of modality worklists (PS3.4 annex K): its queries usually name nobody.
const worklist = "1.2.840.10008.5.1.4.31"

// subject is what grants are apart in.
type subject uint8

const (
	associations subject = iota
	images
	worklists
	messages
	questions
)

// deed is what one party does to one other.
type deed struct {
	party, to string
	about     subject
	outside   bool
}

// permit is what a deed, or several that are alike, need.
type permit struct {
	tally
	actions, details map[string]bool
	to               []string
	parties          []string
}

// addGrants grants what was done: once for all that do the same to the same.
func (p *proposal) addGrants() {
	p.strangers()
	deeds := p.deeds()
	byParty := map[string]*permit{} // of a party, to everybody for whom it is the same
	about := map[string]deed{}
	for _, d := range slices.SortedFunc(maps.Keys(deeds), deed.compare) {
		k := signature(d, deeds[d], d.party)
		if byParty[k] == nil {
			byParty[k] = &permit{actions: deeds[d].actions, details: deeds[d].details, parties: []string{d.party}}
			about[k] = d
		}
		byParty[k].join(&deeds[d].tally)
		if d.to != "" {
			byParty[k].to = append(byParty[k].to, d.to)
		}
	}
	together := map[string]*permit{} // of everybody for whom that is the same
	var order []string
	for _, k := range slices.SortedFunc(maps.Keys(byParty), func(a, b string) int { return cmp.Or(about[a].compare(about[b]), cmp.Compare(a, b)) }) {
		one := byParty[k]
		all := signature(about[k], one, strings.Join(one.to, ","))
		if together[all] == nil {
			together[all] = &permit{actions: one.actions, details: one.details, to: one.to}
			order = append(order, all)
			about[all] = about[k]
		}
		together[all].join(&one.tally)
		together[all].parties = append(together[all].parties, one.parties...)
	}
	taken := map[string]bool{}
	for _, k := range order {
		p.grant(about[k], together[k], taken)
	}
}

func (d deed) compare(other deed) int {
	return cmp.Or(cmp.Compare(d.about, other.about), cmp.Compare(d.party, other.party), cmp.Compare(d.to, other.to))
}

// signature is equal for what one grant can say.
func signature(d deed, x *permit, rest string) string {
	outside := "inside"
	if d.outside {
		outside = "outside"
	}
	return strings.Join([]string{string('0' + rune(d.about)), outside, strings.Join(keys(x.actions), ","), strings.Join(keys(x.details), ","), rest}, " ")
}

// deeds sums up the flows by who did what to whom.
func (p *proposal) deeds() map[deed]*permit {
	all := map[deed]*permit{}
	for f, t := range p.seen.flows {
		client, server := p.parties[f.client], p.parties[f.server.at.Addr()]
		d := deed{party: client.Name, about: subjectOf(f)}
		to := server
		switch f.action {
		case site.Ask, site.Find, site.Get:
			to = client
		case site.Move:
			if to = p.titles[f.destination]; to == nil {
				continue // strangers tells of it
			}
		}
		switch {
		case to == client:
			d.to = "self"
		case d.about != associations || to.Outside:
			d.to, d.outside = to.Name, to.Outside
		}
		if to == client && client.Outside { // its own data leaves, too
			d.to, d.outside = client.Name, true
		}
		x := all[d]
		if x == nil {
			x = &permit{actions: map[string]bool{}, details: map[string]bool{}}
			all[d] = x
		}
		x.join(t)
		x.actions[string(f.action)] = true
		if d.about == messages || d.about == questions || d.about == worklists {
			x.details[f.detail] = true
		}
	}
	return all
}

func subjectOf(f flow) subject {
	switch {
	case f.action == site.Send:
		return messages
	case f.action == site.Ask:
		return questions
	case f.action == site.Associate:
		return associations
	case f.action == site.Find && f.detail == worklist:
		return worklists
	}
	return images
}

// strangers notes the retrievals for somebody who was not seen.
func (p *proposal) strangers() {
	type retrieval struct{ client, title string }
	all := map[retrieval]*tally{}
	for f, t := range p.seen.flows {
		if f.action != site.Move || p.titles[f.destination] != nil {
			continue
		}
		r := retrieval{p.parties[f.client].Name, "an AE title that cannot be written"}
		if site.IsTitle(f.destination) {
			r.title = f.destination
		}
		if all[r] == nil {
			all[r] = &tally{}
		}
		all[r].join(t)
	}
	for _, r := range slices.SortedFunc(maps.Keys(all), func(a, b retrieval) int { return cmp.Compare(a.title, b.title) }) {
		p.note("parties."+r.client, "not granted: %s for %s, who was not seen", page.Count(all[r].n, "C-MOVE"), r.title)
	}
}

// grant writes one.
func (p *proposal) grant(d deed, x *permit, taken map[string]bool) {
	g := site.Grant{To: x.to, Outside: d.outside, Whose: site.Named, Details: keys(x.details)}
	if d.about == worklists {
		g.Whose = site.All
	}
	for _, a := range []site.Action{site.Send, site.Ask, site.Associate, site.Store, site.Find, site.Get, site.Move, site.Other} {
		if x.actions[string(a)] {
			g.Actions = append(g.Actions, a)
		}
	}
	g.Roles, g.Parties = p.byRole(x.parties)
	g.Name = unique(nameOf(d.about, &g), taken)
	taken[g.Name] = true
	p.note("grants."+g.Name, "seen: %s%s", page.Count(x.n, "message"), between(x.first, x.last))
	if d.about == worklists {
		p.note("grants."+g.Name, "a worklist asks for a day's patients and names nobody, hence whose: all")
	}
	if x.everybody > 0 && g.Whose != site.All {
		p.everybody("grants."+g.Name, d, x)
	}
	if d.outside {
		p.note("grants."+g.Name, "THIS LEAVES THE SITE: is there a contract for it?")
	}
	p.Grants = append(p.Grants, g)
}

// everybody says of how many queries a guard would say no, which the traffic does not show. A person decides whether that is right: a screen that
// finds a patient by the first letters of a name can just as well list all.
func (p *proposal) everybody(at string, d deed, x *permit) {
	asks := page.Count(x.asks, "query", "queries")
	if d.about == images {
		asks = page.Count(x.asks, "query or retrieval", "queries and retrievals")
	}
	p.note(at, "of %s seen, %s asked for everybody (by a wildcard, or naming nobody): where a listener enforces, that is", asks, page.Number(x.everybody))
	p.note(at, "refused under this grant (everybody). whose: all would permit it, to all whom this grant is for, as far as budgets go")
}

// nameOf says in a few words what a grant is for.
func nameOf(about subject, g *site.Grant) string {
	who := "several"
	if all := append(slices.Clone(g.Roles), g.Parties...); len(all) == 1 {
		who = shortened(all[0])
	}
	name := ""
	switch {
	case about == messages:
		name = "messages from " + who
	case about == questions:
		name = "answers for " + who
	case about == associations:
		name = "associations of " + who
	case about == worklists:
		name = "worklists for " + who
	case slices.Equal(g.Actions, []site.Action{site.Store}):
		name = "images from " + who
	case !slices.Contains(g.Actions, site.Store) && !slices.Contains(g.Actions, site.Other):
		name = "images for " + who
	default:
		name = "images of " + who
	}
	if to := " to " + strings.Join(g.To, ""); len(g.To) == 1 && g.To[0] != "self" && len(name+to) < 60 {
		name += to
	}
	return name
}

// byRole says the role instead of the parties where all of that role, and more than one, are meant.
func (p *proposal) byRole(names []string) (roles, rest []string) {
	slices.Sort(names)
	names = slices.Compact(names)
	of := map[site.Role][]string{}
	for _, x := range p.Parties {
		if x.Role != "" {
			of[x.Role] = append(of[x.Role], x.Name)
		}
	}
	covered := map[string]bool{}
	for _, role := range slices.Sorted(maps.Keys(of)) {
		if len(of[role]) > 1 && !slices.ContainsFunc(of[role], func(n string) bool { return !slices.Contains(names, n) }) {
			roles = append(roles, string(role))
			for _, n := range of[role] {
				covered[n] = true
			}
		}
	}
	for _, n := range names {
		if !covered[n] {
			rest = append(rest, n)
		}
	}
	return roles, rest
}

func keys(set map[string]bool) []string {
	if len(set) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(set))
}

func sorted(all map[netip.Addr]*speaker) []netip.Addr {
	return slices.SortedFunc(maps.Keys(all), netip.Addr.Compare)
}
