package detect

import (
	"fmt"

	"chaperone"
)

// Ways gives, as findings, when each system first got through to another's desktop, files, shell or database, whether
// that is new or not. They are everyday work; a story asks for them to see where somebody went on to.
func (s *Set) Ways() []chaperone.Finding {
	var all []chaperone.Finding
	for _, list := range s.edges.bySource() {
		for _, e := range list {
			if e.isRemote() && !e.worked.IsZero() {
				all = append(all, e.way())
			}
		}
	}
	return all
}

// way describes access to another system for the first time.
func (e *edge) way() chaperone.Finding {
	return chaperone.Finding{
		Rule: NewRemote, Severity: chaperone.Info, Technique: "T1021", From: host(e.client), To: host(e.server), First: e.worked, Last: e.last,
		Count: e.connections, Evidence: e.workedBy,
		Title:  fmt.Sprintf("A system opened %s to another for the first time.", e.what()),
		Advice: "Ask the users of both systems whether that is theirs.",
	}
}
