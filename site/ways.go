package site

import (
	"maps"
	"net"
	"net/netip"
	"slices"
)

// checkListeners: no address is taken twice, everybody behind is known, and nothing is in the clear without a reason.
func (c *checker) checkListeners() {
	names := map[string]*Listener{}
	for i := range c.Listeners {
		l := &c.Listeners[i]
		if first := names[l.Name]; first != nil && l.Name != "" {
			c.fail(&l.Name, "%s stands here twice; the first is on line %d: give each its own name", l.label(), c.Line(&first.Name))
		}
		names[l.Name] = l
		for j := range i {
			if other := &c.Listeners[j]; overlap(l.Listen, other.Listen) {
				c.fail(&l.Listen, "%s takes the address of listener %s (line %d); give it another port or address", l.label(), other.Name, c.Line(&other.Listen))
			}
		}
		if overlap(l.Listen, c.Metrics) {
			c.fail(&c.Metrics, "metrics takes the address of listener %s (line %d); give it another port", l.Name, c.Line(&l.Listen))
		}
		c.protection(l)
		c.upstream(l)
		c.speech(l)
		c.spool(l)
		if l.Limits.PerAddress > l.Limits.Connections {
			if c.Line(&l.Limits.PerAddress) == 0 { // what was not said follows what was
				l.Limits.PerAddress = l.Limits.Connections
			} else {
				c.fail(&l.Limits.PerAddress, "per_address is more than connections (%d), so it never holds; make it less", l.Limits.Connections)
			}
		}
	}
	if m := c.Metrics; m.IsValid() && !m.Addr().IsLoopback() {
		c.warn(&c.Metrics, "metrics are served to the network, to everybody and in the clear; 127.0.0.1 keeps them on this machine")
	}
}

// overlap reports whether two addresses cannot both be listened on. The unspecified address is all of them; that of IPv6
// takes those of IPv4 too.
func overlap(a, b netip.AddrPort) bool {
	if !a.IsValid() || !b.IsValid() || a.Port() != b.Port() {
		return false
	}
	covers := func(x, y netip.Addr) bool { return x.IsUnspecified() && (x.Is6() || y.Is4()) }
	return a.Addr() == b.Addr() || covers(a.Addr(), b.Addr()) || covers(b.Addr(), a.Addr())
}

// label is what a message calls a listener.
func (l *Listener) label() string {
	if l.Name == "" {
		return "this listener"
	}
	return "listener " + l.Name
}

func (c *checker) protection(l *Listener) {
	switch {
	case l.TLS == Clear && l.Because == "":
		c.fail(&l.TLS, "%s: tls: none needs a reason; add  because: \"…\"  or make it mutual", l.label())
	case l.TLS == Clear && l.Listen.IsValid() && !l.Listen.Addr().IsLoopback():
		c.warn(&l.TLS, "%s takes patient data in the clear from the network; that is a finding, every day", l.label())
	case l.TLS == Mutual && l.Because != "":
		c.fail(&l.Because, "%s: because is the reason for tls: none; leave it out", l.label())
	}
	if l.TLS == Mutual || l.Upstream.TLS == Mutual {
		c.identity(l)
	}
}

// identity: who proves itself needs a certificate, and somebody to believe.
func (c *checker) identity(l *Listener) {
	i := &c.Identity
	if i.Certificate == "" || i.Key == "" {
		c.fail(l, "%s uses TLS; identity: needs the guard's own certificate: and key:", l.label())
	}
	if i.Authority == "" && len(i.Roots) == 0 {
		c.fail(l, "%s uses TLS; identity: needs an authority: or roots:, to know whom to believe", l.label())
	}
}

func (c *checker) upstream(l *Listener) {
	u := &l.Upstream
	c.party(&u.Party, u.Party, "upstream")
	switch {
	case u.Address == "":
		return
	case u.TLS == Clear && u.Because == "" && !u.near():
		c.fail(u, "%s: an upstream on another machine with tls: none needs a reason; add  because: \"…\"  or make it mutual", l.label())
	case u.TLS == Clear && !u.near():
		c.warn(u, "%s passes patient data on in the clear over the network; that is a finding, every day", l.label())
	case u.TLS == Mutual && u.Because != "":
		c.fail(u, "%s: because is the reason for tls: none; leave it out", l.label())
	}
	host, port, _ := net.SplitHostPort(u.Address)
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if a, err := netip.ParseAddrPort(net.JoinHostPort(host, port)); err == nil {
		a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
		for j := range c.Listeners {
			own := c.Listeners[j].Listen
			if own == a || own.IsValid() && own.Addr().IsUnspecified() && a.Addr().IsLoopback() && overlap(own, a) {
				c.fail(&u.Address, "%s passes on to listener %s, which is the guard itself; name the system behind it", l.label(), c.Listeners[j].Name)
			}
		}
	}
}

// speech: what only one protocol has.
func (c *checker) speech(l *Listener) {
	if l.Protocol != HL7 && l.Refuse != "" && l.Protocol != "" {
		c.fail(&l.Refuse, "%s: refuse is of protocol hl7; leave it out", l.label())
	}
	if l.Protocol == HL7 && l.Refuse == "" {
		l.Refuse = Reject
	}
	if l.Protocol != DICOM && len(l.Destinations) > 0 && l.Protocol != "" {
		c.fail(l, "%s: destinations are of protocol dicom; leave them out", l.label())
		return
	}
	folded := map[string]string{}
	for _, ae := range slices.Sorted(maps.Keys(l.Destinations)) {
		to, at := l.Destinations[ae], entry{&l.Destinations, ae}
		if to == "" {
			continue
		}
		c.party(at, to, "destinations")
		if owner := c.titles[c.fold(ae)]; owner != nil && owner.Name != to && c.parties[to] != nil {
			c.fail(at, "destinations: %s is a title of party %s, not of %s", shown(ae), owner.Name, to)
		}
		if other, twice := folded[c.fold(ae)]; twice && other != to {
			c.fail(at, "destinations: %s stands here twice, in capitals and not; with ignore_case it is one", shown(ae))
		}
		folded[c.fold(ae)] = to
	}
}
