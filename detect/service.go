package detect

import (
	"fmt"
	"strings"

	"chaperone"
	"chaperone/inventory"
)

// NewService is the rule of services that were installed.
const NewService = "new-service"

// odd are parts of a path from where no installer runs a service: folders that every user may write to, and
// interpreters that are told what to do on their command line.
var odd = []string{`\users\`, `\temp\`, `\perflogs\`, `\programdata\`, `\appdata\`, `\recycle`, `recycle.bin\`, `\windows\tasks\`, `\public\`,
	"cmd.exe", "cmd /c", "powershell", "rundll32", "mshta", "regsvr32", "wscript", "%comspec%"}

// services finds new services (events 7045 and 4697): updates install them, and so do intruders who want to stay.
func (s *Set) services(*inventory.Site) {
	s.logs.each(func(h *logHost, c change) {
		f, suspect := s.changed(h, c, chaperone.Finding{
			Rule: NewService, Severity: chaperone.Info, Technique: "T1543.003",
			Title:  fmt.Sprintf("A service was installed: %s.", short(c.what)),
			Advice: "Ask who installed it; if nobody did, stop it and keep its file.",
		})
		path := strings.ToLower(c.path)
		for _, part := range odd {
			if strings.Contains(path, part) {
				f.Severity = chaperone.Medium
				f.Title = fmt.Sprintf("A service was installed that runs from an unusual place: %s.", short(c.what))
				break
			}
		}
		if suspect {
			f.Severity = chaperone.High
			f.Title = fmt.Sprintf("During the suspicious session a service was installed: %s.", short(c.what))
		}
		s.put(c.what+"\x00"+c.path, f)
	}, serviceAdded, serviceAudited)
}

// short bounds a name that somebody chose.
func short(name string) string {
	const most = 60
	if name == "" {
		return "without a name"
	}
	if r := []rune(name); len(r) > most {
		return string(r[:most]) + "…"
	}
	return name
}
