package guard

import (
	"sync/atomic"

	"chaperone/policy"
	"chaperone/wire"
)

// busy is the reason of refusals by a guard that has too much to do: the message may be sent again.
const busy policy.Reason = "busy"

// mostWaiting bounds the messages of all connections that wait for their decision or for the record. The record takes what waits
// together, so that within the bound nobody waits much longer than alone; beyond it, refusing at once is better than a queue
// that only grows.
const mostWaiting = 256

// room is where messages wait.
type room struct {
	most    int64
	waiting atomic.Int64
}

// enter takes a message in, and reports whether there is room for it.
func (r *room) enter() bool {
	if r.waiting.Add(1) <= r.most {
		return true
	}
	r.leave(1)
	return false
}

func (r *room) leave(n int) { r.waiting.Add(-int64(n)) }

// admit decides a message of the client if there is room for it, and says how many places it takes until it is on record. There
// is always room for what carries nothing: it does not wait.
func (h *hl7Conn) admit(j *judge, f frame) (v verdict, m *message, entered int) {
	if h.guard.room.enter() {
		v, m = h.decide(j, f, wire.FromClient, h.guard.now())
		return v, m, 1
	}
	if !isCommit(f.payload) {
		m = parse(f.payload, &j.before)
	}
	if m == nil || m.role == wire.Control || m.err != nil {
		v, m = h.decide(j, f, wire.FromClient, h.guard.now())
		return v, m, 0
	}
	from, to := h.from, h.to
	from.claimed, to.claimed = m.content.From, m.content.To
	w := &wish{action: policy.Send, word: m.word, client: &h.from, from: &from, to: &to, offset: f.offset}
	if m.query {
		w.action, w.from, w.to = policy.Ask, &to, &from
	}
	h.guard.metrics.shed(h.listener.name)
	return j.refuse(h.guard.rules.Load(), w, policy.Decision{Reason: busy, Hint: "More messages came at once than can be put on record: a faster disk, or fewer senders."}), m, 0
}
