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
	k := subject{InClear, d.From.Addr, d.To.Addr, string(d.Protocol)}
	s.add(k, d.Time, d.Evidence, func() chaperone.Finding {
		return chaperone.Finding{
			Severity: chaperone.Medium, From: party(d.From), To: party(d.To),
			Title:  fmt.Sprintf("Patient records pass in the clear (%s): anyone on the network can read along.", strings.ToUpper(k.detail)),
			Advice: "Switch on TLS on both systems, or put an encrypting proxy in front of those that cannot.",
		}
	})
}

// party leaves out the port, which differs from connection to connection.
func party(p chaperone.Party) chaperone.Party {
	return chaperone.Party{Addr: p.Addr, Claimed: p.Claimed}
}
