package policy

import (
	"fmt"
	"slices"
	"strings"

	"chaperone/policy/budget"
)

// Grant is one row of the table: who may do what, whom to, whose patients, how many.
type Grant struct {
	Name     string
	Parties  []string // who: any of these, of the roles, of the groups
	Roles    []string
	Groups   []string
	Actions  []Action      // "dicom.*" and "hl7.*" stand for all of a protocol
	Details  []string      // ORU^R01, ADT^*; SOP class UIDs; empty: all
	To       []string      // parties, "role:pacs", "group:x", "self"; empty: everybody inside the entity
	Outside  bool          // it may also go to parties outside that To names
	Whose    string        // All, Named or OfWard; empty: Named
	Approval bool          // each use must be approved
	Budget   budget.Limits // of each party by itself
}

// Whose patients a grant is for.
const (
	All    = "all"
	Named  = "named" // no queries that ask for everybody
	OfWard = "ward"  // of wards that are groups of the party
)

// Self stands in To for the party that asks.
const Self = "self"

// expand gives the actions that a word of the table stands for, none if it is no action.
func expand(word Action) (list []Action) {
	protocol, all := strings.CutSuffix(string(word), "*")
	for _, a := range Actions() {
		if a == word || all && protocol != "" && strings.HasSuffix(protocol, ".") && strings.HasPrefix(string(a), protocol) {
			list = append(list, a)
		}
	}
	return list
}

// names reports whether a grant is for a party.
func (g *Grant) names(p *Party) bool {
	return slices.Contains(g.Parties, p.Name) || slices.Contains(g.Roles, p.Role) ||
		slices.ContainsFunc(p.Groups, func(group string) bool { return slices.Contains(g.Groups, group) })
}

// ofKind reports whether a grant is for a kind of message or object.
func (g *Grant) ofKind(detail string) bool {
	return len(g.Details) == 0 || slices.ContainsFunc(g.Details, func(pattern string) bool {
		if prefix, open := strings.CutSuffix(pattern, "*"); open {
			return detail != "" && strings.HasPrefix(detail, prefix)
		}
		return detail == pattern
	})
}

// reaches reports whether data may go from a party's request to a receiver inside. Who is outside must be named as a party:
// by its own name, or as the party that asks, when the grant names that.
func (g *Grant) reaches(from, to *Party, outside bool) bool {
	if outside {
		return slices.Contains(g.To, to.Name) || from == to && slices.Contains(g.To, Self) && slices.Contains(g.Parties, from.Name)
	}
	return len(g.To) == 0 || slices.ContainsFunc(g.To, func(word string) bool {
		switch kind, name, _ := strings.Cut(word, ":"); {
		case word == Self:
			return from == to
		case kind == "role":
			return name == to.Role
		case kind == "group":
			return slices.Contains(to.Groups, name)
		}
		return word == to.Name
	})
}

// exceeded says which limit a number of patients is over, all by itself.
func (g *Grant) exceeded(patients int) (budget.Window, bool) {
	for w := budget.Hour; w <= budget.Year; w++ {
		if g.Budget[w] != 0 && patients > g.Budget[w] {
			return w, true
		}
	}
	return 0, false
}

// wider orders grants so that the one with more room comes first: of several that permit, the first is used.
func wider(a, b *Grant) int {
	for w := budget.Year; ; w-- {
		x, y := a.Budget[w], b.Budget[w]
		switch {
		case x == y && w == budget.Hour:
			return 0
		case x == y:
		case x == 0 || y != 0 && x > y:
			return -1
		default:
			return 1
		}
	}
}

// check says what is wrong with a grant.
func (g *Grant) check(site *directory) (problems []string) {
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	known := func(words []string, kind string, set map[string]bool) {
		for _, word := range words {
			if !set[word] {
				wrong("there is no %s %q", kind, word)
			}
		}
	}
	if len(g.Parties)+len(g.Roles)+len(g.Groups) == 0 {
		wrong("it names nobody: parties, roles or groups")
	}
	known(g.Parties, "party", site.names)
	known(g.Roles, "role", site.roles)
	known(g.Groups, "group", site.groups)
	if len(g.Actions) == 0 {
		wrong("it has no actions")
	}
	for _, word := range g.Actions {
		if expand(word) == nil {
			wrong("there is no action %q", word)
		}
	}
	for _, pattern := range g.Details {
		if pattern == "" || strings.Contains(strings.TrimSuffix(pattern, "*"), "*") {
			wrong("a detail is a message type or SOP class, with a * only at its end")
		}
	}
	for _, word := range g.To {
		switch kind, name, found := strings.Cut(word, ":"); {
		case word == Self:
		case found && kind == "role":
			known([]string{name}, kind, site.roles)
		case found && kind == "group":
			known([]string{name}, kind, site.groups)
		default:
			known([]string{word}, "party", site.names)
		}
	}
	if !slices.Contains([]string{"", All, Named, OfWard}, g.Whose) {
		wrong("whose is all, named or ward")
	}
	if err := g.Budget.Check(); err != nil {
		wrong("%s", strings.TrimPrefix(err.Error(), "budget: "))
	}
	return problems
}
