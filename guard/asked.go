package guard

import (
	"bytes"
	"math"
	"sync"

	"chaperone"
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
	sent           int // records of all of them
}

// question is a message that waits for its answer.
type question struct {
	id      string        // MSH-10
	word    string        // its type, ORU^R01: what its answer is decided as, whatever type that has
	message []byte        // it, or its header: it is answered from here when the answer is refused
	named   int           // how many patients a query asks for by number; 0: that is not its measure
	push    bool          // it is no query, and
	sent    *sentTogether // brought these: its answer may name them again; nil: none
	brought bool          // and it is on record as that, or as somebody's: its answer may say that again
	refused bool          // it passed a listener that only observes, and would have been refused
	once    bool          // its sender asks for no answer but whether it was taken
	taken   bool          // the system behind has said whether it takes it (CA, CE, CR): what came of it may still follow

	before, behind *question // in the list
	same           *question // the next that has the same id
	gone           bool      // it is not in the list any more
}

// sentTogether are the records of a frame, which its messages have together.
type sentTogether struct {
	covered []ledger.Covered
	living  int // how many of these wait for their answers
}

// add puts a question behind all others, and forgets the oldest while there are more than most, or more than so many records of theirs.
func (a *asked) add(q *question, most, records int) {
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
	a.count++
	if q.sent != nil {
		if q.sent.living++; q.sent.living == 1 {
			a.sent += len(q.sent.covered)
		}
	}
	for a.count > most || a.sent > records && a.oldest.sent != q.sent {
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
	if q.sent != nil {
		if q.sent.living--; q.sent.living == 0 {
			a.sent -= len(q.sent.covered)
		}
	}
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

// mostObserved bounds it where the guard only observes: nobody waits there, so that a sender may be far ahead of its answers; and mostSent
// the records that these messages brought, to some 10 MB.
const (
	mostObserved = 4096
	mostSent     = 1 << 16
)

// remember keeps a message that is about to be passed on, though it would be refused where refused says so, and what of it is on record; nil is
// nothing.
func (h *hl7Conn) remember(m *message, refused bool, recorded ...*draft) {
	if m.role != wire.Query && m.role != wire.Push {
		return
	}
	most, records := mostAsked+max(2*h.spec().Limits.Pending, len(m.parts)), math.MaxInt
	if h.observes {
		most, records = max(most, mostObserved), mostSent
	}
	var covered []ledger.Covered
	onRecord := false
	for _, d := range recorded {
		if d != nil {
			onRecord, covered = true, append(covered, d.disclosure.Covered...)
		}
	}
	var sent *sentTogether
	if len(covered) > 0 {
		sent = &sentTogether{covered: covered}
	}
	for i := range m.parts {
		part := &m.parts[i]
		q := &question{id: part.id, word: m.word, message: part.raw, named: m.named, refused: refused}
		if m.role == wire.Push {
			q.message, _, _ = bytes.Cut(part.raw, []byte{carriage})
			q.push, q.once, q.brought, q.sent = true, part.once, onRecord && part.bears, sent
		}
		if q.message = bytes.Clone(q.message); h.observes {
			q.message = nil // it is not the guard that answers
		}
		h.asked.add(q, most, records)
	}
}

// echo gives whom an answer may name again, nil for that to a query.
func (q *question) echo() map[chaperone.PatientToken]bool {
	if !q.push {
		return nil
	}
	echo := map[chaperone.PatientToken]bool{}
	if q.sent == nil {
		return echo
	}
	for i := range q.sent.covered {
		for _, token := range tokensOf(&q.sent.covered[i]) {
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

// find gives the oldest question of an id, of those that are not taken yet where untaken says so; nil when there is none. One that would have
// been refused is found when there is no other: where the guard enforces, the system behind has not heard it. Called with the lock.
func (a *asked) find(id string, untaken bool) *question {
	q := a.oldest
	if a.of != nil {
		q = a.of[id]
	}
	var refused *question
	for q != nil {
		switch {
		case q.id != id || untaken && q.taken:
		case !q.refused:
			return q
		case refused == nil:
			refused = q
		}
		if a.of != nil {
			q = q.same
		} else {
			q = q.behind
		}
	}
	return refused
}

// answeredBy finds out what the messages of a frame answer (MSA-2). Each takes of a message that was no query one commit, and then, where its
// sender did not do without, one answer, plain or not: what comes behind that was not asked for. A query lasts until its answer has passed.
func (a *asked) answeredBy(m *message) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range m.parts {
		p := &m.parts[i]
		if p.ack == "" {
			continue
		}
		q := a.find(p.ackFor, p.commits)
		switch p.answers = q; {
		case q == nil || !q.push:
		case p.commits && !q.once:
			q.taken = true
		default:
			a.remove(q)
		}
	}
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
