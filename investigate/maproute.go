package investigate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// open gives every line its place at its two boxes: those that run to the same side are spread over it, in the order
// of where they go, so that they do not cross at once.
func (p *plan) open() {
	for _, s := range append(slices.Clone(p.strands), p.theft...) {
		ahead := s.to.layer >= s.from.layer
		s.from.meet(s, s.to, ahead)
		s.to.meet(s, s.from, !ahead || s.to.layer == s.from.layer)
	}
	for _, b := range p.boxes {
		for _, side := range [][]*port{b.forward, b.back} {
			slices.SortStableFunc(side, func(x, y *port) int { return cmp.Compare(x.other.place.across, y.other.place.across) })
			for i, q := range side {
				q.at = b.place
				q.at.across += p.broad() * float64(i+1) / float64(len(side)+1)
			}
		}
		for _, q := range b.forward {
			q.at.along += p.thick()
		}
	}
}

// meet notes that a line ends at a box.
func (b *box) meet(s *strand, other *box, forward bool) {
	q := &port{line: s, other: other}
	if forward {
		b.forward = append(b.forward, q)
	} else {
		b.back = append(b.back, q)
	}
}

// portOf finds where a line ends at a box.
func portOf(b *box, s *strand) spot {
	for _, side := range [][]*port{b.forward, b.back} {
		for _, q := range side {
			if q.line == s {
				return q.at
			}
		}
	}
	return b.place
}

// route gives the corners of a line: its two ends, and between them the two ends of each passage through a layer.
// Two corners that follow one another, from an even one on, are joined by a curve; the others lie on a passage.
func (p *plan) route(s *strand) []spot {
	from, to := portOf(s.from, s), portOf(s.to, s)
	corners := []spot{from}
	step := 1
	if s.to.layer < s.from.layer {
		step = -1
	}
	for i := s.from.layer + step; i != s.to.layer && s.from.layer != s.to.layer; i += step {
		share := (p.along[i] - from.along) / (to.along - from.along)
		across := p.slot(i, from.across+share*(to.across-from.across))
		near, far := spot{p.along[i], across}, spot{p.along[i] + p.thick(), across}
		if step < 0 {
			near, far = far, near
		}
		corners = append(corners, near, far)
	}
	return append(corners, to)
}

// slot gives the free way through a layer that is nearest to a place.
func (p *plan) slot(layer int, across float64) float64 {
	boxes := p.layers[layer]
	gap := float64(p.gap)
	best, index := boxes[0].place.across-gap/2, 0
	for i, b := range boxes {
		if middle := b.place.across + p.broad() + gap/2; math.Abs(middle-across) < math.Abs(best-across) {
			best, index = middle, i+1
		}
	}
	key := [2]int{layer, index}
	k := p.used[key]
	p.used[key]++
	outer := index == 0 || index == len(boxes)
	spread := float64((k+1)/2) * 4
	if k%2 == 1 {
		spread = -spread
	}
	if limit := gap/2 - 3; !outer || p.down {
		spread = max(-limit, min(limit, spread))
	} else if index == 0 {
		spread = -math.Abs(spread)
	} else {
		spread = math.Abs(spread)
	}
	return best + spread
}

// curve gives the four points of the cubic curve between two corners: it leaves and comes in along the map. A line
// within a layer bulges out of it.
func (p *plan) curve(a, b spot, arc bool) [4]spot {
	if arc {
		out := a.along + min(float64(p.channel)*0.75, 16+math.Abs(a.across-b.across)*0.25)
		return [4]spot{a, {out, a.across}, {out, b.across}, b}
	}
	middle := (a.along + b.along) / 2
	return [4]spot{a, {middle, a.across}, {middle, b.across}, b}
}

// arc reports whether a line stays within its layer.
func arc(route []spot) bool { return len(route) == 2 && route[0].along == route[1].along }

// path writes a line for SVG.
func (p *plan) path(route []spot) string {
	x, y := p.xy(route[0])
	out := fmt.Sprintf("M%d %d", round(x), round(y))
	for i := 0; i+1 < len(route); i++ {
		if i%2 == 1 {
			x, y = p.xy(route[i+1])
			out += fmt.Sprintf("L%d %d", round(x), round(y))
			continue
		}
		out += "C"
		bend := p.curve(route[i], route[i+1], arc(route))
		for j, s := range bend[1:] {
			if x, y = p.xy(s); j > 0 {
				out += ","
			}
			out += fmt.Sprintf("%d %d", round(x), round(y))
		}
	}
	return out
}

// arrow writes the head of a line: it always comes in along the map.
func (p *plan) arrow(route []spot) string {
	end, before := route[len(route)-1], route[len(route)-2]
	back := -8.0
	if before.along > end.along || arc(route) {
		back = 8
	}
	out := ""
	for i, s := range []spot{end, {end.along + back, end.across - 3.5}, {end.along + back, end.across + 3.5}} {
		x, y := p.xy(s)
		out += fmt.Sprintf("%s%.1f %.1f", [...]string{"M", "L", "L"}[i], x, y)
	}
	return out + "Z"
}

// tip gives the ground that the head of a line takes.
func (p *plan) tip(route []spot) rect {
	x, y := p.xy(route[len(route)-1])
	const reach = 9 // to either side: a little more than it takes is no loss, for it ends at a box
	if p.down {
		return rect{x - 4, y - reach, 8, 2 * reach}
	}
	return rect{x - reach, y - 4, 2 * reach, 8}
}

// write puts the number of a line on it, where nothing else is. A number of an ordinary exchange that finds no place is
// left to the table.
func (p *plan) write(s *strand, route []spot) {
	label, class, size := s.label(), "count", 10
	if len(s.stages) > 0 {
		label, class, size = numbers(s.stages), "stage", 11
		if s.patients > 0 {
			label += "  (" + s.label() + ")"
		}
	} else if s.patients == 0 {
		return
	}
	w, h := textWidth(label, size)+10, float64(size)+6
	for _, c := range p.places(s, route) {
		x, y := p.xy(c)
		r := rect{x - w/2, y - h/2, w, h}
		if x-w/2 < 1 || x+w/2 > float64(p.out.Width) || slices.ContainsFunc(p.taken, r.meets) {
			continue
		}
		p.taken = append(p.taken, r)
		p.out.Labels = append(p.out.Labels, written{X: round(x), Y: round(y + float64(size)*0.36), Left: round(r.x), Top: round(r.y), Width: round(w), Height: round(h), Text: label, Class: class})
		return
	}
}

// places gives the spots on a line where its number may stand, the best first: an ordinary one near the end where fewer
// lines are, one of the theft in the middle.
func (p *plan) places(s *strand, route []spot) []spot {
	var list []spot
	for i := 0; i+1 < len(route); i += 2 {
		c := p.curve(route[i], route[i+1], arc(route))
		for t := 0.06; t < 0.95; t += 0.04 {
			list = append(list, bezier(c, t))
		}
	}
	lines := func(b *box) int { return len(b.forward) + len(b.back) }
	if len(s.stages) == 0 {
		if lines(s.to) < lines(s.from) {
			slices.Reverse(list)
		}
		return list
	}
	middle := len(list) / 2
	ordered := []spot{}
	for i := range list {
		j := middle + (i+1)/2*(1-2*(i%2))
		if j >= 0 && j < len(list) {
			ordered = append(ordered, list[j])
		}
	}
	return ordered
}

// bezier gives a point of a cubic curve.
func bezier(c [4]spot, t float64) spot {
	u := 1 - t
	w := [4]float64{u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t}
	var s spot
	for i, q := range c {
		s.along += w[i] * q.along
		s.across += w[i] * q.across
	}
	return s
}
