package guard

import (
	"slices"
	"sync"
)

// lastSyntaxes remembers in which transfer syntax the system behind a listener took each class last, so that what is kept while it is away is
// what it takes when it is back. What it refused is not remembered: that may be for the client's sake. It is forgotten at a restart, and when
// a reload puts another party there.
type lastSyntaxes struct {
	mu      sync.Mutex
	party   string
	classes map[string]string // by abstract syntax
}

// mostClasses bounds the classes; there are some 200.
const mostClasses = 512

// note takes a party's answer to a context.
func (s *lastSyntaxes) note(party string, p *proposed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if party != s.party {
		s.party, s.classes = party, nil
	}
	if _, known := s.classes[p.abstract]; p.result != contextAccepted || !known && len(s.classes) == mostClasses {
		return
	}
	if s.classes == nil {
		s.classes = map[string]string{}
	}
	s.classes[p.abstract] = p.accepted
}

// choose gives the transfer syntax in which objects of a context are kept for a party: the one that it took last, else one that every
// archive takes or can be asked for, else the first.
func (s *lastSyntaxes) choose(party string, p *proposed) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := ""
	if party == s.party {
		taken = s.classes[p.abstract]
	}
	for _, transfer := range []string{taken, implicitVR, explicitVR} {
		if slices.Contains(p.transfer, transfer) {
			return transfer
		}
	}
	return p.transfer[0]
}
