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
	cut     bool   // bytes of the message are missing
	long    bool   // the command set is over its limit and is passed over
	start   int64
	startAt chaperone.Mark
	command command
	inData  bool // the command set is over and the data set follows
	unread  bool // the command set was not seen or cannot be read
	walker  *dicom.Walker
	request *request // whom the data set belongs to, nil when nobody asks
	match   bool     // the data set is an answer to request, not its own
	final   bool     // it is the last answer
	size    int64    // bytes of the data set
}

// request is a message, from its command set to its final response.
type request struct {
	id       uint16
	message  *wire.Message
	headed   bool
	told     int // records that were given with Head
	tailed   bool
	answered bool // it waits no longer
}

// maxOpen bounds the messages of one direction whose fragments are passing. PS3.8 annex E allows one.
const maxOpen = 8

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
		r = s.open(d, at)
		if !isCommand {
			s.malformed(d, at, fmt.Errorf("dimse: data set without a command at offset %d: %w", h.start, format.ErrMalformed))
			r.inData, r.unread = true, true
		}
	}
	last := h.flags&2 != 0 && h.pdv == 0
	if isCommand {
		if !r.long && len(r.raw)+len(p) > maxCommand {
			s.malformed(d, at, fmt.Errorf("dimse: command set at offset %d of more than %d bytes: %w", r.start, maxCommand, format.ErrLimit))
			r.long, r.raw = true, nil
		}
		if !r.long {
			r.raw = append(r.raw, p...)
		}
		if last {
			s.commandEnd(d, r, at)
		}
		return
	}
	if r.unread && r.request == nil && len(p) > 0 {
		s.announce(d, r)
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

// open starts reading a message.
func (s *Session) open(d wire.Dir, at chaperone.Mark) *reading {
	h := &s.half[d]
	if len(h.reading) == maxOpen {
		var oldest *reading
		for id := range 256 {
			if r := h.reading[byte(id)]; r != nil && (oldest == nil || r.start < oldest.start) {
				oldest = r
			}
		}
		s.malformed(d, at, fmt.Errorf("dimse: fragments of more than %d messages at offset %d: %w", maxOpen, h.start, format.ErrLimit))
		s.finishReading(d, oldest, false, at)
	}
	r := &reading{start: h.start, startAt: h.startAt}
	h.reading[h.context] = r
	return r
}

// unannounced is the action of a message whose command set was not seen or cannot be read.
const unannounced = "?"

// announce opens the message of a data set that no readable command announced. If it names nobody it counts as one record
// of nobody: that is too many for the keys of a query, but never too few.
func (s *Session) announce(d wire.Dir, r *reading) {
	m := &wire.Message{
		Seq: s.next(), Action: unannounced, Role: wire.Push, Dir: d, Data: d, From: s.titles[d], To: s.titles[d.Other()],
		Start: r.start, At: r.startAt, Outcome: chaperone.Unknown,
	}
	r.request = &request{message: m, answered: true} // nobody knows which response would be its own
	r.cut = true                                     // what is odd about it was said
	r.walker = dicom.NewWalker(s.syntax(s.half[d].context), s.limits.Depth, dicom.Identifying)
}

// fragmentGap counts n bytes of the current PDV that were not seen.
func (s *Session) fragmentGap(d wire.Dir, n int64, at chaperone.Mark) {
	h := &s.half[d]
	r := h.reading[h.context]
	isCommand := h.flags&1 == 1
	if r != nil && isCommand && r.inData {
		s.finishReading(d, r, false, at)
		r = nil
	}
	if r == nil {
		if !isCommand {
			return
		}
		r = s.open(d, at)
	}
	r.gap(n)
	if h.flags&2 == 0 || h.pdv > 0 {
		return
	}
	s.finishReading(d, r, r.inData, at) // the gap hid the last bytes, but that they were the last is known
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
	if r.long {
		r.inData, r.unread = true, true // a data set may follow
		return
	}
	c, err := parseCommand(r.raw)
	if err != nil {
		s.malformed(d, at, fmt.Errorf("offset %d: %w", r.start, err))
		r.inData, r.unread = true, true
		return
	}
	c.dataSet = c.dataSet || r.cut
	r.command = c
	if c.field&response == 0 {
		s.request(d, r, at)
	} else {
		s.response(d, r, at)
	}
	if !c.dataSet {
		delete(h.reading, h.context)
		return
	}
	r.inData = true
	if r.request != nil {
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
	q := &request{id: c.id, message: m}
	r.request = q
	if !c.dataSet {
		s.head(d, q, at)
		if m.Data == d { // a query is over with its final response
			s.tail(d, q, at)
		}
	}
	if c.field == cCancel {
		return // it has no response of its own
	}
	s.wait(d, q, at)
}

// wait puts a request on the list of those without their final response.
func (s *Session) wait(d wire.Dir, q *request, at chaperone.Mark) {
	h := &s.half[d]
	h.pending = append(h.pending, q)
	if len(h.pending) > s.limits.Pending {
		s.answer(d, h.pending[0], "", chaperone.Unknown, at)
	}
}

// head says what is known of a message, once.
func (s *Session) head(d wire.Dir, q *request, at chaperone.Mark, records ...chaperone.Record) {
	if !q.headed {
		q.headed = true
		s.emit(d, wire.Head, q.message, at, records...)
	}
}

// tail says that a message that brought its own data set is over, and gives its answer if that came early.
func (s *Session) tail(d wire.Dir, q *request, at chaperone.Mark, records ...chaperone.Record) {
	q.tailed = true
	s.emit(d, wire.Tail, q.message, at, records...)
	if q.answered {
		s.emit(d.Other(), wire.Answer, q.message, at)
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
		detail.Completed, detail.Failed = int(c.completed)+int(c.warning), int(c.failed)
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
		Seq: s.next(), Action: commandNames[c.field&^response], Role: wire.Query, Dir: d, Data: d.Other(), Start: r.start, At: r.startAt,
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
