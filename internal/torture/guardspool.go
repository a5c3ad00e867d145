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

// killSpool kills a guard that keeps messages for a system that comes and goes. Whatever was acknowledged, by that system or by the guard, has
// arrived in the end, of each client in its order; it is on record as killGuard has it. What breaks off may come again.
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
	most := 0
	unknown, killErr := g.kills(ctx, o, l, time.Second, func() error {
		waits, err := g.waiting(ctx)
		most = max(most, waits)
		if o.forget {
			err = errors.Join(err, os.RemoveAll(filepath.Join(g.dir, "spool")))
		}
		return err
	})
	if err := errors.Join(err, killErr); err != nil {
		return err
	}
	if l.away {
		err = l.turn()
	}
	left, waitErr := g.waiting(ctx)
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
	fmt.Fprintf(o.stdout, "spool: the engine left %d times; at a kill up to %d messages waited, and %d after the last\n", l.left, most, left)
	if !o.forget && (l.left == 0 || most == 0) {
		return broken("the engine never left, or nothing waited: the run shows nothing")
	}
	return l.check(ctx, o, g, &captured{unknown: unknown, mayRepeat: (o.n + l.left) * (guardSenders + 1)}) // one of each client, and one that is delivered
}

// delivered waits until nothing waits any more.
func (g *guarded) delivered(ctx context.Context) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if n, err := g.waiting(ctx); err != nil || n == 0 {
			return err
		}
	}
	return broken("what is kept is not delivered within %v: %s", patience, tail(g))
}

// waiting gives how many messages are kept, as chaperone spool has it. None may be rejected: the engine takes everything.
func (g *guarded) waiting(ctx context.Context) (n int, err error) {
	out, err := exec.CommandContext(ctx, g.binary, "spool", "--site", filepath.Join(g.dir, "site.yaml"), "--json").CombinedOutput()
	if err != nil {
		if _, missing := os.Stat(filepath.Join(g.dir, "keys", "data.key")); missing != nil {
			return 0, nil // it was killed before it made its keys
		}
		return 0, broken("chaperone spool: %w: %s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var summary struct{ Waiting, Rejected int }
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &summary); err != nil {
		return 0, fmt.Errorf("chaperone spool: %w", err)
	}
	if summary.Rejected > 0 {
		return 0, broken("%d messages were rejected: %s", summary.Rejected, tail(g))
	}
	return summary.Waiting, nil
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
	wait.Go(func() {
		for failed == nil && !l.stays {
			select {
			case <-over:
				return
			case <-time.After(time.Duration(1+l.r.IntN(500)) * time.Millisecond):
				failed = l.turn()
			}
		}
	})
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
