package detect

import (
	"fmt"
	"math"
	"net/netip"

	"chaperone"
	"chaperone/inventory"
)

// FanOut is the rule of systems that try many others.
const FanOut = "fan-out"

// The sequential test (threshold random walk; Jung et al., IEEE S&P 2004) with a false alarm rate of 1e-5: of the first
// contacts of an honest system four of five succeed, of a scanner's one of five.
const (
	honestSuccess = 0.8
	scanSuccess   = 0.2
	falseAlarm    = 1e-5
	detection     = 0.99
)

// fanOut finds systems whose first contacts fail as a scanner's do.
func (s *Set) fanOut(site *inventory.Site) {
	accuse := math.Log(detection / falseAlarm)
	acquit := math.Log((1 - detection) / (1 - falseAlarm))
	for _, list := range s.edges.bySource() {
		walk, at := 0.0, -1
		for i, e := range list {
			if !e.opened {
				continue // who began is not certain
			}
			if e.failed {
				walk += math.Log((1 - scanSuccess) / (1 - honestSuccess))
			} else {
				walk += math.Log(scanSuccess / honestSuccess)
			}
			if walk >= accuse {
				at = i
				break
			}
			if walk <= acquit {
				walk = 0 // judged honest; the next contact begins a new test
			}
		}
		if at >= 0 {
			s.put("", s.scan(site, list))
		}
	}
}

// scan describes a scanner.
func (s *Set) scan(site *inventory.Site, list []*edge) chaperone.Finding {
	hosts, ports, failed := map[netip.Addr]bool{}, map[uint16]bool{}, 0
	first, last := list[0], list[0]
	for _, e := range list {
		hosts[e.server], ports[e.port] = true, true
		if e.failed {
			failed++
		}
		if e.last.After(last.last) {
			last = e
		}
	}
	atLeast := ""
	if failed >= perSource {
		atLeast = "at least "
	}
	f := chaperone.Finding{
		Rule: FanOut, Severity: chaperone.High, Technique: "T1046", From: host(list[0].client), First: first.first, Last: last.last, Count: len(list), Evidence: first.evidence,
		Title: fmt.Sprintf("A system tried %s%d %s on %d %s; %d of these first contacts failed, as a scanner's do.",
			atLeast, len(ports), plural(len(ports), "port", "ports"), len(hosts), plural(len(hosts), "system", "systems"), failed),
		Advice: "Find out who runs it; if nobody knows, take it off the network and look at what answered it.",
	}
	if len(hosts) == 1 {
		f.To = host(list[0].server)
	}
	if !site.Inside(f.From.Addr) {
		f.Severity, f.Technique = chaperone.Low, "T1595.001" // every public address is scanned every day
		f.Advice = "Close every port on the public address that need not be reachable; put the rest behind certificate-bound access."
	}
	return f
}
