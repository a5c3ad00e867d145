package investigate

import (
	"cmp"
	"net/netip"
	"slices"

	"chaperone/incident"
	"chaperone/inventory"
)

// group says in which column a system belongs.
func (t *text) group(a netip.Addr, role inventory.Role) group {
	from := func(s incident.Source) bool { return s.From.Addr == a }
	held := func(f incident.File) bool { return f.At == a }
	switch {
	case slices.Contains(t.Story.Reached, a):
		return stepping
	case !t.Site().Inside(a):
		return beyond
	case slices.ContainsFunc(t.Story.Taken.Sources, from), slices.ContainsFunc(t.Story.Taken.Files, held), role == inventory.PACS, role == inventory.FileServer:
		return keeping
	}
	return others
}

// role gives what a system is.
func (t *text) role(a netip.Addr) inventory.Role {
	i, ok := slices.BinarySearchFunc(t.Watch.Systems, a, func(x inventory.System, a netip.Addr) int { return x.Addr.Compare(a) })
	if !ok {
		return inventory.Unknown
	}
	return t.Watch.Systems[i].Role
}

// order puts the systems of each group into an order in which few lines cross: those that were reached as they were
// reached, the others beside what they are tied to.
func (c *scene) order() (groups [others + 1][]*box) {
	ties := map[*box][]*box{}
	for _, s := range c.strands {
		ties[s.from], ties[s.to] = append(ties[s.from], s.to), append(ties[s.to], s.from)
	}
	for range 3 { // a line of the theft weighs more
		for _, s := range c.theft {
			ties[s.from], ties[s.to] = append(ties[s.from], s.to), append(ties[s.to], s.from)
		}
	}
	slices.SortStableFunc(c.boxes, func(a, b *box) int { return cmp.Or(cmp.Compare(a.role, b.role), a.addr.Compare(b.addr)) })
	slices.SortStableFunc(c.boxes, func(a, b *box) int { return cmp.Compare(a.reached, b.reached) })
	for _, b := range c.boxes {
		groups[b.group] = append(groups[b.group], b)
	}
	at := map[*box]float64{} // distance from the middle of its group
	for _, g := range []group{stepping, keeping, beyond, others} {
		pull := map[*box]float64{}
		for _, b := range groups[g] {
			n := 0.0
			for _, x := range ties[b] {
				if place, known := at[x]; known {
					pull[b] += place
					n++
				}
			}
			pull[b] /= max(n, 1)
		}
		if g != stepping {
			slices.SortStableFunc(groups[g], func(a, b *box) int { return cmp.Compare(pull[a], pull[b]) })
		}
		for i, b := range groups[g] {
			at[b] = float64(i) - float64(len(groups[g])-1)/2
		}
	}
	return groups
}
