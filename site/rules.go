package site

import (
	"maps"
	"slices"
	"strings"
)

// checkGrants: everybody a grant names is there.
func (c *checker) checkGrants() {
	names := map[string]*Grant{}
	for i := range c.Grants {
		g := &c.Grants[i]
		if first := names[g.Name]; first != nil && g.Name != "" {
			c.fail(&g.Name, "grant %s stands here twice; the first is on line %d: give each its own name", g.Name, c.Line(&first.Name))
		}
		names[g.Name] = g
		if g.Name != "" && len(g.Parties)+len(g.Roles)+len(g.Groups) == 0 {
			c.fail(g, "grant %s is for nobody; add parties, roles or groups", g.Name)
		}
		for j := range g.Parties {
			c.party(&g.Parties[j], g.Parties[j], "parties")
		}
		for j := range g.Groups {
			c.group(&g.Groups[j], g.Groups[j], "groups")
		}
		outside := false
		for j := range g.To {
			outside = c.target(&g.To[j], g.To[j]) || outside
		}
		switch {
		case outside && !g.Outside:
			c.fail(&g.To, "grant %s goes to an outside party; if it is meant to, say outside: true", g.Name)
		case g.Outside && !outside && !c.broken(g.To):
			c.fail(&g.Outside, "grant %s says outside: true and names no outside party; name it in to:", g.Name)
		}
		c.limits("the budget of grant "+g.Name, g.Budget, &g.Budget)
	}
}

// target checks whom data goes to, and reports whether it is outside.
func (c *checker) target(at *string, to string) (outside bool) {
	kind, name, found := strings.Cut(to, ":")
	switch {
	case to == self || to == "":
		return false
	case !found:
		c.party(at, to, "to")
		p := c.parties[to]
		return p != nil && p.Outside
	case kind == "role":
		if _, err := choice(roles()...).parse(name); err != nil {
			c.fail(at, "to: %s: the role is %v", to, err)
		}
	default:
		c.group(at, name, "to")
	}
	return false // roles and groups are those inside
}

// broken reports whether a list has a member that could not be read.
func (c *checker) broken(list []string) bool { return slices.Contains(list, "") }

func (c *checker) party(at any, name, key string) {
	if name != "" && c.parties[name] == nil {
		c.fail(at, "%s: there is no party %s%s", key, name, c.meant(name, maps.Keys(c.parties)))
	}
}

func (c *checker) group(at any, name, key string) {
	if name != "" && c.groups[name] == nil {
		known := slices.DeleteFunc(slices.Collect(maps.Keys(c.groups)), func(known string) bool { return shownGroup(known) != known })
		c.fail(at, "%s: no party is in a group %s%s", key, shownGroup(name), c.meant(name, slices.Values(known)))
	}
}

func (c *checker) checkBudgets() {
	b := &c.Budgets
	for name, l := range b.Groups {
		at := entry{&b.Groups, name}
		c.group(at, name, "budgets")
		c.limits("the budget of group "+shownGroup(name), l, at)
	}
	for role, l := range b.Roles {
		c.limits("the budget of role "+string(role), l, entry{&b.Roles, role})
	}
	c.limits("the budget of the site", b.Site, &b.Site)
}

// limits: a longer time allows at least what a shorter one does. Otherwise the shorter limit could never be reached.
func (c *checker) limits(what string, l Limits, at any) {
	keys := windowKeys()
	last := -1
	for w, n := range l {
		if n == 0 {
			continue
		}
		if last >= 0 && n < l[last] {
			c.fail(at, "%s allows %d in %s and fewer, %d, in %s; a longer time needs the same or more", what, l[last], keys[last], n, keys[w])
			return
		}
		last = w
	}
}
