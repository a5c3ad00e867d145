package watch

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"chaperone"
	"chaperone/detect"
	"chaperone/exchange"
	"chaperone/inventory"
	"chaperone/ledger"
	"chaperone/patient"
	"chaperone/source"
	"chaperone/source/stream"
	"chaperone/wire/all"
)

// Result is everything a run has to say, disclosures apart: those pass through Options.Each.
type Result struct {
	Files       []source.File
	Skipped     []string // files of a folder that are no captures
	Packets     int64
	Bytes       int64 // of the packets, as they were on the wire
	First, Last time.Time
	Counters    exchange.Counters
	Patients    patient.Counts
	Census      *patient.Census
	Edges       []Edge // most patients first
	Site        *inventory.Site
	Systems     []inventory.System
	Findings    []chaperone.Finding
	Detected    *detect.Set // what the detectors know
	Connections Connections
	Hidden      []Hidden // connections whose content this program could not see
	Decode      source.DecodeStats
	LostBytes   int64
	CutBytes    int64           // of them, those the capture's snap length cut off
	GivenUp     int64           // connections
	Shares      []Share         // what was seen in each of Files
	Filter      string          // what was not counted, in words; "" without one
	Receipt     *ledger.Receipt // what a ledger took; nil without one
}

// Edge is everything that passed from one system to another in one way.
type Edge struct {
	From, To     chaperone.Party // without ports
	Protocol     chaperone.Protocol
	Protection   chaperone.Protection
	Messages     int // disclosures
	Records      int
	Patients     int // distinct, merges applied
	Unidentified int
	Unseen       int // records that only the archive's answer counts
	Bytes        int64
	First, Last  time.Time
	nodes        map[patient.Node]struct{}
}

type edgeKey struct {
	from, to   netip.Addr
	claimed    string // AE titles
	protocol   chaperone.Protocol
	protection chaperone.Protection
}

// Connections counts TCP connections by what they turned out to be.
type Connections struct {
	Total     int
	Decoded   int
	Encrypted int
	Other     int
	Silent    int // no bytes, or too few to tell
	OneSided  int // only one direction was seen
	Gaps      int // bytes are missing
}

func (c *Connections) add(k all.Kind, f *stream.Flow) {
	c.Total++
	switch k {
	case all.Decoded:
		c.Decoded++
	case all.Encrypted:
		c.Encrypted++
	case all.Other:
		c.Other++
	default:
		c.Silent++
	}
	if f.Seen[0] != f.Seen[1] && !f.Unanswered() {
		c.OneSided++
	}
	if f.Lost[0]+f.Lost[1] > 0 {
		c.Gaps++
	}
}

// Hidden counts the connections to one server whose content could not be seen.
type Hidden struct {
	Server      netip.AddrPort
	Encrypted   bool // else it is a protocol that is not decoded
	Connections int
	Bytes       int64
}

type hiddenKey struct {
	server    netip.AddrPort
	encrypted bool
}

func (s *sensor) hide(k all.Kind, f *stream.Flow) {
	if k != all.Encrypted && k != all.Other {
		return
	}
	key := hiddenKey{f.Server, k == all.Encrypted}
	h := s.hidden[key]
	if h == nil {
		h = &Hidden{Server: key.server, Encrypted: key.encrypted}
		s.hidden[key] = h
	}
	h.Connections++
	h.Bytes += f.Bytes[0] + f.Bytes[1] + f.Lost[0] + f.Lost[1]
}

// edge adds a disclosure to its edge.
func (b *books) edge(d exchange.Disclosed) {
	k := edgeKey{from: d.From.Addr, to: d.To.Addr, protocol: d.Protocol, protection: d.Protection}
	if d.Protocol == chaperone.DICOM || !d.To.Addr.IsValid() { // one host may be several AE titles
		k.claimed = d.From.Claimed + "\\" + d.To.Claimed // no title holds a backslash
	}
	e := b.edges[k]
	if e == nil {
		e = &Edge{Protocol: d.Protocol, Protection: d.Protection, First: d.Time, nodes: map[patient.Node]struct{}{}}
		e.From.Addr, e.To.Addr = d.From.Addr, d.To.Addr
		b.edges[k] = e
	}
	e.From.Claimed = cmp.Or(e.From.Claimed, d.From.Claimed)
	e.To.Claimed = cmp.Or(e.To.Claimed, d.To.Claimed)
	e.Messages++
	e.Records += d.Records
	e.Unidentified += d.Unidentified
	e.Bytes += d.Bytes
	if d.Unseen {
		e.Unseen += d.Records
	}
	if d.Time.Before(e.First) {
		e.First = d.Time
	}
	if d.Time.After(e.Last) {
		e.Last = d.Time
	}
	for _, n := range d.Nodes {
		e.nodes[n] = struct{}{}
	}
}

// result closes the books.
func (s *sensor) result(captures *source.Captures, decode source.DecodeStats, streams stream.Stats) *Result {
	b := s.books
	begin, end := s.first, s.last
	if b.options.Logs != nil {
		if first, last := b.options.Logs(b.findings); !first.IsZero() {
			if begin.IsZero() || first.Before(begin) {
				begin = first
			}
			if last.After(end) {
				end = last
			}
		}
	}
	site := inventory.NewSite(b.inventory, b.options.Site, begin, end)
	r := &Result{
		Site: site, Detected: b.findings,
		Files: captures.Files(), Skipped: captures.Skipped(), First: s.first, Last: s.last,
		Counters: b.recorder.Counters, Census: b.recorder.Census, Patients: b.recorder.Census.Counts(),
		Systems: site.Systems, Findings: b.findings.Findings(site), Connections: s.connections,
		Decode: decode, LostBytes: streams.Lost, CutBytes: streams.Cut, GivenUp: streams.GivenUp, Filter: b.options.Filter.String(),
	}
	r.Shares = sharesOf(r.Files, s.shares, b.shares)
	for _, f := range r.Files {
		r.Packets += f.Packets
		r.Bytes += f.Bytes
	}
	for _, e := range b.edges {
		e.Patients = r.Census.Distinct(e.nodes)
		r.Edges = append(r.Edges, *e)
	}
	slices.SortFunc(r.Edges, func(a, b Edge) int {
		return cmp.Or(cmp.Compare(b.Patients, a.Patients), cmp.Compare(b.Records, a.Records), a.First.Compare(b.First),
			a.From.Addr.Compare(b.From.Addr), a.To.Addr.Compare(b.To.Addr), cmp.Compare(a.Protocol, b.Protocol))
	})
	for _, h := range s.hidden {
		r.Hidden = append(r.Hidden, *h)
	}
	slices.SortFunc(r.Hidden, func(a, b Hidden) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), a.Server.Compare(b.Server))
	})
	return r
}
