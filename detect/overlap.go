package detect

import (
	"net/netip"

	"chaperone"
)

// Overlap is the rule of connections that can be read in two ways.
const Overlap = "ambiguous-overlap"

// Overlap notes that a connection carried two different versions of the same bytes. Honest stacks repeat themselves
// exactly; a difference hides something from either the receiver or the observer.
func (s *Set) Overlap(from, to netip.Addr, at chaperone.Mark, evidence chaperone.Evidence) {
	s.add(subject{rule: Overlap, from: from, to: to}, at.Time, evidence, func() chaperone.Finding {
		return chaperone.Finding{
			Severity: chaperone.High, From: chaperone.Party{Addr: from}, To: chaperone.Party{Addr: to},
			Title:  "A connection carried two different versions of the same bytes; both were read.",
			Advice: "Treat it as an attempt to hide traffic: look at both systems, and at what stands between them.",
		}
	})
}
