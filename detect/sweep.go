package detect

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"chaperone"
	"chaperone/exchange"
	"chaperone/inventory"
	"chaperone/patient"
	"chaperone/wire/dimse"
)

// The rules of too many patients.
const (
	StoreSweep   = "store-sweep"   // somebody asks an archive for far more patients than usual
	PatientSurge = "patient-surge" // far more patients than usual pass from one system to another
)

// Thresholds: a multiple of what is usual, and a number below which nothing is odd.
const (
	surge    = 5
	minSurge = 50
	apart    = 12 // hours that must lie between what is judged and what it is compared with
)

// flow is a group of trails that are judged together, by the hour.
type flow struct {
	from, to, asker netip.Addr
	hours           map[int64][]patient.Node
	trails          []*exchange.Trail
}

// group joins trails. key gives the group of a trail; ok false leaves it out.
func group(trails []*exchange.Trail, key func(*exchange.Trail) ([3]netip.Addr, bool)) []*flow {
	of := map[[3]netip.Addr]*flow{}
	var order []*flow
	for _, t := range trails {
		k, ok := key(t)
		if !ok {
			continue
		}
		f := of[k]
		if f == nil {
			f = &flow{from: k[0], to: k[1], asker: k[2], hours: map[int64][]patient.Node{}}
			of[k] = f
			order = append(order, f)
		}
		f.trails = append(f.trails, t)
		for i := range t.Hours {
			h := &t.Hours[i]
			f.hours[h.Hour] = union(f.hours[h.Hour], h.Nodes)
		}
	}
	return order
}

func union(a, b []patient.Node) []patient.Node {
	all := append(slices.Clone(a), b...)
	slices.Sort(all)
	return slices.Compact(all)
}

// surges gives the hours in which far more people passed than in hours far enough away, or than floor.
func (f *flow) surges(short bool, floor int) []int64 {
	distance := int64(apart)
	if short {
		distance = 1 // a short capture can only be compared with itself
	}
	order := slices.Sorted(maps.Keys(f.hours))
	before, after := make([]int, len(order)+1), make([]int, len(order)+1) // the most in the first i hours, and from hour i on
	for i := range order {
		before[i+1] = max(before[i], len(f.hours[order[i]]))
		j := len(order) - 1 - i
		after[j] = max(after[j+1], len(f.hours[order[j]]))
	}
	hot := map[int64]bool{}
	for h, nodes := range f.hours {
		earlier, _ := slices.BinarySearch(order, h-distance)
		later, _ := slices.BinarySearch(order, h+1+distance+1)
		usual := max(floor, before[earlier], after[later])
		both := nodes
		if next := f.hours[h+1]; len(next) > 0 {
			both = union(nodes, next)
		}
		if limit := max(surge*usual, minSurge); len(both) > limit {
			hot[h] = true
			if len(nodes) <= limit {
				hot[h+1] = true // it takes both
			}
		}
	}
	var list []int64
	for h := range hot {
		list = append(list, h)
	}
	slices.Sort(list)
	return list
}

// known reports whether a way was used long enough before an hour to say what is usual on it.
func (f *flow) known(hour int64) bool {
	for h := range f.hours {
		if h <= hour-int64(learning/time.Hour) {
			return true
		}
	}
	return false
}

// fill completes a finding with when and how many.
func (f *flow) fill(out *chaperone.Finding, hot []int64) (people int) {
	var all []patient.Node
	for _, t := range f.trails {
		for i := range t.Hours {
			h := &t.Hours[i]
			if !slices.Contains(hot, h.Hour) {
				continue
			}
			all = append(all, h.Nodes...)
			out.Count += h.Disclosures
			if out.First.IsZero() || h.First.Before(out.First) {
				out.First, out.Evidence = h.First, h.Evidence
			}
			if h.Last.After(out.Last) {
				out.Last = h.Last
			}
		}
	}
	slices.Sort(all)
	return len(slices.Compact(all))
}

// sweep finds who asks an archive for far more patients than usual: than it did at other times, and than others of its
// kind do.
func (s *Set) sweep(site *inventory.Site) {
	flows := group(s.Trails.All(), func(t *exchange.Trail) ([3]netip.Addr, bool) {
		return [3]netip.Addr{t.From, {}, t.Asker()}, t.Protocol == chaperone.DICOM && t.RequestedBy.IsValid() && t.Class != dimse.Worklist
	})
	short := site.End.Sub(site.Begin) < learning
	for _, f := range flows {
		hot := f.surges(short, peers(site, flows, f))
		if len(hot) == 0 {
			continue
		}
		out := chaperone.Finding{
			Rule: StoreSweep, Severity: chaperone.High, Technique: "T1213", From: host(f.asker), To: host(f.from),
			Advice: "Stop this system's access to the archive, and let the archive answer each caller only about its own patients.",
		}
		out.Title = fmt.Sprintf("A system asked the archive for about %d patients, far more than is usual for it.", f.fill(&out, hot))
		if short {
			out.Severity = chaperone.Medium
		}
		s.put("", out)
	}
}

// peers gives the most that other systems of the same role ask for in an hour.
func peers(site *inventory.Site, flows []*flow, f *flow) int {
	role, most := site.Role(f.asker), 0
	if role != inventory.Viewer {
		return 0
	}
	for _, other := range flows {
		if other.asker != f.asker && other.from == f.from && site.Role(other.asker) == role {
			for _, people := range other.hours {
				most = max(most, len(people))
			}
		}
	}
	return most
}

// usual finds edges over which far more patients pass than usual, whatever the protocol.
func (s *Set) usual(site *inventory.Site) {
	if site.End.Sub(site.Begin) < learning {
		return // there is nothing to compare with
	}
	flows := group(s.Trails.All(), func(t *exchange.Trail) ([3]netip.Addr, bool) {
		return [3]netip.Addr{t.From, t.To, t.Asker()}, t.Class != dimse.Worklist && t.To.IsValid()
	})
	slices.SortFunc(flows, func(a, b *flow) int {
		return cmp.Or(a.from.Compare(b.from), a.to.Compare(b.to), a.asker.Compare(b.asker))
	})
	for _, f := range flows {
		hot := f.surges(false, 0)
		if len(hot) == 0 || !isNew(site, time.Unix(hot[0]*3600, 0).Add(time.Hour)) || site.Inside(f.to) && !f.known(hot[0]) {
			continue
		}
		out := chaperone.Finding{
			Rule: PatientSurge, Severity: chaperone.Medium, Technique: "T1530", From: host(f.asker), To: host(f.to),
			Advice: "Find out who made these records travel and why; give this way a budget of patients.",
		}
		people := f.fill(&out, hot)
		out.Title = fmt.Sprintf("About %d patients passed to one system within hours, far more than is usual on this way.", people)
		if !site.Inside(f.to) {
			out.Severity, out.Technique = chaperone.Critical, "T1048"
			out.Title = fmt.Sprintf("About %d patients passed to an outside system within hours, far more than is usual on this way.", people)
		}
		s.put(f.from.String(), out)
	}
}
