// Package all lists the protocols and recognises which of them a connection speaks: by its content, never by its port.
package all

import (
	"bytes"

	"chaperone"
	"chaperone/wire"
	"chaperone/wire/dimse"
	"chaperone/wire/mllp"
	"chaperone/wire/rdp"
	"chaperone/wire/smb"
	"chaperone/wire/tls"
)

// Protocols is the table of contents. A new protocol is one folder and one line here.
var Protocols = []wire.Protocol{
	mllp.Protocol,
	dimse.Protocol,
	rdp.Protocol,
	smb.Protocol,
	tls.Protocol,
}

// Kind is what a connection turned out to be.
type Kind uint8

// Kinds.
const (
	Undecided Kind = iota
	Decoded        // one of Protocols
	Encrypted      // likewise, but Opaque: who talks is visible, what they say is not
	Other          // something this program does not decode
)

// maxHeld bounds the bytes that are held while it is not clear what they are.
const maxHeld = 72 << 10

// Conversation is one connection whose protocol is found out as its bytes come.
type Conversation struct {
	Kind     Kind
	Protocol chaperone.Protocol // with Decoded and Encrypted
	limits   wire.Limits
	mid      bool
	session  wire.Session
	held     []piece
	first    [2][]byte // the held bytes by direction
	due      int       // how many are held when they are looked at again
	events   []wire.Event
}

type piece struct {
	dir  wire.Dir
	from int // in first[dir]
	n    int64
	at   chaperone.Mark
	gap  bool
}

// NewConversation starts undecided. midstream: the beginning of the connection was not seen.
func NewConversation(l wire.Limits, midstream bool) *Conversation {
	return &Conversation{limits: l, mid: midstream}
}

// Feed takes the next bytes of one direction. The events are valid until the next call.
func (c *Conversation) Feed(d wire.Dir, p []byte, at chaperone.Mark) []wire.Event {
	switch c.Kind {
	case Decoded, Encrypted:
		return c.session.Feed(d, p, at)
	case Undecided:
		c.held = append(c.held, piece{dir: d, from: len(c.first[d]), n: int64(len(p)), at: at})
		c.first[d] = append(c.first[d], p...)
		if held := c.holds(); held >= c.due {
			c.due = held + held/8&^(1<<8-1) // not at each byte of a long beginning: looking starts over each time
			return c.decide()
		}
	}
	return nil
}

// Gap says that n bytes were not seen.
func (c *Conversation) Gap(d wire.Dir, n int64, at chaperone.Mark) []wire.Event {
	switch c.Kind {
	case Decoded, Encrypted:
		return c.session.Gap(d, n, at)
	case Undecided:
		c.mid = true
		c.held = append(c.held, piece{dir: d, from: len(c.first[d]), n: n, at: at, gap: true})
	}
	return nil
}

// Close says that no more will come.
func (c *Conversation) Close(at chaperone.Mark) []wire.Event {
	var events []wire.Event
	if c.Kind == Undecided && c.holds() > 0 {
		events = c.decide()
	}
	if c.session != nil {
		events = append(events, c.session.Close(at)...)
	}
	return events
}

// holds counts the bytes that wait for a decision.
func (c *Conversation) holds() int { return len(c.first[0]) + len(c.first[1]) }

// Clone gives an independent copy.
func (c *Conversation) Clone() *Conversation {
	copied := *c
	if c.session != nil {
		copied.session = c.session.Clone()
	}
	copied.held = append([]piece(nil), c.held...)
	for d := range c.first {
		copied.first[d] = bytes.Clone(c.first[d])
	}
	copied.events = nil
	return &copied
}

func (c *Conversation) decide() []wire.Event {
	maybe := false
	for _, p := range Protocols {
		switch p.Sniff(c.first[wire.FromClient], c.first[wire.FromServer], c.mid) {
		case wire.Yes:
			c.Protocol = p.Name
			c.session = p.New(c.limits, c.mid)
			kind := Decoded
			if p.Opaque {
				kind = Encrypted
			}
			return c.replay(kind)
		case wire.Maybe:
			maybe = true
		}
	}
	if !maybe || c.holds() > 2*maxHeld {
		c.settle(Other)
	}
	return nil
}

// replay gives the held bytes to the session that was found for them.
func (c *Conversation) replay(k Kind) []wire.Event {
	for _, h := range c.held {
		if h.gap {
			c.events = append(c.events, c.session.Gap(h.dir, h.n, h.at)...)
			continue
		}
		c.events = append(c.events, c.session.Feed(h.dir, c.first[h.dir][h.from:h.from+int(h.n)], h.at)...)
	}
	c.settle(k)
	events := c.events
	c.events = nil
	return events
}

func (c *Conversation) settle(k Kind) {
	c.Kind, c.held, c.first = k, nil, [2][]byte{}
}
