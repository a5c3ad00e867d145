// Package people keeps in memory whose disclosures a ledger holds: the numbers of identifiers, and which of them are one
// person. It counts as package patient does, and is made for ten million people: see Table.
package people

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"chaperone"
	"chaperone/ledger"
)

// Table is the dictionary of people. It knows tokens only.
//
// It takes about 23 bytes an identifier and 27 bytes a demographic, and what joins, likenesses and merges it is told of:
// 4 to 15 bytes an identifier that is not alone.
//
// Methods that add something must not run beside any other. Methods that ask may run beside each other. Numbers that the
// table did not give out say nothing: whoever reads them from somewhere must check them against Len.
type Table struct {
	ids          dict
	weak         Bits
	demographics dict
	first        column // by demographic: the number that was seen with it first
	joined       forest // identifiers of one person, for good
	alike        forest // the same, and those that share name, birth date and sex
	aliases      map[pair]alias

	ready    atomic.Bool // what follows is as of now, and all forests are flat
	making   sync.Mutex
	outdated bool   // merged and similar
	merged   forest // of roots of joined: those that are one person by merges
	similar  forest // of roots of alike: the same

	sets sync.Pool // of *Bits that questions work in
}

type pair struct{ a, b ledger.Number } // a < b

// alias is the latest statement about two identifiers.
type alias struct {
	at    int64 // µs
	alive bool
}

// New makes an empty table.
func New() *Table {
	t := &Table{
		ids: newDict(), demographics: newDict(), first: column{width: numberSize},
		joined: forest{ringed: true}, aliases: map[pair]alias{},
	}
	t.ready.Store(true)
	return t
}

const numberSize = 4

// Find gives the number of a token.
func (t *Table) Find(token chaperone.PatientToken) (ledger.Number, bool) {
	n := t.ids.find(token[:], t.ids.hash(token[:]))
	return ledger.Number(n), n != 0
}

// Add gives the number of a token, the next one if it is new. weak says of a new one that it is only a name. It is 0 when
// all numbers of 32 bits are given.
func (t *Table) Add(token chaperone.PatientToken, weak bool) ledger.Number {
	n, isNew := t.ids.add(token[:])
	if isNew && weak {
		t.weak.Add(ledger.Number(n))
	}
	return ledger.Number(n)
}

// Warm brings nearer what Find and Add of some tokens will need: their waits for memory overlap. It is best for about a
// hundred tokens at a time; of more than a thousand the first are far again when the last are near.
func (t *Table) Warm(tokens []chaperone.PatientToken) { t.ids.warm(tokens, nil) }

// WarmAlike is Warm for the demographics that Alike will be told.
func (t *Table) WarmAlike(demographics []chaperone.PatientToken) {
	t.demographics.warm(demographics, &t.first)
}

// Len is the number of identifiers, and the last of their numbers.
func (t *Table) Len() int { return int(t.ids.n) }

// Weak reports whether a number is that of a name only.
func (t *Table) Weak(n ledger.Number) bool { return t.weak.Has(n) }

// Token gives the token of a number; zero for one that is not known.
func (t *Table) Token(n ledger.Number) (token chaperone.PatientToken) {
	if t.knows(n) {
		copy(token[:], t.ids.tokens.at(uint32(n)-1))
	}
	return token
}

func (t *Table) knows(n ledger.Number) bool { return n != 0 && uint32(n) <= t.ids.n }

// Join says that two identifiers are one person's, for good. It reports whether that is new: what is not changes nothing
// and need not be recorded. That holds for Alike and Merge too.
func (t *Table) Join(a, b ledger.Number) bool {
	if !t.knows(a) || !t.knows(b) {
		return false
	}
	lost := t.joined.join(a, b)
	if lost == 0 {
		return false
	}
	t.changed(t.merged.next.has.Has(lost))
	t.likeness(a, b)
	return true
}

// Alike says that an identifier was seen with a demographic, the token of name, birth date and sex.
func (t *Table) Alike(demographic chaperone.PatientToken, n ledger.Number) bool {
	if !t.knows(n) || demographic == (chaperone.PatientToken{}) {
		return false
	}
	i, isNew := t.demographics.add(demographic[:])
	if isNew {
		t.first.append(binary.LittleEndian.AppendUint32(nil, uint32(n)))
		return true
	}
	if i == 0 {
		return false
	}
	first := ledger.Number(binary.LittleEndian.Uint32(t.first.at(i - 1)))
	return first != n && t.likeness(first, n)
}

// likeness is for good, as joins are: of two numbers that are alike by others already there is nothing to keep.
func (t *Table) likeness(a, b ledger.Number) bool {
	lost := t.alike.join(a, b)
	if lost != 0 {
		t.changed(t.similar.next.has.Has(lost))
	}
	return lost != 0
}

// Merge says that each survivor is one person with each prior, or with undo that it is not. The latest statement about two
// identifiers holds, of those of one time the one said last. Times count in microseconds, as in the record.
func (t *Table) Merge(survivors, priors []ledger.Number, undo bool, at time.Time) bool {
	said := alias{at.UnixMicro(), !undo}
	isNew := false
	for _, s := range survivors {
		for _, p := range priors {
			if s == p || !t.knows(s) || !t.knows(p) {
				continue
			}
			about := pair{min(s, p), max(s, p)}
			have, ok := t.aliases[about]
			if ok && (have.at > said.at || have == said) {
				continue
			}
			t.aliases[about] = said
			isNew = true
			if have.alive != said.alive {
				t.changed(true)
			}
		}
	}
	return isNew
}

// changed notes that a forest is not flat, and whether the merges must be applied anew.
func (t *Table) changed(outdated bool) {
	t.outdated = t.outdated || outdated
	t.ready.Store(false)
}
