package guard

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"chaperone/wire"
)

// reachFor connects to the system behind the guard when it is known what for. Until then, and when that system is away, what stands in for it is
// behind a listener that keeps objects. When it was not there a moment ago, what can be kept does not wait until it is tried again.
func (d *dicomConn) reachFor(ctx context.Context, request *association) error {
	if d.kept == nil {
		return nil
	}
	spec := d.spec()
	if d.elsewhere(spec) {
		return d.reject(notNow)
	}
	if !keepable(request) || !d.kept.gone.lately() {
		own := d.upstream
		switch err := d.dial(ctx, spec); {
		case errors.Is(err, net.ErrClosed): // the client is gone
			_ = own.Close() // what stood in ends
			return err
		case err == nil:
			_ = own.Close() // nothing was said to what stood in
			d.away, d.to = false, d.conn.to
			d.leg(wire.FromServer, d.upstream)
			return nil
		default:
			d.kept.leaves(err)
		}
		if err := d.swap(&d.upstream, own); err != nil {
			return err
		}
	}
	d.expect(ctx, spec)
	d.to = d.conn.to
	return nil
}

// keepable reports whether something that an association proposes could be kept. A user whom the system has to check may store nothing without it.
func keepable(q *association) bool {
	return !q.has(itemIdentity) && slices.ContainsFunc(q.contexts, func(p proposed) bool { return q.brings(&p) })
}

// brings reports whether objects come in a context from who proposes it; in those of a C-GET they are wanted (PS3.7 annex D.3.3.4).
func (a *association) brings(p *proposed) bool {
	asked := a.role(p.abstract)
	return serviceOf(p.abstract) == storing && (asked == nil || asked.scu == 1)
}

// absence is when the system behind a listener was last tried, and not there; nothing when it was.
type absence struct{ at atomic.Int64 }

func (a *absence) back() { a.at.Store(0) }
func (a *absence) note() { a.at.Store(time.Now().UnixNano()) }

// lately reports whether it holds yet: who delivers tries again before it does no more.
func (a *absence) lately() bool {
	return time.Since(time.Unix(0, a.at.Load())) < 2*mostBackOff
}

// leaves notes that the system behind could not be reached by a client's connection.
func (k *spooler) leaves(why error) {
	k.gone.note()
	k.guard.log.Warn("the system behind the listener is away", "listener", k.name, "why", why.Error())
}

// standIn puts what stands in for the system behind the guard into its place.
func (d *dicomConn) standIn() error {
	near, far := net.Pipe()
	if d.upstream != nil {
		_ = hangUp(d.upstream) // nobody is there
	}
	if err := d.swap(&d.upstream, near); err != nil {
		_ = far.Close() // nobody is here any more
		return err
	}
	d.proved.Store(nil)
	d.away = true
	d.leg(wire.FromServer, near)
	patient := d.spec().Limits.InMessage
	s := &standIn{conn: d.conn, kept: d.kept, leg: leg{conn: far, in: newPDUReader(far, patient), patient: patient, most: mostPDU}}
	d.reading.Go(s.serve)
	return nil
}

// unanswered says what becomes of an association when the system behind ended it before it said anything: something else was reached that is before it,
// a companion for example, and it is away.
func (d *dicomConn) unanswered(why error) error {
	if v := (*violation)(nil); d.phase > phaseAsked || d.kept == nil || d.away || errors.As(why, &v) {
		return why
	}
	d.kept.leaves(why)
	if err := d.standIn(); err != nil {
		return err
	}
	return d.legs[wire.FromServer].control(pduAssociateRQ, d.call.body(pduAssociateRQ))
}

// hurries reports whether the client waits for the system behind where what it brings could be kept instead.
func (d *dicomConn) hurries() bool {
	return d.phase == phaseAsked && d.kept != nil && !d.away && keepable(d.call)
}

// inVain notes that the system behind said nothing to a request for as long as its client had patience for.
func (d *dicomConn) inVain() {
	if d.hurries() && !d.since.IsZero() && time.Since(d.since) > min(d.spec().Limits.InMessage, d.guard.pace.answer)/2 {
		d.kept.leaves(errUnanswered)
	}
}
