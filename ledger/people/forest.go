package people

import "chaperone/ledger"

// forest groups numbers. A number that stands alone costs nothing. The least number of a group is its root; the others
// have a parent that is less than they are. After flatten the parent of each is its root, and asking changes nothing.
type forest struct {
	parent sparse
	next   sparse        // of each member of a group the next one, in a ring
	ringed bool          // next is kept
	stale  ledger.Number // roots above it may not be the parents of their group; 0: all are
}

// root gives the least number of a group.
func (f *forest) root(n ledger.Number) ledger.Number {
	for {
		p, ok := f.parent.get(n)
		if !ok {
			return n
		}
		n = p
	}
}

// shorten gives the root too, and halves the way to it.
func (f *forest) shorten(n ledger.Number) ledger.Number {
	for {
		p, ok := f.parent.get(n)
		if !ok {
			return n
		}
		q, ok := f.parent.get(p)
		if !ok {
			return p
		}
		f.parent.set(n, q)
		n = q
	}
}

// join makes one group of two. lost is the number that is no root any more, 0 when it was one group before.
func (f *forest) join(a, b ledger.Number) (lost ledger.Number) {
	a, b = f.shorten(a), f.shorten(b)
	if a == b {
		return 0
	}
	a, b = min(a, b), max(a, b)
	f.parent.set(b, a)
	if f.ringed {
		afterA, afterB := f.next.or(a), f.next.or(b)
		f.next.set(a, afterB)
		f.next.set(b, afterA)
	}
	if f.stale == 0 || b < f.stale {
		f.stale = b
	}
	return b
}

// flatten makes the root of each number its parent. Only numbers above a root that was lost can be wrong, and their
// parents are right before they are.
func (f *forest) flatten() {
	if f.stale == 0 {
		return
	}
	f.parent.each(f.stale, func(_ ledger.Number, p *uint32) {
		*p = uint32(f.parent.or(ledger.Number(*p)))
	})
	f.stale = 0
}

// group appends all members of a number's group.
func (f *forest) group(n ledger.Number, to []ledger.Number) []ledger.Number {
	to = append(to, n)
	for m := f.next.or(n); m != n; m = f.next.or(m) {
		to = append(to, m)
	}
	return to
}
