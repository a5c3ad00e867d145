package clinicsim

import "slices"

// groups puts the numbers 0…n-1 into groups, in the plainest way: everyone has a label, and to join two groups the
// members of one are relabelled.
type groups struct {
	label   []int
	members [][]int
}

func newGroups(n int) *groups {
	g := &groups{make([]int, n), make([][]int, n)}
	for i := range n {
		g.label[i], g.members[i] = i, []int{i}
	}
	return g
}

func (g *groups) clone() *groups {
	c := &groups{slices.Clone(g.label), make([][]int, len(g.members))}
	for i, m := range g.members {
		c.members[i] = slices.Clone(m)
	}
	return c
}

func (g *groups) join(list ...int) {
	for _, x := range list[1:] {
		to, from := g.label[list[0]], g.label[x]
		if to == from {
			continue
		}
		for _, m := range g.members[from] {
			g.label[m] = to
		}
		g.members[to] = append(g.members[to], g.members[from]...)
		g.members[from] = nil
	}
}

// count gives the number of groups.
func (g *groups) count() int {
	n := 0
	for _, m := range g.members {
		if len(m) > 0 {
			n++
		}
	}
	return n
}

// distinct gives the number of groups that a list touches.
func (g *groups) distinct(list []int) int {
	touched := map[int]bool{}
	for _, x := range list {
		touched[g.label[x]] = true
	}
	return len(touched)
}

// standing gives the merges that no later un-merge took back.
func standing(all []merge) []merge {
	var list []merge
	for _, m := range all {
		if !m.undo {
			list = append(list, m)
			continue
		}
		list = slices.DeleteFunc(list, func(old merge) bool {
			return overlap(old.survivor, m.survivor) && overlap(old.prior, m.prior) ||
				overlap(old.survivor, m.prior) && overlap(old.prior, m.survivor)
		})
	}
	return list
}

func overlap(a, b []int) bool {
	return slices.ContainsFunc(a, func(x int) bool { return slices.Contains(b, x) })
}
