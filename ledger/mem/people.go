package mem

import (
	"time"

	"chaperone"
	"chaperone/ledger"
)

// people is what is known of who is who: a list of what was said, in the order in which it was said. Nothing is concluded
// before somebody asks.
type people struct {
	numbers map[chaperone.PatientToken]ledger.Number
	weak    []bool                                   // by number - 1
	joined  []pair                                   // by one record, for good
	alike   []pair                                   // who bore one name, birth date and sex
	bearer  map[chaperone.PatientToken]ledger.Number // the first who bore a demographic
	said    map[pair]statement                       // merges and their undoing
}

// pair is two identifiers, the lesser first: what is said of a and b is said of b and a.
type pair [2]ledger.Number

// statement is the latest one about a pair.
type statement struct {
	undo bool
	at   time.Time
}

func newPeople() people {
	return people{numbers: map[chaperone.PatientToken]ledger.Number{}, bearer: map[chaperone.PatientToken]ledger.Number{}, said: map[pair]statement{}}
}

// number gives the number of an identifier, a new one at its first use.
func (p *people) number(t chaperone.PatientToken, weak bool) ledger.Number {
	n, ok := p.numbers[t]
	if !ok {
		p.weak = append(p.weak, weak)
		n = ledger.Number(len(p.weak))
		p.numbers[t] = n
	}
	return n
}

// cover takes note of what one record said and gives its identifiers.
func (p *people) cover(c ledger.Covered) []ledger.Number {
	var all []ledger.Number
	if c.Weak() {
		all = append(all, p.number(c.Demographic, true))
	}
	for _, t := range c.Numbers {
		all = append(all, p.number(t, false))
	}
	for _, other := range all[1:] {
		p.joined = append(p.joined, ordered(all[0], other))
	}
	if (c.Demographic != chaperone.PatientToken{}) {
		first, ok := p.bearer[c.Demographic]
		if !ok {
			first = all[0]
			p.bearer[c.Demographic] = first
		}
		p.alike = append(p.alike, ordered(first, all[0]))
	}
	return all
}

// merge takes note of a statement. One that is older than what was said before of the same two says nothing.
func (p *people) merge(m *ledger.Merge) {
	var survivors, priors []ledger.Number
	for _, t := range m.Survivor {
		survivors = append(survivors, p.number(t, false))
	}
	for _, t := range m.Prior {
		priors = append(priors, p.number(t, false))
	}
	at := moment(m.At)
	for _, survivor := range survivors {
		for _, prior := range priors {
			two := ordered(survivor, prior)
			if before, ok := p.said[two]; ok && before.at.After(at) {
				continue
			}
			p.said[two] = statement{m.Undo, at}
		}
	}
}

func ordered(a, b ledger.Number) pair { return pair{min(a, b), max(a, b)} }

// merges gives the pairs that are one person by the latest statement.
func (p *people) merges() []pair {
	var alive []pair
	for two, s := range p.said {
		if !s.undo {
			alive = append(alive, two)
		}
	}
	return alive
}

// persons divides the identifiers into persons.
type persons struct {
	of      []ledger.Number // by number - 1: the person, whose name is one of its identifiers
	members map[ledger.Number][]ledger.Number
}

// conclude joins all pairs of some lists.
func (p *people) conclude(lists ...[]pair) persons {
	out := persons{make([]ledger.Number, len(p.weak)), make(map[ledger.Number][]ledger.Number, len(p.weak))}
	for i := range out.of {
		n := ledger.Number(i + 1)
		out.of[i], out.members[n] = n, []ledger.Number{n}
	}
	for _, list := range lists {
		for _, two := range list {
			out.join(two)
		}
	}
	return out
}

// join makes one person of two by renaming the one with fewer identifiers.
func (p *persons) join(two pair) {
	into, from := p.person(two[0]), p.person(two[1])
	if into == from {
		return
	}
	if len(p.members[into]) < len(p.members[from]) {
		into, from = from, into
	}
	for _, n := range p.members[from] {
		p.of[n-1] = into
	}
	p.members[into] = append(p.members[into], p.members[from]...)
	delete(p.members, from)
}

func (p *persons) person(n ledger.Number) ledger.Number { return p.of[n-1] }

// least gives the identifier that stands for a person outside.
func (p *persons) least(person ledger.Number) ledger.Number {
	least := person
	for _, n := range p.members[person] {
		least = min(least, n)
	}
	return least
}
