package watch

import (
	"net/netip"
	"time"

	"chaperone"
	"chaperone/detect"
	"chaperone/exchange"
	"chaperone/inventory"
	"chaperone/source"
	"chaperone/source/stream"
	"chaperone/wire"
	"chaperone/wire/all"
)

// sensor takes streams and drives sessions, recorder, inventory and detectors.
type sensor struct {
	options     Options
	captures    *source.Captures
	names       []string // of the files, by index
	recorder    *exchange.Recorder
	inventory   *inventory.Inventory
	findings    *detect.Set
	edges       map[edgeKey]*Edge
	hidden      map[hiddenKey]*Hidden
	connections Connections
	first, last time.Time
}

// conversation is one flow: one view of it, or two.
type conversation struct {
	views       [2]*all.Conversation
	connections [2]*exchange.Connection
}

func newSensor(o Options, captures *source.Captures) *sensor {
	s := &sensor{
		options: o, captures: captures, inventory: inventory.New(), findings: detect.NewSet(),
		edges: map[edgeKey]*Edge{}, hidden: map[hiddenKey]*Hidden{},
	}
	s.recorder = exchange.NewRecorder(o.Tokens, s.evidence, s.disclosed)
	s.recorder.Reveal = o.Reveal
	if o.Filter != (Filter{}) {
		s.recorder.Keep = o.Filter.keeps
	}
	if o.Begin != nil {
		o.Begin(s.recorder.Census)
	}
	return s
}

func (s *sensor) packet(t time.Time) {
	if s.first.IsZero() || t.Before(s.first) {
		s.first = t
	}
	if t.After(s.last) {
		s.last = t
	}
}

// evidence turns a mark into a pointer that a person can follow.
func (s *sensor) evidence(m chaperone.Mark, offset int64) chaperone.Evidence {
	if int(m.File) >= len(s.names) { // following a folder takes up new files
		s.names = s.names[:0]
		for _, f := range s.captures.Files() {
			s.names = append(s.names, f.Name)
		}
	}
	e := chaperone.Evidence{Packet: m.Packet, Offset: offset}
	if int(m.File) < len(s.names) {
		e.File = s.names[m.File]
	}
	return e
}

// where points at a message.
func (s *sensor) where(m *wire.Message) chaperone.Evidence { return s.evidence(m.At, m.Start) }

// conversation gives what is known of a flow, from its first bytes on.
func (s *sensor) conversation(f *stream.Flow) *conversation {
	c, _ := f.Data.(*conversation)
	if c == nil {
		c = &conversation{}
		c.views[0] = all.NewConversation(s.options.Limits, f.Midstream)
		c.connections[0] = s.recorder.Connect(chaperone.InClear, f.Client, f.Server)
		f.Data = c
	}
	return c
}

// Data takes the next bytes of a flow.
func (s *sensor) Data(f *stream.Flow, view int, d chaperone.Dir, p []byte, at chaperone.Mark) {
	c := s.conversation(f)
	s.events(f, c, view, c.views[view].Feed(d, p, at))
}

// Gap takes bytes that were not seen.
func (s *sensor) Gap(f *stream.Flow, d chaperone.Dir, n int64, at chaperone.Mark) {
	c := s.conversation(f)
	for view := range f.Views {
		s.events(f, c, view, c.views[view].Gap(d, n, at))
	}
}

// Fork starts the second view of a flow.
func (s *sensor) Fork(f *stream.Flow, d chaperone.Dir, at chaperone.Mark) {
	c := s.conversation(f)
	c.views[1], c.connections[1] = c.views[0].Clone(), c.connections[0].Fork()
	from, to := f.Client.Addr(), f.Server.Addr()
	if d == chaperone.FromServer {
		from, to = to, from
	}
	s.findings.Overlap(from, to, at, s.evidence(at, f.Bytes[d]))
}

// Close ends a flow and notes what it was.
func (s *sensor) Close(f *stream.Flow, at chaperone.Mark) {
	c, _ := f.Data.(*conversation)
	kind := all.Undecided
	if c != nil {
		for view := range f.Views {
			s.events(f, c, view, c.views[view].Close(at))
		}
		kind = c.views[0].Kind
	}
	s.connections.add(kind, f)
	s.hide(kind, f)
	for _, a := range []netip.Addr{f.Client.Addr(), f.Server.Addr()} {
		s.inventory.Connection(a, f.First, f.Last, kind == all.Encrypted)
	}
}

// events passes events on to everybody who looks at them.
func (s *sensor) events(f *stream.Flow, c *conversation, view int, events []wire.Event) {
	connection := c.connections[view]
	connection.Protocol, connection.ISN = c.views[view].Protocol, f.ISN
	for _, e := range events {
		connection.Event(e)
		if e.Stage == wire.Malformed || !connection.Wanted(e.Message) {
			continue
		}
		s.inventory.Event(connection, e)
		s.findings.Event(connection, e, s.where)
	}
}

// disclosed takes a disclosure.
func (s *sensor) disclosed(d exchange.Disclosed) {
	s.findings.Disclosure(&d.Disclosure)
	s.edge(d)
	if s.options.Each != nil {
		s.options.Each(d)
	}
}
