// Package wiretest holds the promises that every decoder in wire/ keeps, as one suite of tests:
//
//	func TestPromises(t *testing.T) { wiretest.Run(t, dimse.Protocol, conversation) }
//
// It knows no protocol. A promise is a function of a protocol and a conversation that is known to be clean; the
// suite cuts, damages, repeats and clones that conversation and compares what the decoder says.
package wiretest

import (
	"slices"
	"testing"
	"time"

	"chaperone"
	"chaperone/internal/clinicsim"
	"chaperone/wire"
)

// Turn is what one side sent at once, or did not: Gap bytes of it that were not seen.
type Turn struct {
	Dir   wire.Dir
	Bytes []byte
	Gap   int64
}

// Conversation is a clean conversation of the protocol under test. It SHOULD hold every kind of message once.
type Conversation struct {
	Turns   []Turn
	Secrets []string // patient data in it, which no error may show
	Floods  []Flood  // streams of the protocol's own that never end or never answer
}

// Flood is a stream that asks for ever more memory.
type Flood struct {
	Name      string
	Midstream bool
	First     []Turn             // what opens it
	Next      func(i int) []Turn // then these, for i from 0, until enough bytes have passed
	Bytes     int                // how many are enough, 0 for the suite's own number
}

// Of makes a conversation from one of package clinicsim.
func Of(s *clinicsim.Sample) Conversation {
	var c Conversation
	for _, chunk := range s.Chunks {
		c.Turns = append(c.Turns, Turn{Dir: wire.Dir(chunk.Dir), Bytes: chunk.Bytes})
	}
	for _, records := range s.Disclosures {
		for _, r := range records {
			for _, id := range append(slices.Clone(r.Numbers), r.Other...) {
				c.secret(id.Value)
			}
			c.secret(r.Name)
			c.secret(r.Birth)
			c.secret(r.Study)
		}
	}
	return c
}

// secret adds a string that is long enough not to be elsewhere by chance.
func (c *Conversation) secret(text string) {
	if len(text) >= 6 && !slices.Contains(c.Secrets, text) {
		c.Secrets = append(c.Secrets, text)
	}
}

// tight are limits that a small conversation runs into.
var tight = wire.Limits{Message: 300, Depth: 2, Pending: 2}

// Run tests every promise.
func Run(t *testing.T, p wire.Protocol, c Conversation) {
	t.Helper()
	for _, promise := range []struct {
		name string
		test func(*testing.T, wire.Protocol, Conversation)
	}{
		{"the conversation is clean", clean},
		{"cuts", cuts},
		{"prefixes", prefixes},
		{"missing spans", missingSpans},
		{"flipped bytes", flippedBytes},
		{"midstream", midstream},
		{"clones", clones},
		{"facts stay", facts},
		{"no patient data in errors", leaks},
		{"other protocols", foreign},
		{"bounded memory", floods},
	} {
		t.Run(promise.name, func(t *testing.T) { promise.test(t, p, c) })
	}
}

// clean checks the conversation itself: without any damage nothing is malformed, and there is something to find.
func clean(t *testing.T, p wire.Protocol, c Conversation) {
	got := play(p.New(wire.DefaultLimits, false), c.Turns)
	got.report(t, "")
	if got.malformed > 0 || len(got.messages)+len(got.facts) == 0 {
		t.Errorf("got %d malformed events, %d messages and %d facts, want none and some", got.malformed, len(got.messages), len(got.facts))
	}
}

// play gives a session a conversation and closes it.
func play(s wire.Session, turns []Turn) *trace {
	tr := newTrace()
	for i, turn := range turns {
		tr.feed(s, turn, mark(i))
	}
	tr.close(s, mark(len(turns)))
	return tr
}

// mark says by its packet number, and its second, which turn some bytes belong to.
func mark(i int) chaperone.Mark {
	return chaperone.Mark{Packet: int64(i) + 1, Time: time.Unix(int64(i)+1, 0).UTC()}
}
