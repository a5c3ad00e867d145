package dimse

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"

	"chaperone"
	"chaperone/format"
	"chaperone/format/dicom"
	"chaperone/wire"
)

// reading is a DIMSE message whose fragments are passing in one direction and context.
type reading struct {
	raw     []byte // command set so far
	cut     bool   // bytes of it are missing
	start   int64
	startAt chaperone.Mark
	command command
	inData  bool // the command set is whole and the data set follows
	walker  *dicom.Walker
	message *wire.Message // whom the data set belongs to, nil when nobody asks
	match   bool          // the data set is an answer of message, not its own
	size    int64         // bytes of the data set
	told    int           // records of it that were given with Head
	headed  bool
}

// request is a message that waits for its final response.
type request struct {
	id      uint16
	message *wire.Message
	tailed  bool
}

// fragment takes a piece of the current PDV, which may be its last.
func (s *Session) fragment(d wire.Dir, p []byte, at chaperone.Mark) {
	h := &s.half[d]
	r := h.reading[h.context]
	isCommand := h.flags&1 == 1
	if r != nil && isCommand && r.inData { // a new message before the last fragment of the one before
		s.finishReading(d, r, false, at)
		r = nil
	}
	if r == nil {
		if !isCommand {
			s.stray(d, at)
			return
		}
		r = &reading{start: h.start, startAt: h.startAt}
		h.reading[h.context] = r
	}
	last := h.flags&2 != 0 && h.pdv == 0
	if isCommand {
		if len(r.raw)+len(p) > maxCommand {
			s.malformed(d, at, fmt.Errorf("dimse: command set at offset %d of more than %d bytes: %w", r.start, maxCommand, format.ErrLimit))
			s.lose(d)
			delete(h.reading, h.context)
			return
		}
		r.raw = append(r.raw, p...)
		if last {
			s.commandEnd(d, r, at)
		}
		return
	}
	r.size += int64(len(p))
	if r.walker != nil {
		r.walker.Write(p)
		s.progress(d, r, at)
	}
	if last {
		s.finishReading(d, r, true, at)
	}
}

// stray handles a data fragment without a command: the middle of a message whose beginning was not seen. It is said
// once for each run of them.
func (s *Session) stray(d wire.Dir, at chaperone.Mark) {
	h := &s.half[d]
	if h.flags&2 != 0 && h.pdv == 0 && h.context != 0 {
		s.malformed(d, at, fmt.Errorf("dimse: data set without a command before offset %d: %w", h.offset, format.ErrMalformed))
	}
}

// fragmentGap counts n bytes of the current PDV that were not seen.
func (s *Session) fragmentGap(d wire.Dir, n int64, at chaperone.Mark) {
	h := &s.half[d]
	r := h.reading[h.context]
	if r == nil {
		return
	}
	r.gap(n)
	if h.flags == 2 && h.pdv == 0 && r.inData { // the gap hid the last bytes, but that they were the last is known
		s.finishReading(d, r, true, at)
	}
	if h.flags == 3 && h.pdv == 0 {
		delete(h.reading, h.context)
	}
}

func (r *reading) gap(n int64) {
	r.cut = true
	r.size += n
	if r.walker != nil {
		r.walker.Skip(n)
	}
}

// commandEnd acts on a whole command set.
func (s *Session) commandEnd(d wire.Dir, r *reading, at chaperone.Mark) {
	h := &s.half[d]
	c, err := parseCommand(r.raw)
	if err != nil || r.cut {
		if err != nil {
			s.malformed(d, at, fmt.Errorf("offset %d: %w", r.start, err))
		}
		c.dataSet = true // it may follow; without a message it is passed over
	}
	r.command = c
	if err == nil {
		if c.field&response == 0 {
			s.request(d, r, at)
		} else {
			s.response(d, r, at)
		}
	}
	if !c.dataSet {
		delete(h.reading, h.context)
		return
	}
	r.inData = true
	if r.message != nil {
		r.walker = dicom.NewWalker(s.syntax(h.context), s.limits.Depth, dicom.Identifying)
	}
}

// request opens a message for a request.
func (s *Session) request(d wire.Dir, r *reading, at chaperone.Mark) {
	c := r.command
	m := &wire.Message{
		Seq: s.next(), Action: commandNames[c.field], Dir: d, Data: d, Start: r.start, At: r.startAt, Role: wire.Control,
		Digest: sha256.Sum256(r.raw), Outcome: chaperone.Unknown, Ended: !c.dataSet,
	}
	switch c.field {
	case cStore:
		m.Role = wire.Push
		m.Bytes = int64(len(r.raw))
		if c.originator != "" || c.originID != 0 {
			m.Role = wire.Reply
			m.Retrieve = &wire.Retrieve{ID: c.originID, Originator: c.originator}
		} else if s.asked(d.Other(), "C-GET") {
			m.Role, m.Requester = wire.Reply, s.titles[d.Other()]
		}
	case cFind, cGet:
		m.Role, m.Data, m.Requester = wire.Query, d.Other(), s.titles[d]
	case cMove:
		m.Role, m.Data, m.Requester = wire.Move, d.Other(), s.titles[d]
		m.Retrieve = &wire.Retrieve{ID: c.id, Originator: s.titles[d], Destination: c.destination}
	default:
		if c.dataSet && c.field != cCancel {
			m.Role = wire.Push // a procedure step (MPPS) names its patient
			m.Bytes = int64(len(r.raw))
		}
	}
	m.From, m.To = s.titles[m.Data], s.titles[m.Data.Other()]
	r.message = m
	if !c.dataSet {
		s.emit(d, wire.Head, m, at)
		if m.Data == d { // a query is over with its final response
			s.emit(d, wire.Tail, m, at)
		}
	}
	if c.field == cCancel {
		return // it has no response of its own
	}
	h := &s.half[d]
	h.pending = append(h.pending, &request{id: c.id, message: m, tailed: !c.dataSet})
	if len(h.pending) > s.limits.Pending {
		s.answer(d, 0, "", chaperone.Unknown, at)
	}
}

// asked reports whether a request with that name waits for its response in direction d.
func (s *Session) asked(d wire.Dir, action string) bool {
	return slices.ContainsFunc(s.half[d].pending, func(q *request) bool { return q.message.Action == action })
}

// response acts on a response: one of several, or the final one.
func (s *Session) response(d wire.Dir, r *reading, at chaperone.Mark) {
	c := r.command
	from := d.Other() // the direction of the request
	i := slices.IndexFunc(s.half[from].pending, func(q *request) bool { return q.id == c.answers })
	field := c.field &^ response
	if i < 0 {
		if field != cFind && field != cMove {
			return
		}
		i = s.assume(from, r, at)
	}
	q := s.half[from].pending[i]
	if detail := q.message.Retrieve; detail != nil && c.counted && q.message.Role == wire.Move {
		detail.Completed, detail.Failed = int(c.completed)+int(c.warning), int(c.failed)
	}
	if c.dataSet && field == cFind {
		r.message, r.match = q.message, true
	}
	if pendingStatus(c.status) {
		return
	}
	outcome := chaperone.Refused
	if succeeded(c.status) {
		outcome = chaperone.Delivered
	}
	s.answer(from, i, fmt.Sprintf("%04X", c.status), outcome, at)
}

// assume opens the message of a request that was not seen but is being answered.
func (s *Session) assume(d wire.Dir, r *reading, at chaperone.Mark) int {
	c := r.command
	m := &wire.Message{
		Seq: s.next(), Action: commandNames[c.field&^response], Role: wire.Query, Dir: d, Data: d.Other(), Start: r.start, At: r.startAt,
		Digest: sha256.Sum256(r.raw), Outcome: chaperone.Unknown, From: s.titles[d.Other()], To: s.titles[d], Requester: s.titles[d],
	}
	if c.field&^response == cMove {
		m.Role = wire.Move
		m.Retrieve = &wire.Retrieve{ID: c.answers, Originator: s.titles[d]}
	}
	s.emit(d.Other(), wire.Head, m, at)
	h := &s.half[d]
	h.pending = append(h.pending, &request{id: c.answers, message: m})
	return len(h.pending) - 1
}

// answer takes the i-th waiting request of direction d off the list and closes its message.
func (s *Session) answer(d wire.Dir, i int, status string, outcome chaperone.Outcome, at chaperone.Mark) {
	h := &s.half[d]
	q := h.pending[i]
	h.pending = slices.Delete(h.pending, i, i+1)
	q.message.Status, q.message.Outcome = status, outcome
	if q.message.Role == wire.Query || q.message.Role == wire.Move {
		q.message.Ended = status != "" // its answers are part of it
		if !q.message.Ended {
			q.message.Outcome = chaperone.Partial
		}
		s.emit(d.Other(), wire.Tail, q.message, at)
	} else if !q.tailed && s.streaming(d, q.message) {
		return // answered early: the answer is given behind the tail
	}
	s.emit(d.Other(), wire.Answer, q.message, at)
}

// streaming reports whether the data set of m is still passing.
func (s *Session) streaming(d wire.Dir, m *wire.Message) bool {
	for _, r := range s.half[d].reading {
		if r.message == m && !r.match {
			return true
		}
	}
	return false
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
	copies := map[*wire.Message]*wire.Message{}
	clone := func(m *wire.Message) *wire.Message {
		if m != nil && copies[m] == nil {
			copied := *m
			if m.Retrieve != nil {
				detail := *m.Retrieve
				copied.Retrieve = &detail
			}
			copies[m] = &copied
		}
		return copies[m]
	}
	c.assoc = clone(s.assoc)
	for d := range s.half {
		from, to := &s.half[d], &c.half[d]
		to.control, to.scan = slices.Clone(from.control), slices.Clone(from.scan)
		to.reading = map[byte]*reading{}
		for id, r := range from.reading {
			copied := *r
			copied.raw, copied.walker, copied.message = slices.Clone(r.raw), r.walker.Clone(), clone(r.message)
			to.reading[id] = &copied
		}
		to.pending = nil
		for _, q := range from.pending {
			copied := *q
			copied.message = clone(q.message)
			to.pending = append(to.pending, &copied)
		}
	}
	return c
}
