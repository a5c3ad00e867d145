package detect

import (
	"chaperone"
	"chaperone/inventory"
)

// LogCleared is the rule of logs that were emptied.
const LogCleared = "log-cleared"

// cleared finds logs that somebody emptied (events 1102 and 104).
func (s *Set) cleared(*inventory.Site) {
	s.logs.each(func(h *logHost, c change) {
		f, suspect := s.changed(h, c, chaperone.Finding{
			Rule: LogCleared, Severity: chaperone.Medium, Technique: "T1070.001",
			Title:  "An event log was cleared: what it held before is not in it any more.",
			Advice: "Ask who did it and why; from now on copy logs to another system as they are written.",
		})
		if suspect {
			f.Severity = chaperone.High
			f.Title = "During the suspicious session an event log was cleared."
		}
		s.put(h.computer+c.at.String(), f)
	}, logCleared, sysLogCleared)
}
