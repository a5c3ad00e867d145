package guard

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/policy"
	"chaperone/policy/budget"
	"chaperone/site"
	"chaperone/wire"
	"chaperone/wire/dimse"
	"chaperone/wire/mllp"
)

func newObserver(c *conn) *observer {
	o := &observer{conn: c, chunks: make(chan chunk, mostChunks), judge: c.guard.judge(c.listener.name, c.secured)}
	o.judge.observes = true
	switch c.spec().Protocol {
	case site.HL7:
		o.session, o.strict = mllp.New(wire.DefaultLimits, false), newStrictReader(c)
	case site.DICOM:
		o.session, o.request = dimse.New(wire.DefaultLimits, false), newRequestReader(c, o.judge)
	}
	o.reads = o.session != nil
	return o
}

// observe passes everything on as it comes, at once and whatever happens here, and reads along.
func (c *conn) observe(ctx context.Context) error {
	o := newObserver(c)
	var reading, both sync.WaitGroup
	reading.Go(func() { o.read(ctx) })
	var first error
	var once sync.Once
	pass := func(d wire.Dir, from, to net.Conn) {
		err := o.copy(d, from, to)
		once.Do(func() { first = err })
		if half, ok := to.(interface{ CloseWrite() error }); ok && err == io.EOF {
			_ = half.CloseWrite() // the other direction may still have something to say
			o.half.Store(true)
			_ = to.SetReadDeadline(time.Now().Add(o.patience(1 - d)))
			return
		}
		if d == wire.FromClient && !o.heard.Load() { // who comes and goes without a word asks whether somebody is there
			err = io.EOF
		}
		c.close(err)
	}
	both.Go(func() { pass(wire.FromClient, c.client, c.upstream) })
	both.Go(func() { pass(wire.FromServer, c.upstream, c.client) })
	both.Wait()
	close(o.chunks)
	reading.Wait()
	return first
}

// mostChunks bounds what waits to be read along; what comes when there is no room passes unread, and is counted.
const mostChunks = 256

// chunk is some bytes of one direction that have passed; without bytes, how many passed unread.
type chunk struct {
	dir   wire.Dir
	bytes []byte
	gap   int64
	at    time.Time
}

// observer reads along with one connection.
type observer struct {
	*conn
	reads   bool           // what passes is read
	session wire.Session   // of who reads
	held    int            // of the memory for large messages, by the session; of who reads
	strict  *strictReader  // of HL7, as long as it can be read as where the guard enforces
	request *requestReader // of DICOM, until the request for the association has come
	judge   *judge
	chunks  chan chunk
	offers  sync.Mutex     // guards missed, and that chunks are in the order in which it passed
	missed  [2]int64       // bytes that passed unread and are not in chunks
	quit    [2]atomic.Bool // its sender ended it of its own accord
	half    atomic.Bool    // one side has said that it has sent all
	told    bool           // that something is not on record; of who reads
	lost    bool           // its reader failed: what comes passes unread; of who reads
	latest  atomic.Int64   // when something passed, Unix nanoseconds
	heard   atomic.Bool    // the client has said something
}

// settled is how long nothing has to pass before a connection that only is observed may end when the guard does: it is not known
// whether it is in the middle of a message.
const settled = time.Second

// copy passes one direction on.
func (o *observer) copy(d wire.Dir, from, to net.Conn) error {
	buffer := make([]byte, 32<<10)
	for {
		if limit := o.patience(d); limit > 0 {
			_ = from.SetReadDeadline(time.Now().Add(limit)) // a connection that is gone says so when it is read
		}
		n, err := from.Read(buffer)
		if n > 0 {
			o.latest.Store(time.Now().UnixNano())
			if d == wire.FromClient {
				o.heard.Store(true)
			}
			o.owing.done() // it says something, and what that is does not matter here
			if o.reads {
				o.offer(d, buffer[:n]) // before it passes: the answer to it must not be read first
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return err
			}
		}
		silent := errors.Is(err, os.ErrDeadlineExceeded)
		if silent && time.Since(time.Unix(0, o.latest.Load())) < o.patience(d) {
			continue
		}
		if err != nil {
			if !silent && !o.over() && (d == wire.FromServer || !o.quit[wire.FromServer].Load()) {
				o.quit[d].Store(true) // a client that leaves because the system behind has left is not to blame
			}
			return err
		}
	}
}

// patience is how long nothing has to pass in a direction before it is over; 0: that is not waited for. Who has sent all, and may be
// gone, must not keep its place for as long as the other side likes.
func (o *observer) patience(d wire.Dir) time.Duration {
	switch {
	case o.leaving.Load() && d == wire.FromClient:
		return settled
	case o.half.Load():
		return o.guard.pace.left
	}
	return 0
}

// offer gives bytes to the reader, if it has room. What passed unread before it is told first, of both directions: what was asked may be in
// it, and it must be known that it is not known.
func (o *observer) offer(d wire.Dir, b []byte) {
	at := o.guard.now()
	o.offers.Lock()
	defer o.offers.Unlock()
	give := func(c chunk) bool {
		select {
		case o.chunks <- c:
			return true
		default:
			return false
		}
	}
	all := true
	for dir, gap := range o.missed {
		if gap == 0 {
			continue
		}
		if all = all && give(chunk{dir: wire.Dir(dir), gap: gap, at: at}); all {
			o.missed[dir] = 0
		}
	}
	if all && give(chunk{dir: d, bytes: append([]byte(nil), b...), at: at}) {
		return
	}
	o.missed[d] += int64(len(b))
	o.unread(int64(len(b)), at)
}

// unread counts what passes unread.
func (o *observer) unread(n int64, at time.Time) {
	if n == 0 {
		return
	}
	o.guard.metrics.unread(o.listener.name)
	o.guard.refused.unread(n, at)
}

// read decodes what has passed, and records it.
func (o *observer) read(ctx context.Context) {
	if !o.reads {
		return
	}
	for c := range o.chunks {
		o.hear(ctx, c)
	}
	o.hearEnd(ctx, o.guard.now())
}

// hear decides and records what has passed.
func (o *observer) hear(ctx context.Context, c chunk) {
	switch {
	case o.lost: // its bytes pass unread; those of a gap were told
		o.loosen(ctx, c.at)
		o.feed(ctx, c.dir, c.bytes, c.at)
	case c.gap > 0:
		o.loosen(ctx, c.at)
		if c.dir == wire.FromClient {
			o.request = nil // nobody knows what was in it
		}
		o.take(ctx, o.decode(func() []wire.Event { return o.session.Gap(c.dir, c.gap, chaperone.Mark{Time: c.at}) }))
	case o.strict != nil:
		o.hearFrames(ctx, c)
	default:
		if o.request != nil && c.dir == wire.FromClient {
			o.hearRequest(c.bytes)
		}
		o.feed(ctx, c.dir, c.bytes, c.at)
	}
}

// hearEnd does so with what is left when the connection is over.
func (o *observer) hearEnd(ctx context.Context, now time.Time) {
	for d, gap := range o.missed { // what passed unread last: nobody is to blame for what it leaves open
		if gap > 0 {
			o.hear(ctx, chunk{dir: wire.Dir(d), gap: gap, at: now})
		}
	}
	o.cut()
	o.loosen(ctx, now)
	o.take(ctx, o.decode(func() []wire.Event { return o.session.Close(chaperone.Mark{Time: now}) }))
	o.hold(0)
}

// feed has the session alone say what has passed.
func (o *observer) feed(ctx context.Context, d wire.Dir, b []byte, at time.Time) {
	if o.lost {
		o.unread(int64(len(b)), at)
		return
	}
	o.take(ctx, o.decode(func() []wire.Event { return o.session.Feed(d, b, chaperone.Mark{Time: at}) }))
	if s, ok := o.session.(*mllp.Session); ok && !o.hold(max(0, s.Held()-2*firstRoom)) {
		o.unread(int64(s.Held()), at)
		o.session = mllp.New(wire.DefaultLimits, true) // it goes on where it finds the next frame
		o.hold(0)
	}
}

// hold takes so much in all of the memory that there is for the large messages of all connections, if there is as much.
func (o *observer) hold(n int) bool {
	ok := o.guard.passing.take(n - o.held)
	if ok {
		o.held = n
	}
	return ok
}

// decode gives the events of a session, none once it has failed.
func (o *observer) decode(events func() []wire.Event) (list []wire.Event) {
	if o.lost {
		return nil
	}
	if err := sound(func() error { list = events(); return nil }); err != nil {
		o.lost = true
		o.guard.malformed(o.listener.name)
		o.guard.log.Error("what passes is not read any more", "listener", o.listener.name, "error", err)
	}
	for i := range list {
		if list[i].Stage == wire.Malformed {
			o.guard.malformed(o.listener.name)
		}
	}
	return list
}

// take decides and records what has passed, by what a session says of it.
func (o *observer) take(ctx context.Context, events []wire.Event) {
	var drafts []*draft
	r := o.guard.rules.Load()
	for i := range events {
		e := &events[i]
		if e.Message == nil {
			continue
		}
		if o.spec().Protocol == site.DICOM && e.Stage == wire.Head && e.Message.Role == wire.Query && e.Message.Everybody {
			o.queried(r, e)
		}
		w, unknown := o.wish(e), 0
		if n := moved(e); n > 0 {
			w, unknown = o.movedWish(r, e, n)
		}
		if len(w.records)+len(w.merges)+w.unseen == 0 {
			continue
		}
		if o.spec().Protocol == site.DICOM {
			o.learn(e)
		}
		if e.Message.Headless { // its sender is not to blame for what was not read
			drafts = append(drafts, o.judge.passed(r, w, policy.Decision{}, e.At.Time))
			continue
		}
		v := o.judge.seen(r, w, e.At.Time)
		if d := &v.draft.disclosure; w.unseen > 0 {
			d.Unseen, d.Records, d.Unidentified = true, w.unseen, unknown
		}
		o.guard.metrics.decided(o.listener.name, v.Reason, 0)
		drafts = append(drafts, v.draft)
	}
	if len(drafts) > 0 {
		o.put(ctx, r, drafts)
	}
}

// queried decides a query that names nobody, once and before its matches, which do not show what was asked for.
func (o *observer) queried(r *rules, e *wire.Event) {
	w := o.wish(e)
	w.everybody, w.later = true, true
	o.guard.metrics.decided(o.listener.name, o.judge.decide(r, w, e.At.Time).Reason, 0)
}

// put puts on record what has passed, or tells that it is not.
func (o *observer) put(ctx context.Context, r *rules, drafts []*draft) {
	over := begun(drafts)
	err := o.guard.enterDrafts(ctx, drafts) // by what was in force when it passed
	over()
	o.guard.countLater(drafts)                                // it has passed, on record or not
	if errors.Is(err, ledger.ErrInvalid) && len(drafts) > 1 { // which of them it is shows when each is alone
		for i := range drafts {
			o.put(ctx, r, drafts[i:i+1])
		}
		return
	}
	was := o.told
	if o.told = err != nil; o.told {
		o.guard.metrics.unrecorded(o.listener.name)
		if !was {
			o.guard.log.Error("it passed and is not on record", "listener", o.listener.name, "disclosures", len(drafts), "error", err)
		}
		for _, d := range drafts {
			o.judge.refuse(r, d.wish, policy.Decision{Reason: unrecordable(err).Reason, Hint: "It passed. See chaperone ledger status."})
		}
	}
}

// wish is what a message that passed would have asked for.
func (o *observer) wish(e *wire.Event) *wish {
	m := e.Message
	w := &wish{word: m.Action, client: &o.from, records: e.Records, merges: e.Merges, bytes: m.Bytes, offset: m.Start, asked: m.Role == wire.Query || m.Role == wire.Reply}
	w.action, w.detail = actionOf(o.spec().Protocol, m)
	from, to := o.from, o.to
	if m.Data == wire.FromServer {
		from, to = to, from
	}
	from.claimed, to.claimed = m.From, m.To
	w.claims = []string{m.From}
	if m.Data == wire.FromServer {
		w.claims = []string{m.To}
	}
	w.from, w.to = &from, &to
	return w
}

// actionOf gives what policy calls a message.
func actionOf(p site.Protocol, m *wire.Message) (policy.Action, string) {
	if p == site.HL7 {
		if m.Data == wire.FromServer {
			return policy.Ask, cmp.Or(questionTo(m.Action), m.Action) // as what it answers, as far as its own type tells
		}
		return policy.Send, m.Action
	}
	switch m.Action {
	case "C-STORE":
		if m.Data == wire.FromServer {
			return policy.Get, m.Class
		}
		return policy.Store, m.Class
	case "C-FIND":
		return policy.Find, m.Class
	case "C-GET":
		return policy.Get, m.Class
	case "C-MOVE":
		return policy.Move, m.Class
	}
	return policy.Other, m.Class
}

// seen decides what has passed: what would be refused is noted as that, and all of it is for the record.
func (j *judge) seen(r *rules, w *wish, now time.Time) verdict {
	v := j.decide(r, w, now)
	if v.draft == nil {
		v.draft = j.passed(r, w, v.Decision, now)
	}
	return v
}

// passed makes the draft of what has passed, and is not granted. It counts in the budgets too, which a start loads from the record.
func (j *judge) passed(r *rules, w *wish, decision policy.Decision, now time.Time) *draft {
	out, covered := j.covered(w)
	decision.Grant, decision.Version = "none, observed", r.site.Version
	d := j.draft(r, w, &decision, now)
	d.disclosure.Covered, d.disclosure.Unidentified, d.merges = covered, out.unidentified, out.merges
	keys := r.keys(w.in(r), budget.Limits{})
	if numbers, err := j.guard.ledger.Resolve(covered); err == nil && len(keys) > 1 { // else it is of nobody whom the site knows
		d.numbers, d.later = numbers, keys
	}
	return d
}
