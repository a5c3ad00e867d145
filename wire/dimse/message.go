package dimse

import (
	"crypto/sha256"
	"fmt"
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
	if q := r.request; q != nil {
		keep := dicom.Identifying
		if !r.match && (q.message.Role == wire.Query || q.message.Role == wire.Move) {
			keep = dicom.Asking
		}
		r.walker = dicom.NewWalker(s.syntax(h.context), s.limits.Depth, keep)
	}
}

// request opens a message for a request.
func (s *Session) request(d wire.Dir, r *reading, at chaperone.Mark) {
	c := r.command
	m := &wire.Message{
		Seq: s.next(), Action: commandNames[c.field], Class: c.class, Dir: d, Data: d, Start: r.start, At: r.startAt, Role: wire.Control,
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
