package guard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"chaperone/format"
	"chaperone/format/hl7"
	"chaperone/wire"
)

// answers passes on what the system behind the guard sends.
func (h *hl7Conn) answers(ctx context.Context) error {
	j := h.guard.judge(h.listener.name, h.secured)
	in := frames{from: h.upstream, limit: int(h.spec().Limits.Message), large: &h.guard.large}
	defer in.end()
	for {
		list, err := in.next(func(bool) error { return nil })
		if err != nil {
			if errors.Is(err, io.EOF) || quiet(err) {
				return errClosed
			}
			return fmt.Errorf("the system behind it: %w", h.unframed(err))
		}
		for _, f := range list {
			if err := h.check(); err != nil {
				return err
			}
			if err := h.back(ctx, j, f); err != nil {
				return err
			}
		}
	}
}

// unframed tells of it when what the system behind the guard sends can be read no further because of what it is.
func (h *hl7Conn) unframed(err error) error {
	if errors.Is(err, format.ErrMalformed) || errors.Is(err, format.ErrLimit) {
		return h.brokenBy(wire.FromServer, err)
	}
	return err
}

// back decides one frame of the system behind the guard, and passes it on or answers in its place.
func (h *hl7Conn) back(ctx context.Context, j *judge, f frame) error {
	v, m := h.decide(j, f, wire.FromServer, h.guard.now())
	if v.Permit && v.draft != nil {
		if err := h.guard.record(ctx, []*draft{v.draft}); err != nil {
			h.guard.metrics.unrecorded(h.listener.name)
			v = j.refuse(h.guard.rules.Load(), v.draft.wish, unrecordable(err))
		}
	}
	h.guard.metrics.decided(h.listener.name, v.Reason, 0)
	if m == nil {
		return h.write(&h.down, h.client, f.raw)
	}
	h.shown(m, v.Permit)
	if v.Permit {
		err := h.write(&h.down, h.client, f.raw)
		if m.content.Ack != "" || m.err != nil { // what passes without being understood is an answer
			h.answered(1)
		}
		return err
	}
	return h.instead(m, &v)
}

// shown ends the queries that are answered with a message, whether that passes or not.
func (h *hl7Conn) shown(m *message, passes bool) {
	for i := range m.parts {
		p := &m.parts[i]
		if m.bears() || m.role == wire.Reply || !passes || p.ack == "AE" || p.ack == "AR" {
			h.show(p, m.again && passes)
		}
	}
}

// show ends a query with its answer, which may show so many, and once, or with an error. Only a commit that names nobody, and passes, lets the answer of the
// application come.
func (h *hl7Conn) show(p *part, nobody bool) {
	switch q := p.answers; {
	case q == nil || q.push:
	case p.commits && nobody:
		q.taken = true
	default:
		h.asked.done(q)
	}
}

// instead answers for what the system behind the guard sent and was not passed on: the client gets an answer to what it asked,
// and a message that nobody asked for is refused to its sender. Of a message that the client sent it learns what the system behind
// said of it, and no more than that: it arrived, and is not refused.
func (h *hl7Conn) instead(m *message, v *verdict) error {
	refusal := hl7.Refusal{Error: v.Reason == unrecorded, Sender: ofIdentity(v.Reason), Reason: string(v.Reason), Reference: v.reference, ID: "CHAP" + v.reference, Now: h.guard.now()}
	var answers []byte
	known := false
	for i := range m.parts {
		q := m.parts[i].answers
		if q == nil || !q.push && slices.ContainsFunc(m.parts[:i], func(p part) bool { return p.answers == q }) {
			continue // of a query it was refused already
		}
		known = true
		var answer []byte
		told := refusal
		if q.push {
			answer = acknowledgementOf(q.message, codeIn(m.parts[i].raw), hl7.Acceptance{ID: refusal.ID, Now: refusal.Now})
			told.Error = true // it may have arrived, or not: it may be sent again
		}
		if answer == nil {
			answer = refusalTo(q.message, told)
		}
		answers = append(answers, answer...)
	}
	switch {
	case known:
		if h.answered(1); answers == nil {
			return nil
		}
		return h.answer(answers)
	case m.content.Ack != "" || m.word == "":
		return nil // an answer is not answered
	}
	if answer := refusalTo(m.first, refusal); answer != nil {
		return h.write(&h.up, h.upstream, framed(answer))
	}
	return nil
}

// codeIn gives what an answer says of its message (MSA-1), whatever stands beside that; "" when that may be read in two ways: all receivers
// find one MSA in it, and read header and MSA alike.
func codeIn(raw []byte) string {
	if bytes.Count(bytes.ToUpper(raw), []byte("MSA|")) != 1 {
		return ""
	}
	lines := bytes.FieldsFunc(raw, func(c rune) bool { return c == carriage || c == '\n' })
	i := slices.IndexFunc(lines, func(line []byte) bool { return bytes.HasPrefix(line, []byte("MSA|")) })
	if i < 0 || hl7.Strict(bytes.Join([][]byte{lines[0], lines[i]}, []byte{carriage})) != nil {
		return ""
	}
	code, _ := answerIn(raw)
	return code
}

// together gives a question that stands for all that a frame answers; nil when something of it was not asked, or was asked apart: of
// several only what says their messages again is told apart. fresh counts those that say more, or the like of a message that brought nobody:
// they are not on record with it.
func together(m *message) (q *question, fresh int) {
	if len(m.parts) == 0 {
		return nil, 0
	}
	q = m.parts[0].answers
	for i := range m.parts {
		other := m.parts[i].answers
		if other == nil || other != q && !(m.again && other.push && q.push) {
			return nil, 0
		}
		if m.parts[i].bears && !(m.again && other.brought) {
			fresh++
		}
	}
	return q, fresh
}
