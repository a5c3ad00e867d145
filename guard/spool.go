package guard

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"chaperone"
	"chaperone/guard/spool"
	"chaperone/site"
)

// spools are what is kept for systems that are away, by listener.
type spools struct {
	dir  string
	key  func(id [16]byte) [32]byte
	disk spool.Disk

	mu      sync.Mutex
	all     map[string]*spooler
	running context.Context // of the guard
}

// spooler keeps the messages of a listener, and delivers them. It lives as long as the guard: what is kept is delivered when the site
// file keeps nothing any more, too.
type spooler struct {
	guard *Guard
	name  string
	spool *spool.Spool           // nil: it is damaged
	ill   atomic.Pointer[string] // why it takes and delivers nothing
	gone  absence                // the system behind could not be reached when that was last tried
	took  lastSyntaxes
	news  news
	work  sync.WaitGroup
}

// openSpools opens the spools that rules ask for, and those that still hold something, and begins to deliver.
//
// Errors: there is no folder for them; one cannot be used. One that is damaged is none: its listener passes no message on until it
// is mended, and the others do.
func (g *Guard) openSpools(r *rules) error {
	s := &g.spools
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dir != "" {
		g.tellLeft(r)
	}
	for i := range r.site.Listeners {
		spec := &r.site.Listeners[i]
		if spec.Protocol == site.TCP {
			continue
		}
		if have := s.all[spec.Name]; have != nil {
			if have.spool != nil {
				have.spool.SetLimits(spec.Spool.Bytes, spec.Spool.Messages)
			}
			continue
		}
		dir := filepath.Join(s.dir, spec.Name)
		if _, err := os.Stat(dir); spec.Spool.Bytes == 0 && (s.dir == "" || err != nil) {
			continue
		}
		if s.dir == "" || s.key == nil {
			return fmt.Errorf("guard: listener %s: no folder and key for what is to be kept", spec.Name)
		}
		k := &spooler{guard: g, name: spec.Name}
		var err error
		k.spool, err = spool.Open(spool.Options{Dir: dir, Key: s.key, Bytes: spec.Spool.Bytes, Messages: spec.Spool.Messages, Disk: s.disk})
		var damage *spool.Damage
		if err != nil && !errors.As(err, &damage) {
			return spoolError(spec.Name, err)
		}
		s.all[spec.Name] = k
		g.metrics.spool(k)
		if err != nil {
			k.damaged(err)
			continue
		}
		k.opened()
		k.work.Go(func() { k.deliverAll(s.running) })
		k.work.Go(func() { k.watch(s.running) })
	}
	return nil
}

// closeSpools ends delivering and lets go of the folders, once the guard's context has ended. What is kept stays there.
func (g *Guard) closeSpools() {
	g.spools.mu.Lock()
	defer g.spools.mu.Unlock()
	for _, k := range g.spools.all {
		k.work.Wait()
		if k.spool != nil {
			if err := k.spool.Close(); err != nil {
				g.log.Error("closing the spool", "listener", k.name, "error", err)
			}
		}
	}
	g.spools.all = map[string]*spooler{}
}

// renew lets those connections of HL7, which live for days, end that go to a party that is not behind their listener any more, and those that
// began when it kept nothing: their messages would overtake what waits. Their clients come again.
func (g *Guard) renew() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		if spec := c.spec(); spec.Protocol == site.HL7 && c.identified.Load() && (c.elsewhere(spec) || !c.spools.Load() && c.spooler(spec) != nil) {
			c.drain()
		}
	}
}

// of gives the spool of a listener, nil when there is none.
func (s *spools) of(listener string) *spooler {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[listener]
}

// spooler gives what keeps what comes on a connection, nil when nothing does. Of images nothing overtakes what waits, or what cannot be read.
func (c *conn) spooler(spec *site.Listener) *spooler {
	k, images := c.guard.spools.of(c.listener.name), spec.Protocol == site.DICOM
	switch {
	case k == nil, spec.Protocol == site.TCP, spec.Mode == site.Observe, images && k.ill.Load() != nil, spec.Spool.Bytes == 0 && (images || k.empty()):
		return nil
	}
	return k
}

// spoolers gives all that keep messages.
func (g *Guard) spoolers() (list []*spooler) {
	g.spools.mu.Lock()
	defer g.spools.mu.Unlock()
	for _, k := range g.spools.all {
		list = append(list, k)
	}
	return list
}

// empty reports whether nothing waits to be delivered, or nothing can be.
func (k *spooler) empty() bool { return k.spool == nil || k.spool.Empty() }

// spec gives the listener's part of the rules that hold, nil when they do not name it.
func (k *spooler) spec() *site.Listener {
	if l := k.guard.rules.Load().site.Listener(k.name); l != nil && l.Protocol != site.TCP {
		return l
	}
	return nil
}

// room says why messages cannot be kept now, or objects of so many bytes; "" when they can.
func (k *spooler) room(objects int64, list []spool.Entry) (hint string) {
	if k.ill.Load() != nil {
		return "The spool is damaged: see the log."
	}
	for i := range list {
		if err := k.serves(list[i].To); err != nil {
			return hintOf(err)
		}
	}
	if err := k.spool.Room(objects, list...); err != nil {
		return hintOf(err)
	}
	return ""
}

// serves insists that a party is behind the listener, as far as one is: what is kept for another would be delivered to nobody.
func (k *spooler) serves(party string) error {
	if spec := k.spec(); spec != nil && spec.Upstream.Party != party {
		return errMoved
	}
	return nil
}

// hintOf says why something is not kept.
func hintOf(err error) string {
	switch {
	case errors.Is(err, spool.ErrFull):
		return "The spool is full: mend the system behind the listener, or give the spool more room."
	case errors.Is(err, errMoved):
		return "Another party is behind the listener than when the client connected: connect again."
	}
	return "The spool takes nothing: see the log."
}

// keep puts messages on disk. They may be acknowledged when it returns "", else it says why not.
func (k *spooler) keep(list []spool.Entry) (hint string) {
	if hint = k.room(0, list); hint != "" {
		return hint
	}
	if err := k.spool.Append(list...); err != nil {
		k.guard.log.Error("not kept, so not acknowledged", "listener", k.name, "error", err)
		return hintOf(err)
	}
	k.began()
	return ""
}

// damaged notes that nothing more is taken or delivered until somebody has mended the folder and started the guard again: of HL7, what is
// newer must not overtake what waits.
func (k *spooler) damaged(err error) {
	why, what := err.Error(), "Messages that were kept for a system cannot be read: its listener passes none on."
	k.ill.Store(&why)
	if spec := k.spec(); spec != nil && spec.Protocol == site.DICOM {
		what = "What was kept for a system cannot be read and is not delivered; its listener keeps nothing, and passes on what comes while the system is there."
	}
	k.guard.log.Error("the spool is damaged", "listener", k.name, "what", what, "error", err)
	k.find(SpoolDamagedRule, chaperone.Critical, 1, what, "The log names the file and what to do with it; then start the guard again.")
}

// state says in words what waits, "" for nothing.
func (k *spooler) state(now time.Time) string {
	if k.ill.Load() != nil {
		return "spool of " + k.name + " damaged"
	}
	s := k.spool.Stats()
	switch {
	case s.Messages == 0 && s.Rejected == 0:
		return ""
	case s.Messages == 0:
		return fmt.Sprintf("spool of %s: %d rejected", k.name, s.Rejected)
	}
	return fmt.Sprintf("spooling %s: %d messages, the oldest for %s; %d rejected", k.name, s.Messages, now.Sub(s.Oldest).Round(time.Second), s.Rejected)
}
