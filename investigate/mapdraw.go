package investigate

import (
	"chaperone/inventory"
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// The map is laid out in two directions: along it the groups follow one another, across it the systems of a group lie
// side by side. On a wide page along is to the right, on a narrow one it is down; everything else is the same.

// frame is the measure of a map.
type frame struct {
	id            string
	down          bool // along is down
	width, height int  // of a box
	gap           int  // between two boxes across
	channel       int  // between two layers: where lines run
	most          int  // boxes across
	head          int  // room for the name of a group
	letters       int  // size of a name
	least         int  // width of the drawing: with few systems it would be blown up
}

var (
	wideFrame   = frame{"wide", false, 178, 46, 20, 104, 18, 30, 13, 1000}
	narrowFrame = frame{"narrow", true, 110, 56, 12, 56, 3, 30, 12, 360}
)

// spot is a place, along and across.
type spot struct{ along, across float64 }

// port is where a line ends at a box.
type port struct {
	line  *strand
	other *box
	at    spot
}

// drawing is a map that is ready to be written.
type drawing struct {
	ID, Class     string
	Width, Height int
	Says          string
	Heads         []written
	Boxes         []drawnBox
	Plain, Theft  []drawnLine // Theft lies above
	Labels        []written
}

// written is a text at its place; with a Width it has a ground.
type written struct {
	X, Y, Left, Top, Width, Height int
	Text, Class                    string
}

type drawnBox struct {
	X, Y, Width, Height int
	Class               string
	Lines               []written
	Title               string
	Badge               string
	BadgeX, BadgeWidth  int
}

type drawnLine struct{ Path, Head, Title string }

// plan is a drawing in the making.
type plan struct {
	frame
	*scene
	layers [][]*box
	along  []float64 // where each layer begins
	used   map[[2]int]int
	taken  []rect
	out    *drawing
}

// rect is ground that is taken: on the page, not along and across.
type rect struct{ x, y, w, h float64 }

func (a rect) meets(b rect) bool {
	return a.x < b.x+b.w && b.x < a.x+a.w && a.y < b.y+b.h && b.y < a.y+a.h
}

// draw gives everything its place.
func draw(c *scene, f frame) *drawing {
	p := &plan{frame: f, scene: c, used: map[[2]int]int{}, out: &drawing{ID: "map-" + f.id, Class: f.id, Says: c.says()}}
	p.arrange()
	p.open()
	var lines []*strand
	lines = append(append(lines, c.strands...), c.theft...)
	routes := make([][]spot, len(lines))
	for i, s := range lines {
		routes[i] = p.route(s)
	}
	for _, r := range routes {
		p.taken = append(p.taken, p.tip(r))
	}
	for i := len(lines) - 1; i >= 0; i-- { // the theft's labels have the first choice
		p.write(lines[i], routes[i])
	}
	for i, s := range lines {
		line := drawnLine{p.path(routes[i]), p.arrow(routes[i]), lineTitle(s)}
		if len(s.stages) > 0 {
			p.out.Theft = append(p.out.Theft, line)
		} else {
			p.out.Plain = append(p.out.Plain, line)
		}
	}
	return p.out
}

// thick and broad are the measures of a box along and across.
func (f frame) thick() float64 {
	if f.down {
		return float64(f.height)
	}
	return float64(f.width)
}

func (f frame) broad() float64 {
	if f.down {
		return float64(f.width)
	}
	return float64(f.height)
}

// xy turns a spot into a place on the page.
func (f frame) xy(s spot) (x, y float64) {
	if f.down {
		return s.across, s.along
	}
	return s.along, s.across
}

// arrange puts the systems of each group into layers, and the layers one behind another.
func (p *plan) arrange() {
	const margin = 8
	pitch := p.broad() + float64(p.gap)
	room := 0
	var heads []group
	groups := p.order()
	for g, list := range groups {
		rows := (len(list) + p.most - 1) / p.most
		for i := range rows {
			part := list[i*len(list)/rows : (i+1)*len(list)/rows]
			p.layers = append(p.layers, part)
			heads = append(heads, group(g))
			room = max(room, len(part))
		}
	}
	along := float64(margin)
	if p.down {
		room = p.most
	}
	whole := float64(room)*pitch - float64(p.gap)
	before := float64(margin)
	if !p.down {
		before += float64(p.head)
	}
	for i, layer := range p.layers {
		fresh := i == 0 || heads[i] != heads[i-1]
		if p.down && fresh {
			along += float64(p.head)
		}
		p.along = append(p.along, along)
		start := before + (whole-(float64(len(layer))*pitch-float64(p.gap)))/2
		for j, b := range layer {
			b.layer, b.place = i, spot{along, start + float64(j)*pitch}
			p.box(b)
		}
		if fresh {
			h := written{X: int(along), Y: 18, Text: groupNames[heads[i]], Class: "head"}
			if p.down {
				h.X, h.Y = margin, int(along)-10
			}
			w := bold * textWidth(h.Text, 12)
			p.taken = append(p.taken, rect{float64(h.X), float64(h.Y) - 12, w, 16})
			p.out.Heads = append(p.out.Heads, h)
		}
		along += p.thick()
		if i+1 < len(p.layers) && heads[i+1] == heads[i] {
			along += 0.7 * float64(p.channel)
		} else if i+1 < len(p.layers) {
			along += float64(p.channel)
		}
	}
	along += margin
	if slices.ContainsFunc(append(slices.Clone(p.strands), p.theft...), func(s *strand) bool { return s.from.layer == s.to.layer && s.from.layer == len(p.layers)-1 }) {
		along += float64(p.channel) * 0.7 // its lines bulge out
	}
	x, y := p.xy(spot{along, before + whole + margin})
	p.out.Width, p.out.Height = max(int(x), p.least), int(y)
}

// box writes a system into its box.
func (p *plan) box(b *box) {
	x, y := p.xy(b.place)
	d := drawnBox{X: int(x), Y: int(y), Width: p.width, Height: p.height, Class: [...]string{"beyond", "stepping", "keeping", "others"}[b.group]}
	if b.entry {
		d.Class += " entry"
	}
	role, address := b.role, b.addr.String()
	if inventory.Computer(b.addr) != "" {
		address = "address not known"
	}
	if b.entry {
		role = strings.TrimSuffix("entry, "+role, ", ")
	}
	d.Title = strings.Trim(b.name+" "+address+" "+role, " ")
	room := float64(p.width - 14)
	if len(b.stages) > 0 {
		d.Badge = numbers(b.stages)
		d.BadgeWidth = int(textWidth(d.Badge, 11)) + 12
		d.BadgeX = p.width - d.BadgeWidth + 6
	}
	small := p.letters - 2
	name, rest := b.name, []string{address}
	if name == "" {
		name, rest = address, nil
	}
	if p.down {
		rest = append(rest, role)
	} else if len(rest) > 0 && role != "" && textWidth(role+" · "+address, small) <= room {
		rest = []string{role + " · " + address}
	} else if role != "" && len(rest) > 0 {
		rest = []string{role + " · " + fitMiddle(address, room-textWidth(role+" · ", small), small)}
	} else if role != "" {
		rest = []string{role}
	}
	step := 15
	top := (p.height-step*(1+len(rest)))/2 + 12
	for i, line := range append([]string{name}, rest...) {
		w := written{X: 7, Y: top + i*step, Text: fit(line, room, small), Class: "small"}
		if i == 0 {
			w.Text, w.Class = fit(line, room/bold-float64(max(d.BadgeWidth-14, 0)), p.letters), "name"
		}
		if line == address {
			w.Text = fitMiddle(line, room, small)
		}
		if i == 0 && line == address {
			w.Text, w.Class = fitMiddle(line, room, small), "name address"
		}
		d.Lines = append(d.Lines, w)
	}
	p.out.Boxes = append(p.out.Boxes, d)
	p.taken = append(p.taken, rect{x, y, float64(p.width), float64(p.height)})
}

// numbers writes the numbers of stages.
func numbers(list []int) string {
	var parts []string
	for _, n := range list {
		parts = append(parts, fmt.Sprint(n))
	}
	return strings.Join(parts, " · ")
}

func lineTitle(s *strand) string {
	name := func(b *box) string { return cmp.Or(b.name, b.addr.String()) }
	out := name(s.from) + " to " + name(s.to)
	if len(s.stages) > 0 {
		out += ", stage " + numbers(s.stages)
	}
	if s.patients > 0 {
		out += ", " + s.label() + " patients"
	}
	return out
}
