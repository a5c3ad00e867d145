package investigate

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"chaperone/incident"
)

// axis is the drawing of the stages over time: one lane for each, so that nothing overlaps however they cluster.
//
// Time is not to scale: a theft is days of waiting around minutes of acting. Every stretch between two moments that
// matter gets the logarithm of its length, so minutes can be told apart and the order stays true.
type axis struct {
	ID            string
	Class         string
	Width, Height int
	Left, Right   int // of the part that is time
	Lanes         []lane
	Ticks         []tick
	Says          string // the same in words
}

// lane is one stage.
type lane struct {
	N        int
	Name     string
	Time     string
	Found    bool
	Guess    bool // inferred: drawn hollow
	Y        int
	From, To int // x; equal for a moment, both 0 when the time is unknown
	Wide     int
}

// tick is a moment with a label.
type tick struct {
	X           int
	Date, Clock string
	Anchor      string
}

// extent is the size of an axis.
type extent struct {
	id          string
	width, left int
	apart       int // least distance of two ticks
}

var (
	wideAxis   = extent{"wide", 960, 210, 84}
	narrowAxis = extent{"narrow", 360, 116, 70}
)

// Sizes of an axis.
const (
	laneHeight = 34
	axisHead   = 40
	axisMargin = 16 // right of the last moment
)

// newAxis draws the stages.
func newAxis(steps []incident.Step, zone *time.Location, f extent) *axis {
	a := &axis{ID: "axis-" + f.id, Class: f.id, Width: f.width, Height: axisHead + len(steps)*laneHeight + 4, Left: f.left, Right: f.width - axisMargin}
	moments := momentsOf(steps)
	scale := newScale(moments, float64(a.Left+axisMargin), float64(a.Right))
	var says []string
	for i, s := range steps {
		l := lane{N: i + 1, Name: string(s.Stage), Found: s.Found, Guess: s.Belief == incident.Inferred, Y: axisHead + i*laneHeight + laneHeight/2, Time: "no evidence"}
		if s.Found {
			l.Time = "time unknown"
			if !s.First.IsZero() {
				l.Time = s.First.In(zone).Format("2006-01-02 15:04")
				l.From = scale.x(s.First)
				l.To = max(l.From, scale.x(s.Last))
				if l.Wide = l.To - l.From; l.Wide < 10 {
					l.To, l.Wide = l.From, 0
				}
			}
		}
		says = append(says, fmt.Sprintf("%s: %s", s.Stage, l.Time))
		a.Lanes = append(a.Lanes, l)
	}
	a.Says = strings.Join(says, "; ") + "."
	a.ticks(moments, scale, zone, f.apart)
	return a
}

// ticks labels the first and the last moment, and of those between as many as there is room for.
func (a *axis) ticks(moments []time.Time, s scale, zone *time.Location, apart int) {
	for i := range moments {
		at := moments[i]
		if i == 1 { // the last one comes second: it has its place before those between
			at = moments[len(moments)-1]
		} else if i > 1 {
			at = moments[i-1]
		}
		x := s.x(at)
		if slices.ContainsFunc(a.Ticks, func(t tick) bool { return max(t.X-x, x-t.X) < apart }) {
			continue
		}
		t := tick{X: x, Date: at.In(zone).Format(time.DateOnly), Clock: at.In(zone).Format("15:04"), Anchor: "middle"}
		if x+apart/2 > a.Width {
			t.Anchor = "end"
		}
		a.Ticks = append(a.Ticks, t)
	}
	slices.SortFunc(a.Ticks, func(x, y tick) int { return x.X - y.X })
}

// momentsOf gives the times at which stages begin and end, in order, each once.
func momentsOf(steps []incident.Step) []time.Time {
	var all []time.Time
	for _, s := range steps {
		for _, t := range []time.Time{s.First, s.Last} {
			if s.Found && !t.IsZero() {
				all = append(all, t)
			}
		}
	}
	slices.SortFunc(all, time.Time.Compare)
	return slices.CompactFunc(all, time.Time.Equal)
}

// scale maps moments to places.
type scale struct {
	moments []time.Time
	at      []float64 // place of each
}

func newScale(moments []time.Time, left, right float64) scale {
	s := scale{moments, make([]float64, len(moments))}
	weights, sum := make([]float64, len(moments)), 0.0
	for i := 1; i < len(moments); i++ {
		weights[i] = math.Log2(1.2 + moments[i].Sub(moments[i-1]).Minutes())
		sum += weights[i]
	}
	x := left
	for i := range moments {
		if sum > 0 {
			x += weights[i] / sum * (right - left)
		}
		s.at[i] = x
	}
	return s
}

// x gives the place of one of the moments.
func (s scale) x(t time.Time) int {
	i, _ := slices.BinarySearchFunc(s.moments, t, time.Time.Compare)
	if i == len(s.at) {
		return 0
	}
	return int(math.Round(s.at[i]))
}
