package watch

import (
	"time"

	"chaperone"
	"chaperone/exchange"
	"chaperone/source"
	"chaperone/source/stream"
	"chaperone/wire"
	"chaperone/wire/all"
)

// sensor takes streams, drives sessions, and tells the books what they say.
type sensor struct {
	limits      wire.Limits
	captures    *source.Captures
	books       *books
	hidden      map[hiddenKey]*Hidden
	connections Connections
	shares      []Share // of each file: its connections
	files       int     // whose names the books know
	first, last time.Time
}

// conversation is one flow: one view of it, or two.
type conversation struct {
	views   [2]*all.Conversation
	account *account
}

func newSensor(o Options, captures *source.Captures) *sensor {
	return &sensor{limits: o.Limits, captures: captures, books: openBooks(o), hidden: map[hiddenKey]*Hidden{}}
}

// packet notes when a packet was captured, and in which file: following a folder takes up new ones.
func (s *sensor) packet(m chaperone.Mark) {
	if s.first.IsZero() || m.Time.Before(s.first) {
		s.first = m.Time
	}
	if m.Time.After(s.last) {
		s.last = m.Time
	}
	if int(m.File) >= s.files {
		var names []string
		for _, f := range s.captures.Files() {
			names = append(names, f.Name)
		}
		s.files = len(names)
		s.books.names.Store(&names)
	}
}

// conversation gives what is known of a flow, from its first bytes on.
func (s *sensor) conversation(f *stream.Flow) *conversation {
	c, _ := f.Data.(*conversation)
	if c == nil {
		c = &conversation{account: &account{client: f.Client, server: f.Server}}
		c.views[0] = all.NewConversation(s.limits, f.Midstream)
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
	c.views[1] = c.views[0].Clone()
	step := s.books.tell(c.account, fork)
	step.dir, step.at, step.offset = d, at, f.Bytes[d]
}

// Close ends a flow and notes what it was.
func (s *sensor) Close(f *stream.Flow, at chaperone.Mark) {
	c := s.conversation(f)
	for view := range f.Views {
		s.events(f, c, view, c.views[view].Close(at))
	}
	kind := c.views[0].Kind
	s.connections.add(kind, f)
	shareOf(&s.shares, f.Start).connection(kind, f)
	s.hide(kind, f)
	step := s.books.tell(c.account, closed)
	step.at, step.hidden = f.Start, kind == all.Encrypted
	step.contact = exchange.Contact{Client: f.Client, Server: f.Server, Protocol: c.views[0].Protocol, Opened: f.Opened, Failed: f.Refused || f.Unanswered(), Silent: f.Unanswered() && !f.Refused,
		Bytes: [2]int64{f.Bytes[0] + f.Lost[0], f.Bytes[1] + f.Lost[1]}, First: f.First, Last: f.Last}
}

func (s *sensor) events(f *stream.Flow, c *conversation, view int, events []wire.Event) {
	for _, e := range events {
		s.books.tellEvent(f, c.account, view, c.views[view].Protocol, e)
	}
}
