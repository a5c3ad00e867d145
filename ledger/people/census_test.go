package people

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chaperone"
	"chaperone/ledger"
	"chaperone/patient"
)

// tokenOf makes a token that looks like one.
func tokenOf(kind byte, i int) (t chaperone.PatientToken) {
	t[0] = kind
	binary.BigEndian.PutUint64(t[8:], uint64(i)*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint32(t[1:], uint32(i))
	return t
}

// pairUp drives a census and a table with the same statements. statements keeps those that the table called new.
type pairUp struct {
	census     *patient.Census
	table      *Table
	statements []func(t *Table) bool
}

func newPairUp() *pairUp { return &pairUp{census: patient.NewCensus(), table: New()} }

func (p *pairUp) say(statement func(t *Table) bool) {
	if statement(p.table) {
		p.statements = append(p.statements, statement)
	}
}

func (p *pairUp) number(token chaperone.PatientToken, weak bool) ledger.Number {
	if n, ok := p.table.Find(token); ok {
		return n
	}
	p.say(func(t *Table) bool { t.Add(token, weak); return true })
	n, _ := p.table.Find(token)
	return n
}

func (p *pairUp) add(i patient.Identity) {
	p.census.Add(i)
	if len(i.Numbers) == 0 && !i.Weak() {
		return
	}
	var n ledger.Number
	if i.Weak() {
		n = p.number(i.Demographic, true)
	} else {
		n = p.number(i.Numbers[0], false)
		for _, token := range i.Numbers[1:] {
			m := p.number(token, false)
			p.say(func(t *Table) bool { return t.Join(n, m) })
		}
	}
	p.say(func(t *Table) bool { return t.Alike(i.Demographic, n) })
}

func (p *pairUp) merge(survivors, priors []chaperone.PatientToken, undo bool, at time.Time) {
	p.census.Merge(survivors, priors, undo, at)
	if len(priors) == 0 {
		survivors = nil // the census does not come to know them
	}
	var s, r []ledger.Number
	for _, token := range priors {
		r = append(r, p.number(token, false))
	}
	for _, token := range survivors {
		s = append(s, p.number(token, false))
	}
	p.say(func(t *Table) bool { return t.Merge(s, r, undo, at) })
}

func (p *pairUp) replay() *Table {
	t := New()
	for _, statement := range p.statements {
		statement(t)
	}
	return t
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// compare asks census and table about some nodes; a number is a node and one.
func (p *pairUp) compare(t fataler, table *Table, nodes []patient.Node) {
	t.Helper()
	asked := NewBits(0)
	for _, n := range nodes {
		asked.Add(ledger.Number(n) + 1)
	}
	want := Counts(p.census.CountsOf(nodes))
	if got := table.Answer(asked); got != want {
		t.Fatalf("counts: got %+v, want %+v", got, want)
	}
	var list []ledger.Number
	asked.Each(func(n ledger.Number) { list = append(list, n) })
	if got := table.answerFew(list); got != want {
		t.Fatalf("counts of few: got %+v, want %+v", got, want)
	}
	room := NewBits(ledger.Number(table.Len()))
	room.Or(asked)
	if got := table.answerMany(room); got != want {
		t.Fatalf("counts of many: got %+v, want %+v", got, want)
	}
	classes := map[chaperone.PatientToken][]ledger.Number{}
	for n := range table.Len() {
		person := p.census.Person(patient.Node(n))
		classes[person] = append(classes[person], ledger.Number(n+1))
	}
	var reps []ledger.Number
	for _, n := range nodes {
		class := classes[p.census.Person(n)]
		reps = append(reps, class[0])
		if got := table.Person(ledger.Number(n) + 1); got != class[0] {
			t.Fatalf("person of %d: got %d, want %d", n+1, got, class[0])
		}
		if got := table.Everybody(ledger.Number(n) + 1); !slices.Equal(got, class) {
			t.Fatalf("everybody of %d: got %v, want %v", n+1, got, class)
		}
	}
	slices.Sort(reps)
	reps = slices.Compact(reps)
	var got []ledger.Number
	table.PersonsOf(asked, func(n ledger.Number) { got = append(got, n) })
	if !slices.Equal(got, reps) {
		t.Fatalf("persons: got %v, want %v", got, reps)
	}
}

// TestCensus is the promise of this package: it counts as patient.Census does, whatever is said in whatever order, from
// the new statements alone, and after being saved.
func TestCensus(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPairUp()
		for i := range rapid.SampledFrom([]int{0, 60, 300, 1100}).Draw(t, "before") {
			p.add(patient.Identity{Numbers: []chaperone.PatientToken{tokenOf('f', i)}})
		}
		// Few tokens, so that statements meet; some of those from before, so that groups span blocks.
		token := rapid.Custom(func(t *rapid.T) chaperone.PatientToken {
			if rapid.Bool().Draw(t, "old") {
				return tokenOf('f', 37*rapid.IntRange(0, 29).Draw(t, "token"))
			}
			return tokenOf('n', rapid.IntRange(0, 15).Draw(t, "token"))
		})
		demographic := rapid.Custom(func(t *rapid.T) chaperone.PatientToken {
			i := rapid.IntRange(0, 9).Draw(t, "demographic")
			if i == 0 {
				return chaperone.PatientToken{}
			}
			return tokenOf('d', i)
		})
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				p.add(patient.Identity{
					Numbers:     rapid.SliceOfN(token, 0, 4).Draw(t, "numbers"),
					Demographic: demographic.Draw(t, "demographic"),
				})
			},
			"merge": func(t *rapid.T) {
				some := rapid.SliceOfN(token, 0, 3)
				at := time.UnixMicro(int64(rapid.IntRange(0, 5).Draw(t, "at")))
				p.merge(some.Draw(t, "survivors"), some.Draw(t, "priors"), rapid.Bool().Draw(t, "undo"), at)
			},
			"merge a name": func(t *rapid.T) {
				at := time.UnixMicro(int64(rapid.IntRange(0, 5).Draw(t, "at")))
				weak := tokenOf('d', rapid.IntRange(1, 9).Draw(t, "weak"))
				p.merge([]chaperone.PatientToken{token.Draw(t, "survivor")}, []chaperone.PatientToken{weak}, false, at)
			},
			"save": func(t *rapid.T) {
				p.table = reload(t, p.table)
			},
			"": func(t *rapid.T) {
				if p.table.Len() == 0 {
					return
				}
				node := rapid.Custom(func(t *rapid.T) patient.Node {
					return patient.Node(rapid.IntRange(0, p.table.Len()-1).Draw(t, "node"))
				})
				p.compare(t, p.table, rapid.SliceOfNDistinct(node, 0, 12, rapid.ID).Draw(t, "nodes"))
			},
		})
		for n := range p.table.Len() {
			token := p.census.Token(patient.Node(n))
			if got := p.table.Token(ledger.Number(n + 1)); got != token {
				t.Fatalf("number %d has another token", n+1)
			}
			if got, ok := p.table.Find(token); !ok || got != ledger.Number(n+1) {
				t.Fatalf("find: got %d, want %d", got, n+1)
			}
		}
		p.compare(t, p.replay(), everyNode(p.table.Len()))
	})
}

func everyNode(n int) []patient.Node {
	nodes := make([]patient.Node, n)
	for i := range nodes {
		nodes[i] = patient.Node(i)
	}
	return nodes
}
