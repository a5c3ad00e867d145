package dimse

import (
	"fmt"

	"chaperone"
	"chaperone/format/dicom"
	"chaperone/wire"
)

// identityGroup is the group of a data set that says whose it is; when it has passed, a C-STORE can be decided.
const identityGroup = 0x0010

// maxUID is the length of a UID (PS3.5 section 6.2). Only so much is kept of a message that waits for its answer.
const maxUID = 64

// progress gives the head of a C-STORE as soon as its data set has passed the identity, and its body from then on.
func (s *Session) progress(d wire.Dir, r *reading, at chaperone.Mark) {
	q := r.request
	switch {
	case r.match || q.message.Action != "C-STORE":
	case q.headed:
		s.emit(d, wire.Body, q.message, at)
	case r.walker.Passed(identityGroup):
		s.headStore(d, r, at)
	}
}

// headStore gives the head of a C-STORE with the records that its identity group tells, wherever the data set was cut.
// A data set without an identity there is judged at its end: the number may stand in a sequence, or the study may tell.
func (s *Session) headStore(d wire.Dir, r *reading, at chaperone.Mark) {
	records := dicom.Records(r.walker.Until(identityGroup))
	if len(records[0].Identifiers) == 0 {
		records = nil
	}
	r.request.told = len(records)
	s.head(d, r.request, at, records...)
}

// finishReading ends a message's fragments. all: the last of them passed.
func (s *Session) finishReading(d wire.Dir, r *reading, all bool, at chaperone.Mark) {
	h := &s.half[d]
	for id, other := range h.reading {
		if other == r {
			delete(h.reading, id)
		}
	}
	if r.walker == nil {
		return
	}
	r.walker.Finish()
	if odd := r.walker.Odd(); odd != nil && !r.cut && all {
		s.malformed(d, at, fmt.Errorf("data set of the message at offset %d: %w", r.start, odd))
	}
	switch q := r.request; {
	case r.match:
		s.finishMatch(d, r, at)
	case q.headed && q.message.Role != wire.Push && q.message.Role != wire.Reply: // it was answered while it passed
	case q.message.Role == wire.Query:
		q.message.Everybody = r.everybody(all)
		s.head(d, q, at)
	case q.message.Role == wire.Move:
		q.message.Everybody = r.everybody(all)
		q.message.Retrieve.Keys = dicom.Keys(r.walker.Elements)
		s.head(d, q, at)
	default:
		s.finishPush(d, r, all, at)
	}
}

// everybody reports whether keys that passed whole name nobody.
func (r *reading) everybody(all bool) bool {
	return all && !r.cut && r.walker.Err() == nil && !dicom.NamesAnybody(r.walker.Elements)
}

// finishMatch gives the record of a match, and the answer if it was the last.
func (s *Session) finishMatch(d wire.Dir, r *reading, at chaperone.Mark) {
	q := r.request
	if r.size > 0 && !q.tailed {
		s.head(d.Other(), q, at)
		q.message.Bytes += int64(len(r.raw)) + r.size
		s.emit(d, wire.Body, q.message, at, dicom.Records(r.walker.Elements)...)
	}
	if r.final {
		s.finalAnswer(d.Other(), q, r.command.status, at)
	}
}

// finishPush ends a message that brought its own data set.
func (s *Session) finishPush(d wire.Dir, r *reading, all bool, at chaperone.Mark) {
	q, m := r.request, r.request.message
	m.Bytes += r.size
	m.Ended = all
	m.Outcome = ended(m, m.Outcome)
	if m.Action == "C-STORE" && !q.headed && r.walker.Passed(identityGroup) {
		s.headStore(d, r, at)
	}
	records := dicom.Records(r.walker.Elements)
	if r.cut && r.walker.Err() != nil && len(records[0].Identifiers) == 0 {
		records = []chaperone.Record{{Study: records[0].Study}} // the number may have been in the part that is missing
	}
	if study := records[0].Study; len(study.Reveal()) <= maxUID { // measured, not shown
		m.Study = study
	}
	switch {
	case q.told > 0:
		records = records[min(q.told, len(records)):]
	case r.size == 0:
		records = nil // broken off before anything passed
	case m.Action == unannounced && d == wire.FromClient && dicom.IsQuery(r.walker.Elements):
		records = nil // the keys of a query are not a record; a match comes from the other side
	case m.Action != "C-STORE" && m.Action != unannounced && !identified(records[0]):
		records = nil // a storage commitment or an event bears no patient
	}
	if !q.headed {
		s.head(d, q, at, records...)
		records = nil
	}
	s.tail(d, q, at, records...)
}

func identified(r chaperone.Record) bool {
	return len(r.Identifiers) > 0 || len(r.Alternates) > 0 || !r.Name.Empty()
}

// finishAll ends everything that is open: the association was aborted, or the connection is over.
func (s *Session) finishAll(at chaperone.Mark) {
	for d := range s.half {
		h := &s.half[d]
		for id := range 256 { // in the order of contexts, the same each time
			if r := h.reading[byte(id)]; r != nil {
				s.finishReading(wire.Dir(d), r, false, at)
			}
		}
	}
	for d := range s.half {
		for len(s.half[d].pending) > 0 {
			q := s.half[d].pending[0]
			s.answer(wire.Dir(d), q, "", q.message.Outcome, at)
		}
	}
	if s.assoc != nil {
		s.associationAnswer(s.assocDir.Other(), chaperone.Unknown, "", at)
	}
}
