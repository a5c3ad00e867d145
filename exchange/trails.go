package exchange

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"chaperone"
	"chaperone/patient"
)

// Path is one way that records take: from whom, to whom, at whose request and by what.
type Path struct {
	From, To, RequestedBy netip.Addr // RequestedBy is invalid when the sender pushed
	Protocol              chaperone.Protocol
	Receiver              string // AE title; this and what follows of DICOM only
	Action, Class         string // the service and its SOP class
}

// Asker gives who made the records travel: the one who asked, else the sender.
func (p Path) Asker() netip.Addr {
	if p.RequestedBy.IsValid() {
		return p.RequestedBy
	}
	return p.From
}

// Stretch is all that passed on a path in one hour.
type Stretch struct {
	Hour         int64 // since 1970-01-01T00:00Z
	Nodes        []patient.Node
	Disclosures  int
	Records      int
	Unidentified int
	Bytes        int64
	First, Last  time.Time
	Evidence     chaperone.Evidence // of the first
}

// Trail is a path with its hours, in their order.
type Trail struct {
	Path
	Sender string // what the sender calls itself, as first seen
	Hours  []Stretch
}

// Trails keep who got whose records in which hour. They are not safe for concurrent use.
type Trails struct{ trails map[Path]*Trail }

// NewTrails makes an empty one.
func NewTrails() *Trails { return &Trails{map[Path]*Trail{}} }

// Add takes a disclosure.
func (t *Trails) Add(d *Disclosed) {
	p := Path{From: d.From.Addr, To: d.To.Addr, Protocol: d.Protocol}
	if d.Protocol == chaperone.DICOM {
		p.Receiver, p.Action, p.Class = d.To.Claimed, d.Action, d.Class
	}
	if d.RequestedBy != nil {
		p.RequestedBy = d.RequestedBy.Addr
	}
	trail := t.trails[p]
	if trail == nil {
		trail = &Trail{Path: p, Sender: d.From.Claimed}
		t.trails[p] = trail
	}
	s := trail.stretch(d.Time.Unix() / 3600)
	s.add(d)
}

// stretch gives the stretch of an hour. Disclosures come roughly in order: it is among the last.
func (t *Trail) stretch(hour int64) *Stretch {
	i := len(t.Hours)
	for i > 0 && t.Hours[i-1].Hour > hour {
		i--
	}
	if i > 0 && t.Hours[i-1].Hour == hour {
		return &t.Hours[i-1]
	}
	t.Hours = slices.Insert(t.Hours, i, Stretch{Hour: hour})
	return &t.Hours[i]
}

func (s *Stretch) add(d *Disclosed) {
	if s.Disclosures == 0 || d.Time.Before(s.First) {
		s.First, s.Evidence = d.Time, d.Evidence
	}
	if d.Time.After(s.Last) {
		s.Last = d.Time
	}
	s.Disclosures++
	s.Records += d.Records
	s.Unidentified += d.Unidentified
	s.Bytes += d.Bytes
	if len(s.Nodes)+len(d.Nodes) > cap(s.Nodes) { // the same people come again and again: there is room for twice their number
		s.distinct()
		s.Nodes = slices.Grow(s.Nodes, len(s.Nodes)+len(d.Nodes))
	}
	s.Nodes = append(s.Nodes, d.Nodes...)
}

func (s *Stretch) distinct() {
	slices.Sort(s.Nodes)
	s.Nodes = slices.Compact(s.Nodes)
}

// All gives the trails in a fixed order.
func (t *Trails) All() []*Trail {
	all := make([]*Trail, 0, len(t.trails))
	for _, trail := range t.trails {
		for i := range trail.Hours {
			trail.Hours[i].distinct()
		}
		all = append(all, trail)
	}
	slices.SortFunc(all, func(a, b *Trail) int {
		return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To), a.RequestedBy.Compare(b.RequestedBy), cmp.Compare(a.Receiver, b.Receiver),
			cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Action, b.Action), cmp.Compare(a.Class, b.Class))
	})
	return all
}
