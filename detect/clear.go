package detect

import (
	"fmt"
	"strings"

	"chaperone"
)

// InClear is the rule of records that anyone on the network can read.
const InClear = "patients-in-clear"

// inClear finds records that pass without encryption (45 CFR 164.312(e): transmission security). One finding a
// protocol and pair of systems.
func (s *Set) inClear(d *chaperone.Disclosure) {
	if d.Protection != chaperone.InClear {
		return
	}
	protocol := strings.ToUpper(string(d.Protocol))
	s.add(chaperone.Finding{
		Rule: InClear, Severity: chaperone.Medium, From: party(d.From), To: party(d.To), Evidence: d.Evidence,
		Title:  fmt.Sprintf("Patient records pass in the clear (%s): anyone on the network can read along.", protocol),
		Advice: "Switch on TLS on both systems, or put an encrypting proxy in front of those that cannot.",
	}, d.Time, protocol)
}

// party leaves out the port, which differs from connection to connection.
func party(p chaperone.Party) chaperone.Party {
	return chaperone.Party{Addr: p.Addr, Claimed: p.Claimed}
}
