package propose

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"chaperone/page"
	"chaperone/site"
)

// inClear is why a proposed listener has no TLS.
const inClear = "as it was seen; mutual TLS is next, when the guard has a certificate"

// addListeners puts a listener in front of each server.
func (p *proposal) addListeners() {
	servers := slices.SortedFunc(maps.Keys(p.seen.servers), func(a, b server) int {
		return cmp.Or(cmp.Compare(a.protocol, b.protocol), a.at.Compare(b.at))
	})
	taken, ports := map[string]bool{}, map[uint16]bool{}
	for _, s := range servers {
		if s.at.Addr().IsLoopback() { // on the machine of the guard this port is the server's own
			ports[s.at.Port()] = true
		}
	}
	for _, s := range servers {
		party := p.parties[s.at.Addr()]
		name := string(s.protocol) + "-" + party.Name
		l := site.Listener{Name: unique(shortened(name), taken), Protocol: site.Protocol(s.protocol),
			Listen: netip.AddrPortFrom(netip.IPv4Unspecified(), free(s.at.Port(), ports)), TLS: site.Clear, Because: inClear, Mode: site.Observe, Limits: site.DefaultBounds,
			Upstream: site.Upstream{Address: s.at.String(), TLS: site.Clear, Party: party.Name}}
		if !s.at.Addr().IsLoopback() {
			l.Upstream.Because = "as it was seen"
		}
		if l.Protocol == site.HL7 {
			l.Refuse = site.Reject
		}
		taken[l.Name] = true
		t := p.seen.servers[s]
		p.note("listeners."+l.Name, "seen: %s of %s%s", page.Count(t.n, "message"), page.Count(p.clients(s), "system"), between(t.first, t.last))
		p.note("listeners."+l.Name, "they connect to %s now; let them connect to the guard's port %d", s.at, l.Listen.Port())
		p.destinations(&l, s)
		p.Listeners = append(p.Listeners, l)
	}
}

func (p *proposal) clients(s server) int {
	all := map[netip.Addr]bool{}
	for f := range p.seen.flows {
		if f.server == s {
			all[f.client] = true
		}
	}
	return len(all)
}

// destinations of the C-MOVEs that were seen, as far as they are anybody's.
func (p *proposal) destinations(l *site.Listener, s server) {
	unknown := map[string]bool{}
	for f := range p.seen.flows {
		if f.server != s || f.action != site.Move || !site.IsTitle(f.destination) {
			continue
		}
		if to := p.titles[f.destination]; to != nil {
			if l.Destinations == nil {
				l.Destinations = map[string]string{}
			}
			l.Destinations[f.destination] = to.Name
		} else {
			unknown[f.destination] = true
		}
	}
	if len(unknown) > 0 {
		p.note("listeners."+l.Name, "asked to send to %s, who was not seen", strings.Join(keys(unknown), ", "))
	}
}

// free gives a port that nothing else has yet, the wanted one if possible.
func free(port uint16, taken map[uint16]bool) uint16 {
	for port == 0 || taken[port] {
		port++
	}
	taken[port] = true
	return port
}

// unique gives a name that is not taken: it counts on from the digits at its end.
func unique(name string, taken map[string]bool) string {
	stem := strings.TrimRight(name, "0123456789")
	if name == "self" { // grants use the word
		name = "self1"
	}
	for n := 2; taken[name]; n++ {
		separator := ""
		if strings.Contains(stem, " ") && !strings.HasSuffix(stem, " ") {
			separator = " "
		}
		name = fmt.Sprintf("%s%s%d", stem, separator, n)
	}
	return name
}

// shortened leaves room in a name for what is added to it.
func shortened(name string) string { return name[:min(len(name), 40)] }

// between says from when to when, for people.
func between(first, last time.Time) string {
	const minute = "2006-01-02 15:04"
	if first.IsZero() {
		return ""
	}
	first, last = first.UTC(), last.UTC()
	switch {
	case first.Format(minute) == last.Format(minute):
		return " at " + first.Format(minute)
	case first.Format(time.DateOnly) == last.Format(time.DateOnly):
		return " between " + first.Format(minute) + " and " + last.Format("15:04")
	}
	return " between " + first.Format(minute) + " and " + last.Format(minute)
}
