package guard

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chaperone"
	"chaperone/identity"
	"chaperone/policy"
)

// Rules of findings about what is kept for a system that is away.
const (
	SpoolBeganRule    = "guard-spool-began"
	SpoolFillingRule  = "guard-spool-filling"
	SpoolOldRule      = "guard-spool-old"
	SpoolRejectedRule = "guard-spool-rejected"
	SpoolStuckRule    = "guard-spool-stuck"
	SpoolCutRule      = "guard-spool-cut"
	SpoolDamagedRule  = "guard-spool-damaged"
	SpoolLeftRule     = "guard-spool-left"
	SpoolObjectRule   = "guard-spool-object"
)

// news is what was told of a spool since it was empty.
type news struct {
	rejected atomic.Int64 // and not told yet
	lost     atomic.Int64 // objects whose files are not what was kept: of those that were rejected
	apart    atomic.Int64 // what was kept apart since the spool was empty
	away     lastError    // of delivering
	stuck    lastError    // of what is to be sent again

	found   string    // of stuck: what is on record
	foundAt time.Time // since when

	mu            sync.Mutex
	spooling      bool
	began         time.Time // when a beginning was last told: a system that comes and goes is not told of each time
	filling, old  bool
	toldRejecting time.Time
	toldLosing    time.Time
}

// lastError tells the log of an error once, as long as it stays the same.
type lastError struct{ text string }

func (l *lastError) note(k *spooler, message string, err error) {
	if errors.Is(err, context.Canceled) || l.text == err.Error() {
		return
	}
	l.text = err.Error()
	k.guard.log.Warn(message, "listener", k.name, "why", l.text)
}

// find puts a finding about the spool on record; when the record does not take it, it is tried again.
func (k *spooler) find(rule string, severity chaperone.Severity, count int, title, advice string) {
	now := k.guard.now()
	k.guard.refused.find(chaperone.Finding{
		Rule: rule, Severity: severity, To: chaperone.Party{Claimed: k.name}, First: now, Last: now, Count: count, Title: title, Advice: advice,
		Evidence: chaperone.Evidence{File: "guard " + k.name},
	})
}

// find takes a finding that is no refusal.
func (r *refusals) find(f chaperone.Finding) {
	r.mu.Lock()
	r.owed = append(r.owed, f)
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// opened tells what was found when the spool was opened.
func (k *spooler) opened() {
	for _, r := range k.spool.Repairs {
		if r.Unnamed > 0 {
			k.guard.log.Error("objects that no message names, after damage, are kept apart", "listener", k.name, "folder", r.File, "objects", r.Unnamed)
			k.find(SpoolObjectRule, chaperone.High, r.Unnamed, "After damage to a spool, no message names objects that may have been kept: nobody delivers them.",
				"Have their senders send them again, and remove them from the folder that the log names.")
			continue
		}
		title := "The last write into the spool did not end, and was cut off: nobody was told that it is kept."
		if r.Cursor {
			title = "It is not known any more what of the spool is delivered: what is on disk is delivered again."
			if k.spool.Empty() {
				continue // a new one
			}
		}
		k.guard.log.Warn("the spool was put right", "listener", k.name, "file", r.File, "offset", r.Offset, "bytes", r.Bytes)
		k.find(SpoolCutRule, chaperone.Medium, 1, title, "Look whether the disk is well, if nobody pulled the plug.")
	}
	if n := k.spool.Stats().Messages; n > 0 {
		k.news.spooling = true
		k.guard.log.Info("what was kept is delivered first", "listener", k.name, "messages", n)
	}
}

// tellLeft tells of messages that wait for listeners that the site file does not name any more: nobody delivers them.
func (g *Guard) tellLeft(r *rules) {
	files, _ := filepath.Glob(filepath.Join(g.spools.dir, "*", "*.spool"))          // its only error is a bad pattern
	again, _ := filepath.Glob(filepath.Join(g.spools.dir, "*", "again", "*.spool")) // the same
	left := map[string]bool{}
	for _, path := range append(files, again...) {
		inside, _ := filepath.Rel(g.spools.dir, path) // it is in it
		name, _, _ := strings.Cut(inside, string(filepath.Separator))
		if r.site.Listener(name) == nil && !left[name] {
			left[name] = true
			g.log.Error("messages wait for a listener that the site file does not name", "listener", name, "folder", filepath.Join(g.spools.dir, name))
			k := &spooler{guard: g, name: name}
			k.find(SpoolLeftRule, chaperone.High, 1, "Messages are kept for a listener that the site file does not name: nobody delivers them.",
				"Name the listener again until they are delivered, or have them sent again.")
		}
	}
}

// began tells that messages are kept.
func (k *spooler) began() {
	t, now := &k.news, k.guard.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.spooling {
		return
	}
	t.spooling = true
	k.guard.log.Warn("the system behind the listener is away: what comes in is kept", "listener", k.name)
	if t.began.IsZero() || now.Sub(t.began) >= refusalWindow {
		t.began = now
		k.find(SpoolBeganRule, chaperone.Medium, 1, "The system behind a listener is away: what comes in is kept on disk.",
			"Look after the system: what it does not get, nobody sees.")
	}
}

// ended notes that nothing waits any more.
func (k *spooler) ended() {
	t := &k.news
	t.mu.Lock()
	defer t.mu.Unlock()
	if apart := t.apart.Swap(0); apart > 0 {
		k.guard.log.Warn("nothing that was kept waits any more, and not all of it is delivered", "listener", k.name, "kept apart", apart)
	} else if t.spooling {
		k.guard.log.Info("everything that was kept is delivered", "listener", k.name)
	}
	t.spooling, t.filling, t.old, t.away.text = false, false, false, ""
}

// watch puts into the queue what is to be sent again, and tells of a spool that fills, of messages that wait long, and of those that were
// rejected.
func (k *spooler) watch(ctx context.Context) {
	tick := time.NewTicker(k.guard.pace.hold)
	defer tick.Stop()
	for {
		k.again()
		select {
		case <-ctx.Done():
			k.look(true)
			return
		case <-tick.C:
		}
		k.look(false)
	}
}

// again puts rejected messages into the queue that somebody asked for. What cannot be is tried again, and found when it is no better then.
func (k *spooler) again() {
	done, err := k.spool.TakeAgain()
	if done.Queued > 0 {
		k.guard.log.Info("what was rejected is sent again, as somebody asked", "listener", k.name, "messages", done.Queued)
	}
	t := &k.news
	if err == nil {
		t.stuck.text, t.found = "", ""
		return
	}
	before := t.stuck.text != ""
	t.stuck.note(k, "a file of what is to be sent again stays in its folder; it is tried again", err)
	if done.Queued > 0 || !before {
		return
	}
	if now := k.guard.now(); t.found != t.stuck.text && (t.foundAt.IsZero() || now.Sub(t.foundAt) >= refusalWindow) {
		t.found, t.foundAt = t.stuck.text, now
		if done.Stay > 0 && done.Stuck == 0 {
			k.find(SpoolStuckRule, chaperone.Medium, done.Stay, "Messages that somebody asked to send again are in the queue, and their files cannot be removed: after the next start they are sent twice.",
				"Remove the files that the log names before the guard starts again, and do not have their messages sent again: they are delivered. Let the guard's user remove files "+
					"in the folder again; on Windows, let no virus scanner hold them open. The guard goes on trying.")
			return
		}
		k.find(SpoolStuckRule, chaperone.High, max(1, done.Stuck), "Messages that somebody asked to send again cannot be put back into the queue: nobody delivers them.",
			"The log names the file in the folder again, and why. Restore a damaged one, or have its sender send it again and remove the file; let the guard's user "+
				"read and remove one that is another's; only remove one that is in the queue. Where the spool is full though nothing waits, give it more room, or take rejected files out of it: one that finds "+
				"no room holds up those behind it. The guard goes on trying.")
	}
}

func (k *spooler) look(over bool) {
	t, spec, now, s := &k.news, k.spec(), k.guard.now(), k.spool.Stats()
	t.mu.Lock()
	defer t.mu.Unlock()
	if spec != nil && spec.Spool.Bytes > 0 {
		limits := &spec.Spool
		if full := s.Bytes > limits.Bytes/5*4 || s.Messages > limits.Messages/5*4; full && !t.filling {
			t.filling = true
			k.find(SpoolFillingRule, chaperone.High, s.Messages, "More than four fifths of the room for what is kept for a system that is away are taken.",
				"Mend the system, or give the spool more room: when it is full, messages are refused. What is kept apart, in rejected and unnamed, takes room too.")
		}
		if s.Messages > 0 && !t.old && now.Sub(s.Oldest) >= limits.Age {
			t.old = true
			k.find(SpoolOldRule, chaperone.High, s.Messages, "Messages wait long for a system that is away.", "Mend the system: what it does not get, nobody sees.")
		}
	}
	if due(&t.rejected, &t.toldRejecting, now, over) {
		k.find(SpoolRejectedRule, chaperone.High, int(t.rejected.Swap(0)), "A system did not take messages that were kept for it and that their senders believe it has.",
			"Find out why (chaperone spool shows the answers), and send them again with chaperone spool again.")
	}
	if due(&t.lost, &t.toldLosing, now, over) {
		k.find(SpoolObjectRule, chaperone.Critical, int(t.lost.Swap(0)), "Objects that were kept for a system, and that their senders believe it has, cannot be read.",
			"The log names the files: restore them and send them again with chaperone spool again, or have their senders send them again.")
	}
}

// due reports whether something is to be told that is told at once, and then once in a while.
func due(count *atomic.Int64, told *time.Time, now time.Time, over bool) bool {
	if count.Load() == 0 || !over && !told.IsZero() && now.Sub(*told) < refusalWindow {
		return false
	}
	*told = now
	return true
}

// reasonOf gives the reason of a refusal for an end that was not believed.
func reasonOf(err error) policy.Reason {
	if why := new(identity.Error); errors.As(err, &why) {
		return policy.Reason(why.Code)
	}
	return handshake
}

// spool lets the numbers of a spool be watched.
func (m *metrics) spool(k *spooler) {
	gauge := func(name, help string, value func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "chaperone_guard_spool_" + name, Help: help, ConstLabels: prometheus.Labels{"listener": k.name}}, value))
	}
	if k.spool == nil {
		gauge("damaged", "1: the spool cannot be read.", func() float64 { return 1 })
		return
	}
	gauge("messages", "Messages that are kept for a system that is away.", func() float64 { return float64(k.spool.Stats().Messages) })
	gauge("bytes", "Bytes on disk of what is kept, with what is kept apart.", func() float64 { return float64(k.spool.Stats().Bytes) })
	gauge("rejected", "Messages that lie in the folder of those that were rejected.", func() float64 { return float64(k.spool.Stats().Rejected) })
	gauge("oldest_seconds", "How long the oldest has waited.", func() float64 {
		if s := k.spool.Stats(); s.Messages > 0 {
			return k.guard.now().Sub(s.Oldest).Seconds()
		}
		return 0
	})
}

func (m *metrics) spoolRejected(listener string) { m.rejected.WithLabelValues(listener).Inc() }
