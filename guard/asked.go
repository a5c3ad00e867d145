package guard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
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
	brought bool             // and it is on record as that, or as somebody's: its answer may say that again

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
	pending := h.spec().Limits.Pending
	for _, part := range m.parts[:min(len(m.parts), pending)] {
		q := &question{id: part.id, message: part.raw, named: m.named}
		if m.role == wire.Push {
			q.message, _, _ = bytes.Cut(part.raw, []byte{carriage})
			q.push, q.brought = true, p.draft != nil
			if q.brought {
				q.sent = p.draft.disclosure.Covered
			}
		}
		q.message = bytes.Clone(q.message)
		h.asked.add(q, mostAsked+2*pending)
	}
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

// find gives the oldest question of an id, nil when nobody asked it.
func (a *asked) find(id string) *question {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.of != nil {
		return a.of[id]
	}
	q := a.oldest
	for q != nil && q.id != id {
		q = q.behind
	}
	return q
}

// answeredBy gives what the messages of a frame answer (MSA-2), each, in room; nil for one that answers nothing that was asked.
func (a *asked) answeredBy(m *message, room []*question) []*question {
	for _, p := range m.parts {
		var q *question
		if p.ack != "" {
			q = a.find(p.ackFor)
		}
		room = append(room, q)
	}
	return room
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
			v = j.refuse(h.guard.rules.Load(), v.draft.wish, unrecordable(err))
		}
	}
	h.guard.metrics.decided(h.listener.name, v.Reason, 0)
	if m == nil {
		return h.write(&h.down, h.client, f.raw)
	}
	var room [1]*question
	list := h.asked.answeredBy(m, room[:0])
	if m.bears() || m.role == wire.Reply || !v.Permit {
		for i, q := range list {
			if q != nil && !m.parts[i].commits(m, q, v.Permit) {
				h.asked.done(q)
			}
		}
	}
	if v.Permit {
		err := h.write(&h.down, h.client, f.raw)
		if m.content.Ack != "" || m.err != nil { // what passes without being understood is an answer
			h.answered(1)
		}
		return err
	}
	return h.instead(m, &v, list)
}

// commits reports whether an answer says no more than that a message was taken (CA; enhanced mode, chapter 2), so that the one of the
// application is still to come. Of a query it counts as that only when it names nobody: its answer may show so many, and once.
func (p *part) commits(m *message, q *question, passes bool) bool {
	return m.role == wire.Control && strings.HasPrefix(p.ack, "C") && (q.push || m.again && passes)
}

// instead answers for what the system behind the guard sent and was not passed on: the client gets an answer to what it asked,
// and a message that nobody asked for is refused to its sender. Of a message that the client sent it learns what the system behind
// said of it, and no more than that: it arrived, and is not refused.
func (h *hl7Conn) instead(m *message, v *verdict, list []*question) error {
	refusal := hl7.Refusal{Error: v.Reason == unrecorded, Sender: ofIdentity(v.Reason), Reason: string(v.Reason), Reference: v.reference, ID: "CHAP" + v.reference, Now: h.guard.now()}
	var answers []byte
	known := false
	for i, q := range list {
		if q == nil || !q.push && slices.Contains(list[:i], q) {
			continue // of a query it was refused already
		}
		known = true
		var answer []byte
		if q.push && m.err == nil && bytes.Count(m.parts[i].raw, []byte("\rMSA")) == 1 { // what can be read in two ways may say two things of it
			answer = acknowledgementOf(q.message, m.parts[i].ack, hl7.Acceptance{ID: refusal.ID, Now: refusal.Now})
		}
		if answer == nil {
			answer = refusalTo(q.message, refusal)
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
