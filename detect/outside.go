package detect

import (
	"fmt"
	"net/netip"

	"chaperone"
	"chaperone/exchange"
	"chaperone/inventory"
)

// NewParty is the rule of patient records that go to an outside address for the first time.
const NewParty = "patients-to-new-outside-party"

// newParty finds outside addresses that got patient records and never did before.
func (s *Set) newParty(site *inventory.Site) {
	flows := group(s.Trails.All(), func(t *exchange.Trail) ([3]netip.Addr, bool) {
		return [3]netip.Addr{t.From, t.To, t.Asker()}, t.To.IsValid() && !site.Inside(t.To) && site.Inside(t.From)
	})
	before := map[netip.Addr]bool{} // parties that were known when the learning was over
	for _, f := range flows {
		for _, t := range f.trails {
			before[f.to] = before[f.to] || !isNew(site, t.Hours[0].First)
		}
	}
	short := site.End.Sub(site.Begin) < learning
	for _, f := range flows {
		if before[f.to] && !short {
			continue
		}
		var hours []int64
		for h := range f.hours {
			hours = append(hours, h)
		}
		out := chaperone.Finding{
			Rule: NewParty, Severity: chaperone.Critical, Technique: "T1048", From: host(f.asker), To: host(f.to),
			Advice: "Ask at once who this party is. If nobody knows it, stop this way; let systems release records to known parties only.",
		}
		people := f.fill(&out, hours)
		out.Title = fmt.Sprintf("Records of %d %s went to an outside address that never got any before.", people, plural(people, "patient", "patients"))
		if short {
			out.Severity = chaperone.Medium
			out.Title = fmt.Sprintf("Records of %d %s went to an outside address.", people, plural(people, "patient", "patients"))
		}
		s.put(f.from.String(), out)
	}
}
