// Package inventory lists the systems that were seen, what they call themselves and what they do, each from evidence.
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
	Claimed     []string // what it calls itself, in the order it was seen
	Does        []Role   // what it was seen to do
	First, Last time.Time
	Connections int // it took part in
	Encrypted   int // of them
}

// Role is something a system was seen to do.
type Role string

// Roles. They are observations, not guesses about what kind of device it is.
const (
	SendsHL7     Role = "sends HL7"
	ReceivesHL7  Role = "receives HL7"
	AsksHL7      Role = "asks in HL7"
	AnswersHL7   Role = "answers in HL7"
	SendsDICOM   Role = "sends images"
	StoresDICOM  Role = "receives images"
	AnswersDICOM Role = "answers image queries"
	AsksDICOM    Role = "asks for images"
)

// maxClaims bounds the names one address may claim: a scanner tries many.
const maxClaims = 16

// Inventory is not safe for concurrent use.
type Inventory struct{ systems map[netip.Addr]*System }

// New makes an empty one.
func New() *Inventory { return &Inventory{map[netip.Addr]*System{}} }

// Connection notes that a host took part in a connection.
func (v *Inventory) Connection(a netip.Addr, first, last time.Time, encrypted bool) {
	s := v.system(a)
	s.Connections++
	if encrypted {
		s.Encrypted++
	}
	s.seen(first)
	s.seen(last)
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
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b System) int { return a.Addr.Compare(b.Addr) })
	return all
}

func (v *Inventory) system(a netip.Addr) *System {
	s := v.systems[a]
	if s == nil {
		s = &System{Addr: a}
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

func (s *System) does(r Role) {
	if !slices.Contains(s.Does, r) {
		s.Does = append(s.Does, r)
	}
}
