package guard

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"chaperone/site"
	"chaperone/wire"
)

// keeper gives what keeps the objects of a connection, nil when nothing does.
func (c *conn) keeper(spec *site.Listener) *spooler {
	if spec.Protocol != site.DICOM || spec.Mode == site.Observe || spec.Spool.Bytes == 0 {
		return nil
	}
	if k := c.guard.spools.of(c.listener.name); k != nil && k.ill.Load() == nil {
		return k
	}
	return nil
}

// behind connects to the system behind the guard, and says whether that is away: where a listener keeps objects, that is no error. When some
// wait and the system was not there a moment ago, a client does not wait until it is tried again: who delivers them does that.
func (c *conn) behind(ctx context.Context, spec *site.Listener, keeps *spooler) (away bool, err error) {
	if keeps == nil {
		return false, c.dial(ctx, spec)
	}
	if keeps.empty() || !keeps.gone.lately() {
		err := c.dial(ctx, spec)
		if err == nil || errors.Is(err, net.ErrClosed) { // the client is gone
			return false, err
		}
		keeps.leaves(err)
	}
	c.expect(ctx, spec)
	return true, nil
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
	s := &standIn{conn: d.conn, keeps: d.keeps, leg: leg{conn: far, in: newPDUReader(far, patient), patient: patient, most: mostPDU}}
	d.reading.Go(s.serve)
	return nil
}

// unanswered says what becomes of an association when the system behind ended it before it said anything: something else was reached that is before it,
// a companion for example, and it is away.
func (d *dicomConn) unanswered(why error) error {
	if v := (*violation)(nil); d.phase > phaseAsked || d.keeps == nil || d.away || errors.As(why, &v) {
		return why
	}
	d.keeps.leaves(why)
	if err := d.standIn(); err != nil || d.call == nil {
		return err
	}
	return d.legs[wire.FromServer].control(pduAssociateRQ, d.call.body(pduAssociateRQ))
}
