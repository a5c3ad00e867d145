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
	if s.control(pduReleaseRQ, make([]byte, 4)) == nil {
		_ = s.within(lingering, func() error { _, err := s.pdu(); return err }) // whatever it says, it is over
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
	bad := new(spool.BadObject)
	data, err := d.spool.OpenObject(m.Object)
	switch {
	case errors.As(err, &bad) && bad.Missing && d.spool.Unsure(m.Number): // the files of what is delivered are gone
		d.guard.log.Warn("an object counts as delivered: its file is gone, and it was not known any more what is delivered", "listener", d.name, "file", bad.File)
		return "", nil
	case errors.As(err, &bad):
		return d.lost(err)
	case err != nil: // of the disk, or of who may read it
		return d.later(ctx, m, err)
	}
	defer data.Close()
	if d.to != nil && !bytes.Equal(d.to.body, k.request) {
		d.hangUp()
	}
	if err := d.reach(ctx, spec); err != nil {
		return "", err
	}
	up := d.up.Conn
	stop := context.AfterFunc(ctx, func() { _ = hangUp(up) })
	defer stop()
	if d.to == nil {
		refused, err := d.associate(&k, spec)
		if err != nil {
			return d.later(ctx, m, err)
		}
		if refused != "" {
			return refused, nil
		}
	}
	d.to.broken = true // until it is answered
	before := d.spool.Given(m.Object)
	status, given, err := d.to.store(&k, data, spec.Limits.Idle, d.believed, func() { d.spool.Giving(m.Object) })
	lacks := err == nil && !has(status) && status != statusDuplicate // it says so, whatever it was given before
	if lacks || err != nil && !given && !before {
		if err := d.spool.NotGiven(m.Object); err != nil {
			d.guard.log.Error("that an archive does not have an object is not on disk: after a restart it would count as delivered if it is called a duplicate", "listener", d.name, "error", err)
		}
	}
	if errors.As(err, &bad) {
		d.hangUp() // it has half an object, and is told that no more of it will come
		return d.lost(err)
	}
	if err != nil {
		return d.later(ctx, m, fmt.Errorf("an object did not arrive: %w", err))
	}
	d.to.broken = false
	d.gone.back()
	if !given {
		d.hangUp()
	}
	switch {
	case has(status):
		return "", nil
	case status == statusDuplicate && before:
		d.guard.log.Warn("an object counts as delivered: its receiver was sent it before, and calls it a duplicate now", "listener", d.name)
		return "", nil
	case status == statusDuplicate: // of another object under that UID, as far as anybody knows, and so is whatever says it later
		if err := d.spool.Another(m.Object); err != nil {
			return d.later(ctx, m, fmt.Errorf("that an archive may have another object is not on disk: %w", err))
		}
		return fmt.Sprintf("status %04X (duplicate SOP instance): it may have another object under that UID", status), nil
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
var unknownTitles = map[rejection]bool{{1, 1, 3}: true, {1, 1, 7}: true}

// associate asks for the association of an object.
func (d *delivery) associate(k *keptObject, spec *site.Listener) (refused string, err error) {
	patient := spec.Limits.InMessage
	s := &sending{asking: asking{leg: leg{conn: d.up.Conn, in: newPDUReader(d.up.Conn, patient), patient: patient, most: mostPDU}}, body: bytes.Clone(k.request), broken: true}
	var answer *association
	slow := time.AfterFunc(d.guard.pace.answer, d.gone.note) // clients do not wait as long as who has time
	err = s.within(patient, func() (err error) {
		answer, err = s.request(k.request)
		return err
	})
	slow.Stop()
	why := rejection{}
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
	switch {
	case p == nil:
		refused = "no answer to its presentation context"
	case p.result != contextAccepted:
		refused = fmt.Sprintf("presentation context refused: %d", p.result)
	case p.accepted != k.transfer: // it would read the data set as what it is not
		refused = "presentation context accepted in another transfer syntax"
	default:
		s.context, s.most = *p, bounded(answer.most)
		return "", nil
	}
	s.broken = false
	d.hangUp()
	return refused, nil
}

// store sends a C-STORE and waits for its status. Who breaks off before it was given all of it may have said why.
func (s *sending) store(k *keptObject, data *spool.ObjectReader, patient time.Duration, believed func() error, giving func()) (status uint16, given bool, err error) {
	broke := s.give(k, data, believed, giving)
	if bad := new(spool.BadObject); errors.As(broke, &bad) || errors.As(broke, new(*unproven)) {
		return 0, false, broke
	}
	if broke != nil {
		patient = lingering
	}
	var b []byte
	err = s.within(patient, func() (err error) {
		b, err = s.whole(true)
		return err
	})
	var c *command
	if err == nil {
		c, err = readCommand(keptContext, b)
	}
	switch {
	case broke != nil && (err != nil || has(c.status)):
		return 0, false, broke
	case err == nil && (c.field != fieldStore|answerBit || c.id != k.id || c.dataSet):
		err = unexpected("answer to what was not asked")
	}
	if err != nil {
		return 0, broke == nil, err
	}
	return c.status, broke == nil, nil
}

// has reports whether an archive has the object of a C-STORE to which it says that (PS3.7 annex C.1).
func has(status uint16) bool {
	return status == statusSuccess || status>>12 == 0xB || warnsOnly(status)
}

// give sends a command with its data set, as long as who is there is believed. giving is called before the last of it.
func (s *sending) give(k *keptObject, data *spool.ObjectReader, believed func() error, giving func()) error {
	if err := s.send(keptContext, true, true, k.raw); err != nil {
		return err
	}
	for looked := time.Now(); ; {
		if time.Since(looked) >= freshly {
			if err := believed(); err != nil {
				return err
			}
			looked = time.Now()
		}
		piece, last, err := data.Next()
		if err != nil {
			return err
		}
		if last {
			giving()
		}
		if err := s.send(keptContext, false, last, piece); err != nil || last {
			return err
		}
	}
}

// lost tells of an object that is not what was kept: what names it is kept apart, so that the others go on.
func (d *delivery) lost(why error) (refused string, err error) {
	d.guard.log.Error("an object that was kept cannot be delivered", "listener", d.name, "why", why.Error())
	d.news.lost.Add(1)
	return "the guard's own file of it is damaged or missing", nil
}
