package detect

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"chaperone"
	"chaperone/exchange"
)

// edges keep who connected to which port of whom, with what the detectors of behaviour ask for. Two bounds hold a scan
// of everything: what comes after them is counted, not kept.
type edges struct {
	list    map[edgeKey]*edge
	sources map[netip.Addr]int // edges by client that began with a failure
	days    map[dayKey]*traffic
}

const (
	maxEdges  = 1 << 18
	perSource = 1 << 13
)

type edgeKey struct {
	client, server netip.Addr
	port           uint16
}

// edge is everything between one client and one port of a server.
type edge struct {
	edgeKey
	protocol    chaperone.Protocol
	first, last time.Time
	evidence    chaperone.Evidence // of the first connection
	failed      bool               // the first connection failed
	connections int
	failures    int
	worked      time.Time          // when it first did not fail; zero if never
	workedBy    chaperone.Evidence // that connection
	opened      bool               // who is the client is certain
}

// dayKey is one host, one other and one day.
type dayKey struct {
	from, to netip.Addr
	day      int64
}

// traffic is what one host sent another in a day, and got from it.
type traffic struct {
	out, in     int64
	first, last time.Time
	evidence    chaperone.Evidence // of its largest connection
	largest     int64
}

func newEdges() edges {
	return edges{list: map[edgeKey]*edge{}, sources: map[netip.Addr]int{}, days: map[dayKey]*traffic{}}
}

func (t *edges) contact(c *exchange.Contact) {
	k := edgeKey{c.Client.Addr(), c.Server.Addr(), c.Server.Port()}
	if k.client == k.server {
		return // what a machine does with itself
	}
	e := t.list[k]
	if e == nil {
		if len(t.list) >= maxEdges || c.Failed && t.sources[k.client] >= perSource {
			return
		}
		if c.Failed {
			t.sources[k.client]++
		}
		e = &edge{edgeKey: k, first: c.First, evidence: c.Evidence, failed: c.Failed}
		t.list[k] = e
	}
	e.connections++
	e.opened = e.opened || c.Opened
	if c.First.Before(e.first) {
		e.first, e.evidence, e.failed = c.First, c.Evidence, c.Failed
	}
	if c.Last.After(e.last) {
		e.last = c.Last
	}
	if e.protocol == "" {
		e.protocol = c.Protocol
	}
	if c.Failed {
		e.failures++
		return
	}
	if e.worked.IsZero() || c.First.Before(e.worked) {
		e.worked, e.workedBy = c.First, c.Evidence
	}
	t.bytes(c, k.client, k.server, c.Bytes[0], c.Bytes[1])
	t.bytes(c, k.server, k.client, c.Bytes[1], c.Bytes[0])
}

func (t *edges) bytes(c *exchange.Contact, from, to netip.Addr, out, in int64) {
	if out == 0 {
		return
	}
	k := dayKey{from, to, c.First.Unix() / 86400}
	d := t.days[k]
	if d == nil {
		if len(t.days) >= maxEdges {
			return
		}
		d = &traffic{first: c.First, last: c.Last}
		t.days[k] = d
	}
	d.out += out
	d.in += in
	if out > d.largest {
		d.largest, d.evidence = out, c.Evidence
	}
	if c.First.Before(d.first) {
		d.first = c.First
	}
	if c.Last.After(d.last) {
		d.last = c.Last
	}
}

// bySource gives the edges of each client in the order in which they began.
func (t *edges) bySource() [][]*edge {
	of := map[netip.Addr][]*edge{}
	for _, e := range t.list {
		of[e.client] = append(of[e.client], e)
	}
	all := make([][]*edge, 0, len(of))
	for _, list := range of {
		slices.SortFunc(list, func(a, b *edge) int {
			return cmp.Or(a.first.Compare(b.first), a.server.Compare(b.server), cmp.Compare(a.port, b.port))
		})
		all = append(all, list)
	}
	slices.SortFunc(all, func(a, b []*edge) int { return a[0].client.Compare(b[0].client) })
	return all
}
