package people

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"chaperone/ledger"
)

// finish makes the table of an image whose pieces were read, and checks all that questions rely on. What is sealed is what
// was saved; these checks are for what was saved wrong, and keep any bytes from a panic or a search without end.
func (m *image) finish() error {
	t := m.t
	var checks []func() error
	for _, d := range m.dicts() {
		for i := range d.segments {
			checks = append(checks, func() error { return d.segments[i].check(d.n) })
		}
	}
	for _, chunk := range t.first.chunks {
		checks = append(checks, func() error { return checkNumbers(chunk, t.ids.n) })
	}
	for i, s := range m.sparse() {
		checks = append(checks, func() error { return s.adopt(m.values[i], t.ids.n) })
	}
	checks = append(checks, m.adoptAliases)
	if !within(&t.weak, t.ids.n) {
		return fmt.Errorf("weak identifiers that are not known: %w", ErrDamaged)
	}
	err := parallel(len(checks), func() func(int) error { return func(i int) error { return checks[i]() } })
	if err != nil {
		return err
	}
	for _, parent := range []*sparse{&t.joined.parent, &t.alike.parent} {
		if err := checkParents(parent); err != nil {
			return err
		}
	}
	if err := checkRings(&t.joined.next); err != nil {
		return err
	}
	t.changed(true)
	return nil
}

// check makes sure that slots hold numbers of known tokens, as many as the head said. It takes no branch: slots are
// random, and there are many.
func (s *segment) check(n uint32) error {
	var used, numbered, most uint32
	number := s.numberMask()
	for b := s.slots; len(b) >= slotSize; b = b[slotSize:] {
		slot := binary.LittleEndian.Uint32(b)
		most = max(most, slot&number)
		used += nonzero(slot)
		numbered += nonzero(slot & number)
	}
	if most > n || numbered != used {
		return fmt.Errorf("a slot of a token that is not there: %w", ErrDamaged)
	}
	if used != s.used {
		return fmt.Errorf("%d used slots, not %d: %w", used, s.used, ErrDamaged)
	}
	return nil
}

// nonzero gives 1 for every number but 0.
func nonzero(n uint32) uint32 { return (n | -n) >> 31 }

func checkNumbers(b []byte, n uint32) error {
	for ; len(b) >= numberSize; b = b[numberSize:] {
		if binary.LittleEndian.Uint32(b)-1 >= n {
			return fmt.Errorf("a demographic of an identifier that is not there: %w", ErrDamaged)
		}
	}
	return nil
}

// within reports whether a set has numbers 1 to n only.
func within(b *Bits, n uint32) bool {
	last := len(b.words) - 1
	if last < 0 {
		return true
	}
	return b.words[0]&1 == 0 && uint32(last) <= n>>6 && (uint32(last) < n>>6 || b.words[last]>>(n&63)>>1 == 0)
}

// adopt cuts values into blocks. Each has no room behind it: a value that is added later moves its block.
func (s *sparse) adopt(values []uint32, n uint32) error {
	s.n = len(values)
	if !within(&s.has, n) || s.has.Len() != s.n {
		return fmt.Errorf("groups of identifiers that are not there: %w", ErrDamaged)
	}
	for w, has := range s.has.words {
		if w%wordsPerBlock == 0 {
			s.values = append(s.values, nil)
		}
		block := &s.values[w/wordsPerBlock]
		count := len(*block) + bits.OnesCount64(has)
		*block = values[:count:count]
		if w%wordsPerBlock == wordsPerBlock-1 {
			values = values[count:]
		}
	}
	return nil
}

// checkParents: a parent is a root, and less than its children.
func checkParents(s *sparse) error {
	ok := true
	s.each(0, func(n ledger.Number, p *uint32) {
		parent := ledger.Number(*p)
		ok = ok && parent != 0 && parent < n && !s.has.Has(parent)
	})
	if !ok {
		return fmt.Errorf("a group without a root: %w", ErrDamaged)
	}
	return nil
}

// checkRings: each member comes after one other, so going along a ring comes back.
func checkRings(s *sparse) error {
	seen := NewBits(0)
	ok := true
	s.each(0, func(_ ledger.Number, p *uint32) {
		next := ledger.Number(*p)
		ok = ok && s.has.Has(next) && !seen.Has(next)
		if ok {
			seen.Add(next)
		}
	})
	if !ok {
		return fmt.Errorf("a group that does not close: %w", ErrDamaged)
	}
	return nil
}

func (m *image) adoptAliases() error {
	t := m.t
	last := pair{}
	for b := m.aliases; len(b) >= aliasSize; b = b[aliasSize:] {
		about, said := parseAlias(b)
		if about.a >= about.b || !t.knows(about.a) || !t.knows(about.b) || b[16] > 1 ||
			about.a < last.a || about.a == last.a && about.b <= last.b {
			return fmt.Errorf("a merge of identifiers that are not there: %w", ErrDamaged)
		}
		t.aliases[about] = said
		last = about
	}
	return nil
}
