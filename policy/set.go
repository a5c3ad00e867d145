package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Options are what the site file says.
type Options struct {
	Site     string
	Version  string         // the first 12 hex digits of the SHA-256 of the site file and its Cedar files
	Zone     *time.Location // of the hours; nil: UTC
	Parties  []Party
	Grants   []Grant
	Cedar    map[string][]byte // the operator's own files, by name
	Unproven []string          // listeners that the operator runs without mutual TLS, and has said why
}

// Problem is one thing that is wrong with Options.
type Problem struct {
	Party string // the party it is about,
	Grant string // or the grant,
	File  string // or the Cedar file and the line
	Line  int
	Text  string
}

func (p Problem) String() string {
	switch {
	case p.File != "":
		return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
	case p.Grant != "":
		return fmt.Sprintf("grant %q: %s", p.Grant, p.Text)
	case p.Party != "":
		return fmt.Sprintf("party %q: %s", p.Party, p.Text)
	}
	return p.Text
}

// Error is all that is wrong with Options.
type Error struct{ Problems []Problem }

func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return "policy: " + strings.Join(lines, "\n")
}

// directory is who and what there is, for checking names.
type directory struct{ names, roles, groups, actions map[string]bool }

// member is a party with the grants that are for it.
type member struct {
	Party
	principal
	grants map[Action][]*row // widest budget first
}

// row is a grant of the table, ready to be judged by.
type row struct {
	Grant
	facts fact
	last  atomic.Pointer[made]
}

// Set is a policy in force: safe for concurrent use, and never changed. Its zero value refuses everything.
type Set struct {
	site, version string
	zone          *time.Location
	parties       map[string]*member
	glass         map[string]map[Action][]*row // what a role may do at all
	unproven      map[string]bool
	judge         judge
	wards         bool
	doubts        []Problem
}

// New makes a policy of a site file, or says in an *Error everything that is wrong with it. A policy that is in force stays
// in force when this fails.
func New(o Options) (*Set, error) {
	site, problems := list(o)
	s := &Set{
		site: o.Site, version: o.Version, zone: cmp.Or(o.Zone, time.UTC),
		parties: map[string]*member{}, glass: map[string]map[Action][]*row{}, unproven: map[string]bool{},
		wards: len(o.Cedar) > 0, // own files may ask for them
	}
	for _, listener := range o.Unproven {
		s.unproven[listener] = true
	}
	var parties []*member
	for _, p := range o.Parties {
		m := &member{Party: p, principal: principalOf(&p), grants: map[Action][]*row{}}
		parties = append(parties, m)
		s.parties[p.Name] = m
	}
	seen := map[string]bool{}
	var rows []*row
	for _, g := range o.Grants {
		for _, text := range g.check(site) {
			problems = append(problems, Problem{Grant: g.Name, Text: text})
		}
		if g.Name == "" || seen[g.Name] {
			problems = append(problems, Problem{Grant: g.Name, Text: "a grant needs a name of its own"})
		}
		seen[g.Name] = true
		g.Whose = cmp.Or(g.Whose, Named)
		s.wards = s.wards || g.Whose == OfWard
		rows = append(rows, &row{Grant: g, facts: factOf(&g)})
	}
	slices.SortStableFunc(rows, func(a, b *row) int { return wider(&a.Grant, &b.Grant) })
	for _, r := range rows {
		s.index(r, parties)
	}
	var wrong []Problem
	s.judge, wrong, s.doubts = newJudge(o, site)
	if problems = append(problems, wrong...); len(problems) > 0 {
		return nil, &Error{problems}
	}
	return s, nil
}

// list gives the names of a site, and what is wrong with its parties.
func list(o Options) (*directory, []Problem) {
	site := &directory{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}}
	var problems []Problem
	for _, role := range Roles() {
		site.roles[role] = true
	}
	for _, a := range Actions() {
		site.actions[string(a)], site.actions[a.protocol()] = true, true
	}
	for _, p := range o.Parties {
		wrong := func(text string) { problems = append(problems, Problem{Party: p.Name, Text: text}) }
		switch {
		case p.Name == "" || p.Name == Self || strings.Contains(p.Name, ":"):
			wrong("a party needs a name, without a colon, that is not self")
		case site.names[p.Name]:
			wrong("there are two of this name")
		}
		if p.Role != "" && !site.roles[p.Role] {
			wrong(fmt.Sprintf("there is no role %q", p.Role))
		}
		if !p.Hours.valid() {
			wrong(ErrHours.Error())
		}
		site.names[p.Name] = true
		for _, group := range p.Groups {
			if group == "" {
				wrong("a group needs a name")
			}
			site.groups[group] = true
		}
	}
	return site, problems
}

// index files a row under everybody it is for, by action. Behind the glass, what one party of a role may do, all of them may.
func (s *Set) index(r *row, parties []*member) {
	actions := map[Action]bool{}
	for _, word := range r.Actions {
		for _, a := range expand(word) {
			actions[a] = true
		}
	}
	roles := map[string]bool{}
	for _, role := range r.Roles {
		roles[role] = true
	}
	for _, p := range parties {
		if r.names(&p.Party) {
			roles[p.Role] = true
			for a := range actions {
				p.grants[a] = append(p.grants[a], r)
			}
		}
	}
	for role := range roles {
		if s.glass[role] == nil {
			s.glass[role] = map[Action][]*row{}
		}
		for a := range actions {
			s.glass[role][a] = append(s.glass[role][a], r)
		}
	}
}

// AsksWards reports whether a decision may hang on where the patients lie.
func (s *Set) AsksWards() bool { return s.wards }

// Doubts gives what is allowed in own Cedar files, and may be a slip of the pen: each with its file and line.
func (s *Set) Doubts() []Problem { return s.doubts }

// Version is that of the Options.
func (s *Set) Version() string { return s.version }

// sortedNames gives the keys of a map in order, so that problems come in the same order each time.
func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
