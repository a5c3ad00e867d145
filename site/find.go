package site

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// index answers the guard's questions.
type index struct {
	zone                              *time.Location
	parties, titles, claims, subjects map[string]*Party
	networks                          map[netip.Prefix][]*Party
	lengths4, lengths6                []int // of networks, the longest first
	destinations                      map[*Listener]map[string]*Party
	listeners                         map[string]*Listener
}

// link makes the index, of a site that was found good.
func (s *Site) link() {
	x := &index{zone: time.Local, parties: map[string]*Party{}, titles: map[string]*Party{}, claims: map[string]*Party{}, subjects: map[string]*Party{},
		networks: map[netip.Prefix][]*Party{}, destinations: map[*Listener]map[string]*Party{}, listeners: map[string]*Listener{}}
	if s.Zone != "" {
		x.zone, _ = time.LoadLocation(s.Zone) // it was found when the file was read
	}
	for i := range s.Parties {
		p := &s.Parties[i]
		x.parties[p.Name] = p
		for _, t := range p.Titles {
			x.titles[s.fold(t)] = p
		}
		for _, a := range p.Applications {
			x.claims[s.fold(a)] = p
		}
		if p.Subject != "" {
			x.subjects[p.Subject] = p
		}
		for _, n := range p.Addresses {
			x.networks[n] = append(x.networks[n], p)
			lengths := &x.lengths6
			if n.Addr().Is4() {
				lengths = &x.lengths4
			}
			if !slices.Contains(*lengths, n.Bits()) {
				*lengths = append(*lengths, n.Bits())
			}
		}
	}
	for _, lengths := range [][]int{x.lengths4, x.lengths6} {
		slices.Sort(lengths)
		slices.Reverse(lengths)
	}
	for i := range s.Listeners {
		l := &s.Listeners[i]
		x.listeners[l.Name] = l
		to := map[string]*Party{}
		for ae, name := range l.Destinations {
			to[s.fold(ae)] = x.parties[name]
		}
		x.destinations[l] = to
	}
	s.index = x
}

// Party gives the party of that name, nil if there is none.
func (s *Site) Party(name string) *Party { return s.index.parties[name] }

// Listener gives the listener of that name, nil if there is none.
func (s *Site) Listener(name string) *Listener { return s.index.listeners[name] }

// URI gives the name of a party in certificates of the own issuer.
func (s *Site) URI(p *Party) string { return s.own() + "party/" + p.Name }

// PartyOf gives whom a certificate proves, by its URI or its subject; nil: nobody of this site. A URI of the own issuer names
// the party; anything else has to be bound to one as it stands, letter for letter.
func (s *Site) PartyOf(proven string) *Party {
	if name, ok := strings.CutPrefix(proven, s.own()+"party/"); ok {
		return s.Party(name)
	}
	if strings.HasPrefix(proven, s.own()) {
		return nil
	}
	return s.index.subjects[proven]
}

// Title gives whose an AE title is, nil if it is nobody's. Blanks around it say nothing.
func (s *Site) Title(ae string) *Party { return s.index.titles[s.fold(ae)] }

// Application gives whose an application is, by what it claims: MSH-3@MSH-4. What is bound with its facility goes before what
// is bound without one.
func (s *Site) Application(claimed string) *Party {
	name, facility, _ := strings.Cut(claimed, "@")
	name, facility = strings.TrimSpace(name), strings.TrimSpace(facility)
	if facility != "" {
		if p := s.index.claims[s.fold(name+"@"+facility)]; p != nil {
			return p
		}
	}
	return s.index.claims[s.fold(name)]
}

// Address gives who may come from an address: those with the longest network that contains it. They are several when they
// share it; then each has titles or applications.
func (s *Site) Address(a netip.Addr) []*Party {
	a = a.Unmap().WithZone("")
	lengths := s.index.lengths6
	if a.Is4() {
		lengths = s.index.lengths4
	}
	for _, bits := range lengths {
		n, err := a.Prefix(bits)
		if err != nil {
			return nil
		}
		if all := s.index.networks[n]; all != nil {
			return all
		}
	}
	return nil
}

// From reports whether a party may come from an address: it has none at all, or one of its networks contains it.
func (p *Party) From(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return len(p.Addresses) == 0 || slices.ContainsFunc(p.Addresses, func(n netip.Prefix) bool { return n.Contains(a) })
}

// Open reports whether a time is within a party's hours, in the zone of the site.
func (s *Site) Open(p *Party, at time.Time) bool { return p.Hours.Hold(at.In(s.index.zone)) }

// Within reports whether an address is in one of the site's own networks.
func (s *Site) Within(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(s.Inside, func(n netip.Prefix) bool { return n.Contains(a) })
}

// Destination gives the party behind the AE title that a C-MOVE names as its destination; nil when the listener has none.
func (s *Site) Destination(l *Listener, ae string) *Party { return s.index.destinations[l][s.fold(ae)] }
