package guard

import (
	"net"
	"sync"
	"time"
)

// outlet is whose turn it is to write to a side.
type outlet struct {
	sync.Mutex
	to net.Conn // who the deadline is of
	deadline
	broken error // of a write that failed: what comes behind half a message would be read as one with it
}

// deadline is when somebody's time ends, as the socket was told.
type deadline struct{ at time.Time }

// renew gives the new deadline for a time from now on, false while the one before will do: to tell the socket costs more than to
// let somebody have a sixteenth more.
func (d *deadline) renew(limit time.Duration) (time.Time, bool) {
	until, slack := time.Now().Add(limit), limit/16
	if !d.at.Before(until) && !d.at.After(until.Add(slack)) {
		return d.at, false
	}
	d.at = until.Add(slack)
	return d.at, true
}

// write writes to one side. Who does not read within the time of a message is gone.
func (h *hl7Conn) write(turn *outlet, to net.Conn, b []byte) error {
	turn.Lock()
	defer turn.Unlock()
	if turn.to != to {
		turn.to, turn.deadline, turn.broken = to, deadline{}, nil
	}
	if turn.broken != nil {
		return turn.broken
	}
	if at, ok := turn.renew(h.spec().Limits.InMessage); ok {
		if err := to.SetWriteDeadline(at); err != nil {
			return err
		}
	}
	_, turn.broken = to.Write(b)
	return turn.broken
}
