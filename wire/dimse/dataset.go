package dimse

import (
	"fmt"

	"chaperone"
	"chaperone/format/dicom"
	"chaperone/wire"
)

// identityGroup is the group of a data set that says whose it is; when it has passed, a C-STORE can be decided.
const identityGroup = 0x0010

// progress gives the head of a C-STORE as soon as its data set has passed the identity, and its body from then on.
func (s *Session) progress(d wire.Dir, r *reading, at chaperone.Mark) {
	m := r.message
	if r.match || m.Action != "C-STORE" {
		return
	}
	if r.headed {
		s.emit(d, wire.Body, m, at)
		return
	}
	if r.walker.Passed(identityGroup) {
		s.headStore(d, r, at)
	}
}

// headStore gives the head of a C-STORE with the records that are known. A data set without an identity in its own
// group is judged at its end: the number may stand in a sequence, or the study may tell.
func (s *Session) headStore(d wire.Dir, r *reading, at chaperone.Mark) {
	r.headed = true
	records := dicom.Records(r.walker.Elements)
	if len(records[0].Identifiers) == 0 {
		s.emit(d, wire.Head, r.message, at)
		return
	}
	r.told = len(records)
	for i := range records {
		records[i].Study = chaperone.PHI{} // known or not, as the bytes were cut: the tail says it
	}
	s.emit(d, wire.Head, r.message, at, records...)
}

// finishReading ends a data set. ended: its last fragment passed.
func (s *Session) finishReading(d wire.Dir, r *reading, ended bool, at chaperone.Mark) {
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
	if odd := r.walker.Odd(); odd != nil && !r.cut && ended {
		s.malformed(d, at, fmt.Errorf("data set of the message at offset %d: %w", r.start, odd))
	}
	switch m := r.message; {
	case r.match:
		m.Bytes += int64(len(r.raw)) + r.size
		s.emit(d, wire.Body, m, at, dicom.Records(r.walker.Elements)...)
	case m.Role == wire.Query:
		s.emit(d, wire.Head, m, at)
	case m.Role == wire.Move:
		m.Retrieve.Keys = dicom.Keys(r.walker.Elements)
		s.emit(d, wire.Head, m, at)
	default:
		s.finishPush(d, r, ended, at)
	}
}

// finishPush ends a message that brought its own data set.
func (s *Session) finishPush(d wire.Dir, r *reading, ended bool, at chaperone.Mark) {
	m := r.message
	m.Bytes += r.size
	m.Ended = ended
	if !ended {
		m.Outcome = chaperone.Partial
	}
	if !r.headed && m.Action == "C-STORE" && r.walker.Passed(identityGroup) {
		s.headStore(d, r, at)
	}
	records := dicom.Records(r.walker.Elements)
	m.Study = records[0].Study
	switch {
	case r.told > 0:
		records = records[min(r.told, len(records)):]
	case m.Action != "C-STORE" && !identified(records[0]):
		records = nil // a storage commitment or an event bears no patient
	case r.size == 0:
		records = nil // broken off before anything passed
	}
	if !r.headed {
		s.emit(d, wire.Head, m, at, records...)
		records = nil
	}
	s.emit(d, wire.Tail, m, at, records...)
	s.tailed(d, r, at)
}

// tailed notes that a message is over, and gives its answer if that came early.
func (s *Session) tailed(d wire.Dir, r *reading, at chaperone.Mark) {
	for _, q := range s.half[d].pending {
		if q.message == r.message {
			q.tailed = true
			return
		}
	}
	s.emit(d.Other(), wire.Answer, r.message, at)
}

func identified(r chaperone.Record) bool {
	return len(r.Identifiers) > 0 || len(r.Alternates) > 0 || !r.Name.Empty()
}

// finishAll ends everything that is open: the association was aborted, or the connection is over.
func (s *Session) finishAll(at chaperone.Mark) {
	for d := range s.half {
		h := &s.half[d]
		for id := 1; id < 256 && len(h.reading) > 0; id++ { // in the order of contexts, the same each time
			r := h.reading[byte(id)]
			if r == nil {
				continue
			}
			if r.inData {
				s.finishReading(wire.Dir(d), r, false, at)
			}
			delete(h.reading, byte(id))
		}
	}
	for d := range s.half {
		for len(s.half[d].pending) > 0 {
			m := s.half[d].pending[0].message
			s.answer(wire.Dir(d), 0, "", m.Outcome, at)
		}
	}
	if s.assoc != nil {
		s.associationAnswer(s.assocDir.Other(), chaperone.Unknown, "", at)
	}
}
