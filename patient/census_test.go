package patient

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chaperone"
)

// token gives a token from a letter. Small letters are demographics.
func token(letter byte) chaperone.PatientToken { return chaperone.PatientToken{letter} }

func all(letters string) []chaperone.PatientToken {
	var list []chaperone.PatientToken
	for _, l := range []byte(letters) {
		list = append(list, token(l))
	}
	return list
}

// act does what a line of a table says: "AB" adds a record with the numbers A and B, "ABx" one with a demographic x,
// "x" a weak one, "" an unidentified one; "A<B@3" merges B into A at time 3, "A|B@3" undoes it.
func act(c *Census, line string) {
	what, at, _ := strings.Cut(line, "@")
	if i := strings.IndexAny(what, "<|"); i >= 0 {
		var second int64
		if _, err := fmt.Sscan(at, &second); err != nil {
			panic(err) // a typing error in a table
		}
		c.Merge(all(what[:i]), all(what[i+1:]), what[i] == '|', time.Unix(second, 0))
		return
	}
	c.Add(identity(what))
}

func identity(what string) Identity {
	var i Identity
	for _, letter := range []byte(what) {
		if letter >= 'a' {
			i.Demographic = token(letter)
		} else {
			i.Numbers = append(i.Numbers, token(letter))
		}
	}
	return i
}

func TestCensus(t *testing.T) {
	for _, test := range []struct {
		name  string
		lines string
		want  Counts
	}{
		{"nobody", "", Counts{}},
		{"one", "A A A", Counts{Patients: 1, Unmerged: 1, Min: 1, Max: 1}},
		{"two", "A B", Counts{Patients: 2, Unmerged: 2, Min: 2, Max: 2}},
		{"the numbers of one record join", "AB", Counts{Patients: 1, Unmerged: 1, Min: 1, Max: 2}},
		{"through a third", "AB BC", Counts{Patients: 1, Unmerged: 1, Min: 1, Max: 3}},
		{"later", "A B AB", Counts{Patients: 1, Unmerged: 1, Min: 1, Max: 2}},
		{"weak", "x x y", Counts{Patients: 2, Weak: 2, Unmerged: 2, Min: 2, Max: 2}},
		{"a name does not join numbers", "Ax Bx", Counts{Patients: 2, Unmerged: 2, Min: 1, Max: 2}},
		{"weak and strong of one name", "Ax x", Counts{Patients: 2, Weak: 1, Unmerged: 2, Min: 1, Max: 2}},
		{"a name with a number is not weak", "Ax", Counts{Patients: 1, Unmerged: 1, Min: 1, Max: 1}},
		{"merge", "A B A<B@1", Counts{Patients: 1, Unmerged: 2, Min: 1, Max: 2}},
		{"merge of somebody who was never seen", "A A<B@1", Counts{Patients: 1, Unmerged: 2, Min: 1, Max: 2}},
		{"merge and undo", "A B A<B@1 A|B@2", Counts{Patients: 2, Unmerged: 2, Min: 2, Max: 2}},
		{"undo and merge", "A B A|B@1 A<B@2", Counts{Patients: 1, Unmerged: 2, Min: 1, Max: 2}},
		{"an undo that comes late was earlier", "A B A<B@2 A|B@1", Counts{Patients: 1, Unmerged: 2, Min: 1, Max: 2}},
		{"at the same time the later one holds", "A B A<B@1 A|B@1", Counts{Patients: 2, Unmerged: 2, Min: 2, Max: 2}},
		{"undo turned round", "A B A<B@1 B|A@2", Counts{Patients: 2, Unmerged: 2, Min: 2, Max: 2}},
		{"merge of joined numbers", "AB CD B<C@1", Counts{Patients: 1, Unmerged: 2, Min: 1, Max: 4}},
		{"undo of another pair", "A B C A<B@1 B<C@1 A|C@2", Counts{Patients: 1, Unmerged: 3, Min: 1, Max: 3}},
		{"an undo does not part what a record joined", "AB A|B@1", Counts{Patients: 1, Unmerged: 1, Min: 1, Max: 2}},
		{"merge with oneself", "A A<A@1", Counts{Patients: 1, Unmerged: 1, Min: 1, Max: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := NewCensus()
			for _, line := range strings.Fields(test.lines) {
				act(c, line)
				c.Counts() // asking in between changes nothing
			}
			if got := c.Counts(); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
	if _, ok := NewCensus().Add(Identity{}); ok {
		t.Error("an unidentified record has a node")
	}
}

// oracle is the rule in its plainest words: a list of what was said, and persons found by joining until nothing changes.
type oracle struct {
	known  []chaperone.PatientToken
	joined [][2]chaperone.PatientToken
	alike  [][2]chaperone.PatientToken
	shows  map[chaperone.PatientToken][]chaperone.PatientToken // by demographic
	said   []statement
}

type statement struct {
	a, b chaperone.PatientToken
	undo bool
	at   int64
}

func (o *oracle) know(t chaperone.PatientToken) {
	if !slices.Contains(o.known, t) {
		o.known = append(o.known, t)
	}
}

func (o *oracle) add(i Identity) {
	bearer := i.Demographic
	for _, n := range i.Numbers {
		o.know(n)
		o.joined = append(o.joined, [2]chaperone.PatientToken{i.Numbers[0], n})
		bearer = i.Numbers[0]
	}
	if (i.Demographic == chaperone.PatientToken{}) {
		return
	}
	o.know(bearer)
	for _, other := range o.shows[i.Demographic] {
		o.alike = append(o.alike, [2]chaperone.PatientToken{bearer, other})
	}
	o.shows[i.Demographic] = append(o.shows[i.Demographic], bearer)
}

func (o *oracle) merges() (pairs [][2]chaperone.PatientToken) {
	for i, s := range o.said {
		overruled := slices.ContainsFunc(o.said, func(t statement) bool {
			return (s.a == t.a && s.b == t.b || s.a == t.b && s.b == t.a) && t.at > s.at
		}) || slices.ContainsFunc(o.said[i+1:], func(t statement) bool {
			return (s.a == t.a && s.b == t.b || s.a == t.b && s.b == t.a) && t.at == s.at
		})
		if !overruled && !s.undo {
			pairs = append(pairs, [2]chaperone.PatientToken{s.a, s.b})
		}
	}
	return pairs
}

// persons names every token's person by the least of its tokens.
func (o *oracle) persons(pairs ...[2]chaperone.PatientToken) map[chaperone.PatientToken]chaperone.PatientToken {
	person := map[chaperone.PatientToken]chaperone.PatientToken{}
	for _, t := range o.known {
		person[t] = t
	}
	for changed := true; changed; {
		changed = false
		for _, p := range pairs {
			least := person[p[0]]
			if less(person[p[1]], least) {
				least = person[p[1]]
			}
			if person[p[0]] != least || person[p[1]] != least {
				person[p[0]], person[p[1]], changed = least, least, true
			}
		}
	}
	return person
}

func count(persons map[chaperone.PatientToken]chaperone.PatientToken) int {
	distinct := map[chaperone.PatientToken]bool{}
	for _, p := range persons {
		distinct[p] = true
	}
	return len(distinct)
}

func TestCensusAgainstOracle(t *testing.T) {
	numbers := rapid.SliceOfN(rapid.SampledFrom(all("ABCDEFGH")), 0, 3)
	rapid.Check(t, func(t *rapid.T) {
		c, o := NewCensus(), &oracle{shows: map[chaperone.PatientToken][]chaperone.PatientToken{}}
		nodes := map[chaperone.PatientToken]Node{}
		for range rapid.IntRange(0, 25).Draw(t, "steps") {
			if rapid.IntRange(0, 2).Draw(t, "kind") == 0 {
				survivor, prior := numbers.Draw(t, "survivor"), numbers.Draw(t, "prior")
				undo, at := rapid.Bool().Draw(t, "undo"), rapid.Int64Range(0, 5).Draw(t, "at")
				for i, n := range c.Merge(survivor, prior, undo, time.Unix(at, 0)) {
					nodes[prior[i]] = n
				}
				for _, p := range prior {
					o.know(p)
				}
				for _, s := range survivor {
					for _, p := range prior {
						o.know(s)
						o.said = append(o.said, statement{s, p, undo, at})
					}
				}
				continue
			}
			i := Identity{Numbers: numbers.Draw(t, "numbers"), Demographic: rapid.SampledFrom(append(all("xyz"), chaperone.PatientToken{})).Draw(t, "demographic")}
			o.add(i)
			n, ok := c.Add(i)
			if want := len(i.Numbers) > 0 || i.Weak(); ok != want {
				t.Fatalf("got ok %t, want %t", ok, want)
			}
			if ok {
				nodes[c.Token(n)] = n
			}
			if rapid.Bool().Draw(t, "ask") {
				c.Counts()
			}
		}
		merged := o.persons(append(slices.Clone(o.joined), o.merges()...)...)
		want := Counts{
			Patients: count(merged), Unmerged: count(o.persons(o.joined...)), Max: len(o.known),
			Min: count(o.persons(slices.Concat(o.joined, o.merges(), o.alike)...)),
		}
		for _, k := range o.known {
			if k[0] >= 'a' {
				want.Weak++
			}
		}
		if got := c.Counts(); got != want {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		some, persons := map[Node]struct{}{}, map[chaperone.PatientToken]chaperone.PatientToken{}
		for token, n := range nodes {
			if got := c.Person(n); got != merged[token] {
				t.Fatalf("person of %s: got %s, want %s", token, got, merged[token])
			}
			if token[0]%2 == 0 {
				some[n], persons[token] = struct{}{}, merged[token]
			}
		}
		if got := c.Distinct(some); got != count(persons) {
			t.Fatalf("got %d distinct, want %d", got, count(persons))
		}
	})
}
