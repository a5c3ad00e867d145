package guard

import (
	"errors"
	"time"

	"chaperone/wire"
)

// leastRate is how many bytes of a message have to come in a second, on the average of the time that one has. An HL7 message has to be
// there within that time; an image of 500 MB takes a day and a half on a modem's line, and is as honest. That line brings four times
// as much as this; who brings less keeps a place on the listener and in the system behind it for nothing.
//
// One rate for all of a message needs no limits of their own for its parts: a client's command set, 64 KiB at most, is there after a minute or two, and
// what is held back until it is decided, 1 MiB at most, after a quarter of an hour.
const leastRate = 1 << 10

// errSlow ends a connection whose message does not come on.
var errSlow = errors.New("a message came slower than 1 KiB a second, for as long as the site file lets one take")

// progress is how a message comes: how much of the stretch that is next, and how long that was waited for. The time that the guard
// takes, or the other side to read what it passes on, is not its sender's.
type progress struct {
	waited time.Duration
	came   int
	ahead  time.Duration // by how much the stretch before came sooner than it had to
}

// behind is how late it is by the least rate; less than nothing when it has come sooner.
func (p *progress) behind() time.Duration {
	return p.waited - time.Duration(p.came)*time.Second/leastRate - p.ahead
}

// tooSlow reports whether the stretch that is next - what comes at the least rate within a time - did not come within it.
func (p *progress) tooSlow(within time.Duration) bool {
	switch {
	case p.came >= int(leastRate*within/time.Second):
		p.ahead = 0 // of one stretch only: who was fast for long may not be silent for long
		*p = progress{ahead: -p.behind()}
	case p.waited >= within:
		return true
	}
	return false
}

// wait notes that nothing is there to be taken: from now on the client owes the rest of what it is in the middle of.
func (d *dicomConn) wait() (since time.Time) {
	since = time.Now()
	if m := &d.legs[wire.FromClient].message; m.begun {
		d.owing.rest.Store(since.Add(-m.behind()).UnixNano())
	}
	return since
}

// waited notes that something came.
func (d *dicomConn) waited(since time.Time) {
	d.owing.rest.Store(0)
	for _, l := range d.legs {
		if l.message.begun {
			l.message.waited += time.Since(since)
		}
	}
}

// onward ends the association when a side is in the middle of a message that does not come on.
func (d *dicomConn) onward() error {
	within := d.spec().Limits.InMessage
	for _, l := range d.legs {
		switch {
		case !l.message.begun || !l.message.tooSlow(within):
		case l.dir == wire.FromServer:
			return d.blame(l, errUnanswered)
		default:
			d.guard.metrics.silent(d.listener.name)
			return d.blame(l, errSlow)
		}
	}
	return nil
}
