package wiretest

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"

	"chaperone/wire"
)

// midstream: a session that begins anywhere finds every message that begins later, with its records. It invents no
// fact, and when it begins at the beginning without knowing so, it finds them all.
func midstream(t *testing.T, p wire.Protocol, c Conversation) {
	whole := play(p.New(wire.DefaultLimits, false), c.Turns)
	unknowing := play(p.New(wire.DefaultLimits, true), c.Turns)
	unknowing.messages, unknowing.malformed = whole.messages, whole.malformed // they are looked at below
	if d := unknowing.differs(whole); d != "" {
		t.Errorf("from the beginning: %s", d)
	}
	n := size(c.Turns)
	trials(n, n, func(r *rand.Rand, from int) bool {
		rest := without(c.Turns, 0, from, false)
		var lost [2]int64
		for _, turn := range without(c.Turns, from, n, false) {
			lost[turn.Dir] += int64(len(turn.Bytes))
		}
		got := play(p.New(wire.DefaultLimits, true), rest)
		found := map[string]int{}
		for _, m := range got.messages {
			found[m.place(lost[m.head.Dir])]++
		}
		for _, want := range whole.messages {
			if place := want.place(0); want.head.Start >= lost[want.head.Dir] {
				if found[place]--; found[place] < 0 {
					t.Errorf("from byte %d on: not found: %s", from, place)
				}
			}
		}
		if strange := invented(got.facts, whole.facts); strange != "" {
			t.Errorf("from byte %d on: invented %s", from, strange)
		}
		return got.report(t, fmt.Sprintf("from byte %d on", from)) && !t.Failed()
	})
}

// place is what a message must say of itself whatever came before it.
func (s *seen) place(lost int64) string {
	return fmt.Sprintf("%s in direction %d at %d, records %s, merges %s", s.head.Action, s.head.Dir, s.head.Start+lost,
		describe(s.records), describeMerges(s.merges))
}

// clones: a clone that is fed other bytes leaves its original alone, and one that is fed the same says the same.
func clones(t *testing.T, p wire.Protocol, c Conversation) {
	for _, set := range settings {
		want := play(p.New(set.limits, set.midstream), c.Turns)
		trials(64, 8*size(c.Turns), func(r *rand.Rand, i int) bool {
			cut, of := cutTurns(r, c.Turns, 1+i*16)
			at := r.IntN(len(cut))
			original := p.New(set.limits, set.midstream)
			first := newTrace()
			for i, turn := range cut[:at] {
				first.feed(original, turn, mark(of[i]))
			}
			clone, other, late := original.Clone(), original.Clone(), original.Clone()
			second, third, fourth := first.clone(), first.clone(), first.clone()
			for i, turn := range cut[at:] { // in turns, so that anything shared is overwritten
				damaged := Turn{turn.Dir, bytes.Repeat([]byte{byte(r.IntN(256))}, len(turn.Bytes)), 0}
				third.feed(other, damaged, mark(of[at+i]))
				first.feed(original, turn, mark(of[at+i]))
				third.feed(other, turn, mark(of[at+i]))
				second.feed(clone, turn, mark(of[at+i]))
				fourth.feed(late, damaged, mark(of[at+i])) // it would come to lie where the bytes of the original do
			}
			third.close(other, mark(len(c.Turns)))
			first.close(original, mark(len(c.Turns)))
			second.close(clone, mark(len(c.Turns)))
			how := fmt.Sprintf("%s session, cloned behind piece %d of %d", set.name, at, len(cut))
			if d := first.differs(want); d != "" {
				t.Errorf("%s: the original differs: %s", how, d)
			}
			if d := second.differs(want); d != "" {
				t.Errorf("%s: the clone differs: %s", how, d)
			}
			return first.report(t, how) && second.report(t, how+", clone") && third.report(t, how+", damaged clone") &&
				fourth.report(t, how+", damaged clone") && !t.Failed()
		})
	}
}

// leaks: no event, printed in any way, and no error shows patient data.
func leaks(t *testing.T, p wire.Protocol, c Conversation) {
	if len(c.Secrets) == 0 {
		t.Fatal("the conversation names nothing that is secret: patient data, or the names in its facts")
	}
	n := size(c.Turns)
	try := func(how string, turns []Turn, deep bool) bool {
		var shown strings.Builder
		logger := slog.New(slog.NewJSONHandler(&shown, nil))
		text := slog.New(slog.NewTextHandler(&shown, nil))
		tr := newTrace()
		tr.watch = func(e wire.Event) {
			if e.Err != nil {
				fmt.Fprintf(&shown, "%v %+v %#v %q\n", e.Err, e.Err, e.Err, e.Err.Error())
			}
			if !deep {
				return
			}
			e.Fact = nil // facts are there to be shown
			fmt.Fprintf(&shown, "%v\n%+v\n%#v\n", e, e, e)
			logger.Info("event", "event", e)
			text.Info("event", "event", e)
			if m := e.Message; m != nil {
				fmt.Fprintf(&shown, "%v\n%+v\n%#v\n%v\n", *m, *m, *m, m.Retrieve)
				logger.Info("message", "message", *m)
				text.Info("message", "message", m)
			}
		}
		s := p.New(wire.DefaultLimits, false)
		for i, turn := range turns {
			tr.feed(s, turn, mark(i))
		}
		tr.close(s, mark(len(turns)))
		for i, secret := range c.Secrets {
			if at := strings.Index(shown.String(), secret); at >= 0 {
				t.Errorf("%s: patient data (secret %d) is shown in the line %q", how, i, line(shown.String(), at))
			}
		}
		return !t.Failed()
	}
	try("the clean conversation", c.Turns, true)
	trials(2*n, 16*n, func(r *rand.Rand, i int) bool {
		if i%2 == 0 {
			from := i / 2
			to := from + 1 + r.IntN(64)
			return try(fmt.Sprintf("without bytes %d to %d", from, to), without(c.Turns, from, to, i%4 == 0), false)
		}
		return try(fmt.Sprintf("byte %d flipped", i/2), flip(c.Turns, i/2, byte(1+r.IntN(255))), false)
	})
}

func line(s string, at int) string {
	begin := strings.LastIndexByte(s[:at], '\n') + 1
	return s[begin:min(len(s), at+20)]
}
