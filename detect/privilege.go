package detect

import (
	"chaperone"
	"chaperone/inventory"
)

// Privileges is the rule of suspicious sessions that are an administrator's.
const Privileges = "logon-privileged"

// privileges finds special privileges (event 4672) in a session that another finding speaks of. Every administrator gets
// them at every logon: alone they say nothing.
func (s *Set) privileges(*inventory.Site) {
	s.logs.each(func(h *logHost, c change) {
		f, suspect := s.changed(h, c, chaperone.Finding{
			Rule: Privileges, Severity: chaperone.High, Technique: "T1078.003",
			Title:  "The suspicious session has an administrator's privileges.",
			Advice: "Treat the whole computer as the intruder's: build it anew rather than clean it.",
		})
		if _, guessed := s.found[subject{GuessedIn, f.From.Addr, f.To.Addr, ""}]; !guessed {
			f.Severity = chaperone.Medium // an administrator from a new address, as far as is known
		}
		if _, known := s.found[subject{Privileges, f.From.Addr, f.To.Addr, ""}]; suspect && !known {
			s.put("", f)
		}
	}, privileged)
}
