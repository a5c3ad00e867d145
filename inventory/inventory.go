// Package inventory lists the systems that were seen: what they call themselves, what they do, and what they therefore
// are. Everything in it has its evidence; where that is too thin, a system stays unknown.
package inventory

import (
	"net/netip"
	"slices"
	"time"

	"chaperone"
	"chaperone/exchange"
	"chaperone/wire"
)

// System is one host.
type System struct {
	Addr        netip.Addr
	Claimed     []string // what it calls itself in medical messages, in the order it was seen
	Names       []Name   // what else names it
	Software    []Name   // what it says it runs
	Does        []Act    // what it was seen to do
	Role        Role     // what it therefore is, "" when unknown
	Sure        float64  // how sure, 0 to 1
	Signs       []Sign   // on which that rests, the strongest first
	First, Last time.Time
	Connections int // it took part in
	Encrypted   int // of them

	marks map[act]*mark
	hours hours
	relay relay
}

// Name is a name or a program of a system, and who says so.
type Name struct {
	Text string
	From string // "SMB", "certificate", "A-ASSOCIATE"
}

// Act is something a system was seen to do.
type Act string

// Acts. They are observations, not guesses about what kind of device it is.
const (
	SendsHL7     Act = "sends HL7"
	ReceivesHL7  Act = "receives HL7"
	AsksHL7      Act = "asks in HL7"
	AnswersHL7   Act = "answers in HL7"
	SendsDICOM   Act = "sends images"
	StoresDICOM  Act = "receives images"
	AnswersDICOM Act = "answers image queries"
	AsksDICOM    Act = "asks for images"
)

// Bounds of what is kept of one address: a scanner tries many names, and talks to everybody.
const (
	maxClaims   = 16
	maxPartners = 256
)

// Inventory is not safe for concurrent use.
type Inventory struct {
	systems map[netip.Addr]*System
	senders map[string]netip.Addr // who was the first to send HL7 messages under a name
}

// New makes an empty one.
func New() *Inventory {
	return &Inventory{systems: map[netip.Addr]*System{}, senders: map[string]netip.Addr{}}
}

// Contact notes a connection that is over.
func (v *Inventory) Contact(c *exchange.Contact, encrypted bool) {
	ends := []netip.Addr{c.Client.Addr(), c.Server.Addr()}
	if c.Silent {
		ends = ends[:1] // that somebody tries an address does not make it a system
	}
	for _, end := range ends {
		s := v.system(end)
		s.Connections++
		if encrypted {
			s.Encrypted++
		}
		s.seen(c.First)
		s.seen(c.Last)
	}
	v.use(c)
}

// Event notes what the two sides of a message call themselves and do.
func (v *Inventory) Event(c *exchange.Connection, e wire.Event) {
	m := e.Message
	association := m.Action == "A-ASSOCIATE" // judged by its answer: a title that was refused is not the receiver's
	if association != (e.Stage == wire.Answer) || !association && e.Stage != wire.Head {
		return
	}
	from, to := v.system(c.Client.Addr()), v.system(c.Server.Addr())
	if m.Data == wire.FromServer {
		from, to = to, from
	}
	from.claim(m.From)
	if m.Outcome != chaperone.Refused {
		to.claim(m.To)
	}
	from.seen(m.At.Time)
	to.seen(m.At.Time)
	if !association {
		v.signs(c, m)
	}
	hl7 := c.Protocol == chaperone.HL7
	switch {
	case m.Role == wire.Push && hl7:
		from.does(SendsHL7)
		to.does(ReceivesHL7)
	case m.Role == wire.Query && hl7:
		from.does(AnswersHL7)
		to.does(AsksHL7)
	case m.Action == "C-STORE":
		from.does(SendsDICOM)
		to.does(StoresDICOM)
	case m.Role == wire.Query || m.Role == wire.Move:
		from.does(AnswersDICOM)
		to.does(AsksDICOM)
	}
}

// Systems gives all of them by address.
func (v *Inventory) Systems() []System {
	all := make([]System, 0, len(v.systems))
	for _, s := range v.systems {
		s.judge()
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b System) int { return a.Addr.Compare(b.Addr) })
	return all
}

func (v *Inventory) system(a netip.Addr) *System {
	s := v.systems[a]
	if s == nil {
		s = &System{Addr: a, marks: map[act]*mark{}}
		v.systems[a] = s
	}
	return s
}

func (s *System) seen(t time.Time) {
	if s.First.IsZero() || t.Before(s.First) {
		s.First = t
	}
	if t.After(s.Last) {
		s.Last = t
	}
}

func (s *System) claim(name string) {
	if name != "" && len(s.Claimed) < maxClaims && !slices.Contains(s.Claimed, name) {
		s.Claimed = append(s.Claimed, name)
	}
}

func (s *System) does(r Act) {
	if !slices.Contains(s.Does, r) {
		s.Does = append(s.Does, r)
	}
}
