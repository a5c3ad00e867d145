package detect

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"chaperone"
	"chaperone/exchange"
	"chaperone/inventory"
	"chaperone/wire"
)

// RDPExposed is the rule of remote desktops that the outside can reach.
const RDPExposed = "rdp-exposed"

// remote keeps the RDP connections between two systems.
type remote map[[2]netip.Addr][]visit

// maxVisits bounds the connections of one pair that are kept.
const maxVisits = 1 << 14

// visit is one RDP connection.
type visit struct {
	first, last time.Time
	port        uint16 // of the client
	bytes       int64
	cookie      string
	nla         wire.NLA
	answered    bool
	failure     bool // the server refused to negotiate
	evidence    chaperone.Evidence
}

// Bounds between an attempt and a session. A failed CredSSP logon takes a few kilobytes; without NLA the logon screen
// itself is drawn, so an attempt may be larger but is short.
const (
	attemptBytes  = 10 << 10
	attemptLength = 30 * time.Second
	sessionBytes  = 100 << 10
	sessionLength = time.Minute
)

func (v visit) attempt() bool {
	return v.answered && !v.failure && v.last.Sub(v.first) < attemptLength && v.bytes < 10*attemptBytes
}

func (v visit) session() bool {
	return v.answered && v.bytes > sessionBytes && v.last.Sub(v.first) > sessionLength
}

func (r remote) contact(c *exchange.Contact) {
	if c.Protocol != chaperone.RDP || c.Desktop == nil {
		return
	}
	k := [2]netip.Addr{c.Client.Addr(), c.Server.Addr()}
	d := c.Desktop
	v := visit{first: c.First, last: c.Last, port: c.Client.Port(), bytes: c.Total(), cookie: d.Cookie, nla: d.NLA, answered: d.Answered,
		failure: d.Failure != 0, evidence: c.Evidence}
	if n := len(r[k]); n < maxVisits || v.session() && n < 2*maxVisits { // the session that follows is what matters most
		r[k] = append(r[k], v)
	}
}

// ordered gives the visits of a pair by time.
func (r remote) ordered(k [2]netip.Addr) []visit {
	list := r[k]
	slices.SortFunc(list, func(a, b visit) int { return a.first.Compare(b.first) })
	return list
}

// worse reports whether a visit says more of an exposed server than another: one without network level authentication, else
// the earlier.
func (v visit) worse(w visit) bool {
	if off := v.nla == wire.NLAOff; off != (w.nla == wire.NLAOff) {
		return off
	}
	return cmp.Or(v.first.Compare(w.first), cmp.Compare(v.evidence.Packet, w.evidence.Packet)) < 0
}

// exposed finds remote desktops that answer the outside. One finding a server.
func (s *Set) exposed(site *inventory.Site) {
	type exposure struct {
		visits, callers int
		worst           visit
		first, last     time.Time
	}
	of := map[netip.Addr]*exposure{}
	for k := range s.remote {
		client, server := k[0], k[1]
		if site.Inside(client) || !site.Inside(server) {
			continue
		}
		called := false
		for _, v := range s.remote.ordered(k) {
			if !v.answered {
				continue
			}
			x := of[server]
			if x == nil {
				x = &exposure{worst: v, first: v.first}
				of[server] = x
			}
			x.visits++
			if !called {
				called = true
				x.callers++
			}
			if v.worse(x.worst) {
				x.worst = v
			}
			if v.first.Before(x.first) {
				x.first = v.first
			}
			if v.last.After(x.last) {
				x.last = v.last
			}
		}
	}
	for server, x := range of {
		f := chaperone.Finding{
			Rule: RDPExposed, Severity: chaperone.Medium, To: host(server), First: x.first, Last: x.last, Count: x.visits, Evidence: x.worst.evidence,
			Title:  fmt.Sprintf("Remote desktop answers the outside; %d outside %s it.", x.callers, plural(x.callers, "address reached", "addresses reached")),
			Advice: "Take remote desktop off the public address: let vendors in through certificate-bound access that ends by itself.",
		}
		if x.worst.nla == wire.NLAOff {
			f.Severity = chaperone.High
			f.Title = fmt.Sprintf("Remote desktop answers the outside without network level authentication; %d outside %s it.", x.callers, plural(x.callers, "address reached", "addresses reached"))
		}
		s.put("", f)
	}
}
