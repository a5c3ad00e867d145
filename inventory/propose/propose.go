// Package propose writes a first site file from what was seen: who the parties are, what each did to whom, how much at most.
// It says what was, not what is right: a person reads the file before a guard does. What it proposes refuses nothing (mode
// observe). Of a message it keeps who, what and when; nothing of a patient.
package propose

import (
	"net/netip"
	"time"

	"chaperone"
	"chaperone/exchange"
	"chaperone/site"
	"chaperone/wire"
)

// Collector notes who exchanges messages with whom. It is not safe for concurrent use.
type Collector struct {
	speakers map[netip.Addr]*speaker
	servers  map[server]*tally
	flows    map[flow]*tally
	untyped  int  // HL7 messages without a readable type
	full     bool // a bound was reached: the rest is not in the proposal
}

// Bounds of what is kept: a scanner tries many names, and talks to everybody.
const (
	maxSpeakers = 1000
	maxNames    = 16 // of one address
	maxServers  = 200
	maxFlows    = 10_000
)

// speaker is an address that took part, with what it calls itself.
type speaker struct {
	tally
	titles       map[string]*tally
	applications map[string]*tally
}

// server is an address that messages go to.
type server struct {
	at       netip.AddrPort
	protocol chaperone.Protocol
}

// flow is something that one system does to another.
type flow struct {
	client      netip.Addr
	server      server
	action      site.Action
	detail      string // HL7 type, SOP class
	destination string // AE title, of a C-MOVE
}

// tally counts messages.
type tally struct {
	n           int
	asks        int // of them, those that ask: queries and retrievals
	everybody   int // of those, the ones that name nobody
	first, last time.Time
}

func (t *tally) add(at time.Time) {
	if t.n == 0 || at.Before(t.first) {
		t.first = at
	}
	if t.n == 0 || at.After(t.last) {
		t.last = at
	}
	t.n++
}

func (t *tally) join(other *tally) {
	switch {
	case other.n == 0:
		return
	case t.n == 0:
		*t = *other
		return
	}
	if other.first.Before(t.first) {
		t.first = other.first
	}
	if other.last.After(t.last) {
		t.last = other.last
	}
	t.n += other.n
	t.asks += other.asks
	t.everybody += other.everybody
}

// New makes an empty one.
func New() *Collector {
	return &Collector{speakers: map[netip.Addr]*speaker{}, servers: map[server]*tally{}, flows: map[flow]*tally{}}
}

// Event takes an event of a connection. What the other side refused is not proposed.
func (c *Collector) Event(x *exchange.Connection, e wire.Event) {
	m := e.Message
	if e.Stage != wire.Answer || m.Outcome == chaperone.Refused || m.Dir != chaperone.FromClient {
		return
	}
	f := flow{client: x.Client.Addr().Unmap(), server: server{netip.AddrPortFrom(x.Server.Addr().Unmap(), x.Server.Port()), x.Protocol}}
	switch x.Protocol {
	case chaperone.HL7:
		if !hl7(&f, m) {
			return
		}
		if !site.IsDetail(f.detail) {
			c.untyped++
			return
		}
	case chaperone.DICOM:
		if !dicom(&f, m) {
			return
		}
	default:
		return
	}
	client, to := c.speaker(f.client), c.speaker(f.server.at.Addr())
	if client == nil || to == nil || !count(c, c.servers, f.server, maxServers, m.At.Time) || !count(c, c.flows, f, maxFlows, m.At.Time) {
		return
	}
	if m.Role == wire.Query || m.Role == wire.Move {
		c.flows[f].asks++
	}
	if m.Everybody {
		c.flows[f].everybody++
	}
	client.add(m.At.Time)
	if to != client {
		to.add(m.At.Time)
	}
	switch {
	case f.action == site.Associate:
		claim(client.titles, m.From, site.IsTitle, m.At.Time)
		claim(to.titles, m.To, site.IsTitle, m.At.Time)
	case f.action == site.Send:
		claim(client.applications, m.From, site.IsApplication, m.At.Time)
	case f.action == site.Ask:
		claim(client.applications, m.Requester, site.IsApplication, m.At.Time)
	}
}

// hl7 says what a message does, and whether a grant is about it.
func hl7(f *flow, m *wire.Message) bool {
	f.detail = m.Action
	switch m.Role {
	case wire.Push:
		f.action = site.Send
	case wire.Query:
		f.action = site.Ask
	}
	return f.action != ""
}

// dicom is the same for DICOM. A C-STORE that serves a retrieval is a store of the archive, which opened the connection.
func dicom(f *flow, m *wire.Message) bool {
	f.detail = m.Class
	switch m.Action {
	case "A-ASSOCIATE":
		f.action, f.detail = site.Associate, ""
	case "C-STORE":
		f.action = site.Store
	case "C-FIND":
		f.action = site.Find
	case "C-GET":
		f.action = site.Get
	case "C-MOVE":
		f.action = site.Move
		if m.Retrieve != nil {
			f.destination = m.Retrieve.Destination
		}
	case "N-GET", "N-SET", "N-ACTION", "N-CREATE", "N-DELETE", "N-EVENT-REPORT":
		f.action = site.Other
	}
	return f.action != ""
}

func (c *Collector) speaker(a netip.Addr) *speaker {
	s := c.speakers[a]
	if s == nil {
		if len(c.speakers) == maxSpeakers {
			c.full = true
			return nil
		}
		s = &speaker{titles: map[string]*tally{}, applications: map[string]*tally{}}
		c.speakers[a] = s
	}
	return s
}

// count adds to one of a bounded number of tallies.
func count[K comparable](c *Collector, all map[K]*tally, k K, most int, at time.Time) bool {
	t := all[k]
	if t == nil {
		if len(all) == most {
			c.full = true
			return false
		}
		t = &tally{}
		all[k] = t
	}
	t.add(at)
	return true
}

// claim notes a name that a sender uses, if a site file can hold it.
func claim(names map[string]*tally, name string, good func(string) bool, at time.Time) {
	if !good(name) || names[name] == nil && len(names) == maxNames {
		return
	}
	if names[name] == nil {
		names[name] = &tally{}
	}
	names[name].add(at)
}
