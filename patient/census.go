package patient

import (
	"time"

	"chaperone"
)

// Node is one identifier in a census; several nodes may be one person.
type Node uint32

// Census counts distinct patients by the rule of this package. It keeps tokens only. It is not safe for concurrent use.
type Census struct {
	nodes        map[chaperone.PatientToken]Node
	tokens       []chaperone.PatientToken // by node
	weak         []bool                   // by node
	joined       forest                   // identifiers of one person by the rule, merges left out
	demographics map[chaperone.PatientToken]Node
	alike        map[[2]Node]struct{} // nodes that share name, birth date and sex
	aliases      map[[2]Node]alias    // merges
	answer       *answer              // nil when something was added since it was made
}

// alias is the latest statement about two nodes.
type alias struct {
	alive bool
	at    time.Time
}

// answer is the census as of now.
type answer struct {
	merged   forest
	smallest forest // merged, and also those that share name, birth date and sex
	counts   Counts
	least    []Node // by root: the node whose token is the least of its person
}

// Counts are the numbers of distinct patients under the rule and its bounds.
type Counts struct {
	Patients int // merged
	Weak     int // of them, those known by name only
	Unmerged int // patients as if no merge had been said
	Min, Max int
}

// NewCensus makes an empty one.
func NewCensus() *Census {
	return &Census{
		nodes: map[chaperone.PatientToken]Node{}, demographics: map[chaperone.PatientToken]Node{},
		alike: map[[2]Node]struct{}{}, aliases: map[[2]Node]alias{},
	}
}

// Add counts a record and gives the node of its person. ok is false for an unidentified record, which has none.
func (c *Census) Add(i Identity) (n Node, ok bool) {
	switch {
	case len(i.Numbers) > 0:
		n = c.node(i.Numbers[0], false)
		for _, token := range i.Numbers[1:] {
			if c.joined.join(n, c.node(token, false)) {
				c.answer = nil
			}
		}
	case i.Weak():
		n = c.node(i.Demographic, true)
	default:
		return 0, false
	}
	if (i.Demographic != chaperone.PatientToken{}) {
		c.resemble(n, i.Demographic)
	}
	return n, true
}

// Merge notes that two sets of identifiers are one person, or with undo that they are not. The latest statement about
// two identifiers holds. It gives the nodes of prior, which were disclosed too.
func (c *Census) Merge(survivor, prior []chaperone.PatientToken, undo bool, at time.Time) []Node {
	var nodes []Node
	for _, p := range prior {
		nodes = append(nodes, c.node(p, false))
	}
	for _, s := range survivor {
		for _, p := range nodes {
			pair := ordered(c.node(s, false), p)
			if have, ok := c.aliases[pair]; ok && have.at.After(at) {
				continue
			}
			c.aliases[pair] = alias{!undo, at}
			c.answer = nil
		}
	}
	return nodes
}

// Counts gives the numbers as of now.
func (c *Census) Counts() Counts { return c.ask().counts }

// Distinct counts the persons among some nodes, merges applied.
func (c *Census) Distinct(nodes map[Node]struct{}) int {
	a := c.ask()
	persons := make(map[Node]struct{}, len(nodes))
	for n := range nodes {
		persons[a.merged.root(n)] = struct{}{}
	}
	return len(persons)
}

// CountsOf gives the numbers for the persons behind some nodes: Max counts every identifier that is known to be theirs.
func (c *Census) CountsOf(nodes []Node) Counts {
	a := c.ask()
	var counts Counts
	merged, unmerged, smallest := map[Node]bool{}, map[Node]bool{}, map[Node]bool{}
	for _, n := range nodes {
		merged[a.merged.root(n)] = true
		unmerged[c.joined.root(n)] = true
		smallest[a.smallest.root(n)] = true
	}
	for n := range c.tokens {
		if !merged[a.merged.root(Node(n))] {
			continue
		}
		counts.Max++
		if c.weak[n] {
			counts.Weak++
		}
	}
	counts.Patients, counts.Unmerged, counts.Min = len(merged), len(unmerged), len(smallest)
	return counts
}

// Find gives the node of a token, if it is in the census.
func (c *Census) Find(t chaperone.PatientToken) (Node, bool) {
	n, ok := c.nodes[t]
	return n, ok
}

// Token gives the token of a node.
func (c *Census) Token(n Node) chaperone.PatientToken { return c.tokens[n] }

// Person gives the token that stands for the person behind a node: the least of its tokens, merges applied. It does
// not depend on the order in which records were added.
func (c *Census) Person(n Node) chaperone.PatientToken {
	a := c.ask()
	return c.tokens[a.least[a.merged.root(n)]]
}

func (c *Census) ask() *answer {
	if c.answer != nil {
		return c.answer
	}
	a := &answer{merged: c.joined.clone()}
	for pair, alias := range c.aliases {
		if alias.alive {
			a.merged.join(pair[0], pair[1])
		}
	}
	smallest := a.merged.clone()
	for pair := range c.alike {
		smallest.join(pair[0], pair[1])
	}
	a.smallest = smallest
	a.counts = Counts{Patients: a.merged.trees(), Unmerged: c.joined.trees(), Min: smallest.trees(), Max: len(c.tokens)}
	a.least = make([]Node, len(c.tokens))
	copy(a.least, a.merged.parent)
	for n := range c.tokens {
		if c.weak[n] {
			a.counts.Weak++
		}
		root := a.merged.root(Node(n))
		if less(c.tokens[n], c.tokens[a.least[root]]) {
			a.least[root] = Node(n)
		}
	}
	c.answer = a
	return a
}

func (c *Census) node(t chaperone.PatientToken, weak bool) Node {
	n, ok := c.nodes[t]
	if !ok {
		n = c.joined.add()
		c.nodes[t] = n
		c.tokens = append(c.tokens, t)
		c.weak = append(c.weak, weak)
		c.answer = nil
	}
	return n
}

// resemble notes name, birth date and sex of a node.
func (c *Census) resemble(n Node, demographic chaperone.PatientToken) {
	first, ok := c.demographics[demographic]
	if !ok {
		c.demographics[demographic] = n
		return
	}
	pair := ordered(first, n)
	if _, ok := c.alike[pair]; first != n && !ok {
		c.alike[pair] = struct{}{}
		c.answer = nil
	}
}

func ordered(a, b Node) [2]Node {
	if a > b {
		a, b = b, a
	}
	return [2]Node{a, b}
}

func less(a, b chaperone.PatientToken) bool { return string(a[:]) < string(b[:]) }

// forest is a union-find with path halving.
type forest struct{ parent []Node }

func (f *forest) add() Node {
	n := Node(len(f.parent))
	f.parent = append(f.parent, n)
	return n
}

func (f *forest) root(n Node) Node {
	for f.parent[n] != n {
		f.parent[n] = f.parent[f.parent[n]]
		n = f.parent[n]
	}
	return n
}

// join puts two nodes into one tree and reports whether they were in two.
func (f *forest) join(a, b Node) bool {
	a, b = f.root(a), f.root(b)
	if a == b {
		return false
	}
	f.parent[max(a, b)] = min(a, b)
	return true
}

func (f *forest) clone() forest { return forest{append([]Node(nil), f.parent...)} }

func (f *forest) trees() int {
	n := 0
	for i, p := range f.parent {
		if Node(i) == p {
			n++
		}
	}
	return n
}
