package detect

import (
	"chaperone"
	"chaperone/exchange"
	"chaperone/wire"
	"chaperone/wire/dimse"
)

// UnknownAE is the rule of callers that an archive does not know.
const UnknownAE = "unknown-ae-rejected"

// rejected finds associations that were refused because the calling AE title is not known: a new device that nobody
// configured, or somebody who tries doors.
func (s *Set) rejected(c *exchange.Connection, e wire.Event, where Pointer) {
	m := e.Message
	if e.Stage != wire.Answer || m.Action != "A-ASSOCIATE" || m.Status != dimse.CallingAENotRecognised {
		return
	}
	from, to := ends(c, m)
	s.add(subject{UnknownAE, from.Addr, to.Addr, m.From}, m.At.Time, where(m), func() chaperone.Finding {
		return chaperone.Finding{
			Severity: chaperone.Medium, From: from, To: to,
			Title:  "An unknown system asked for a DICOM association and was rejected.",
			Advice: "Find out whose device this address is; register it, or take it off the network.",
		}
	})
}
