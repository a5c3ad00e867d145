package guard

import (
	"slices"
	"sync"
)

// taken remembers what the system behind a listener said to presentation contexts, so that what is kept while it is away is what it takes
// when it is back. It is forgotten at a restart.
type taken struct {
	mu      sync.Mutex
	classes map[string][]tookIt // by abstract syntax; the newest first
}

// tookIt is what it said last to a transfer syntax.
type tookIt struct {
	transfer string
	yes      bool
}

// mostTaken bounds the classes, and the transfer syntaxes of each: there are some 200 and 60.
const mostTaken = 512

// note takes an answer to a context: a transfer syntax, or none of those that were proposed.
func (t *taken) note(p *proposed) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.classes == nil {
		t.classes = map[string][]tookIt{}
	}
	list := t.classes[p.abstract]
	if list == nil && len(t.classes) == mostTaken {
		return
	}
	said := []tookIt{{p.accepted, true}}
	if p.result != contextAccepted {
		said = nil
		for _, transfer := range p.transfer {
			said = append(said, tookIt{transfer, false})
		}
	}
	list = slices.DeleteFunc(list, func(a tookIt) bool {
		return slices.ContainsFunc(said, func(b tookIt) bool { return a.transfer == b.transfer })
	})
	list = append(said, list...)
	t.classes[p.abstract] = list[:min(len(list), mostTaken)]
}

// choose gives the transfer syntax in which objects of a context are kept: the one that the system took last, else one that every
// archive takes or can be asked for, else the first. It gives "" when the system did not take any of them.
func (t *taken) choose(p *proposed) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := slices.Clone(p.transfer)
	for _, a := range t.classes[p.abstract] {
		switch {
		case !slices.Contains(left, a.transfer):
		case a.yes:
			return a.transfer
		default:
			left = slices.DeleteFunc(left, func(transfer string) bool { return transfer == a.transfer })
		}
	}
	for _, transfer := range []string{implicitVR, explicitVR} {
		if slices.Contains(left, transfer) {
			return transfer
		}
	}
	if len(left) == 0 {
		return ""
	}
	return left[0]
}
