package incident

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"chaperone"
	"chaperone/detect"
	"chaperone/exchange"
	"chaperone/inventory"
	"chaperone/wire/dimse"
)

// collect adds up what reached systems took.
func (c *chain) collect() {
	for _, f := range c.acts {
		switch f.Rule {
		case detect.StoreSweep, detect.WholeFile, detect.PatientSurge, detect.NewParty:
			c.use(Collected, f)
		}
	}
	for _, copied := range c.Copies {
		if since, ok := c.reached[copied.Client]; ok && !copied.Regular && !copied.First.Before(since.Add(-slack)) {
			c.taken.Files = append(c.taken.Files, File{copied.Name, copied.Size, copied.Read, copied.Client, copied.Server, copied.First, copied.Evidence})
		}
	}
	ways := map[way]*Source{}
	for _, t := range c.Trails {
		if since, ok := c.reached[t.Asker()]; ok {
			c.take(t, since, ways)
		}
	}
	for _, w := range ways {
		w.Patients = c.Census.CountsOf(w.nodes).Patients
		c.taken.nodes = append(c.taken.nodes, w.nodes...)
		c.taken.Records += w.Records
		c.taken.Unidentified += w.Unidentified
		c.taken.Sources = append(c.taken.Sources, *w)
	}
	slices.SortFunc(c.taken.Sources, func(a, b Source) int {
		return cmp.Or(cmp.Compare(b.Patients, a.Patients), a.First.Compare(b.First), cmp.Compare(a.Action, b.Action), a.To.Addr.Compare(b.To.Addr),
			cmp.Compare(a.To.Claimed, b.To.Claimed), a.From.Addr.Compare(b.From.Addr))
	})
	slices.Sort(c.taken.nodes)
	c.taken.nodes = slices.Compact(c.taken.nodes)
	c.taken.Patients = c.Census.CountsOf(c.taken.nodes)
}

// way is what makes two trails one source: kinds of images are not told apart.
type way struct {
	from, to         netip.Addr
	receiver, action string
	protocol         chaperone.Protocol
}

// take adds the hours of a trail that are the intruder's: all after the system was reached, where it had not used this
// way before and such ways are not its work; else those of the finding that says it took too much.
func (c *chain) take(t *exchange.Trail, since time.Time, ways map[way]*Source) {
	asked := t.RequestedBy.IsValid() && t.Class != dimse.Worklist
	used := len(t.Hours) > 0 && t.Hours[0].First.Before(since.Add(-slack)) || c.Site.Role(t.Asker()) == inventory.Viewer
	k := way{t.From, t.To, t.Receiver, t.Action, t.Protocol}
	for i := range t.Hours {
		h := &t.Hours[i]
		if h.Last.Before(since.Add(-slack)) || !(asked && !used) && !c.flagged(t, h) {
			continue
		}
		s := ways[k]
		if s == nil {
			s = &Source{From: chaperone.Party{Addr: t.From, Claimed: t.Sender}, To: chaperone.Party{Addr: t.To, Claimed: t.Receiver}, By: t.Asker(),
				Protocol: t.Protocol, Action: t.Action, First: h.First, Evidence: h.Evidence}
			ways[k] = s
		}
		s.nodes = append(s.nodes, h.Nodes...)
		s.Records += h.Records
		s.Unidentified += h.Unidentified
		c.taken.Bytes += h.Bytes
		if h.First.Before(s.First) {
			s.First, s.Evidence = h.First, h.Evidence
		}
		if h.Last.After(s.Last) {
			s.Last = h.Last
		}
	}
}

// flagged reports whether an hour of a trail is one that an act of the chain speaks of.
func (c *chain) flagged(t *exchange.Trail, h *exchange.Stretch) bool {
	return slices.ContainsFunc(c.acts, func(f chaperone.Finding) bool {
		if f.From.Addr != t.Asker() || h.First.After(f.Last) || h.Last.Before(f.First) {
			return false
		}
		switch f.Rule {
		case detect.StoreSweep:
			return f.To.Addr == t.From && t.RequestedBy.IsValid() && t.Class != dimse.Worklist
		case detect.PatientSurge, detect.NewParty:
			return f.To.Addr == t.To && t.Class != dimse.Worklist && (t.RequestedBy.IsValid() || !c.Site.Inside(t.To))
		}
		return false
	})
}

// leave finds what reached systems sent outside.
func (c *chain) leave() {
	for _, f := range c.Findings {
		since, ok := c.reached[f.From.Addr]
		if f.Rule == detect.Volume && ok && !f.Last.Before(since.Add(-slack)) {
			c.use(Left, f)
			c.suspect(f.To.Addr)
		}
	}
	for _, f := range c.acts {
		if (f.Rule == detect.PatientSurge || f.Rule == detect.NewParty) && !c.Site.Inside(f.To.Addr) {
			c.use(Left, f)
			c.suspect(f.To.Addr)
		}
	}
}
