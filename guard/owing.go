package guard

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"chaperone"
	"chaperone/policy"
)

// owing says since when a client has owed what it began: its handshake, its first message, the rest of one. Whoever has said
// something whole owes nothing while it is silent: connections of this trade stay open for days.
type owing struct {
	since atomic.Int64 // Unix nanoseconds; 0: nothing
	rest  atomic.Int64 // the same, of a message that comes in pieces: by how much it is late, and yet to come when it is not
	part  atomic.Int64 // bytes that have come of the piece that is next
	said  atomic.Bool  // something whole
}

// owed gives since when anything is owed, 0 for nothing. Of a piece of a message counts how late the message is.
func (o *owing) owed() int64 {
	if rest := o.rest.Load(); rest != 0 {
		return rest + o.part.Load()*int64(time.Second)/leastRate
	}
	return o.since.Load()
}

// begin notes that something was begun, unless something is owed already.
func (o *owing) begin(at time.Time) { o.since.CompareAndSwap(0, at.UnixNano()) }

// done notes that it came.
func (o *owing) done() {
	if o.since.Load() != 0 {
		o.said.Store(true)
		o.since.Store(0)
	}
}

// errRoom ends a connection that owed something when the listener was full.
var errRoom = fmt.Errorf("%w: it had begun something for longer than the others, and its place was needed", errRefused)

// enter counts a connection in. When the listener has as many as it takes, of the client's address or at all, the one of them makes
// room that has owed something for longest; without such a one there is no room. own says that the bound was that of its address.
func (l *listener) enter(c *conn) (ok, own bool) {
	limits, from := &l.spec.Load().Limits, c.from.addr.Addr()
	l.mu.Lock()
	defer l.mu.Unlock()
	own = l.from[from] >= limits.PerAddress
	if own || len(l.conns) >= limits.Connections {
		late := l.latest(func(c *conn) bool { return !own || c.from.addr.Addr() == from })
		if late == nil {
			return false, own
		}
		l.remove(late)
		l.guard.work.Go(late.makeRoom) // closing may wait for a peer that does not read
	}
	l.conns[c] = true
	l.from[from]++
	return true, own
}

// latest gives the connection that owes something for longest, of those that are meant; nil when none does: of those first whose side
// is not known yet, then of those that have said nothing whole. Whoever has is left a while: honest senders are in the middle of a
// message, too. Called with the lock.
func (l *listener) latest(meant func(*conn) bool) (late *conn) {
	var least int64
	var best standing
	hurried := time.Now().Add(-l.guard.pace.late).UnixNano()
	for c := range l.conns {
		since, s := c.owing.owed(), c.standing()
		switch {
		case since == 0 || !meant(c) || s == speaker && since > hurried:
		case late == nil || s < best || s == best && since < least:
			late, least, best = c, since, s
		}
	}
	return late
}

// standing is how much a connection has shown of itself.
type standing int

const (
	stranger standing = iota // nothing
	silent                   // whose it is
	speaker                  // and something whole
)

func (c *conn) standing() standing {
	switch {
	case !c.identified.Load():
		return stranger
	case !c.owing.said.Load():
		return silent
	}
	return speaker
}

// leave counts a connection out, unless it has made room already.
func (l *listener) leave(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns[c] {
		l.remove(c)
	}
}

func (l *listener) remove(c *conn) {
	delete(l.conns, c)
	from := c.from.addr.Addr()
	if l.from[from]--; l.from[from] == 0 {
		delete(l.from, from)
	}
}

// makeRoom closes a connection whose place was needed, and has it told.
func (c *conn) makeRoom() {
	c.guard.metrics.shed(c.listener.name)
	c.guard.refused.note(refusal{
		listener: c.listener.name, word: "connection", at: c.guard.now(),
		from: chaperone.Party{Addr: c.from.addr.Addr(), Port: c.from.addr.Port()}, // the rest may be found out just now
		decision: policy.Decision{Reason: busy, Version: c.guard.rules.Load().site.Version,
			Hint: "The listener is full (limits: connections), and this client had begun something and not ended it for longest."},
	})
	c.close(errRoom)
}

// outOfRoom reports whether a connection has been closed to make room.
func (c *conn) outOfRoom() bool {
	select {
	case <-c.ended:
		return errors.Is(c.why, errRoom)
	default:
		return false
	}
}
