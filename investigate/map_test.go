package investigate

import (
	"fmt"
	"testing"
	"time"

	"chaperone"
	"chaperone/incident"
	"chaperone/inventory"
	"chaperone/watch"
)

// TestMap: whatever the size of the clinic, all is on the page, and nothing lies over a box or over a number.
func TestMap(t *testing.T) {
	for _, systems := range []int{5, 9, 17, 40, 120} {
		for _, f := range []frame{wideFrame, narrowFrame} {
			t.Run(fmt.Sprintf("%s-%d", f.id, systems), func(t *testing.T) {
				c := (&text{Report: invent(systems, ""), zone: time.UTC}).scene()
				d := draw(c, f)
				if len(d.Boxes) > maxBoxes || systems > 60 && len(c.notes) < 2 {
					t.Errorf("got %d boxes, notes %q", len(d.Boxes), c.notes)
				}
				if len(d.Theft) != 5 {
					t.Errorf("got %d lines of the theft, want 5", len(d.Theft))
				}
				var ground []rect
				for _, b := range d.Boxes {
					ground = append(ground, rect{float64(b.X), float64(b.Y), float64(b.Width), float64(b.Height)})
				}
				theft := 0
				for _, l := range d.Labels {
					// numbers are rounded to whole units on the page
					ground = append(ground, rect{float64(l.Left) + 1, float64(l.Top) + 1, float64(l.Width) - 2, float64(l.Height) - 2})
					if l.Class == "stage" {
						theft++
					}
				}
				if theft != len(d.Theft) {
					t.Errorf("%d of %d lines of the theft have their number", theft, len(d.Theft))
				}
				for i, a := range ground {
					if a.x < 0 || a.y < 0 || a.x+a.w > float64(d.Width) || a.y+a.h > float64(d.Height) {
						t.Errorf("%v is outside of %d × %d", a, d.Width, d.Height)
					}
					for _, b := range ground[:i] {
						if a.meets(b) {
							t.Errorf("%v lies over %v", a, b)
						}
					}
				}
			})
		}
	}
}

func TestMapGroups(t *testing.T) {
	c := (&text{Report: invent(9, ""), zone: time.UTC}).scene()
	want := map[string]group{"203.0.113.77": beyond, "198.51.100.9": beyond, "192.0.2.10": stepping, "192.0.2.20": stepping, "192.0.2.30": keeping, "192.0.2.31": keeping, "192.0.2.45": others}
	found := 0
	for _, b := range c.boxes {
		if g, ok := want[b.addr.String()]; ok {
			found++
			if b.group != g {
				t.Errorf("%s: got %q, want %q", b.addr, groupNames[b.group], groupNames[g])
			}
		}
	}
	if found != len(want) {
		t.Errorf("got %d of %d systems", found, len(want))
	}
}

// TestMapNumbers: several edges between two systems share patients, so their sum would be a lie.
func TestMapNumbers(t *testing.T) {
	a, b := chaperone.Party{Addr: addr("192.0.2.1")}, chaperone.Party{Addr: addr("192.0.2.2")}
	r := &Report{Watch: &watch.Result{Site: &inventory.Site{}, Edges: []watch.Edge{{From: a, To: b, Patients: 70}, {From: a, To: b, Patients: 50}, {From: b, To: a, Patients: 8}}}}
	c := (&text{Report: r, zone: time.UTC}).scene()
	if len(c.strands) != 2 {
		t.Fatalf("got %d lines, want one for each direction", len(c.strands))
	}
	for i, want := range []string{"≥ 70", "8"} {
		if got := c.strands[i].label(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestFit(t *testing.T) {
	for _, s := range []string{"PACS", "a very long name of a system", "WWWWWWWWWWWWWWWWWWWW", "放射線科の画像サーバー", ""} {
		if got := fit(s, 80, 12); textWidth(got, 12) > 80 {
			t.Errorf("%q is %.0f wide, want at most 80", got, textWidth(got, 12))
		}
	}
	if got, want := fitMiddle("2001:db8:aaaa:bbbb:cccc:dddd:eeee:1", 90, 12), "2001:db…:eeee:1"; textWidth(got, 12) > 90 || got[:4] != want[:4] || got[len(got)-2:] != ":1" {
		t.Errorf("got %q", got)
	}
}

// TestAxis: the order is true, dates do not lie over one another, and what has no time or no evidence has no place.
func TestAxis(t *testing.T) {
	steps := invent(9, "").Story.Steps
	steps[3].First, steps[3].Last = time.Time{}, time.Time{}
	for _, f := range []extent{wideAxis, narrowAxis} {
		a := newAxis(steps, time.UTC, f)
		for i, l := range a.Lanes {
			if placed := l.From > 0; placed != (steps[i].Found && !steps[i].First.IsZero()) {
				t.Errorf("%s: placed is %v", l.Name, placed)
			}
			if l.From > 0 && (l.From < a.Left || l.To > a.Right) {
				t.Errorf("%s: %d to %d is outside of %d to %d", l.Name, l.From, l.To, a.Left, a.Right)
			}
			for j, m := range a.Lanes {
				if l.From > 0 && m.From > 0 && steps[i].First.Before(steps[j].First) && l.From > m.From {
					t.Errorf("%s comes after %s", l.Name, m.Name)
				}
			}
		}
		for i := 1; i < len(a.Ticks); i++ {
			if d := a.Ticks[i].X - a.Ticks[i-1].X; d < f.apart {
				t.Errorf("two dates are %d apart, want %d", d, f.apart)
			}
		}
		if len(a.Ticks) < 2 {
			t.Errorf("got %d dates", len(a.Ticks))
		}
	}
	none := newAxis([]incident.Step{{Stage: incident.Scanned}}, time.UTC, wideAxis)
	if len(none.Ticks) != 0 || none.Lanes[0].From != 0 {
		t.Errorf("got %+v without any time", none)
	}
	once := newAxis(steps[2:3], time.UTC, wideAxis)
	if len(once.Ticks) != 1 || once.Lanes[0].From < once.Left {
		t.Errorf("got %+v for one moment", once)
	}
}
