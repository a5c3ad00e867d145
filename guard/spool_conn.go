package guard

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"chaperone/format/hl7"
	"chaperone/guard/spool"
	"chaperone/policy"
	"chaperone/site"
)

// away is the reason of refusals when nobody is behind the listener and a message is not kept: it may be sent again.
const away policy.Reason = "upstream-away"

// spooled is what an HL7 connection has more when its listener keeps messages: it lives on while the system behind it is away.
//
// A push goes to that system when nothing that came before it waits, one at a time, so that it is known which of them was not
// answered when the connection to it breaks. Everything else goes into the spool, and is acknowledged by the guard.
type spooled struct {
	*spooler
	away   bool          // there is no connection to the system behind; guarded by hl7Conn.mu
	owed   *spool.Entry  // the push that it has not answered; guarded by hl7Conn.mu
	until  time.Time     // when it has to be answered; guarded by hl7Conn.mu
	reader chan struct{} // closed when nobody reads its answers any more
	tried  time.Time     // when it was last tried to reach it
}

// serveSpooled is serveHL7 for a listener that keeps messages.
func (c *conn) serveSpooled(ctx context.Context, k *spooler, spec *site.Listener) error {
	c.spools.Store(true)
	h := &hl7Conn{conn: c, moved: make(chan struct{}), kept: &spooled{spooler: k, away: true, reader: make(chan struct{})}}
	close(h.kept.reader)
	h.in = frames{from: h.client, limit: int(spec.Limits.Message), large: &h.guard.large}
	defer h.in.end()
	c.expect(ctx, spec)
	if k.empty() { // else somebody tries to reach it already
		h.dialAgain(ctx)
	}
	err := h.messages(ctx)
	if err == io.EOF {
		h.finish(ctx)
		err = nil
	}
	c.close(err)
	<-h.kept.reader
	return err
}

// expect fills in whom the records go to before it was reached: who has to prove it, or the address. What the record says is true
// when they are delivered, because nobody else gets them.
func (c *conn) expect(ctx context.Context, spec *site.Listener) {
	s := c.guard.rules.Load().site
	if spec.Upstream.TLS == site.Mutual && c.to.party != nil {
		if c.to.proven = c.to.party.Subject; c.to.proven == "" && s.Identity.Authority != "" {
			c.to.proven = s.URI(c.to.party)
		}
	}
	host, port, _ := net.SplitHostPort(spec.Upstream.Address)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host); err == nil && len(addrs) > 0 {
		if at, err := netip.ParseAddrPort(net.JoinHostPort(addrs[0].Unmap().String(), port)); err == nil {
			c.to.addr = at
		}
	}
}

// dialAgain tries to reach the system behind the listener, not more often than there is sense in it.
func (h *hl7Conn) dialAgain(ctx context.Context) {
	k, spec := h.kept, h.spec()
	if time.Since(k.tried) < h.guard.pace.retry {
		return
	}
	<-k.reader
	if h.elsewhere(spec) {
		h.close(errMoved)
		return
	}
	up, err := h.guard.reach(ctx, spec, func(socket net.Conn) error { return h.swap(&h.upstream, socket) })
	k.tried = time.Now()
	if bad := new(unproven); errors.As(err, &bad) {
		err = h.unproven(bad.party, bad.err)
	}
	if err == nil && up.proof != nil {
		h.proved.Store(up.proof)
		err = h.swap(&h.upstream, up.Conn)
	}
	if err != nil {
		h.guard.log.Warn("the system behind the listener is away", "listener", h.listener.name, "why", err.Error())
		return
	}
	h.asked.forget() // what was asked on a connection that is over
	h.mu.Lock()
	k.away = false
	h.mu.Unlock()
	done := make(chan struct{})
	k.reader = done
	go func() {
		defer close(done)
		if err := h.answersSpooled(ctx, up); err != nil {
			h.close(err)
		}
		h.lost(ctx)
	}()
}

// answersSpooled passes on what the system behind the guard sends. It returns nil when that is gone, however it went.
func (h *hl7Conn) answersSpooled(ctx context.Context, up net.Conn) error {
	j := h.guard.judge(h.listener.name, h.secured)
	in := frames{from: up, limit: int(h.spec().Limits.Message), large: &h.guard.large}
	defer in.end()
	for {
		list, err := in.next(func(bool) error { return nil })
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if !h.overdue() {
				continue
			}
			h.guard.log.Warn("the system behind the listener does not answer: what it was sent is kept, and sent again", "listener", h.listener.name)
		}
		if err != nil {
			_ = h.unframed(err) // it is away, then
			return nil
		}
		for _, f := range list {
			if err := h.check(); err != nil {
				return err
			}
			mine, counted := h.settle(f.payload)
			if err := h.back(ctx, j, f); err != nil {
				return err
			}
			if mine {
				h.countOnce(counted)
			}
		}
	}
}

// owe notes a push that is passed on. The system behind the guard has the time of a message to answer it: then it counts as away.
func (h *hl7Conn) owe(e spool.Entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.kept.owed, h.kept.until = &e, time.Now().Add(h.spec().Limits.InMessage)
	_ = h.upstream.SetReadDeadline(h.kept.until) // fails when it is over
}

// overdue reports, when the time to answer is over, whether a push was not answered in it.
func (h *hl7Conn) overdue() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case time.Now().Before(h.kept.until): // of one that came meanwhile
		return false
	case h.kept.owed != nil && h.unanswered > 0:
		return true
	}
	_ = h.upstream.SetReadDeadline(time.Time{}) // as in owe
	return false
}

// settle forgets the push that an answer answers: its sender gets that. It reports whether there is one, and how many answers were
// counted before.
func (h *hl7Conn) settle(payload []byte) (mine bool, counted int) {
	code, id := answerIn(payload)
	h.mu.Lock()
	defer h.mu.Unlock()
	o := h.kept.owed
	mine = code != "" && o != nil && len(o.IDs) > 0 && o.IDs[0] == id
	if mine {
		h.kept.owed = nil
	}
	return mine, h.counted
}

// countOnce counts the answer to a push unless it was counted when it was passed on: one that is not passed on as it is may not have
// been, and the next message waits for it. Counted twice, it would let two messages be unanswered, and only one of them be kept.
func (h *hl7Conn) countOnce(counted int) {
	h.mu.Lock()
	done := h.counted != counted
	h.mu.Unlock()
	if !done {
		h.answered(1)
	}
}

// lost does what is left to do when the connection to the system behind the guard is over, or it did not answer in time: a push that was not answered may have
// arrived, or not, so it is kept and acknowledged; queries are refused. It may be called again.
func (h *hl7Conn) lost(ctx context.Context) {
	h.mu.Lock()
	h.kept.away = true
	o := h.kept.owed
	h.kept.owed = nil
	h.mu.Unlock()
	h.proved.Store(nil)
	h.sockets.Lock()
	if h.upstream != nil {
		_ = h.upstream.Close() // it is over
	}
	h.sockets.Unlock()
	queries := h.asked.forget()
	select {
	case <-h.ended: // there is nobody to tell: who was not told sends it again
	default:
		if o != nil {
			h.put([]spool.Entry{*o})
		}
		for _, q := range queries {
			if first, err := hl7.Parse(q.message); err == nil {
				h.sayAway(&first, "")
			}
		}
	}
	h.mu.Lock()
	n := h.unanswered
	h.mu.Unlock()
	h.answered(n)
}

// forget empties the list, and gives the queries that were in it.
func (a *asked) forget() (queries []*question) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for q := a.oldest; q != nil; q = q.behind {
		q.gone = true
		if !q.push {
			queries = append(queries, q)
		}
	}
	a.of, a.oldest, a.newest, a.count = nil, nil, nil, 0
	return queries
}

// isAway reports whether there is no connection to the system behind.
func (h *hl7Conn) isAway() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.kept.away
}
