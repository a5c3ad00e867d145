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

// NewSite judges which systems are one's own: those of the networks that were given; else those of private networks, and
// those that were named. Where no private address is seen or named, the networks of systems that were named together are,
// and without names those that keep and ask for medical data.
func NewSite(v *Inventory, g Given, begin, end time.Time) *Site {
	s := &Site{Systems: v.Systems(), Begin: begin, End: end, Names: g.Names, roles: map[netip.Addr]Role{}, named: map[string][]netip.Addr{}}
	if len(g.Own) > 0 {
		s.Own, s.Why = g.Own, "given"
	} else {
		s.Own, s.Why = slices.Clone(private), "private networks"
		s.addPublic(g.Names)
	}
	slices.SortFunc(s.Own, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	s.judge()
	return s
}

// addPublic adds what is one's own beside private networks.
func (s *Site) addPublic(names map[netip.Addr]string) {
	inPrivate := slices.ContainsFunc(s.Systems, func(x System) bool { return s.Inside(x.Addr) })
	together := map[netip.Prefix]int{}
	for a := range names {
		inPrivate = inPrivate || s.Inside(a)
		together[network(a)]++
	}
	for a := range names {
		switch {
		case s.Inside(a):
		case !inPrivate && together[network(a)] > 1:
			s.own(network(a))
			s.Why = "the networks of the systems that were named"
		default:
			s.own(netip.PrefixFrom(a, a.BitLen())) // a provider's or a partner's neighbours are not one's own
			if !inPrivate {
				s.Why = "the systems that were named"
			} else {
				s.Why = "private networks, and systems that were named"
			}
		}
	}
	if len(names) > 0 || inPrivate {
		return
	}
	for _, x := range s.Systems {
		if x.keeps() {
			s.own(network(x.Addr))
			s.Why = "inferred from who keeps and asks for medical data"
		}
	}
}

// network gives the network of an address: /24, or /64 of IPv6.
func network(a netip.Addr) netip.Prefix {
	bits := 24
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // both are fewer than the address has
	return p
}

func (s *Site) own(p netip.Prefix) {
	if p.IsValid() && !slices.Contains(s.Own, p) {
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
	if Computer(a) != "" {
		return true
	}
	a = a.Unmap()
	return slices.ContainsFunc(s.Own, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Role gives what a system is.
func (s *Site) Role(a netip.Addr) Role { return s.roles[a] }

// Unplaced stands for a computer that wrote a log and whose address nobody knows. It is no address: Show and Computer give
// the name.
func Unplaced(computer string) netip.Addr { return netip.IPv6Unspecified().WithZone(computer) }

// Computer gives the name that an Unplaced stands for, "" for an address.
func Computer(a netip.Addr) string {
	if a.WithZone("") == netip.IPv6Unspecified() {
		return a.Zone()
	}
	return ""
}

// Show gives an address, or the name of a computer without one.
func Show(a netip.Addr) string {
	if c := Computer(a); c != "" {
		return c
	}
	return a.String()
}

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
	if c := Computer(a); c != "" {
		return c
	}
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
