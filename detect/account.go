package detect

import (
	"fmt"

	"chaperone"
	"chaperone/inventory"
)

// NewAccount is the rule of accounts that were made.
const NewAccount = "new-account"

// accounts finds new accounts (event 4720): new staff get them, and so do intruders who want to come back.
func (s *Set) accounts(*inventory.Site) {
	s.logs.each(func(h *logHost, c change) {
		f, suspect := s.changed(h, c, chaperone.Finding{
			Rule: NewAccount, Severity: chaperone.Info, Technique: "T1136.001",
			Title:  fmt.Sprintf("An account was made: %s.", short(c.what)),
			Advice: "Ask whose it is; if nobody knows, disable it and look at what it was used for.",
		})
		if suspect {
			f.Severity = chaperone.High
			f.Title = fmt.Sprintf("During the suspicious session an account was made: %s.", short(c.what))
		}
		s.put(c.what, f)
	}, accountMade)
}
