package detect

import "chaperone"

// changed makes the finding of a change on a computer, with the session behind it when that is suspicious.
func (s *Set) changed(h *logHost, c change, f chaperone.Finding) (chaperone.Finding, bool) {
	f.To, f.First, f.Last, f.Count, f.Evidence, f.Account = h.party(), c.at, c.at, 1, c.evidence, c.account
	l := s.by(h, c)
	if l == nil {
		return f, false
	}
	f.From, f.Account = host(l.from), l.account
	return f, true
}

// each visits the changes of some kinds on all computers.
func (l *logs) each(visit func(*logHost, change), events ...uint16) {
	for _, h := range l.sorted() {
		for _, c := range h.changes {
			for _, e := range events {
				if c.event == e {
					visit(h, c)
				}
			}
		}
	}
}
