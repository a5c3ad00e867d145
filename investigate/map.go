package investigate

import (
	"cmp"
	"net/netip"
	"slices"

	"chaperone/incident"
	"chaperone/page"
)

// group is a column of the map: how near a system is to the theft.
type group int

const (
	beyond   group = iota // outside
	stepping              // entered and reached
	keeping               // archives and file servers
	others
)

var groupNames = [...]string{"Outside", "Entered and reached", "Archives and file servers", "Other systems"}

// Bounds of the map: more would be a thicket. The tables have all.
const (
	maxBoxes   = 40
	maxBeyond  = 8
	maxStrands = 60
)

// box is a system on the map.
type box struct {
	addr    netip.Addr
	group   group
	entry   bool
	reached int // when, among those that were
	weight  int
	name    string
	role    string
	stages  []int // what was done on it, without another system's part
	layer   int
	place   spot // upper left
	forward []*port
	back    []*port
}

// strand is a line of the map.
type strand struct {
	from, to *box
	stages   []int // of the theft; none for an ordinary exchange
	patients int
	least    bool // patients is the greatest of several edges: together they are at least so many
}

// label says what is written on a line.
func (s *strand) label() string {
	n := page.Number(s.patients)
	if s.least {
		n = "≥ " + n
	}
	return n
}

// scene is what the map shows, before anything has its place.
type scene struct {
	boxes   []*box
	strands []*strand
	theft   []*strand
	notes   []string
}

// drawMaps fills the map, wide and narrow.
func (t *text) drawMaps(s *sheet) {
	for _, f := range []frame{wideFrame, narrowFrame} {
		c := t.scene()
		if len(c.boxes) == 0 {
			return
		}
		s.Maps = append(s.Maps, draw(c, f))
		s.MapNotes = c.notes
	}
	s.MapWords = t.mapWords()
}

// scene decides what is on the map.
func (t *text) scene() *scene {
	c := &scene{}
	known := map[netip.Addr]*box{}
	at := func(a netip.Addr, weight int) *box {
		if !a.IsValid() {
			return nil
		}
		b := known[a]
		if b == nil {
			role := t.role(a)
			b = &box{addr: a, group: t.group(a, role), entry: a == t.Story.Entry, reached: slices.Index(t.Story.Reached, a), name: t.known(a).Name, role: string(role)}
			known[a] = b
		}
		b.weight += weight
		return b
	}
	const first = 1 << 40 // what takes part in the theft comes before everything else
	for _, a := range append(slices.Clone(t.Story.Intruder), t.Story.Reached...) {
		at(a, first)
	}
	for _, l := range t.theft() {
		a, b := at(l.from, first), at(l.to, first)
		switch {
		case a != nil && b != nil && a != b:
			c.theft = tie(c.theft, a, b, l.stage, l.patients)
		case cmp.Or(b, a) != nil:
			x := cmp.Or(b, a)
			x.stages = include(x.stages, l.stage)
		}
	}
	for i := range t.Watch.Edges {
		e := &t.Watch.Edges[i]
		if a, b := at(e.From.Addr, e.Patients+1), at(e.To.Addr, e.Patients+1); a != nil && b != nil && a != b {
			c.strands = tie(c.strands, a, b, 0, e.Patients)
		}
	}
	c.choose(known)
	if silent := len(t.Watch.Systems) - len(known); silent > 0 {
		c.notes = append(c.notes, page.Count(silent, "system")+" without patient records and without a part in the story: not drawn.")
	}
	return c
}

// choose keeps what there is room for.
func (c *scene) choose(known map[netip.Addr]*box) {
	var all []*box
	for _, b := range known {
		all = append(all, b)
	}
	slices.SortFunc(all, func(a, b *box) int { return cmp.Or(cmp.Compare(b.weight, a.weight), a.addr.Compare(b.addr)) })
	outside, kept := 0, map[*box]bool{}
	for _, b := range all {
		if b.group == beyond {
			outside++
		}
		if len(c.boxes) == maxBoxes || b.group == beyond && outside > maxBeyond {
			continue
		}
		kept[b] = true
		c.boxes = append(c.boxes, b)
	}
	if left := len(all) - len(c.boxes); left > 0 {
		c.notes = append(c.notes, page.Count(left, "system")+" more with fewer patients: not drawn for lack of room; the tables have them.")
	}
	drawn := func(s *strand) bool { return kept[s.from] && kept[s.to] }
	c.theft = slices.DeleteFunc(c.theft, func(s *strand) bool { return !drawn(s) })
	c.strands = slices.DeleteFunc(c.strands, func(s *strand) bool {
		return !drawn(s) || slices.ContainsFunc(c.theft, func(x *strand) bool { return x.from == s.from && x.to == s.to && x.patients > 0 })
	})
	if more := len(c.strands) - maxStrands; more > 0 {
		c.strands = c.strands[:maxStrands]
		c.notes = append(c.notes, page.Count(more, "ordinary exchange")+" with fewer patients: not drawn; the table has them.")
	}
}

// tie adds to the line between two systems.
func tie(list []*strand, from, to *box, stage, patients int) []*strand {
	i := slices.IndexFunc(list, func(s *strand) bool { return s.from == from && s.to == to })
	if i < 0 {
		s := &strand{from: from, to: to, patients: patients}
		if stage > 0 {
			s.stages = []int{stage}
		}
		return append(list, s)
	}
	s := list[i]
	if stage > 0 {
		s.stages = include(s.stages, stage)
	}
	s.least = s.least || patients > 0 && s.patients > 0
	s.patients = max(s.patients, patients)
	return list
}

func include(list []int, n int) []int {
	if slices.Contains(list, n) {
		return list
	}
	list = append(list, n)
	slices.Sort(list)
	return list
}

// leg is one act of the theft between two systems. Where data was taken it follows the data.
type leg struct {
	stage    int
	from, to netip.Addr
	patients int
}

// theft lists the acts of the story by stage.
func (t *text) theft() []leg {
	var legs []leg
	for i, step := range t.Story.Steps {
		if !step.Found {
			continue
		}
		if step.Stage == incident.Collected {
			for _, s := range t.Story.Taken.Sources {
				legs = append(legs, leg{i + 1, s.From.Addr, s.To.Addr, s.Patients})
			}
			for _, f := range t.Story.Taken.Files {
				legs = append(legs, leg{i + 1, f.At, f.By, 0})
			}
			if len(t.Story.Taken.Sources)+len(t.Story.Taken.Files) > 0 {
				continue
			}
		}
		for _, f := range step.Findings {
			legs = append(legs, leg{i + 1, f.From.Addr, f.To.Addr, 0})
		}
	}
	return legs
}
