package detect

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"chaperone"
	"chaperone/inventory"
	"chaperone/page"
)

// Volume is the rule of large amounts of data that leave.
const Volume = "volume-outside"

// Thresholds of a day's bytes to one outside address: less is never odd, and a transfer out is one-sided.
const (
	muchBytes       = 100 << 20
	muchDeviceBytes = 10 << 20
	oneSided        = 5
	spread          = 10 // deviations
)

// volume finds days on which a system sent far more to an outside address than on others.
func (s *Set) volume(site *inventory.Site) {
	type way struct{ from, to netip.Addr }
	of := map[way]map[int64]*traffic{}
	for k, t := range s.edges.days {
		if site.Inside(k.from) && !site.Inside(k.to) && k.to.IsValid() && !k.to.IsMulticast() {
			w := way{k.from, k.to}
			if of[w] == nil {
				of[w] = map[int64]*traffic{}
			}
			of[w][k.day] = t
		}
	}
	firstDay, lastDay := site.Begin.Unix()/86400, site.End.Unix()/86400
	for w, days := range of {
		var all []int64
		for d := firstDay; d <= lastDay; d++ {
			n := int64(0)
			if t := days[d]; t != nil {
				n = t.out
			}
			all = append(all, n)
		}
		least := int64(muchBytes)
		if isDevice(site.Role(w.from)) {
			least = muchDeviceBytes
		}
		usual, off := deviation(all)
		limit := max(least, 3*usual, usual+spread*off)
		short := len(all) < 3
		if short {
			limit = least
		}
		var out chaperone.Finding
		total := int64(0)
		for d := firstDay; d <= lastDay; d++ {
			t := days[d]
			if t == nil || t.out <= limit || t.out < oneSided*t.in {
				continue
			}
			total += t.out
			out.Count++
			if out.First.IsZero() || t.first.Before(out.First) {
				out.First, out.Evidence = t.first, t.evidence
			}
			if t.last.After(out.Last) {
				out.Last = t.last
			}
		}
		if total == 0 {
			continue
		}
		out.Rule, out.Severity, out.Technique, out.From, out.To, out.Bytes = Volume, chaperone.High, "T1041", host(w.from), host(w.to), total
		out.Title = fmt.Sprintf("A system sent %s to an outside address, far more than on other days.", page.Size(total))
		out.Advice = "Block this address, find out who owns it, and look at what the system had gathered."
		if short {
			out.Severity = chaperone.Medium
			out.Title = fmt.Sprintf("A system sent %s to an outside address; the evidence is too short to say whether that is usual.", page.Size(total))
		}
		s.put("", out)
	}
}

// deviation gives what is usual and how far values lie from it. Usual is the lower quartile: a transfer over midnight, or
// two of them in a few days, must not make themselves usual.
func deviation(values []int64) (usual, off int64) {
	usual = quartile(values)
	away := make([]int64, len(values))
	for i, v := range values {
		away[i] = max(v-usual, usual-v)
	}
	return usual, quartile(away)
}

func quartile(values []int64) int64 {
	sorted := slices.SortedFunc(slices.Values(values), cmp.Compare[int64])
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)-1)/4]
}
