package propose

import (
	"maps"
	"slices"
	"time"

	"chaperone"
	"chaperone/page"
	"chaperone/patient"
	"chaperone/site"
)

// Budgets are proposed for who asks for records or stores them. A feed of HL7 messages brings everybody whom a clinic
// treats, as often as anything happens to them: whom it goes to is what limits it.
const (
	spare = 2  // times the busiest time that was seen
	least = 10 // patients; below it a busy morning would be refused
)

// use is whose records somebody got or brought, by the hour.
type use struct {
	hours        map[int64]map[patient.Node]struct{}
	unidentified map[int64]int
}

func (u *use) add(hour int64, nodes []patient.Node, unidentified int) {
	set := u.hours[hour]
	if set == nil {
		set = map[patient.Node]struct{}{}
		u.hours[hour] = set
	}
	for _, n := range nodes {
		set[n] = struct{}{}
	}
	u.unidentified[hour] += unidentified
}

// most gives the largest number of patients in any stretch of so many hours.
func (u *use) most(c *patient.Census, length int64) int {
	most := 0
	for _, end := range slices.Sorted(maps.Keys(u.hours)) {
		union, n := map[patient.Node]struct{}{}, 0
		for hour := end - length + 1; hour <= end; hour++ {
			maps.Copy(union, u.hours[hour])
			n += u.unidentified[hour]
		}
		most = max(most, n+c.Distinct(union))
	}
	return most
}

// addBudgets limits each party, and all together, to what they need.
func (p *proposal) addBudgets() {
	newUse := func() *use { return &use{map[int64]map[patient.Node]struct{}{}, map[int64]int{}} }
	uses, all := map[*site.Party]*use{}, newUse()
	for _, t := range p.known.Trails.All() {
		x := p.parties[t.Asker().Unmap()]
		if x == nil || t.Protocol == chaperone.HL7 && !t.RequestedBy.IsValid() {
			continue
		}
		if uses[x] == nil {
			uses[x] = newUse()
		}
		for _, h := range t.Hours {
			uses[x].add(h.Hour, h.Nodes, h.Unidentified)
			all.add(h.Hour, h.Nodes, h.Unidentified)
		}
	}
	for i := range p.Parties {
		if u := uses[&p.Parties[i]]; u != nil {
			p.Parties[i].Budget = p.limits("parties."+p.Parties[i].Name+".budget", u)
		}
	}
	if len(uses) > 0 {
		p.Budgets.Site = p.limits("budgets.site", all)
	}
}

// limits proposes a budget, and says why.
func (p *proposal) limits(at string, u *use) (l site.Limits) {
	hour, day := u.most(p.known.Census, 1), u.most(p.known.Census, 24)
	l[site.Hour], l[site.Day] = round(hour), round(day)
	p.note(at, "seen: at most %s in an hour, %s in 24 hours; this is %d times as many, rounded up", page.Count(hour, "patient"), page.Number(day), spare)
	if seen := p.known.Site.End.Sub(p.known.Site.Begin); seen < 24*time.Hour {
		p.note(at, "only %s were seen, not a whole day", page.Span(seen))
	}
	return l
}

// round leaves room above what was seen and gives a number that is easily said: 1, 2 or 5, and zeros.
func round(seen int) int {
	want := max(seen*spare, least)
	for step := 1; ; step *= 10 {
		for _, n := range []int{1, 2, 5} {
			if n*step >= want {
				return n * step
			}
		}
	}
}
