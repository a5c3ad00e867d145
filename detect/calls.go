package detect

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"chaperone"
	"chaperone/exchange"
	"chaperone/inventory"
	"chaperone/wire"
)

// ClinicalSweep is the rule of systems that look for archives and engines.
const ClinicalSweep = "clinical-sweep"

// Ports on which clinical systems listen by registration or habit: DICOM 104, 11112, 2761, 2762, 4242; HL7 2575, 6661.
var clinicalPorts = []uint16{104, 2575, 2761, 2762, 4242, 6661, 11112}

// Thresholds of a sweep: systems whose clinical ports were tried in vain, or AE titles that were tried on one system.
const (
	sweptHosts  = 5
	sweptTitles = 5
)

// calls keep the AE titles that a caller tried in vain.
type calls map[[2]netip.Addr]*tries

type tries struct {
	titles      []string
	first, last time.Time
	evidence    chaperone.Evidence
}

// event notes an association that was refused.
func (t calls) event(c *exchange.Connection, e wire.Event, where Pointer) {
	m := e.Message
	if e.Stage != wire.Answer || m.Action != "A-ASSOCIATE" || m.Outcome != chaperone.Refused {
		return
	}
	k := [2]netip.Addr{c.Client.Addr(), c.Server.Addr()}
	x := t[k]
	if x == nil {
		if len(t) >= perSource {
			return
		}
		x = &tries{first: m.At.Time, evidence: where(m)}
		t[k] = x
	}
	x.last = m.At.Time
	if title := m.From + "\\" + m.To; len(x.titles) < 64 && !slices.Contains(x.titles, title) {
		x.titles = append(x.titles, title)
	}
}

// clinicalSweep finds callers that try the clinical ports of many systems, or many AE titles on one.
func (s *Set) clinicalSweep(site *inventory.Site) {
	for _, list := range s.edges.bySource() {
		tried, hosts := []*edge{}, map[netip.Addr]bool{}
		for _, e := range list {
			if e.opened && e.failed && slices.Contains(clinicalPorts, e.port) {
				tried = append(tried, e)
				hosts[e.server] = true
			}
		}
		if len(hosts) < sweptHosts {
			continue
		}
		s.put("ports", chaperone.Finding{
			Rule: ClinicalSweep, Severity: severityBySide(site, tried[0].client), Technique: "T1046", From: host(tried[0].client),
			First: tried[0].first, Last: tried[len(tried)-1].last, Count: len(tried), Evidence: tried[0].evidence,
			Title:  fmt.Sprintf("A system looked for DICOM or HL7 services on %d systems that have none.", len(hosts)),
			Advice: "Somebody is looking for archives and interface engines: find out who uses this system.",
		})
	}
	for k, x := range s.calls {
		if len(x.titles) < sweptTitles {
			continue
		}
		s.put("titles", chaperone.Finding{
			Rule: ClinicalSweep, Severity: severityBySide(site, k[0]), Technique: "T1110", From: host(k[0]), To: host(k[1]),
			First: x.first, Last: x.last, Count: len(x.titles), Evidence: x.evidence,
			Title:  fmt.Sprintf("A system tried %d pairs of AE titles in vain: it is guessing its way into an archive.", len(x.titles)),
			Advice: "Let the archive accept known titles from known addresses only, and find out who uses this system.",
		})
	}
}

// severityBySide: what comes from outside and fails is everyday noise; inside it is not.
func severityBySide(site *inventory.Site, from netip.Addr) chaperone.Severity {
	if site.Inside(from) {
		return chaperone.High
	}
	return chaperone.Low
}
