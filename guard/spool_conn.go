package guard

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"chaperone/format/hl7"
	"chaperone/guard/spool"
	"chaperone/policy"
	"chaperone/site"
	"chaperone/wire"
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
	reader chan struct{} // closed when nobody reads its answers any more
	tried  time.Time     // when it was last tried to reach it
}

// serveSpooled is serveHL7 for a listener that keeps messages.
func (c *conn) serveSpooled(ctx context.Context, k *spooler, spec *site.Listener) error {
	c.spools.Store(true)
	c.guard.coverage.decoded.Add(1)
	h := &hl7Conn{conn: c, moved: make(chan struct{}), kept: &spooled{spooler: k, away: true, reader: make(chan struct{})}}
	close(h.kept.reader)
	h.in = frames{from: h.client, limit: int(spec.Limits.Message)}
	c.expect(ctx, spec)
	if k.empty() { // else somebody tries to reach it already
		h.dialAgain(ctx)
	}
	err := h.messages(ctx)
	if err == io.EOF {
		_ = h.wait(ctx, 0, h.spec().Limits.InMessage) // for answers that are owed
		if err = nil; h.leaving.Load() {
			h.linger()
		}
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
	in := frames{from: up, limit: int(h.spec().Limits.Message)}
	for {
		list, err := in.next(func(bool) error { return nil })
		if err != nil {
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

// lost does what is left to do when the connection to the system behind the guard is over: a push that was not answered may have
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

// mustKeep reports whether a push has to go into the spool. When nothing waits there, it first tries to reach the system behind.
func (h *hl7Conn) mustKeep(ctx context.Context) bool {
	if h.isAway() && h.kept.empty() {
		h.dialAgain(ctx)
	}
	return h.isAway() || !h.kept.empty() || h.kept.ill.Load() != nil
}

func (p *passing) push() bool { return p.message != nil && p.message.role == wire.Push }

// keep puts pushes on record and into the spool, and deals with what is no push, in the order in which they came.
func (h *hl7Conn) keep(ctx context.Context, granted []passing) error {
	for len(granted) > 0 {
		n := 0
		for n < len(granted) && granted[n].push() {
			n++
		}
		var err error
		switch {
		case n > 0:
			err = h.keepPushes(ctx, granted[:n])
		case h.isAway():
			n = 1
			h.guard.room.leave(granted[0].entered)
			err = h.turnAway(ctx, &granted[0], "Send it again when the system behind the listener is back.")
		default:
			n = 1
			err = h.releaseNow(ctx, granted[:1])
		}
		if err != nil {
			return err
		}
		granted = granted[n:]
	}
	return nil
}

// keepPushes puts pushes on record, then into the spool, and then acknowledges them.
func (h *hl7Conn) keepPushes(ctx context.Context, list []passing) error {
	entries := make([]spool.Entry, len(list))
	var drafts []*draft
	entered := 0
	for i := range list {
		entries[i] = h.entry(&list[i])
		entered += list[i].entered
		if d := list[i].draft; d != nil {
			d.disclosure.Evidence.File = spooledEvidence(d.disclosure.Evidence.File)
			drafts = append(drafts, d)
		}
	}
	hint := h.kept.room(entries)
	if hint == "" {
		began := time.Now()
		err := h.guard.record(ctx, drafts)
		h.guard.room.leave(entered)
		if err != nil {
			return h.unrecorded(ctx, list, err)
		}
		h.guard.metrics.recorded(time.Since(began))
		if err := h.wait(ctx, 0, h.guard.pace.patience); err != nil && ctx.Err() != nil { // answers to messages before them
			return err
		}
		h.put(entries)
		return nil
	}
	h.guard.room.leave(entered)
	for i := range list {
		if err := h.turnAway(ctx, &list[i], hint); err != nil {
			return err
		}
	}
	return nil
}

// spooledMark says in the evidence of a disclosure that its message was kept before it was delivered.
const spooledMark = ", spooled"

func spooledEvidence(file string) string {
	return strings.Replace(file, ", grant ", spooledMark+", grant ", 1)
}

// put puts messages that are on record into the spool and acknowledges them, or says that they are to be sent again.
func (h *hl7Conn) put(entries []spool.Entry) {
	hint := h.kept.keep(entries)
	for i := range entries {
		_, payload, _ := bytes.Cut(entries[i].Message, []byte{startBlock})
		parts, _ := hl7.Split(bytes.TrimSuffix(payload, []byte{endBlock, carriage}))
		for _, part := range parts {
			m, err := hl7.Parse(part)
			if err != nil {
				continue
			}
			if hint != "" {
				h.sayAway(&m, hint)
				continue
			}
			if answer := hl7.Accept(&m, hl7.Acceptance{ID: "CHAP" + reference(), Now: h.guard.now()}); answer != nil {
				_ = h.answer(answer) // who does not read it sends the message again
			}
		}
	}
}

// turnAway refuses what is neither passed on nor kept. An answer of the client's has nobody whom it could answer.
func (h *hl7Conn) turnAway(ctx context.Context, p *passing, hint string) error {
	if p.message == nil || p.message.role == wire.Control || p.message.role == wire.Reply {
		return nil
	}
	return h.refuse(ctx, p.message, h.refusal(p.message.word, p.offset, len(p.message.content.Records), hint), p.frame)
}

// sayAway tells a sender to send a message again, which was passed on or on record already.
func (h *hl7Conn) sayAway(m *hl7.Message, hint string) {
	v := h.refusal("", 0, 0, hint)
	if answer := hl7.Refuse(m, hl7.Refusal{Error: true, Reason: string(away), Reference: v.reference, ID: "CHAP" + v.reference, Now: h.guard.now()}); answer != nil {
		_ = h.answer(answer) // who does not read it sends the message again
	}
}

func (h *hl7Conn) refusal(word string, offset int64, records int, hint string) verdict {
	r := h.guard.rules.Load()
	return h.guard.judge(h.listener.name, h.secured).refuse(r, &wish{word: word, client: &h.from, from: &h.from, to: &h.to, offset: offset},
		policy.Decision{Reason: away, Hint: hint})
}

// entry is what is kept of a message. Its bytes are its own.
func (h *hl7Conn) entry(p *passing) spool.Entry {
	e := spool.Entry{Came: h.guard.now(), From: h.from.name(), To: h.spec().Upstream.Party, Word: p.message.word, Awaited: p.message.awaited, Message: bytes.Clone(p.raw)}
	parts, _ := hl7.Split(p.payload)
	for _, part := range parts {
		line, _, _ := bytes.Cut(part, []byte{carriage})
		if f := bytes.Split(line, []byte("|")); len(f) > 9 { // MSH-10; the strict grammar has the usual separators
			e.IDs = append(e.IDs, string(f[9]))
		}
	}
	return e
}

// each passes on what is on record, one at a time; a push goes into the spool when it has to.
func (h *hl7Conn) each(ctx context.Context, granted []passing) error {
	for i := range granted {
		if err := h.live(ctx, &granted[i]); err != nil {
			return err
		}
	}
	return nil
}

func (h *hl7Conn) live(ctx context.Context, p *passing) error {
	if err := h.wait(ctx, 0, h.spec().Limits.Idle); err != nil {
		return err
	}
	if h.isAway() || p.push() && !h.kept.empty() {
		return h.late(ctx, p)
	}
	if p.push() && p.message.awaited {
		e := h.entry(p)
		h.mu.Lock()
		h.kept.owed = &e
		h.mu.Unlock()
	}
	err := h.passOn(ctx, []passing{*p})
	if !errors.Is(err, errClosed) {
		return err
	}
	select {
	case <-h.ended:
		return err
	default:
	}
	h.lost(ctx) // what waits for an answer is dealt with there
	<-h.kept.reader
	if p.message != nil && (p.message.awaited || p.message.role == wire.Query) {
		return nil
	}
	return h.late(ctx, p)
}

// late deals with a message that is on record and can no longer be passed on.
func (h *hl7Conn) late(ctx context.Context, p *passing) error {
	if !p.push() {
		return h.turnAway(ctx, p, "Send it again when the system behind the listener is back.")
	}
	h.put([]spool.Entry{h.entry(p)})
	return nil
}
