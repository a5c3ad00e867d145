package people

import (
	"math/bits"
	"slices"

	"chaperone/ledger"
)

// Counts are the numbers of distinct persons behind a set of identifiers, as patient.Counts.
type Counts struct {
	Patients int // merges applied
	Weak     int // identifiers of theirs that are a name only
	Unmerged int // persons as if no merge had been said
	Min      int // also joining equal name, birth date and sex
	Max      int // every identifier that is known to be theirs
}

// Ready prepares what all questions need. They do so themselves; it is for a moment when nobody waits. Only a statement
// that is new makes work for it.
func (t *Table) Ready() {
	if t.ready.Load() {
		return
	}
	t.making.Lock()
	defer t.making.Unlock()
	if t.ready.Load() {
		return
	}
	t.joined.flatten()
	t.alike.flatten()
	if t.outdated {
		t.merged, t.similar = forest{ringed: true}, forest{ringed: true}
		for about, alias := range t.aliases {
			if alias.alive {
				t.merged.join(t.joined.root(about.a), t.joined.root(about.b))
				t.similar.join(t.alike.root(about.a), t.alike.root(about.b))
			}
		}
		t.merged.flatten()
		t.similar.flatten()
		t.outdated = false
	}
	t.ready.Store(true)
}

// few reports whether going over the identifiers asked is faster than going over all groups. The costs are as measured with
// ten million identifiers, in ns: of one that is asked, of ten of all, of one that is in a group.
func (t *Table) few(asked int) bool {
	groups := t.joined.parent.n + t.alike.parent.n + t.merged.parent.n + t.similar.parent.n
	return asked*150 <= t.Len()/10+groups*6
}

// Answer counts the persons behind some identifiers. Numbers that are not known are left out.
func (t *Table) Answer(b *Bits) Counts {
	t.Ready()
	if asked := b.Len(); t.few(asked) {
		known := make([]ledger.Number, 0, asked)
		b.Each(func(n ledger.Number) {
			if t.knows(n) {
				known = append(known, n)
			}
		})
		return t.answerFew(known)
	}
	persons := t.set()
	defer t.sets.Put(persons)
	t.copyKnown(persons, b)
	return t.answerMany(persons)
}

// answerMany works on sets of all numbers: each step goes over the groups once, in the order of memory, and says what it
// changes, so that the set itself is counted once. It uses up the set.
func (t *Table) answerMany(persons *Bits) (c Counts) {
	c.Unmerged = persons.Len() - t.joined.parent.collapse(persons)

	least := t.set()
	defer t.sets.Put(least)
	copy(least.words, persons.words)
	c.Min = c.Unmerged - t.alike.parent.collapse(least)
	c.Min -= t.similar.parent.collapse(least)

	c.Patients = c.Unmerged - t.merged.parent.collapse(persons)

	c.Max = c.Patients + t.merged.parent.expand(persons)
	c.Max += t.joined.parent.expand(persons)
	for w := range min(len(persons.words), len(t.weak.words)) {
		c.Weak += bits.OnesCount64(persons.words[w] & t.weak.words[w])
	}
	return c
}

// answerFew works on a list of numbers, which it uses up.
func (t *Table) answerFew(roots []ledger.Number) (c Counts) {
	rootsOf := func(f *forest, list []ledger.Number) []ledger.Number {
		for i, n := range list {
			list[i] = f.root(n)
		}
		slices.Sort(list)
		return slices.Compact(list)
	}
	roots = rootsOf(&t.joined, roots)
	c.Unmerged = len(roots)
	c.Min = len(rootsOf(&t.similar, rootsOf(&t.alike, slices.Clone(roots))))
	roots = rootsOf(&t.merged, roots)
	c.Patients = len(roots)

	var joined, all []ledger.Number
	for _, person := range roots {
		joined, all = t.merged.group(person, joined[:0]), all[:0]
		for _, root := range joined {
			all = t.joined.group(root, all)
		}
		c.Max += len(all)
		for _, n := range all {
			if t.weak.Has(n) {
				c.Weak++
			}
		}
	}
	return c
}

// Person gives the number that stands for the person behind an identifier: the least of theirs, merges applied. A number
// that is not known stands for itself.
func (t *Table) Person(n ledger.Number) ledger.Number {
	t.Ready()
	return t.merged.root(t.joined.root(n))
}

// PersonsOf calls a function with the number of each person behind some identifiers, once and ascending. The function must
// not change the table.
func (t *Table) PersonsOf(b *Bits, each func(ledger.Number)) {
	t.Ready()
	persons := t.set()
	defer t.sets.Put(persons)
	t.copyKnown(persons, b)
	t.joined.parent.collapse(persons)
	t.merged.parent.collapse(persons)
	persons.Each(each)
}

// Everybody gives all identifiers of the person behind one, ascending, merges applied; none if that one is not known.
func (t *Table) Everybody(n ledger.Number) []ledger.Number {
	t.Ready()
	if !t.knows(n) {
		return nil
	}
	var all []ledger.Number
	for _, root := range t.merged.group(t.joined.root(n), nil) {
		all = t.joined.group(root, all)
	}
	slices.Sort(all)
	return all
}

// Lend gives an empty set with room for all numbers: Return takes it back. Making one for each question would take longer
// than many a question.
func (t *Table) Lend() *Bits {
	b := t.set()
	b.Reset()
	return b
}

// Return takes a set that was lent. Nobody may use it any more.
func (t *Table) Return(b *Bits) { t.sets.Put(b) }

// set gives a set with room for all numbers and of any content.
func (t *Table) set() *Bits {
	words := int(t.ids.n>>6) + 1
	if b, ok := t.sets.Get().(*Bits); ok && cap(b.words) >= words {
		b.words = b.words[:words]
		return b
	}
	return &Bits{words: make([]uint64, words, words+words/8)}
}

// copyKnown makes a set those numbers of another that are known.
func (t *Table) copyKnown(to, from *Bits) {
	clear(to.words[copy(to.words, from.words):])
	to.words[0] &^= 1
	to.words[len(to.words)-1] &= ^uint64(0) >> (63 - t.ids.n&63)
}
