package watch

import (
	"net/netip"
	"sync/atomic"

	"chaperone"
	"chaperone/detect"
	"chaperone/exchange"
	"chaperone/inventory"
	"chaperone/source/stream"
	"chaperone/wire"
)

// books keep what the sensor tells them: disclosures, systems, findings, edges. They are about half of the work, so they
// are kept in a goroutine of their own, one step after the other in the order of the capture. The sensor fills batches;
// when the books are behind, it waits.
type books struct {
	options   Options
	recorder  *exchange.Recorder
	inventory *inventory.Inventory
	findings  *detect.Set
	files     *exchange.Files
	edges     map[edgeKey]*Edge
	shares    []Share                  // of each file: what is malformed in it
	names     atomic.Pointer[[]string] // of the capture files; the sensor adds to them
	batch     []step                   // being filled
	full      chan []step
	empty     chan []step
	done      chan struct{}
}

// account is what the books keep of one flow; view 1 comes with a fork.
type account struct {
	client, server netip.AddrPort
	views          [2]*exchange.Connection
	desktop        *wire.Desktop
	tunnel         *wire.Tunnel
}

// step is one thing that the books are told of a flow.
type step struct {
	what     what
	account  *account
	view     int
	event    wire.Event
	message  wire.Message // a copy: the session goes on with its own
	protocol chaperone.Protocol
	isn      [2]uint32
	dir      chaperone.Dir
	at       chaperone.Mark
	offset   int64
	contact  exchange.Contact // with closed
	hidden   bool
}

type what uint8

const (
	event  what = iota
	fork        // from here on the flow has two views
	closed      // the flow is over
)

const (
	batchSize = 256
	batches   = 4
)

func openBooks(o Options) *books {
	b := &books{options: o, inventory: inventory.New(), findings: detect.NewSet(), edges: map[edgeKey]*Edge{},
		full: make(chan []step, batches), empty: make(chan []step, batches), done: make(chan struct{})}
	b.names.Store(&[]string{})
	b.recorder = exchange.NewRecorder(o.Tokens, b.evidence, b.disclosed)
	b.recorder.Reveal = o.Reveal
	if o.Ledger != nil {
		b.recorder.Identify, b.recorder.Merged = true, o.Ledger.merge
	}
	b.files = exchange.NewFiles(b.file)
	if o.Filter != (Filter{}) {
		b.recorder.Keep = o.Filter.keeps
	}
	if o.Begin != nil {
		o.Begin(b.recorder.Census)
	}
	for range batches {
		b.empty <- make([]step, 0, batchSize)
	}
	b.batch = <-b.empty
	go func() {
		defer close(b.done)
		for batch := range b.full {
			for i := range batch {
				b.keep(&batch[i])
			}
			clear(batch)
			b.empty <- batch[:0]
		}
	}()
	return b
}

// tell adds a step and gives it to be filled in.
func (b *books) tell(a *account, w what) *step {
	if len(b.batch) == batchSize {
		b.send()
	}
	b.batch = append(b.batch, step{what: w, account: a})
	return &b.batch[len(b.batch)-1]
}

// tellEvent adds the step of an event.
func (b *books) tellEvent(f *stream.Flow, a *account, view int, p chaperone.Protocol, e wire.Event) {
	if e.Stage == wire.Body && len(e.Records) == 0 {
		return // how far a message has come is for a proxy to know
	}
	s := b.tell(a, event)
	s.view, s.protocol, s.isn, s.event = view, p, f.ISN, e
	if e.Message == nil {
		return
	}
	s.message = *e.Message
	if r := e.Message.Retrieve; r != nil {
		copied := *r
		s.message.Retrieve = &copied
	}
	s.event.Message = &s.message
}

// send gives the batch to the goroutine.
func (b *books) send() {
	if len(b.batch) > 0 {
		b.full <- b.batch
		b.batch = <-b.empty
	}
}

// close waits until everything is written down.
func (b *books) close() {
	b.send()
	close(b.full)
	<-b.done
	b.recorder.Close()
	b.files.Close()
}

// keep writes down one step.
func (b *books) keep(s *step) {
	a := s.account
	if a.views[0] == nil {
		a.views[0] = b.recorder.Connect(chaperone.InClear, a.client, a.server)
	}
	switch s.what {
	case event:
		if s.event.Stage == wire.Noted {
			if s.view == 0 { // bytes of a file must not count twice
				b.fact(a, s.event)
			}
			break
		}
		b.event(a.views[s.view], s)
	case fork:
		a.views[1] = a.views[0].Fork()
		from, to := a.client.Addr(), a.server.Addr()
		if s.dir == chaperone.FromServer {
			from, to = to, from
		}
		b.findings.Overlap(from, to, s.at, b.evidence(s.at, s.offset))
	case closed:
		s.contact.Evidence = b.evidence(s.at, 0)
		b.contact(a, &s.contact, s.hidden)
	}
}

// contact takes a connection that is over.
func (b *books) contact(a *account, c *exchange.Contact, hidden bool) {
	c.Desktop, c.Tunnel = a.desktop, a.tunnel
	b.inventory.Contact(c, hidden)
	if f := b.options.Filter; f == (Filter{}) || f.keeps(exchange.Seen{Protocol: c.Protocol, Time: c.First, From: c.Client.Addr(), To: c.Server.Addr()}) {
		b.findings.Contact(c)
	}
}

// fact takes what a connection says of systems, accounts and files.
func (b *books) fact(a *account, e wire.Event) {
	switch f := e.Fact.(type) {
	case wire.Desktop:
		a.desktop = &f
	case wire.Tunnel:
		a.tunnel = &f
	case wire.FileUse:
		b.files.Note(a.client, a.server, f, e.At)
	case wire.Logon:
		b.files.Logon(a.server, f)
		b.inventory.Fact(a.client.Addr(), a.server.Addr(), f)
	default:
		b.inventory.Fact(a.client.Addr(), a.server.Addr(), f)
	}
}

// file takes a shared file that was closed.
func (b *books) file(f exchange.FileRead) {
	if keep := b.options.Filter; keep == (Filter{}) || keep.keeps(exchange.Seen{Protocol: chaperone.SMB, Time: f.Opened, From: f.Server.Addr(), To: f.Client.Addr()}) {
		b.findings.File(f, b.evidence(f.At, 0))
	}
}

// event passes an event on to everybody who looks at it.
func (b *books) event(c *exchange.Connection, s *step) {
	c.Protocol, c.ISN = s.protocol, s.isn
	before := b.recorder.Counters.Malformed
	c.Event(s.event)
	if n := b.recorder.Counters.Malformed - before; n > 0 {
		shareOf(&b.shares, s.event.At).Malformed += n
	}
	if s.event.Stage != wire.Malformed && c.Wanted(s.event.Message) {
		b.inventory.Event(c, s.event)
		if !c.Second() {
			b.findings.Event(c, s.event, b.where)
			if b.options.Seen != nil {
				b.options.Seen(c, s.event)
			}
		}
	}
}

// evidence turns a mark into a pointer that a person can follow.
func (b *books) evidence(m chaperone.Mark, offset int64) chaperone.Evidence {
	e := chaperone.Evidence{Packet: m.Packet, Offset: offset}
	if names := *b.names.Load(); int(m.File) < len(names) {
		e.File = names[m.File]
	}
	return e
}

// where points at a message.
func (b *books) where(m *wire.Message) chaperone.Evidence { return b.evidence(m.At, m.Start) }

// disclosed takes a disclosure.
func (b *books) disclosed(d exchange.Disclosed) {
	b.findings.Disclosure(&d)
	b.edge(d)
	b.options.Ledger.disclosure(&d)
	if b.options.Each != nil {
		b.options.Each(d)
	}
}
