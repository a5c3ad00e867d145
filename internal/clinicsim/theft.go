package clinicsim

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"
)

// Stages of a theft, in their order.
var theftStages = []string{"scanned", "guessed", "entered", "escalated", "persisted", "moved", "collected", "left", "offered"}

// theft is what one intruder does during a week.
type theft struct {
	*week
	rand     *rand.Rand
	from     Host   // the address that scans, and mostly all else
	guesser  Host   // the one that guesses and enters
	drop     Host   // where the loot goes
	receiver Host   // to whom the archive is made to send
	machine  string // what the intruder's computer calls itself
	entry    Host
	account  string
	later    string // an account that the intruder makes
	console  Host   // of a modality
	further  *Host  // a workstation, in some
	reader   Host   // of the database
	stager   Host   // from where the loot leaves
	calling  string // AE title of the query
	called   string // AE title of the receiver
	stay     bool   // one long session instead of several
	clears   bool   // the log is emptied
	logonID  string // of the first session

	times   map[string][2]time.Duration // of each stage: from, until
	taken   map[int]bool                // patients
	people  []*Person                   // those with a number, in the order in which they were taken
	known   map[*Person]bool
	records int
	outside []*flow // that the loot left by
	visited []Host  // that the intruder logged on to without acting from them
	offer   offer
}

// newTheft decides how this intruder works.
func newTheft(w *week) *theft {
	r := w.net.random("theft")
	t := &theft{week: w, rand: r, times: map[string][2]time.Duration{}, taken: map[int]bool{}, known: map[*Person]bool{}}
	address := w.strangers()
	t.from, t.drop = address(), address()
	t.guesser = t.from
	if one(r, 3) {
		t.guesser = address()
	}
	t.machine = fmt.Sprintf("WIN-%04X%03d", r.IntN(1<<16), r.IntN(1000))
	t.entry = pick(r, terminal, terminal2)
	t.account = pick(r, "reception", "scan", "frontdesk", "billing", "doctor1", "backupuser", "xray")
	t.later = pick(r, "support_388", "svc_print", "helpassistant", "sqladm", "update$")
	t.console = pick(r, scanner, magnet)
	t.reader = pick(r, t.console, t.console, t.entry)
	t.receiver = pick(r, t.console, t.entry)
	if one(r, 3) {
		t.further = &[]Host{office3, office4}[r.IntN(2)]
		t.receiver = *t.further
	}
	t.stager = t.receiver
	if one(r, 4) {
		t.receiver, t.stager = address(), t.reader
		t.further = nil
	}
	t.calling = pick(r, t.console.Name, "FINDSCU", "QUERY1", "WS07")
	t.called = pick(r, "STAGE01", "EXPORT9", "ANYSCP", "DCMSTORE", "WS88")
	t.stay, t.clears = one(r, 3), !one(r, 4)
	t.schedule()
	return t
}

// schedule decides when. The quicker way fits into two days.
func (t *theft) schedule() {
	r := t.rand
	hours := func(from, to float64) time.Duration {
		return time.Duration((from + (to-from)*r.Float64()) * float64(time.Hour))
	}
	quick := t.Days < 4 || one(r, 3)
	first := 1
	if t.Days > 4 {
		first += r.IntN(t.Days - 3)
	}
	at := time.Duration(first) * 24 * time.Hour
	set := func(stage string, from, length time.Duration) {
		t.times[stage] = [2]time.Duration{from, from + length}
		at = from + length
	}
	switch {
	case quick:
		set("scanned", at+hours(0.2, 3.5), hours(0.1, 0.5))
		set("guessed", at+hours(0.2, 1), hours(1, 3))
	case one(r, 3): // slowly, so as not to be seen
		set("scanned", at+hours(1, 12), hours(2, 5))
		set("guessed", at+hours(0.5, 4), hours(3, 8))
	default:
		set("scanned", at+hours(1, 17), hours(0.1, 0.7))
		set("guessed", at+hours(0.5, 4), hours(1, 8))
	}
	entered := at + hours(0.02, 0.25)
	set("escalated", entered+hours(0.04, 0.12), hours(0.01, 0.05))
	set("persisted", at+hours(0.05, 0.2), hours(0.05, 0.1))
	set("entered", entered, max(at+hours(0.05, 0.3), entered+hours(0.25, 0.4))-entered)
	switch {
	case t.stay:
		set("moved", at+hours(0.2, 1), hours(0.3, 0.8))
	case quick:
		set("moved", at+hours(1, 4), hours(0.3, 0.8))
	default:
		set("moved", at+hours(1, 13), hours(0.3, 0.8))
	}
	set("collected", at+hours(0.2, 0.8), hours(0.8, 1.8))
	leaves := at + hours(0.15, 0.5)
	if clock := leaves % (24 * time.Hour); clock > 2*time.Hour && clock < 20*time.Hour {
		leaves += -clock + hours(21, 23.4)
	}
	end := time.Duration(t.Days)*24*time.Hour - 10*time.Minute
	set("left", leaves, min(hours(1, 4), end-leaves))
	set("offered", time.Duration(t.Days)*24*time.Hour+hours(24*3, 24*16), 0)
}

// strangers gives outside addresses that the clinic has nothing to do with, each once.
func (w *week) strangers() func() Host {
	if w.unknown == nil {
		w.unknown = w.net.random("strangers").Perm(150)
	}
	return func() Host {
		n := w.unknown[0]
		w.unknown = w.unknown[1:]
		return Host{"", netip.AddrFrom4([4]byte{203, 0, 113, byte(100 + n)})}
	}
}

// plan calls in the intruder's acts.
func (t *theft) plan() {
	act := func(at time.Duration, name string, do func(r *rand.Rand, at time.Duration, wait func(time.Duration))) {
		r := t.net.random("theft " + name)
		t.net.actor(at, func(wait func(time.Duration)) { do(r, at, wait) })
	}
	act(t.times["scanned"][0], "scan", t.scan)
	act(t.times["guessed"][0], "guess", t.guess)
	act(t.times["entered"][0], "enter", t.enter)
	act(t.times["moved"][0], "move", t.move)
	act(t.times["collected"][0], "collect", t.collect)
	act(t.times["left"][0], "leave", t.leave)
	moved, collected, left := t.times["moved"][0], t.times["collected"][1], t.times["left"][0]
	if !t.stay {
		act(moved-4*time.Minute, "second session", t.again(max(collected, moved)+8*time.Minute))
	}
	if left > collected+10*time.Minute {
		act(left-5*time.Minute, "last session", t.again(left+9*time.Minute))
	}
}

// compromised gives the systems that the intruder acts from, in order.
func (t *theft) compromised() []Host {
	list := []Host{t.entry, t.console}
	if t.further != nil {
		list = append(list, *t.further)
	}
	return list
}

// intruder gives the intruder's own addresses.
func (t *theft) intruder() []netip.Addr {
	list := []netip.Addr{t.from.Addr, t.guesser.Addr, t.drop.Addr}
	if !inside(t.receiver.Addr) {
		list = append(list, t.receiver.Addr)
	}
	return list
}

// take notes whose records passed.
func (t *theft) take(s *study, list ...Record) {
	t.records += len(list)
	for _, rec := range list {
		if who := t.tally.identify(rec); who >= 0 {
			t.taken[who] = true
		}
	}
	if p := s.person; p.Imaging != "" && !t.known[p] {
		t.known[p] = true
		t.people = append(t.people, p)
	}
}
