package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"chaperone"
	"chaperone/wire"
)

// dicomConn is a connection of DICOM: two associations, the client's with the guard and the guard's with the system behind it
// (PS3.8). One goroutine does everything; each side has another one that reads a little ahead.
type dicomConn struct {
	*conn
	from, to side // as conn's, with their AE titles; others read conn's
	judge    *judge
	legs     [2]*leg // by the direction in which the peer sends
	phase    phase
	request  *association // the client's
	call     *association // the guard's: what of the request is passed on

	contexts map[byte]*proposed              // accepted
	op       *operation                      // what the client asked for and is not answered
	sub      *operation                      // what the server asked for and is not answered
	found    []match                         // held until they are decided together
	waiting  int                             // bytes of them
	asked    map[chaperone.PatientToken]bool // studies that the guard asked about by itself
	batched  *batch                          // what is being taken
	whole    *pdu                            // that of the fragment that is being taken, when it has no other
	bounds   bool                            // it was told that a command set said too much
	room     []byte                          // for what the next request has held, of the one before
	footings footings                        // of the studies that are under way
	kept     *spooler                        // what its listener keeps objects in, nil when it does not
	away     bool                            // the system behind is, or was not tried yet: what stands in for it keeps them
	since    time.Time                       // when the system was asked for the association
	reading  sync.WaitGroup                  // of both sides
}

// operation is a request that was passed on and is not answered.
type operation struct {
	*command
	service   service
	retrieval *retrieval // of C-GET and C-MOVE
	everybody bool       // of C-FIND
	most      int        // of C-FIND: patients that its keys can lead to, 0: any number
	matched   []owner    // of them, those whom matches were of
	withheld  int        // matches or objects that were held back
	reference string     // of the first that was
	lost      bool       // all of them because they could not be put on record
	cancelled bool       // by the guard
}

// serveDICOM passes an association on: what is permitted of it, each message when it is decided and on record.
func (c *conn) serveDICOM(ctx context.Context, k *spooler) error {
	d := &dicomConn{conn: c, from: c.from, to: c.to, judge: c.guard.judge(c.listener.name, c.secured), contexts: map[byte]*proposed{}, kept: k, asked: map[chaperone.PatientToken]bool{}}
	if k == nil {
		d.leg(wire.FromServer, c.upstream)
	} else if err := d.standIn(); err != nil {
		return err
	}
	d.leg(wire.FromClient, c.client)
	err := d.pass(ctx)
	d.inVain()
	for _, l := range d.legs {
		l.message.drop()
	}
	d.footings.over()
	c.close(d.part(err))
	d.reading.Wait()
	return c.why
}

// leg begins to read one side.
func (d *dicomConn) leg(dir wire.Dir, side net.Conn) {
	patient := d.spec().Limits.InMessage
	l := &leg{dir: dir, conn: side, in: newPDUReader(side, patient), patient: patient}
	if dir == wire.FromClient {
		l.in.owing = &d.owing
	}
	d.legs[dir] = l
	d.reading.Go(func() { l.in.run(d.ended) })
}

// pass takes what either side sends, in turn, until one of them ends.
func (d *dicomConn) pass(ctx context.Context) error {
	timer := time.NewTimer(d.patience())
	defer timer.Stop()
	for d.phase != phaseOver {
		var b batch
		var from *leg
		var open bool
		since := d.wait()
		select {
		case b, open = <-d.legs[wire.FromClient].in.out:
			from = d.legs[wire.FromClient]
		case b, open = <-d.legs[wire.FromServer].in.out:
			from = d.legs[wire.FromServer]
		case <-timer.C:
			if d.idle() && d.phase == phaseOpen {
				return errIdle
			}
			client := &d.legs[wire.FromClient].message
			switch {
			case d.phase == phaseAsked:
				if err := d.unanswered(errUnanswered); err != nil {
					return err
				}
				timer.Reset(d.patience())
				continue
			case d.op != nil && d.sub == nil && !client.begun:
				return errUnanswered
			}
			return d.silent()
		case <-d.ended:
			return errClosed
		case <-ctx.Done():
			return ctx.Err()
		}
		if !open {
			return errClosed
		}
		d.waited(since)
		if err := d.batch(ctx, from, b); err != nil {
			return err
		}
		if err := d.onward(); err != nil {
			return err
		}
		if d.leaving.Load() && d.idle() {
			return errDrained
		}
		timer.Reset(d.patience())
	}
	return io.EOF
}

// idle reports whether nothing is in the middle of passing.
func (d *dicomConn) idle() bool {
	return d.op == nil && d.sub == nil && d.phase <= phaseOpen && d.phase != phaseAsked && !slices.ContainsFunc(d.legs[:], func(l *leg) bool { return l.message.begun })
}

// patience is how long nothing may come: for a request, within a message, between messages.
func (d *dicomConn) patience() time.Duration {
	limits := d.spec().Limits
	switch {
	case d.phase == phaseWaiting:
		return limits.FirstByte
	case d.hurries():
		return min(limits.InMessage, d.guard.pace.answer)
	case d.phase != phaseOpen:
		return limits.InMessage // ARTIM (PS3.8 section 9.1.5)
	case slices.ContainsFunc(d.legs[:], func(l *leg) bool { return l.message.begun }):
		return limits.InMessage
	}
	return limits.Idle
}

func (d *dicomConn) batch(ctx context.Context, from *leg, b batch) error {
	d.batched = &b
	for i := range b.list {
		from.offset = b.list[i].offset
		if err := d.take(ctx, from, &b.list[i]); err != nil {
			return d.blame(from, err)
		}
		if d.phase == phaseOver {
			break
		}
	}
	for _, l := range d.legs {
		if err := l.flush(); err != nil {
			return d.blame(from, err)
		}
	}
	if d.phase == phaseOver {
		return nil
	}
	if err := d.release(ctx); err != nil { // of matches: nothing more of them has come
		return d.blame(from, err)
	}
	if b.err != nil {
		err := d.gone(from, b.err)
		if from.dir == wire.FromServer {
			err = d.unanswered(err)
		}
		if err != nil {
			return d.blame(from, err)
		}
		return nil
	}
	from.in.done(b)
	return nil
}

// gone says what it means that nothing more can be read from a side: a client may go whenever it has said nothing, or whole messages.
func (d *dicomConn) gone(from *leg, err error) error {
	var v *violation
	switch {
	case errors.As(err, &v) || from.dir == wire.FromServer:
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return d.silent()
	case from.message.begun || errors.Is(err, errInside):
		return invalid("the connection ends inside a message")
	}
	return io.EOF
}

// blamed is an error with the side that caused it.
type blamed struct {
	error
	leg *leg
}

func (b *blamed) Unwrap() error { return b.error }

func (d *dicomConn) blame(l *leg, err error) error { return &blamed{err, l} }

// take acts on one PDU.
func (d *dicomConn) take(ctx context.Context, from *leg, p *pdu) error {
	to := d.legs[from.dir.Other()]
	if p.kind == pduAbort {
		_ = to.control(pduAbort, p.body) // it is over anyway
		if from.dir == wire.FromServer {
			d.since = time.Time{} // it has answered
		}
		return errTold
	}
	next, ok := steps[step{d.phase, from.dir, p.kind}]
	if !ok {
		return unexpected(fmt.Sprintf("PDU of type %d", p.kind))
	}
	switch p.kind {
	case pduAssociateRQ:
		if err := d.negotiate(ctx, *p); err != nil {
			return err
		}
	case pduAssociateAC:
		if err := d.accept(p.body); err != nil {
			return err
		}
	case pduData:
		return fragments(p.body, func(f fragment) error {
			d.whole = nil
			if len(f.data)+12 == len(p.raw) && p.raw[1] == 0 {
				d.whole = p
			}
			return d.fragment(ctx, from, f)
		})
	case pduAssociateRJ, pduReleaseRQ, pduReleaseRP:
		if err := to.control(p.kind, p.body); err != nil {
			return err
		}
	}
	d.phase = next
	return nil
}

// part ends both associations, as their peers have to be told.
func (d *dicomConn) part(err error) error {
	var who *blamed
	var v *violation
	offender := d.legs[wire.FromClient]
	if errors.As(err, &who) {
		offender, err = who.leg, who.error
	}
	other := d.legs[offender.dir.Other()]
	switch {
	case err == io.EOF && d.phase == phaseOver, errors.Is(err, errTold), errors.Is(err, errProtocol): // they know why
	case errors.As(err, &v):
		if d.phase != phaseWaiting || v.reason != abortUnrecognised { // what never spoke DICOM is told nothing in it
			offender.abort(2, v.reason)
		}
		d.quit(other)
		if offender.dir == wire.FromServer {
			d.guard.malformed(d.listener.name)
			err = fmt.Errorf("the system behind it: %w", err)
			break
		}
		err = d.broken(err)
	default:
		if !errors.Is(err, io.EOF) {
			d.quit(offender)
		}
		d.quit(other)
	}
	d.linger()
	return err
}

// quit aborts an association, if there is one.
func (d *dicomConn) quit(l *leg) {
	if d.phase != phaseWaiting {
		l.abort(2, 0)
	}
}

// linger waits for the client to close.
func (d *dicomConn) linger() {
	client := d.legs[wire.FromClient]
	if half, ok := client.conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // it may be gone
	}
	timer := time.NewTimer(lingering)
	defer timer.Stop()
	for {
		select {
		case b, open := <-client.in.out:
			if !open || b.err != nil {
				return
			}
		case <-timer.C:
			return
		case <-d.ended:
			return
		}
	}
}
