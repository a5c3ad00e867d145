// Package detect judges what passes: one file a detector. A detector sees messages, disclosures, connections, files and
// log events as they come; equal findings are counted together. What can be judged only against what is usual waits for
// Findings.
package detect

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"chaperone"
	"chaperone/exchange"
	"chaperone/inventory"
	"chaperone/wire"
)

// Set runs every detector over one run. It is not safe for concurrent use.
type Set struct {
	Trails *exchange.Trails // who got whose records, by the hour
	found  map[subject]*chaperone.Finding
	edges  edges
	remote remote
	files  files
	logs   logs
	calls  calls
}

// subject is what makes two findings one.
type subject struct {
	rule     string
	from, to netip.Addr
	detail   string
}

// NewSet makes one.
func NewSet() *Set {
	return &Set{Trails: exchange.NewTrails(), found: map[subject]*chaperone.Finding{}, edges: newEdges(), remote: remote{}, files: files{},
		logs: newLogs(), calls: calls{}}
}

// Pointer says where a message is.
type Pointer func(m *wire.Message) chaperone.Evidence

// Event looks at one step of a message.
func (s *Set) Event(c *exchange.Connection, e wire.Event, where Pointer) {
	s.rejected(c, e, where)
	s.thirdParty(c, e, where)
	s.calls.event(c, e, where)
}

// Disclosure looks at a whole disclosure.
func (s *Set) Disclosure(d *exchange.Disclosed) {
	s.inClear(&d.Disclosure)
	s.Trails.Add(d)
}

// Contact looks at a connection that is over.
func (s *Set) Contact(c *exchange.Contact) {
	s.edges.contact(c)
	s.remote.contact(c)
}

// Findings gives what was found, the most severe first. It judges what waited; nothing may be added afterwards.
func (s *Set) Findings(site *inventory.Site) []chaperone.Finding {
	if site != nil {
		s.logs.place(site, s.remote)
		for _, judge := range []func(*inventory.Site){
			s.fanOut, s.clinicalSweep, s.exposed, s.guessed, s.logons, s.privileges, s.services, s.accounts, s.cleared,
			s.device, s.newRemote, s.sweep, s.usual, s.newParty, s.wholeFiles, s.volume,
		} {
			judge(site)
		}
	}
	all := make([]chaperone.Finding, 0, len(s.found))
	for _, f := range s.found {
		all = append(all, *f)
	}
	slices.SortFunc(all, func(a, b chaperone.Finding) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), a.First.Compare(b.First), cmp.Compare(a.Rule, b.Rule),
			a.From.Addr.Compare(b.From.Addr), a.To.Addr.Compare(b.To.Addr), cmp.Compare(a.Title, b.Title))
	})
	return all
}

// add counts a finding with its equals. describe is asked for the first of them only; the earliest keeps its evidence.
func (s *Set) add(k subject, at time.Time, evidence chaperone.Evidence, describe func() chaperone.Finding) {
	have := s.found[k]
	if have == nil {
		f := describe()
		f.Rule, f.First, f.Last, f.Count, f.Evidence = k.rule, at, at, 1, evidence
		s.found[k] = &f
		return
	}
	have.Count++
	if at.After(have.Last) {
		have.Last = at
	}
	if at.Before(have.First) {
		have.First, have.Evidence = at, evidence
	}
}

// put adds a finding that is whole.
func (s *Set) put(detail string, f chaperone.Finding) {
	s.found[subject{f.Rule, f.From.Addr, f.To.Addr, detail}] = &f
}

// ends gives the two sides of a message's data.
func ends(c *exchange.Connection, m *wire.Message) (from, to chaperone.Party) {
	client := chaperone.Party{Addr: c.Client.Addr()}
	server := chaperone.Party{Addr: c.Server.Addr()}
	if m.Data == wire.FromServer {
		client, server = server, client
	}
	client.Claimed, server.Claimed = m.From, m.To
	return client, server
}

// host makes a party of an address.
func host(a netip.Addr) chaperone.Party { return chaperone.Party{Addr: a} }

// learning is the time at the beginning of the evidence in which everything is new and nothing is odd for being so.
const learning = 24 * time.Hour

// isNew reports whether something that was first seen at t is new rather than merely seen for the first time.
func isNew(site *inventory.Site, t time.Time) bool { return t.Sub(site.Begin) >= learning }

// times counts with a noun.
func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
