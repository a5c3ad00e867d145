package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// killSpool kills a guard that keeps messages for a system that comes and goes, and that does not take everything at first. Whatever was
// acknowledged, by that system or by the guard, was taken in the end, of each client in its order but for what was rejected and sent again; it
// is on record as killGuard has it. What breaks off may come again.
//
// With --forget what is kept is deleted at each kill: the run must fail.
func killSpool(ctx context.Context, o options) error {
	g, err := newGuarded(ctx, o.dir)
	if err != nil {
		return err
	}
	defer func() { g.engine.Close() }() // the one that is there then
	if err := g.configure("    spool: {bytes: 256MiB}\n"); err != nil {
		return err
	}
	l := &spoolLoad{guardLoad: guardLoad{address: g.address, pause: 30 * time.Millisecond}, engine: g.engine, stays: o.forget, r: rand.New(rand.NewPCG(o.seed, 13))}
	if o.forget {
		err = l.turn()
	}
	g.engine.rejects = !o.forget
	most := 0
	unknown, killErr := g.kills(ctx, o, l, time.Second, func() error { return g.left(ctx, o.forget, &most) })
	if err := errors.Join(err, killErr); err != nil {
		return err
	}
	if l.away {
		err = l.turn()
	}
	left, _, waitErr := g.kept(ctx)
	if err := errors.Join(err, waitErr, g.start(ctx), g.ready()); err != nil {
		return err
	}
	l.stays = true // and what comes now passes too
	stop := l.run(ctx)
	time.Sleep(100 * time.Millisecond)
	lost, err := stop()
	if err := errors.Join(err, g.delivered(ctx), g.stop()); err != nil {
		return err
	}
	if lost > 0 {
		return broken("%d messages had no answer while nobody was killed: %s", lost, tail(g))
	}
	g.engine.mu.Lock()
	rejected := len(g.engine.not)
	g.engine.mu.Unlock()
	fmt.Fprintf(o.stdout, "spool: the engine left %d times, and did not take %d messages at first; at a kill up to %d messages waited, and %d after the last\n", l.left, rejected, most, left)
	if !o.forget && (l.left == 0 || most == 0 || rejected == 0) {
		return broken("the engine never left, nothing waited, or nothing was rejected: the run shows nothing")
	}
	return l.check(ctx, o, g, &captured{unknown: unknown, mayRepeat: (o.n+l.left)*(guardSenders+1) + rejected}) // one of each client, and one that is delivered
}

// left looks how many messages a kill left in the spool, at most so far. With forget it deletes them.
func (g *guarded) left(ctx context.Context, forget bool, most *int) error {
	waits, _, err := g.kept(ctx)
	*most = max(*most, waits)
	if forget {
		err = errors.Join(err, os.RemoveAll(filepath.Join(g.dir, "spool")))
	}
	return err
}

// comesAndGoes lets a system come and go, at any moment within longest, until it is over.
func comesAndGoes(over <-chan struct{}, r *rand.Rand, longest time.Duration, turn func() error) error {
	for {
		select {
		case <-over:
			return nil
		case <-time.After(time.Millisecond + time.Duration(r.Int64N(int64(longest)))):
			if err := turn(); err != nil {
				return err
			}
		}
	}
}

// delivered waits until nothing is kept any more.
func (g *guarded) delivered(ctx context.Context) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if waiting, again, err := g.kept(ctx); err != nil || waiting+again == 0 {
			return err
		}
	}
	return broken("what is kept is not delivered within %v: %s", patience, tail(g))
}

// kept gives how many messages wait, as chaperone spool has it, and has those that were rejected sent again.
func (g *guarded) kept(ctx context.Context) (waiting, again int, err error) {
	if _, err := os.Stat(filepath.Join(g.dir, "keys", "data.key")); err != nil {
		return 0, 0, nil // it was killed before it made its keys
	}
	spool := func(args ...string) ([]byte, error) {
		out, err := exec.CommandContext(ctx, g.binary, append(args, "--site", filepath.Join(g.dir, "site.yaml"))...).CombinedOutput()
		if err != nil {
			return nil, broken("chaperone %s: %w: %s", strings.Join(args, " "), err, out)
		}
		return out, nil
	}
	out, err := spool("spool", "--json")
	if err != nil {
		return 0, 0, err
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var summary struct{ Waiting, Again, Rejected int }
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &summary); err != nil {
		return 0, 0, fmt.Errorf("chaperone spool: %w", err)
	}
	if summary.Rejected > 0 {
		_, err = spool("spool", "again", "--all")
	}
	return summary.Waiting, summary.Again + summary.Rejected, err
}

// spoolLoad is clients that send while the engine comes and goes.
type spoolLoad struct {
	guardLoad
	engine *engine
	stays  bool // as it is
	away   bool
	left   int // how often it left
	r      *rand.Rand
}

func (l *spoolLoad) run(ctx context.Context) (stop func() (unknown int, err error)) {
	over := make(chan struct{})
	var wait sync.WaitGroup
	var failed error
	if !l.stays {
		wait.Go(func() { failed = comesAndGoes(over, l.r, 500*time.Millisecond, l.turn) })
	}
	inner := l.guardLoad.run(ctx)
	return func() (int, error) {
		close(over)
		unknown, err := inner()
		wait.Wait()
		return unknown, errors.Join(err, failed)
	}
}

// turn lets the engine leave, or come back.
func (l *spoolLoad) turn() error {
	if l.away = !l.away; !l.away {
		return l.engine.comeBack()
	}
	l.left++
	l.engine.leave()
	return nil
}
