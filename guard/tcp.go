package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"chaperone/policy"
	"chaperone/site"
	"chaperone/wire"
)

// tunnel is a connection that is passed on unread: who may open it was decided, and what it carries is counted.
type tunnel struct {
	*conn
	judge   *judge // of the goroutine that looks again
	wish    *wish
	use     *use // the approval that it rests on, if it does
	grant   string
	began   time.Time
	passed  [2]atomic.Int64 // bytes, by direction
	latest  atomic.Int64    // nanoseconds from began to the last byte
	told    atomic.Int64    // bytes that are on record
	untold  atomic.Bool     // the record did not take it last time
	telling sync.Mutex
}

// Why a tunnel is cut.
var (
	errUnapproved = errors.New("its approval is over")
	errSession    = errors.New("it lasted as long as the site file lets it")
	errBytes      = errors.New("it carried as many bytes as the site file lets it")
	errIdle       = errors.New("nothing passed for as long as the site file lets it")
	errUntold     = errors.New("what it carries cannot be put on record")
)

// serveTCP passes a connection on when policy permits it and it is on record that it was opened.
func (c *conn) serveTCP(ctx context.Context) error {
	g, observes := c.guard, c.spec().Mode == site.Observe
	t := &tunnel{conn: c, began: g.now(), judge: g.judge(c.listener.name, c.secured)}
	t.wish = &wish{action: policy.Connect, word: connection, client: &c.from, from: &c.from, to: &c.to}
	j := g.judge(c.listener.name, c.secured)
	j.observes = observes
	v := j.decide(g.rules.Load(), t.wish, t.began)
	g.metrics.decided(c.listener.name, v.Reason, 0)
	if !v.Permit && !observes {
		return fmt.Errorf("%w: %s, reference %s", errRefused, v.Reason, v.reference)
	}
	if t.use, t.grant = v.use, v.Grant; observes {
		t.use, t.grant = nil, "none, observed"
	}
	if t.use != nil {
		t.use.open.Add(1)
		defer t.use.open.Add(-1)
	}
	if err := c.dial(ctx, c.spec()); err != nil {
		return err
	}
	if err := g.inForce(t.use); err != nil { // connecting may have taken long
		return err
	}
	if err := t.record(ctx, t.opened()); err != nil && !observes {
		g.metrics.unrecorded(c.listener.name)
		return fmt.Errorf("not recorded, so not passed on: %w", err)
	}
	if t.use != nil {
		t.use.connections.Add(1)
	}
	c.tunnel.Store(t)
	err := g.inForce(t.use)
	if err == nil {
		err = t.pass(ctx)
	}
	if t.use != nil {
		t.use.bytes.Add(t.bytes())
	}
	if failed := t.record(ctx, t.over(err)); failed != nil {
		g.log.Error("the end of a connection is not on record", "listener", c.listener.name, "error", failed)
	}
	return err
}

// check looks again at a tunnel that is open: the approval, hours and grants may be over, the time is.
func (t *tunnel) check() error {
	now := t.guard.now()
	if t.spec().Mode == site.Observe {
		return nil
	}
	if now.Sub(t.began) >= t.spec().Limits.Session {
		return errSession
	}
	if t.use != nil && !t.guard.approvals.holds(t.use, now) {
		return errUnapproved
	}
	r := t.guard.rules.Load()
	from, to, w := t.from.in(r), t.to.in(r), *t.wish
	w.client, w.from, w.to = &from, &from, &to
	if d, _ := t.judge.attempt(r, &w, t.use, now, now); !d.Permit {
		return fmt.Errorf("it would not be permitted any more: %s", d.Reason)
	}
	return nil
}

// holds reports whether an approval is in force.
func (a *approvals) holds(u *use, now time.Time) bool {
	for _, have := range a.register.InForce(u.Party, now) {
		if have.ID == u.ID {
			return true
		}
	}
	return false
}

// cut ends the tunnels that rest on an approval.
func (g *Guard) cut(u *use) {
	g.end(errUnapproved, func(c *conn) bool {
		t := c.tunnel.Load()
		return t != nil && t.use == u
	})
}

// pass copies both directions until one fails, or both have ended.
func (t *tunnel) pass(ctx context.Context) error {
	var both, tally sync.WaitGroup
	ctx, stop := context.WithCancel(ctx)
	tally.Go(func() { t.tally(ctx) })
	one := func(d wire.Dir, from, to net.Conn) {
		err := t.copy(ctx, d, from, to)
		if half, ok := to.(interface{ CloseWrite() error }); ok && err == io.EOF {
			_ = half.CloseWrite() // the other direction may still have something to say
			return
		}
		t.close(err)
		_ = t.upstream.Close() // also when it was closed before there was an upstream
	}
	both.Go(func() { one(wire.FromClient, t.client, t.upstream) })
	both.Go(func() { one(wire.FromServer, t.upstream, t.client) })
	both.Wait()
	stop()
	tally.Wait()
	select {
	case <-t.ended: // by whoever looked again, or by a direction
		return t.why
	default:
		return io.EOF
	}
}

// copy passes one direction on, as many bytes as may be.
func (t *tunnel) copy(ctx context.Context, d wire.Dir, from, to net.Conn) error {
	buffer := make([]byte, 32<<10)
	for {
		limits := &t.spec().Limits
		quiet := t.lasted() - time.Duration(t.latest.Load())
		if quiet >= limits.Idle {
			return errIdle
		}
		_ = from.SetReadDeadline(time.Now().Add(limits.Idle - quiet)) // a connection that is gone says so when it is read
		n, err := from.Read(buffer)
		if n > 0 {
			t.latest.Store(int64(t.lasted()))
			t.owing.done()
			if t.passed[d].Add(int64(n)); t.bytes() > limits.Bytes && t.spec().Mode != site.Observe {
				t.passed[d].Add(-int64(n)) // they do not pass
				return errBytes
			}
			if most := untold(t.told.Load()); t.due(most) {
				if err := t.tell(ctx, most); err != nil {
					t.passed[d].Add(-int64(n))
					return err
				}
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return err
			}
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
}

func (t *tunnel) lasted() time.Duration { return t.guard.now().Sub(t.began) }

func (t *tunnel) bytes() int64 {
	return t.passed[wire.FromClient].Load() + t.passed[wire.FromServer].Load()
}
