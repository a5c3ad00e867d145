// Package guard is the inline proxy: it stands between two systems that exchange patient data, knows by certificate who they
// are, decides every message by the site's policy and budgets, and has each release on record before the first byte leaves.
//
// It never alters a clinical byte: what it passes on are the bytes that came, and what two receivers could read in two ways it
// refuses, in the protocol's own words. A listener that only observes passes everything on and records what it saw.
//
// A connection is in conn.go; what a protocol does with it in hl7.go and the files of its name. What they want decided goes
// to judge.go.
package guard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"chaperone"
	"chaperone/guard/spool"
	"chaperone/identity"
	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/patient"
	"chaperone/policy/budget"
	"chaperone/site"
)

// Ledger is what a guard needs of the record.
type Ledger interface {
	Record(ctx context.Context, b ledger.Batch) (ledger.Receipt, error)
	Resolve(covered []ledger.Covered) ([]ledger.Number, error)
	Delivered(ctx context.Context, since time.Time, keep func(chaperone.Party) bool, each func(disk.Delivered) error) error
	memory
	keeper
}

// Options say what a guard works with.
type Options struct {
	Site   *site.Site
	Ledger Ledger
	Tokens *patient.Tokenizer
	Trust  *identity.Trust // nil without any TLS
	Log    *slog.Logger
	Now    func() time.Time // nil for time.Now

	pace      pace       // of tests
	disk      spool.Disk // of tests
	Approvals string     // folder of approvals; "": nothing can be approved
	Spool     string     // folder of what is kept for systems that are away; "": nothing can be
	SpoolKey  func(id [16]byte) [32]byte
	Sockets   []net.Listener // opened already, by whoever started this process: listeners at their addresses use them
}

// pace is how often things are looked at.
type pace struct {
	files    time.Duration // of identities
	recheck  time.Duration // live connections: for revoked certificates and parties that are gone
	hold     time.Duration // messages that are held: whether they are permitted now
	clock    time.Duration // the machine's clock
	patience time.Duration // how long a refusal waits for the answers to messages before it
	answer   time.Duration // how long an archive may take to answer a request for an association, where what it does not take is kept
	retry    time.Duration // a system that is away; after failures it is twice as long each time
	late     time.Duration // how long who has said something may be in the middle of something on a listener that is full
	tally    time.Duration // what has passed unread: how much may not be on record yet, in the first hour
	left     time.Duration // where a listener observes: how long nothing may pass when one side has sent all
	purge    time.Duration // the record: for days that are past their retention
}

var usualPace = pace{files: identity.Poll, recheck: 5 * time.Second, hold: 5 * time.Second, clock: 10 * time.Second, patience: 10 * time.Second, answer: dialing, retry: time.Second, tally: time.Minute, late: time.Second, left: time.Hour, purge: 24 * time.Hour}

// Guard is a running guard.
type Guard struct {
	ledger   Ledger
	tokens   *patient.Tokenizer
	trust    atomic.Pointer[trusted] // nil until anybody has to prove anything
	notTaken atomic.Pointer[string]  // why the last site file was not taken; nil: it was
	log      *slog.Logger
	clock    func() time.Time
	pace     pace
	rules    atomic.Pointer[rules]
	book     *budget.Book
	timeline timeline // of the start
	refused  *refusals
	habits   habits
	room     room
	large    large // where the guard enforces
	passing  large // where it observes: who begins messages there may be in the middle of them for as long as they like
	metrics  *metrics
	studies  *studies
	observed *studies // of listeners that only observe: read leniently, and nothing is decided by it that could be refused
	coverage coverage
	waiting  atomic.Int64           // queues behind messages that are held
	ill      atomic.Pointer[string] // what is wrong, while releases are not recorded

	approvals approvals
	spools    spools

	mu        sync.Mutex
	sockets   []net.Listener // that no listener has taken
	listeners map[string]*listener
	conns     map[*conn]bool
	draining  bool
	accepting sync.WaitGroup // listeners
	work      sync.WaitGroup
	stop      context.CancelFunc
}

// Start loads the budgets from the record and begins to listen. Errors: a budget cannot be loaded, an address is taken; then
// nothing listens.
func Start(ctx context.Context, o Options) (*Guard, error) {
	r, err := newRules(o.Site)
	if err != nil {
		return nil, err
	}
	g := &Guard{
		ledger: o.Ledger, tokens: o.Tokens, log: o.Log, clock: o.Now,
		metrics: newMetrics(), studies: newStudies(), observed: newStudies(), sockets: o.Sockets, listeners: map[string]*listener{}, conns: map[*conn]bool{},
	}
	if g.clock == nil {
		g.clock = monotonic()
	}
	if g.pace = o.pace; g.pace == (pace{}) {
		g.pace = usualPace
	}
	if g.pace.answer == 0 {
		g.pace.answer = usualPace.answer
	}
	if g.pace.retry == 0 {
		g.pace.retry = usualPace.retry
	}
	if g.pace.tally == 0 {
		g.pace.tally = usualPace.tally
	}
	if g.pace.purge == 0 {
		g.pace.purge = usualPace.purge
	}
	if g.pace.late == 0 {
		g.pace.late = usualPace.late
	}
	if g.pace.left == 0 {
		g.pace.left = usualPace.left
	}
	g.spools = spools{dir: o.Spool, key: o.SpoolKey, disk: o.disk, all: map[string]*spooler{}}
	g.room.most, g.large.most, g.passing.most = mostWaiting, mostLarge, mostLarge
	began := g.now()
	g.book = budget.New(began)
	if o.Trust != nil {
		g.trust.Store(newTrusted(o.Trust))
	}
	g.refused = newRefusals(o.Log, func(b ledger.Batch) error {
		_, err := g.ledger.Record(context.WithoutCancel(ctx), b)
		return err
	})
	if g.timeline, err = g.readTimeline(ctx, began); err != nil {
		return nil, fmt.Errorf("guard: the times on record: %w", err)
	}
	if err := g.loadBudgets(ctx, r, began.Add(-longest), nil); err != nil {
		return nil, fmt.Errorf("guard: budgets: %w", err)
	}
	if err := g.openApprovals(ctx, r, o.Approvals); err != nil {
		return nil, fmt.Errorf("guard: approvals: %w", err)
	}
	watching := g.now()
	if err := g.beginCoverage(ctx, watching); err != nil {
		g.log.Error("that a run begins is not on record", "error", err)
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	g.stop = stop
	g.rules.Store(r)
	g.spools.running = running
	err = g.openSpools(r)
	if err == nil {
		err = g.adopt(running, r, nil)
	}
	if err != nil {
		stop()
		g.closeListeners()
		g.closeSpools()
		return nil, err
	}
	g.work.Go(func() { g.refused.run(running, g.now) })
	g.work.Go(func() { g.watchIdentities(running) })
	g.work.Go(func() { g.watchClock(running) })
	g.work.Go(func() { g.watchCoverage(running, watching) })
	g.work.Go(func() { g.watchClear(running) })
	g.work.Go(func() { g.watchRetention(running) })
	if g.approvals.register != nil {
		g.work.Go(func() { g.watchApprovals(running) })
	}
	if t := g.trust.Load(); t != nil {
		g.watchTrust(running, t)
	}
	g.metrics.gauge("last_reload_successful", "1: the last site file was taken; 0: the one before it holds.", g.taken)
	g.tellClock(ctx, began)
	g.announce(r)
	return g, nil
}

// Drain stops listening, lets every connection end what it is in the middle of, and closes those that are left when the
// context ends.
func (g *Guard) Drain(ctx context.Context) error {
	g.mu.Lock()
	g.draining = true
	for c := range g.conns {
		c.drain()
	}
	g.mu.Unlock()
	g.closeListeners()
	g.accepting.Wait()
	done := make(chan struct{})
	go func() {
		g.mu.Lock()
		for len(g.conns) > 0 {
			g.mu.Unlock()
			select {
			case <-ctx.Done():
				close(done)
				return
			case <-time.After(20 * time.Millisecond):
			}
			g.mu.Lock()
		}
		g.mu.Unlock()
		close(done)
	}()
	<-done
	var err error
	g.mu.Lock()
	if n := len(g.conns); n > 0 {
		err = fmt.Errorf("guard: %d connections were cut off: %w", n, context.Cause(ctx))
	}
	g.mu.Unlock()
	g.end(errDrained, func(*conn) bool { return true })
	g.stop()
	g.work.Wait()
	g.closeSpools()
	g.refused.flush(g.now(), true)
	return err
}

// end closes connections, all at once and without the lock: a peer that does not read makes closing wait (crypto/tls, 5 s), and
// whoever connects must not.
func (g *Guard) end(why error, which func(*conn) bool) {
	var closing sync.WaitGroup
	g.mu.Lock()
	for c := range g.conns {
		if which(c) {
			closing.Go(func() { c.close(why) })
		}
	}
	g.mu.Unlock()
	closing.Wait()
}

var errDrained = errors.New("the guard ends")

// watchIdentities closes connections whose identity is not believed any more.
func (g *Guard) watchIdentities(ctx context.Context) {
	tick := time.NewTicker(g.pace.recheck)
	defer tick.Stop()
	for {
		var changed <-chan struct{}
		if t := g.trust.Load(); t != nil {
			changed = t.Changed()
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-tick.C:
		}
		g.mu.Lock()
		conns := make([]*conn, 0, len(g.conns))
		for c := range g.conns {
			conns = append(conns, c)
		}
		g.mu.Unlock()
		var closing sync.WaitGroup
		for _, c := range conns {
			if !c.identified.Load() {
				continue
			}
			if err := c.check(); err != nil {
				closing.Go(func() { c.close(err) }) // a peer that does not read makes closing wait
			}
		}
		closing.Wait()
	}
}
