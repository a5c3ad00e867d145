// Package detect judges what passes: one file a detector. A detector sees messages and disclosures as they come and
// gives findings; equal ones are counted together.
package detect

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"chaperone"
	"chaperone/exchange"
	"chaperone/wire"
)

// Set runs every detector over one run. It is not safe for concurrent use.
type Set struct {
	found map[subject]*chaperone.Finding
}

// subject is what makes two findings one.
type subject struct {
	rule     string
	from, to netip.Addr
	detail   string
}

// NewSet makes one.
func NewSet() *Set { return &Set{found: map[subject]*chaperone.Finding{}} }

// Pointer says where a message is.
type Pointer func(m *wire.Message) chaperone.Evidence

// Event looks at one step of a message.
func (s *Set) Event(c *exchange.Connection, e wire.Event, where Pointer) {
	s.rejected(c, e, where)
	s.thirdParty(c, e, where)
}

// Disclosure looks at a whole disclosure.
func (s *Set) Disclosure(d *chaperone.Disclosure) {
	s.inClear(d)
}

// Findings gives what was found, the most severe first.
func (s *Set) Findings() []chaperone.Finding {
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
