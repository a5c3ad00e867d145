package guard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"chaperone"
	"chaperone/format/hl7"
	"chaperone/ledger"
	"chaperone/wire"
)

// asked are the messages of a connection that were passed on and may have an answer with records. Whatever else the system
// behind the guard sends was not asked for, and is not passed on.
type asked struct {
	mu   sync.Mutex
	list []*question // the oldest first
}

// question is a message that waits for its answer.
type question struct {
	id      string                          // MSH-10
	message []byte                          // it, or its header: it is answered from here when the answer is refused
	named   int                             // how many patients a query asks for by number; 0: that is not its measure
	sent    map[chaperone.PatientToken]bool // whom a message that is no query brought: its answer may name them again
}

// mostAsked bounds what is remembered, beside what a listener lets be unanswered.
const mostAsked = 64

// remember keeps a message that is about to be passed on.
func (h *hl7Conn) remember(p *passing) {
	m := p.message
	if m.role != wire.Query && m.role != wire.Push {
		return
	}
	q := &question{id: m.content.ControlID, message: bytes.Clone(m.first.Raw), named: m.named}
	if m.role == wire.Push {
		header, _, _ := bytes.Cut(m.first.Raw, []byte{carriage})
		q.message, q.sent = bytes.Clone(header), map[chaperone.PatientToken]bool{}
		if p.draft != nil {
			for _, c := range p.draft.disclosure.Covered {
				for _, token := range tokensOf(&c) {
					q.sent[token] = true
				}
			}
		}
	}
	a := &h.asked
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, q)
	if most := mostAsked + 2*h.spec().Limits.Pending; len(a.list) > most {
		a.list = append(a.list[:0], a.list[1:]...)
	}
}

// tokensOf gives what names the person of a record.
func tokensOf(c *ledger.Covered) []chaperone.PatientToken {
	if c.Weak() {
		return []chaperone.PatientToken{c.Demographic}
	}
	return c.Numbers
}

// find gives what an answer answers (MSA-2), nil when that was not asked.
func (a *asked) find(m *message) *question {
	if m.content.Ack == "" {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, q := range a.list {
		if q.id == m.content.AckFor {
			return q
		}
	}
	return nil
}

// done forgets a question that has its answer.
func (a *asked) done(q *question) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.list {
		if a.list[i] == q {
			a.list = append(a.list[:i], a.list[i+1:]...)
			return
		}
	}
}

// persons counts the different people of records, as far as their numbers tell.
func persons(covered []ledger.Covered) int {
	of := map[chaperone.PatientToken]int{} // which group a token is in
	count := 0
	for i := range covered {
		tokens, group := tokensOf(&covered[i]), -1
		for _, token := range tokens {
			if have, ok := of[token]; ok {
				group = have
				break
			}
		}
		if group < 0 {
			group = count
			count++
		}
		for _, token := range tokens {
			of[token] = group
		}
	}
	return count
}

// answers passes on what the system behind the guard sends.
func (h *hl7Conn) answers(ctx context.Context) error {
	j := h.guard.judge(h.listener.name, h.secured)
	in := frames{from: h.upstream, limit: int(h.spec().Limits.Message)}
	for {
		list, err := in.next(func(bool) error { return nil })
		if err != nil {
			if errors.Is(err, io.EOF) || quiet(err) {
				return errClosed
			}
			return fmt.Errorf("the system behind it: %w", err)
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

// back decides one frame of the system behind the guard, and passes it on or answers in its place.
func (h *hl7Conn) back(ctx context.Context, j *judge, f frame) error {
	v, m := h.decide(j, f, wire.FromServer)
	if v.Permit && v.draft != nil {
		if err := h.guard.record(ctx, []*draft{v.draft}); err != nil {
			h.guard.log.Error("not recorded, so not released", "listener", h.listener.name, "error", err)
			h.guard.metrics.unrecorded(h.listener.name)
			v.Permit, v.Reason = false, unrecorded
		}
	}
	h.guard.metrics.decided(h.listener.name, v.Reason, 0)
	if m == nil {
		return h.write(&h.down, h.client, f.raw)
	}
	q := h.asked.find(m)
	if q != nil && (m.bears() || m.role == wire.Reply || !v.Permit) {
		h.asked.done(q)
	}
	if v.Permit {
		err := h.write(&h.down, h.client, f.raw)
		if m.content.Ack != "" {
			h.answered(1)
		}
		return err
	}
	return h.instead(m, &v, q)
}

// instead answers for what the system behind the guard sent and was not passed on: the client gets an answer to what it asked,
// and a message that nobody asked for is refused to its sender.
func (h *hl7Conn) instead(m *message, v *verdict, q *question) error {
	refusal := hl7.Refusal{Error: v.Reason == unrecorded, Reason: string(v.Reason), Reference: v.reference, ID: "CHAP" + v.reference, Now: h.guard.now()}
	if q == nil {
		if m.content.Ack != "" || m.word == "" {
			return nil // an answer is not answered
		}
		if answer := hl7.Refuse(&m.first, refusal); answer != nil {
			return h.write(&h.up, h.upstream, framed(answer))
		}
		return nil
	}
	first, err := hl7.Parse(q.message)
	if err != nil {
		return err
	}
	h.answered(1)
	if answer := hl7.Refuse(&first, refusal); answer != nil {
		return h.answer(answer)
	}
	return nil
}
