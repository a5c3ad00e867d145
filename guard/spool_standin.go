package guard

import (
	"errors"

	"chaperone/guard/spool"
	"chaperone/policy"
)

// standIn is the system behind a DICOM listener while that is away: a storage SCP in this process (PS3.4 annex B), to which an
// association passes as to any other. It puts objects into the spool and acknowledges what is on disk. Of everything else it says
// nothing, least of all that the system is there.
type standIn struct {
	*conn
	leg
	kept    *spooler
	request *association
	op      *command
	object  *spool.Object // of op; nil: not kept
	failed  error         // why
}

// serve takes what comes until either side ends the association.
func (s *standIn) serve() {
	defer func() { _ = s.leg.conn.Close() }() // it is over
	defer s.drop()
	var b batch
	for {
		b.list, b.buffer = b.list[:0], b.buffer[:0]
		if s.in.one(&b) != nil || s.pdu(&b.list[0]) != nil {
			return
		}
	}
}

var errOver = errors.New("the association is over")

func (s *standIn) pdu(p *pdu) error {
	switch p.kind {
	case pduAssociateRQ:
		return s.accept(p.body)
	case pduData:
		return fragments(p.body, s.fragment)
	case pduReleaseRQ:
		_ = s.control(pduReleaseRP, make([]byte, 4)) // it is over anyway
	}
	return errOver
}

// accept takes the contexts in which objects can be kept. Where there are none, and where a user is to be checked by the system, the client may come again.
func (s *standIn) accept(body []byte) error {
	q, err := readAssociation(pduAssociateRQ, body)
	if err != nil {
		return err
	}
	s.request = q
	answer := *q
	answer.contexts, answer.roles, answer.kept, answer.most = nil, nil, [][2][]byte{{{itemClassUID}, []byte(implementation)}}, mostPDU
	for i := range q.contexts {
		p := &q.contexts[i]
		if p.result = contextNoReason; q.brings(p) { // else it has this service at other times
			p.result, p.accepted = contextAccepted, s.kept.took.choose(s.to.name(), p)
		}
		answer.contexts = append(answer.contexts, *p)
	}
	if !keepable(q) {
		s.guard.log.Warn("the system behind the listener is away, and nothing of an association can be kept", "listener", s.listener.name, "party", s.called())
		return s.control(pduAssociateRJ, []byte{0, notNow[0], notNow[1], notNow[2]})
	}
	s.most = bounded(q.most)
	return s.control(pduAssociateAC, answer.body(pduAssociateAC))
}

// fragment takes a piece of a C-STORE; the guard has seen to its form.
func (s *standIn) fragment(f fragment) error {
	if f.command != (s.op == nil) {
		return errOver
	}
	if s.op != nil {
		if s.failed == nil {
			_, s.failed = s.object.Write(f.data)
		}
		if f.last {
			return s.answer()
		}
		return nil
	}
	s.message.command = append(s.message.command, f.data...)
	if !f.last {
		return nil
	}
	c, err := readCommand(f.context, s.message.command)
	s.message.command = nil // it is c's
	switch {
	case err != nil:
		return err
	case c.field == fieldCancel: // what is kept is kept
		return nil
	case c.field != fieldStore || !c.dataSet:
		return errOver
	}
	s.op = c
	s.object, s.failed = s.kept.spool.Create()
	return nil
}

// answer keeps an object that is whole, and says so, or that it was not kept: then nothing is left of it.
func (s *standIn) answer() error {
	op, status, note := s.op, statusSuccess, ""
	if s.failed == nil {
		s.failed = s.kept.serves(s.to.name()) // a large one may have taken long
	}
	if s.failed == nil {
		s.failed = s.object.Keep(spool.Entry{
			Came: s.guard.now(), From: s.from.name(), To: s.to.name(), Word: op.word(), IDs: []string{op.instance}, Awaited: true, Message: s.request.keep(op),
		})
		s.object = nil
	}
	if s.failed != nil {
		status, note = statusResources, comment(s.refuse(s.failed))
	} else {
		s.kept.began()
	}
	s.drop()
	return s.send(op.context, true, true, op.reply(status, note))
}

// refuse notes an object that was permitted, and is on record, and not kept.
func (s *standIn) refuse(why error) (reference string) {
	from, to := s.from, s.to
	from.claimed, to.claimed = s.request.calling(), s.request.called()
	if !errors.Is(why, spool.ErrFull) && !errors.Is(why, errMoved) {
		s.guard.log.Error("not kept, so not acknowledged", "listener", s.listener.name, "error", why)
	}
	return s.guard.refused.note(refusal{
		listener: s.listener.name, word: s.op.word(), action: policy.Store, said: true, from: from.record(), to: to.record(), at: s.guard.now(),
		decision: policy.Decision{Reason: away, Version: s.guard.rules.Load().site.Version, Hint: hintOf(why)},
	})
}

// drop gives up what is not kept.
func (s *standIn) drop() {
	if s.object != nil {
		s.object.Drop()
	}
	s.op, s.object, s.failed = nil, nil, nil
}
