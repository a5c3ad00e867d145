package propose

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"chaperone/exchange"
	"chaperone/inventory"
	"chaperone/ledger"
	"chaperone/page"
	"chaperone/patient"
	"chaperone/site"
)

// Known is what a run found out beside the messages.
type Known struct {
	Site   *inventory.Site
	Trails *exchange.Trails
	Census *patient.Census
	Names  map[netip.Addr]string // given by the operator
}

// proposal is a site file that is being written.
type proposal struct {
	*site.Site
	known   Known
	seen    *Collector
	parties map[netip.Addr]*site.Party
	titles  map[string]*site.Party // who used them first
}

// Site proposes a site file. Its comments say what each line of it rests on.
func (c *Collector) Site(k Known) *site.Site {
	p := &proposal{known: k, seen: c, parties: map[netip.Addr]*site.Party{}, titles: map[string]*site.Party{},
		Site: &site.Site{Name: "proposed", Zone: "UTC", Ledger: "/var/lib/chaperone/ledger", Keys: "/etc/chaperone/keys", Retain: ledger.UsualRetention, Log: site.LogText, Comments: map[string]string{}}}
	p.inside()
	p.addParties()
	p.addGrants()
	p.addBudgets()
	p.addListeners()
	p.head()
	return p.Site
}

// note adds a line to the comment about something.
func (p *proposal) note(at, format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if before := p.Comments[at]; before != "" {
		line = before + "\n" + line
	}
	p.Comments[at] = line
}

// head says what the file is.
func (p *proposal) head() {
	p.note("", "A site file, proposed from what was seen on the network%s.", between(p.known.Site.Begin, p.known.Site.End))
	p.note("", "")
	p.note("", "Read it before a guard does. It grants what was seen, whether that was right or not, and nothing that happens more seldom:")
	p.note("", "strike out who does not belong here, name the site, and add what only happens once a month. Every listener only observes")
	p.note("", "(mode: observe), in the clear (tls: none) as it was seen; docs/site-file.md says how to go on from there.")
	if p.seen.full {
		p.note("", "")
		p.note("", "NOT COMPLETE: more systems, names or ways were seen than a proposal holds. Leave out the part of the traffic with a scan.")
	}
	if n := p.seen.untyped; n > 0 {
		p.note("", "")
		p.note("", "%s not in it, for want of a readable type.", page.Count(n, "HL7 message is", "HL7 messages are"))
	}
	p.note("site", "Choose a name before the first certificate is made.")
}

// inside lists those of the site's own networks that a system was seen in.
func (p *proposal) inside() {
	for _, own := range p.known.Site.Own {
		for a := range p.seen.speakers {
			if own.Contains(a) {
				p.Inside = append(p.Inside, own.Masked())
				break
			}
		}
	}
	if len(p.Inside) == 0 {
		for _, own := range p.known.Site.Own {
			p.Inside = append(p.Inside, own.Masked())
		}
	}
	slices.SortFunc(p.Inside, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	p.Inside = slices.Compact(p.Inside)
	p.note("inside", "How that is known: %s.", p.known.Site.Why)
}

// addParties makes a party of each system that spoke; of several, if the operator gave them one name.
func (p *proposal) addParties() {
	taken := map[string]bool{}
	for _, name := range p.known.Names { // they go before those that are made up
		taken[site.NameOf(name)] = true
	}
	byName := map[string][]netip.Addr{}
	var order []string
	for _, a := range sorted(p.seen.speakers) {
		name := site.NameOf(p.known.Names[a])
		if name == "" {
			name = unique(p.kind(a)+"1", taken)
		}
		if byName[name] == nil {
			order = append(order, name)
			taken[name] = true
		}
		byName[name] = append(byName[name], a)
	}
	p.Parties = make([]site.Party, len(order)) // at once: pointers to them are kept
	for i, name := range order {
		p.Parties[i] = p.party(name, byName[name])
		for _, a := range byName[name] {
			p.parties[a] = &p.Parties[i]
		}
	}
	p.claims()
}

// kind is what a system is called that nobody named.
func (p *proposal) kind(a netip.Addr) string {
	if !p.known.Site.Inside(a) {
		return "outside"
	}
	if r := roleOf(p.known.Site.Role(a)); r != "" {
		return string(r)
	}
	return "system"
}

// roleOf gives a role in the words of a site file.
func roleOf(r inventory.Role) site.Role {
	return map[inventory.Role]site.Role{inventory.Modality: site.Modality, inventory.PACS: site.PACS, inventory.Viewer: site.Viewer, inventory.Engine: site.Engine,
		inventory.Server: site.Server, inventory.FileServer: site.Server, inventory.Workstation: site.Workstation}[r]
}

func (p *proposal) party(name string, addresses []netip.Addr) site.Party {
	x := site.Party{Name: name}
	at := "parties." + name
	var all tally
	var texts []string
	for _, a := range addresses {
		all.join(&p.seen.speakers[a].tally)
		texts = append(texts, a.String())
		x.Addresses = append(x.Addresses, netip.PrefixFrom(a, a.BitLen()))
		x.Outside = x.Outside || !p.known.Site.Inside(a)
		if x.Role == "" {
			x.Role = roleOf(p.known.Site.Role(a))
		}
	}
	p.note(at, "seen: %s from or to %s%s", page.Count(all.n, "message"), strings.Join(texts, ", "), between(all.first, all.last))
	for _, s := range p.known.Site.Systems {
		if s.Addr == addresses[0] && len(s.Signs) > 0 && x.Role != "" {
			p.note(at, "%s (%.0f %%): %s", x.Role, s.Sure*100, signs(s.Signs))
		}
	}
	if x.Role == "" && !x.Outside {
		p.note(at, "its role is not clear; say what it is")
	}
	return x
}

func signs(all []inventory.Sign) string {
	var texts []string
	for _, s := range all {
		texts = append(texts, s.Text)
	}
	return strings.Join(texts, "; ")
}

// claims gives each title and application to who used it first: a name is of one party only.
func (p *proposal) claims() {
	p.claim("title", p.titles, func(s *speaker) map[string]*tally { return s.titles }, func(x *site.Party) *[]string { return &x.Titles })
	p.claim("application", map[string]*site.Party{}, func(s *speaker) map[string]*tally { return s.applications }, func(x *site.Party) *[]string { return &x.Applications })
}

func (p *proposal) claim(what string, owners map[string]*site.Party, names func(*speaker) map[string]*tally, list func(*site.Party) *[]string) {
	type use struct {
		name  string
		party *site.Party
		*tally
	}
	var uses []use
	for a, s := range p.seen.speakers {
		for name, t := range names(s) {
			uses = append(uses, use{name, p.parties[a], t})
		}
	}
	slices.SortFunc(uses, func(a, b use) int {
		return cmp.Or(a.first.Compare(b.first), cmp.Compare(a.name, b.name), cmp.Compare(a.party.Name, b.party.Name))
	})
	for _, u := range uses {
		switch owner := owners[u.name]; {
		case owner == nil:
			owners[u.name] = u.party
			*list(u.party) = append(*list(u.party), u.name)
		case owner != u.party:
			p.note("parties."+u.party.Name, "it also used the %s %s, which is of %s here: %s%s", what, u.name, owner.Name, page.Count(u.n, "time"), between(u.first, u.last))
		}
	}
	for i := range p.Parties {
		slices.Sort(*list(&p.Parties[i]))
	}
}
