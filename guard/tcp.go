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

	"chaperone"
	"chaperone/ledger"
	"chaperone/page"
	"chaperone/policy"
	"chaperone/site"
	"chaperone/wire"
)

// Rules of findings about connections that pass unread: remote desktops, shells, anything that is not decoded. They are not
// disclosures: a disclosure says whose records passed, and here nobody knows; an empty one would be counted as nobody's. They
// are not notes either: a finding says who reached whom, when, and how many bytes, so that it can be asked for and joined.
const (
	TunnelRule     = "unread-connection"
	TunnelOverRule = "unread-connection-over" // its receipt
)

// tunnel is a connection that is passed on unread: who may open it was decided, and what it carries is counted.
type tunnel struct {
	*conn
	judge  *judge // of the goroutine that looks again
	wish   *wish
	use    *use // the approval that it rests on, if it does
	grant  string
	began  time.Time
	passed [2]atomic.Int64 // bytes, by direction
	latest atomic.Int64    // nanoseconds from began to the last byte
}

// Why a tunnel is cut.
var (
	errUnapproved = errors.New("its approval is over")
	errSession    = errors.New("it lasted as long as the site file lets it")
	errBytes      = errors.New("it carried as many bytes as the site file lets it")
	errIdle       = errors.New("nothing passed for as long as the site file lets it")
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
	if err := t.record(ctx, t.opened()); err != nil && !observes {
		g.metrics.unrecorded(c.listener.name)
		return fmt.Errorf("not recorded, so not passed on: %w", err)
	}
	if t.use != nil {
		t.use.connections.Add(1)
	}
	c.tunnel.Store(t)
	err := t.pass()
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
	if d, _ := t.judge.attempt(r, &w, t.use, now); !d.Permit {
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
func (t *tunnel) pass() error {
	var both sync.WaitGroup
	one := func(d wire.Dir, from, to net.Conn) {
		err := t.copy(d, from, to)
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
	select {
	case <-t.ended: // by whoever looked again, or by a direction
		return t.why
	default:
		return io.EOF
	}
}

// copy passes one direction on, as many bytes as may be.
func (t *tunnel) copy(d wire.Dir, from, to net.Conn) error {
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
			if t.passed[d].Add(int64(n)); t.bytes() > limits.Bytes && t.spec().Mode != site.Observe {
				t.passed[d].Add(-int64(n)) // they do not pass
				return errBytes
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

func (t *tunnel) record(ctx context.Context, f chaperone.Finding) error {
	_, err := t.guard.ledger.Record(context.WithoutCancel(ctx), ledger.Batch{Findings: []chaperone.Finding{f}})
	return err
}

// opened is the finding that it begins; over, that it has ended, with what it carried.
func (t *tunnel) opened() chaperone.Finding {
	f := chaperone.Finding{
		Rule: TunnelRule, Severity: chaperone.Info, From: t.from.record(), To: t.to.record(), Account: t.by(), First: t.began, Last: t.began, Count: 1,
		Title:    fmt.Sprintf("%s was connected to %s, and what passes is not read.", called(&t.from), called(&t.to)),
		Evidence: chaperone.Evidence{File: evidence(t.listener.name, &policy.Decision{Grant: t.grant, Version: t.guard.rules.Load().site.Version})},
	}
	if t.use.glass() {
		f.Severity = chaperone.High
	}
	return f
}

func (t *tunnel) over(why error) chaperone.Finding {
	f := t.opened()
	up, down := t.passed[wire.FromClient].Load(), t.passed[wire.FromServer].Load()
	f.Rule, f.First, f.Last, f.Bytes = TunnelOverRule, t.guard.now(), t.guard.now(), up+down
	f.Title = fmt.Sprintf("%s was connected to %s for %s: %s went there, %s came back, none of it was read. It ended: %s.",
		called(&t.from), called(&t.to), page.Span(t.lasted()), page.Size(up), page.Size(down), ending(why))
	return f
}

// by gives who approved.
func (t *tunnel) by() string {
	if t.use == nil {
		return ""
	}
	return t.use.By
}

// called gives what people call a side.
func called(s *side) string {
	if s.party != nil {
		return s.party.Name
	}
	return s.addr.Addr().String()
}

// ending says why a tunnel ended; what the network says is not repeated.
func ending(why error) string {
	for _, known := range []error{errUnapproved, errSession, errBytes, errIdle, errDrained} {
		if errors.Is(why, known) {
			return known.Error()
		}
	}
	if errors.Is(why, io.EOF) || errors.Is(why, net.ErrClosed) {
		return "a side hung up"
	}
	return "it was cut"
}
