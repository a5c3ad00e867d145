package dimse

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"

	"chaperone"
	"chaperone/format/dicom"
	"chaperone/wire"
)

// response acts on a response: one of several, or the final one.
func (s *Session) response(d wire.Dir, r *reading, at chaperone.Mark) {
	c := r.command
	from := d.Other() // the direction of the request
	field := c.field &^ response
	i := slices.IndexFunc(s.half[from].pending, func(q *request) bool {
		return q.id == c.answers && q.message.Action == commandNames[field]
	})
	var q *request
	switch {
	case i >= 0:
		q = s.half[from].pending[i]
	case field == cFind || field == cMove:
		q = s.assume(from, r, at)
	default:
		return
	}
	if detail := q.message.Retrieve; detail != nil && c.counted && q.message.Role == wire.Move {
		detail.Completed, detail.Failed, detail.Counted = int(c.completed)+int(c.warning), int(c.failed), true
	}
	final := !pendingStatus(c.status)
	switch {
	case c.dataSet && field == cFind && q.message.Role == wire.Query:
		r.request, r.match, r.final = q, true, final
	case final:
		s.finalAnswer(from, q, c.status, at)
	}
}

// finalAnswer closes a request of direction d by the status of its last response.
func (s *Session) finalAnswer(d wire.Dir, q *request, status uint16, at chaperone.Mark) {
	outcome := chaperone.Refused
	if succeeded(status) {
		outcome = chaperone.Delivered
	}
	s.answer(d, q, fmt.Sprintf("%04X", status), outcome, at)
}

// assume opens the message of a request that was not seen but is being answered.
func (s *Session) assume(d wire.Dir, r *reading, at chaperone.Mark) *request {
	c := r.command
	m := &wire.Message{
		Seq: s.next(), Action: commandNames[c.field&^response], Class: c.class, Role: wire.Query, Dir: d, Data: d.Other(), Start: r.start, At: r.startAt,
		Digest: sha256.Sum256(r.raw), Outcome: chaperone.Unknown, From: s.titles[d.Other()], To: s.titles[d], Requester: s.titles[d],
	}
	if c.field&^response == cMove {
		m.Role = wire.Move
		m.Retrieve = &wire.Retrieve{ID: c.answers, Originator: s.titles[d]}
	}
	q := &request{id: c.answers, message: m, headed: true}
	s.emit(d.Other(), wire.Head, m, at)
	s.wait(d, q, at)
	return q
}

// answer takes a waiting request of direction d off the list and closes its message. The answer to a message whose
// data set still passes is given behind its tail.
func (s *Session) answer(d wire.Dir, q *request, status string, outcome chaperone.Outcome, at chaperone.Mark) {
	h := &s.half[d]
	i := slices.Index(h.pending, q)
	if i < 0 {
		return
	}
	h.pending = slices.Delete(h.pending, i, i+1)
	q.answered = true
	m := q.message
	if m.Role == wire.Query || m.Role == wire.Move {
		s.finishMatches(d.Other(), q, at)
		s.head(d, q, at)
		m.Ended = status != "" // its answers are part of it
		q.tailed = true
		m.Status, m.Outcome = status, ended(m, outcome)
		s.emit(d.Other(), wire.Tail, m, at)
		s.emit(d.Other(), wire.Answer, m, at)
		return
	}
	m.Status, m.Outcome = status, outcome
	if q.tailed {
		m.Outcome = ended(m, outcome)
		s.emit(d.Other(), wire.Answer, m, at)
	}
}

// ended corrects the outcome of a message of which only a part passed.
func ended(m *wire.Message, outcome chaperone.Outcome) chaperone.Outcome {
	if !m.Ended {
		return chaperone.Partial
	}
	return outcome
}

// finishMatches ends the data sets that answer q and are still passing in direction d.
func (s *Session) finishMatches(d wire.Dir, q *request, at chaperone.Mark) {
	for id := range 256 {
		if r := s.half[d].reading[byte(id)]; r != nil && r.match && r.request == q {
			s.finishReading(d, r, false, at)
		}
	}
}

// syntax gives the encoding that was negotiated for a context.
func (s *Session) syntax(id byte) dicom.Syntax {
	c := s.contexts[id]
	if c.transfer == "" {
		return dicom.SyntaxOf(c.offered)
	}
	return dicom.SyntaxOf(c.transfer)
}

// Clone gives an independent copy.
func (s *Session) Clone() wire.Session {
	c := &Session{limits: s.limits, seq: s.seq, half: s.half, titles: s.titles, assocDir: s.assocDir, contexts: maps.Clone(s.contexts)}
	copies := map[*request]*request{}
	clone := func(q *request) *request {
		if q != nil && copies[q] == nil {
			copied := *q
			copied.message = cloneMessage(q.message)
			copies[q] = &copied
		}
		return copies[q]
	}
	c.assoc = cloneMessage(s.assoc)
	for d := range s.half {
		from, to := &s.half[d], &c.half[d]
		to.control, to.scan = slices.Clone(from.control), slices.Clone(from.scan)
		to.reading = map[byte]*reading{}
		for id, r := range from.reading {
			copied := *r
			copied.raw, copied.walker, copied.request = slices.Clone(r.raw), r.walker.Clone(), clone(r.request)
			to.reading[id] = &copied
		}
		to.pending = nil
		for _, q := range from.pending {
			to.pending = append(to.pending, clone(q))
		}
	}
	return c
}

func cloneMessage(m *wire.Message) *wire.Message {
	if m == nil {
		return nil
	}
	copied := *m
	if m.Retrieve != nil {
		retrieve := *m.Retrieve
		copied.Retrieve = &retrieve
	}
	return &copied
}
