package detect

import (
	"chaperone"
	"chaperone/exchange"
	"chaperone/wire"
)

// ThirdParty is the rule of retrievals that are delivered to somebody else.
const ThirdParty = "move-to-third-party"

// thirdParty finds C-MOVE requests whose destination is not the AE title that asks (PS3.7 section 9.1.4): the images
// go to a third system.
func (s *Set) thirdParty(c *exchange.Connection, e wire.Event, where Pointer) {
	m := e.Message
	if e.Stage != wire.Head || m.Role != wire.Move || m.Retrieve.Destination == "" || m.Retrieve.Destination == m.Requester {
		return
	}
	archive, caller := ends(c, m)
	s.add(subject{ThirdParty, caller.Addr, archive.Addr, m.Retrieve.Destination}, m.At.Time, where(m), func() chaperone.Finding {
		return chaperone.Finding{
			Severity: chaperone.Medium, From: caller, To: chaperone.Party{Claimed: m.Retrieve.Destination},
			Title:  "A system had images sent to another one (C-MOVE to a third party).",
			Advice: "Check that this destination is meant to receive images, and let the archive refuse all others.",
		}
	})
}
