package inventory

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Site is what the whole evidence says about the operator's own systems.
type Site struct {
	Systems    []System                // all that were seen, by address; each has its role
	Own        []netip.Prefix          // networks that are the operator's own
	Why        string                  // how that is known
	Begin, End time.Time               // of the evidence
	Names      map[netip.Addr]string   // given by the operator
	roles      map[netip.Addr]Role     // of Systems
	named      map[string][]netip.Addr // by lower-case first label
}

// Given is what the operator says of the site; all of it may be empty.
type Given struct {
	Own   []netip.Prefix
	Names map[netip.Addr]string
}

// private are the networks that nobody routes: what lies in them is one's own (RFC 1918, 4193, 3927, 4291, 6598).
var private = prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "169.254.0.0/16", "fe80::/10", "127.0.0.0/8", "::1/128", "100.64.0.0/10")

// prefixes reads networks.
func prefixes(list ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, s := range list {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

// NewSite judges which systems are one's own: by what was given, else by the names that were given, else private networks
// are; where no such address is seen, the networks are that ask archives, keep them, or exchange HL7 messages.
func NewSite(v *Inventory, g Given, begin, end time.Time) *Site {
	s := &Site{Systems: v.Systems(), Begin: begin, End: end, Names: g.Names, roles: map[netip.Addr]Role{}, named: map[string][]netip.Addr{}}
	switch {
	case len(g.Own) > 0:
		s.Own, s.Why = g.Own, "given"
	case len(g.Names) > 0:
		for a := range g.Names {
			s.own(a)
		}
		s.Why = "the networks of the systems that were named"
	default:
		s.Own, s.Why = private, "private networks"
		if !slices.ContainsFunc(s.Systems, func(x System) bool { return s.Inside(x.Addr) }) {
			s.Own, s.Why = nil, "inferred from who keeps and asks for medical data"
			for _, x := range s.Systems {
				if x.keeps() {
					s.own(x.Addr)
				}
			}
		}
	}
	slices.SortFunc(s.Own, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	s.judge()
	return s
}

// own takes the network of an address as one's own: /24, or /64 of IPv6.
func (s *Site) own(a netip.Addr) {
	bits := 24
	if a.Is6() {
		bits = 64
	}
	if p, err := a.Prefix(bits); err == nil && !slices.Contains(s.Own, p) {
		s.Own = append(s.Own, p)
	}
}

// keeps reports whether a system usually does what only a clinic's own systems do.
func (x *System) keeps() bool {
	for _, a := range []act{asksWorklist, answersQuery, takesHL7, servesFiles} {
		if m := x.marks[a]; m != nil && float64(m.n) >= seldom*float64(x.hours.n) {
			return true
		}
	}
	return false
}

// judge gives the outside its role and learns the names.
func (s *Site) judge() {
	given := map[string]bool{} // what the operator says is not for others to claim
	for a, name := range s.Names {
		s.learn(name, a)
		given[firstLabel(name)] = true
	}
	for i := range s.Systems {
		x := &s.Systems[i]
		if !s.Inside(x.Addr) {
			x.Role, x.Sure, x.Signs = Outside, 1, nil
		}
		s.roles[x.Addr] = x.Role
		for _, n := range x.Names {
			if !given[firstLabel(n.Text)] {
				s.learn(n.Text, x.Addr)
			}
		}
	}
}

func (s *Site) learn(name string, a netip.Addr) {
	key := firstLabel(name)
	if key != "" && !slices.Contains(s.named[key], a) {
		s.named[key] = append(s.named[key], a)
	}
}

func firstLabel(name string) string {
	label, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(name)), ".")
	return label
}

// Inside reports whether an address is one's own.
func (s *Site) Inside(a netip.Addr) bool {
	a = a.Unmap()
	return slices.ContainsFunc(s.Own, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Role gives what a system is.
func (s *Site) Role(a netip.Addr) Role { return s.roles[a] }

// Find gives the address of a computer's name, as a log or a certificate has it. A name of several systems is none's.
func (s *Site) Find(name string) (netip.Addr, bool) {
	list := s.named[firstLabel(name)]
	if len(list) != 1 {
		return netip.Addr{}, false
	}
	return list[0], true
}

// Name gives the name of an address: the operator's, else one that it was seen to have, "" for none.
func (s *Site) Name(a netip.Addr) string {
	if n := s.Names[a.Unmap()]; n != "" {
		return n
	}
	i, ok := slices.BinarySearchFunc(s.Systems, a, func(x System, a netip.Addr) int { return x.Addr.Compare(a) })
	if !ok {
		return ""
	}
	if x := &s.Systems[i]; len(x.Names) > 0 {
		return x.Names[0].Text
	} else if len(x.Claimed) > 0 {
		return x.Claimed[0]
	}
	return ""
}
