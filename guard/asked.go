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
//
// All of them are in one list, from the oldest to the newest, since the oldest is forgotten when there are too many; by an id
// the oldest of those that have it is found, and those behind it from there. A few are looked through, which are all that most
// connections ever have; of more there is a map.
type asked struct {
	mu             sync.Mutex
	of             map[string]*question // nil while there are few
	oldest, newest *question
	count          int
}

// question is a message that waits for its answer.
type question struct {
	id      string           // MSH-10
	message []byte           // it, or its header: it is answered from here when the answer is refused
	named   int              // how many patients a query asks for by number; 0: that is not its measure
	push    bool             // it is no query, and
	sent    []ledger.Covered // brought these: its answer may name them again

	before, behind *question // in the list
	same           *question // the next that has the same id
	gone           bool      // it is not in the list any more
}

// add puts a question behind all others, and forgets the oldest if there are more than most then.
func (a *asked) add(q *question, most int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.of == nil && a.count == fewAsked {
		a.of = map[string]*question{}
		for q := a.oldest; q != nil; q = q.behind {
			a.index(q)
		}
	}
	if a.of != nil {
		a.index(q)
	}
	if q.before = a.newest; q.before != nil {
		q.before.behind = q
	} else {
		a.oldest = q
	}
	a.newest = q
	if a.count++; a.count > most {
		a.remove(a.oldest)
	}
}

// fewAsked are looked through faster than a map is kept.
const fewAsked = 16

// index puts a question behind those of the same id.
func (a *asked) index(q *question) {
	first := a.of[q.id]
	if first == nil {
		a.of[q.id] = q
		return
	}
	for first.same != nil {
		first = first.same
	}
	first.same = q
}

// remove takes a question out. It does nothing for one that is out.
func (a *asked) remove(q *question) {
	if q.gone {
		return
	}
	q.gone = true
	a.count--
	if q.before != nil {
		q.before.behind = q.behind
	} else {
		a.oldest = q.behind
	}
	if q.behind != nil {
		q.behind.before = q.before
	} else {
		a.newest = q.before
	}
	if a.of == nil {
		return
	}
	if a.count == 0 { // a map that was large once stays large
		a.of = nil
		return
	}
	first := a.of[q.id]
	switch {
	case first != q:
		for first.same != q {
			first = first.same
		}
		first.same = q.same
	case q.same != nil:
		a.of[q.id] = q.same
	default:
		delete(a.of, q.id)
	}
}

// mostAsked bounds what is remembered, beside what a listener lets be unanswered.
const mostAsked = 64

// remember keeps a message that is about to be passed on.
func (h *hl7Conn) remember(p *passing) {
	m := p.message
	if m.role != wire.Query && m.role != wire.Push {
		return
	}
	q := &question{id: m.content.ControlID, message: bytes.Clone(m.first), named: m.named}
	if m.role == wire.Push {
		header, _, _ := bytes.Cut(m.first, []byte{carriage})
		q.message, q.push = bytes.Clone(header), true
		if p.draft != nil {
			q.sent = p.draft.disclosure.Covered
		}
	}
	h.asked.add(q, mostAsked+2*h.spec().Limits.Pending)
}

// echo gives whom an answer may name again, nil for that to a query.
func (q *question) echo() map[chaperone.PatientToken]bool {
	if !q.push {
		return nil
	}
	echo := map[chaperone.PatientToken]bool{}
	for i := range q.sent {
		for _, token := range tokensOf(&q.sent[i]) {
			echo[token] = true
		}
	}
	return echo
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
	if a.of != nil {
		return a.of[m.content.AckFor]
	}
	q := a.oldest
	for q != nil && q.id != m.content.AckFor {
		q = q.behind
	}
	return q
}

// done forgets a question that has its answer.
func (a *asked) done(q *question) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.remove(q)
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
	in := frames{from: h.upstream, limit: int(h.spec().Limits.Message), large: &h.guard.large}
	defer in.end()
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
			h.guard.metrics.unrecorded(h.listener.name)
			v = j.refuse(h.guard.rules.Load(), &wish{word: m.word, client: &h.from, from: &h.to, to: &h.from, records: m.content.Records, offset: f.offset}, unrecordable(err))
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
		if m.content.Ack != "" || m.err != nil { // what passes without being understood is an answer
			h.answered(1)
		}
		return err
	}
	return h.instead(m, &v, q)
}

// instead answers for what the system behind the guard sent and was not passed on: the client gets an answer to what it asked,
// and a message that nobody asked for is refused to its sender.
func (h *hl7Conn) instead(m *message, v *verdict, q *question) error {
	refusal := hl7.Refusal{Error: v.Reason == unrecorded, Sender: ofIdentity(v.Reason), Reason: string(v.Reason), Reference: v.reference, ID: "CHAP" + v.reference, Now: h.guard.now()}
	if q == nil {
		if m.content.Ack != "" || m.word == "" {
			return nil // an answer is not answered
		}
		if answer := refusalTo(m.first, refusal); answer != nil {
			return h.write(&h.up, h.upstream, framed(answer))
		}
		return nil
	}
	h.answered(1)
	if answer := refusalTo(q.message, refusal); answer != nil {
		return h.answer(answer)
	}
	return nil
}
