package guard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"chaperone/guard/spool"
	"chaperone/site"
)

// sending is an association of the deliverer's own, by which objects go whose clients had the same titles, and which are of the same class
// and transfer syntax.
type sending struct {
	asking
	body   []byte // of its request
	broken bool   // something on it did not come to its end
}

// end releases the association, or aborts it. Its connection is closed afterwards.
func (s *sending) end() {
	if s.broken {
		s.abort(0, 0)
		return
	}
	if s.control(pduReleaseRQ, make([]byte, 4)) == nil && s.conn.SetReadDeadline(time.Now().Add(lingering)) == nil {
		_, _ = s.pdu() // whatever it says, it is over
	}
}

// within waits for an answer, and closes the connection when it does not come in time.
func (s *sending) within(patient time.Duration, answer func() error) error {
	late := time.AfterFunc(patient, func() { _ = hangUp(s.conn) })
	if err := answer(); late.Stop() || err == nil {
		return err
	}
	return errUnanswered
}

// object sends an object as it came. refused is why its receiver does not take it, "" when it has it.
func (d *delivery) object(ctx context.Context, m *spool.Kept, spec *site.Listener) (refused string, err error) {
	k, err := readKept(&m.Entry)
	if err != nil {
		return d.lost(err)
	}
	if d.to != nil && !bytes.Equal(d.to.body, k.request) {
		d.hangUp()
	}
	if err := d.reach(ctx); err != nil {
		return "", err
	}
	if bad := new(spool.BadObject); d.looked != m.Object { // nothing of a damaged one is sent
		if err := d.spool.CheckObject(m.Object); errors.As(err, &bad) {
			return d.lost(err)
		} else if err != nil {
			return "", err
		}
		d.looked = m.Object
	}
	up := d.up.Conn
	stop := context.AfterFunc(ctx, func() { _ = hangUp(up) })
	defer stop()
	if d.to == nil {
		refused, err := d.associate(k.request, spec)
		if err != nil {
			return d.later(ctx, m, err)
		}
		if refused != "" {
			return refused, nil
		}
	}
	d.to.broken = true // until it is answered
	status, err := d.to.store(&k, d.spool, m.Object, spec.Limits.Idle)
	if bad := new(spool.BadObject); errors.As(err, &bad) { // since it was looked at
		d.hangUp()
		return d.lost(err)
	}
	if err != nil {
		return d.later(ctx, m, fmt.Errorf("an object did not arrive: %w", err))
	}
	d.to.broken = false
	switch {
	case status == statusSuccess, status>>12 == 0xB, warnsOnly(status): // PS3.7 annex C.1: it has it
		return "", nil
	case status>>8 == statusResources>>8: // PS3.4 table B.2-1
		return d.later(ctx, m, fmt.Errorf("the system behind it has no room for an object: status %04X", status))
	}
	return fmt.Sprintf("status %04X", status), nil
}

// later puts an object that did not arrive behind the others, which may.
func (d *delivery) later(ctx context.Context, m *spool.Kept, why error) (refused string, err error) {
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	return "", errors.Join(why, d.spool.Postpone(m.Number))
}

// Reasons by which an association is rejected until somebody has changed something: the titles are not known there (PS3.8 table 9-21).
var unknownTitles = map[rejected]bool{{1, 1, 3}: true, {1, 1, 7}: true}

// associate asks for the association of an object.
func (d *delivery) associate(request []byte, spec *site.Listener) (refused string, err error) {
	patient := spec.Limits.InMessage
	s := &sending{asking: asking{leg: leg{conn: d.up.Conn, in: newPDUReader(d.up.Conn, patient), patient: patient, most: mostPDU}}, body: bytes.Clone(request), broken: true}
	var answer *association
	err = s.within(patient, func() (err error) {
		answer, err = s.request(request)
		return err
	})
	why := rejected{}
	switch {
	case err == nil:
		d.gone.back()
	case !errors.As(err, &why):
		d.gone.note()
		return "", fmt.Errorf("there is no association for an object: %w", err)
	default:
		d.gone.back()
		d.hangUp()
		if unknownTitles[why] {
			return why.Error(), nil
		}
		return "", fmt.Errorf("there is no association for an object: %w", err)
	}
	d.to = s
	p := answer.context(keptContext)
	if p == nil || p.result != contextAccepted {
		s.broken = false
		d.hangUp()
		if p == nil {
			return "no answer to its presentation context", nil
		}
		return fmt.Sprintf("presentation context refused: %d", p.result), nil
	}
	s.context, s.most = *p, bounded(answer.most)
	return "", nil
}

// store sends a C-STORE and waits for its status.
func (s *sending) store(k *keptObject, from *spool.Spool, id spool.ObjectID, patient time.Duration) (status uint16, err error) {
	r, err := from.OpenObject(id)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	if err := s.send(keptContext, true, true, k.raw); err != nil {
		return 0, err
	}
	for last := false; !last; {
		var piece []byte
		if piece, last, err = r.Next(); err != nil {
			return 0, err
		}
		if err := s.send(keptContext, false, last, piece); err != nil {
			return 0, err
		}
	}
	var b []byte
	err = s.within(patient, func() (err error) {
		b, err = s.whole(true)
		return err
	})
	if err != nil {
		return 0, err
	}
	c, err := readCommand(keptContext, b)
	if err != nil {
		return 0, err
	}
	if c.field != fieldStore|answerBit || c.id != k.id || c.dataSet {
		return 0, unexpected("answer to what was not asked")
	}
	return c.status, nil
}

// lost tells of an object that is not what was kept: what names it is kept apart, so that the others go on.
func (d *delivery) lost(why error) (refused string, err error) {
	d.guard.log.Error("an object that was kept cannot be delivered", "listener", d.name, "why", why.Error())
	d.news.lost.Add(1)
	return "the guard's own file of it is damaged or missing", nil
}
