package guard

import (
	"context"
	"errors"
	"time"

	"chaperone"
	"chaperone/format/hl7"
	"chaperone/policy"
	"chaperone/wire"
	"chaperone/wire/mllp"
)

// strictReader reads what passes an HL7 listener that observes as one that enforces would, and decides it in the same way: so what is told of is
// what would be refused, and what would pass is on record alike. It stands until something enforcing would not go on after, or until
// something passed unread: then what was asked is not known any more, and the lenient reader of package mllp says alone what passes.
type strictReader struct {
	talk *hl7Conn // decides, and sends nothing
	in   [2]frames
	more [2]chunkReader
}

func newStrictReader(c *conn) *strictReader {
	s := &strictReader{talk: &hl7Conn{conn: c}}
	for d := range s.in {
		s.in[d] = frames{from: &s.more[d], limit: int(c.spec().Limits.Message), large: &c.guard.passing}
	}
	return s
}

// chunkReader gives what has come of a direction.
type chunkReader struct{ left []byte }

// errLater says that more of a frame has to come.
var errLater = errors.New("no more has come yet")

func (c *chunkReader) Read(b []byte) (int, error) {
	if len(c.left) == 0 {
		return 0, errLater
	}
	n := copy(b, c.left)
	c.left = c.left[n:]
	return n, nil
}

// hearFrames decides what has passed frame by frame, and records together what came together: a sender that does not wait for its answers
// is as fast as its network, and would leave one record for each frame behind.
func (o *observer) hearFrames(ctx context.Context, c chunk) {
	in := &o.strict.in[c.dir]
	o.strict.more[c.dir].left = c.bytes
	for {
		list, err := in.next(func(bool) error { return nil })
		var drafts []*draft
		r := o.guard.rules.Load()
		for _, f := range list {
			drafts = append(drafts, o.hearFrame(r, c.dir, f, c.at)...)
		}
		if len(drafts) > 0 {
			o.put(ctx, r, drafts)
		}
		switch {
		case errors.Is(err, errLater):
			return
		case err != nil:
			if !errors.Is(err, errLarge) {
				_ = o.brokenBy(c.dir, err) // it would end the connection
			}
			o.loosen(ctx, c.at)
			return
		}
	}
}

// hearFrame decides one frame, and gives what is to be recorded. Of what would be refused that is what the lenient reader finds in it,
// because it has passed. The answer to what would be refused is no refusal of its own: nobody would give it.
func (o *observer) hearFrame(r *rules, d wire.Dir, f frame, at time.Time) (drafts []*draft) {
	h := o.strict.talk
	var refused refusal
	o.judge.held = &refused
	v, m := h.decide(o.judge, f, d, at)
	o.judge.held = nil
	if !v.Permit && (m == nil || !m.answersRefused()) {
		o.guard.refused.note(refused)
	}
	o.guard.metrics.decided(o.listener.name, v.Reason, 0)
	events := o.decode(func() []wire.Event { return o.session.Feed(d, f.raw, chaperone.Mark{Time: at}) })
	switch {
	case v.draft != nil:
		drafts = append(drafts, v.draft)
	case !v.Permit:
		drafts = o.refusable(r, events, &v.Decision)
	}
	o.guard.countLater(drafts) // before the next is decided, however many come together
	switch {
	case m == nil:
	case d == wire.FromClient:
		m.asNamed()
		h.remember(m, !v.Permit, drafts...)
	default:
		h.shown(m, v.Permit)
	}
	return drafts
}

// answersRefused reports whether a frame answers nothing but what would have been refused.
func (m *message) answersRefused() bool {
	for i := range m.parts {
		if q := m.parts[i].answers; q == nil || !q.refused {
			return false
		}
	}
	return len(m.parts) > 0
}

// refusable makes the drafts of what passed and would have been refused.
func (o *observer) refusable(r *rules, events []wire.Event, decision *policy.Decision) (drafts []*draft) {
	for i := range events {
		e := &events[i]
		if e.Message == nil || len(e.Records)+len(e.Merges) == 0 {
			continue
		}
		drafts = append(drafts, o.judge.passed(r, o.wish(e), *decision, e.At.Time))
	}
	return drafts
}

// loosen gives the lenient reader what is left, and has it read alone from now on.
func (o *observer) loosen(ctx context.Context, at time.Time) {
	s := o.strict
	if s == nil {
		return
	}
	o.strict = nil
	for d := range s.in {
		in := &s.in[d]
		rest := in.rest()
		in.end() // the session takes of the same memory
		o.feed(ctx, wire.Dir(d), rest, at)
		o.feed(ctx, wire.Dir(d), s.more[d].left, at)
	}
}

// cut tells of what was begun when its sender ended the connection: it would not have passed. What somebody else cut off is not its doing.
func (o *observer) cut() {
	if o.strict == nil || o.lost || o.leaving.Load() {
		return
	}
	for d := range o.strict.in {
		if in := &o.strict.in[d]; o.quit[d].Load() && in.within() {
			_ = o.brokenBy(wire.Dir(d), in.cut())
		}
	}
}

// asNamed finds out what messages that cannot be read in one way are called: they have passed, and so will their answers.
func (m *message) asNamed() {
	if m.err == nil {
		return
	}
	_ = sound(func() error { // what is not found out was not asked
		for i := range m.parts {
			p := &m.parts[i]
			one, err := hl7.Parse(p.raw)
			if err != nil {
				continue
			}
			content := one.Read()
			if p.id == "" {
				p.id, p.once, p.bears = content.ControlID, commitOnly(content.Wanted), len(content.Bearing())+len(content.Merges) > 0
			}
			if m.word == "" && i == 0 {
				m.word, m.role = mllp.Action(content), mllp.RoleOf(content)
			}
		}
		return nil
	})
}
