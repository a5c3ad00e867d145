package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"chaperone/patient"
)

// guardSenders is how many clients send at a time; each has one message in flight.
const guardSenders = 8

// killGuard kills a guard under load, again and again. For each message that the engine got there must be exactly one
// disclosure on record; more may be on record only for what was in flight at a kill; and a budget is never exceeded.
func killGuard(ctx context.Context, o options) error {
	g, err := newGuarded(ctx, o.dir)
	if err != nil {
		return err
	}
	defer g.engine.Close()
	l := &guardLoad{address: g.address}
	unknown, err := g.kills(ctx, o, l, 250*time.Millisecond, func() error { return nil })
	if err != nil {
		return err
	}
	if err := g.start(ctx); err != nil {
		return err
	}
	if err := errors.Join(g.ready(), g.stop()); err != nil {
		return err
	}
	time.Sleep(100 * time.Millisecond) // what the engine has in its sockets
	return errors.Join(l.check(ctx, o, g, &captured{unknown: unknown}), g.withoutKey(ctx))
}

// kills starts a guard, kills it at any moment within longest while clients send, and calls between, as often as it is asked to. It gives how
// many messages had no answer.
func (g *guarded) kills(ctx context.Context, o options, l load, longest time.Duration, between func() error) (unknown int, err error) {
	r := rand.New(rand.NewPCG(o.seed, 11))
	for i := range o.n {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if err := g.start(ctx); err != nil {
			return 0, err
		}
		if r.IntN(4) > 0 { // else it may be killed while it starts
			if err := g.ready(); err != nil {
				return 0, fmt.Errorf("round %d: %w", i, err)
			}
		}
		stop := l.run(ctx)
		time.Sleep(time.Millisecond + time.Duration(r.Int64N(int64(longest))))
		err := g.kill()
		lost, brokenErr := stop()
		if err := errors.Join(err, brokenErr, between()); err != nil {
			return 0, fmt.Errorf("round %d: %w", i, err)
		}
		unknown += lost
	}
	return unknown, nil
}

// load is clients that send until stop is called, which gives how many messages were without an answer.
type load interface {
	run(ctx context.Context) (stop func() (unknown int, err error))
}

// withoutKey: a guard that cannot make its patients' tokens does not listen, and ends with status 2.
func (g *guarded) withoutKey(ctx context.Context) error {
	key := filepath.Join(g.dir, "keys", patient.KeyFile)
	if err := os.Rename(key, key+".away"); err != nil {
		return err
	}
	if err := g.start(ctx); err != nil {
		return err
	}
	select {
	case <-g.ended:
	case <-time.After(patience):
		_ = g.kill() // it is wrong already
		return broken("without the token key the guard goes on")
	}
	if code := g.cmd.ProcessState.ExitCode(); code != 2 || strings.Contains(g.stderr.String(), "listening") {
		return broken("without the token key the guard ended with status %d: %s", code, g.stderr)
	}
	if _, err := os.Stat(key); err == nil {
		return broken("a new token key was made for an old ledger")
	}
	return nil
}

// guardLoad is what clients sent.
type guardLoad struct {
	address string
	pause   time.Duration // of each client behind each message
	next    atomic.Int64
	acked   atomic.Int64
	refused atomic.Int64
	links   [guardSenders][]string // what was acknowledged to each client, in the order of sending
}

// run lets clients send until stop is called, which gives how many messages were without an answer.
func (l *guardLoad) run(ctx context.Context) (stop func() (unknown int, err error)) {
	ctx, cancel := context.WithCancel(ctx)
	var wait sync.WaitGroup
	var unknown atomic.Int64
	var failed atomic.Pointer[error]
	for k := range guardSenders {
		from := feeder
		if k == 0 {
			from = limited
		}
		wait.Go(func() {
			s := &sender{address: l.address, from: from}
			defer s.close()
			for ctx.Err() == nil {
				n := l.next.Add(1)
				id := fmt.Sprintf("n%d", n)
				if from == limited {
					id = fmt.Sprintf("b%d", n)
				}
				code, err := s.send(id, id)
				switch {
				case errors.Is(err, errPromise):
					failed.Store(&err)
					return
				case errors.Is(err, errNoAnswer):
					unknown.Add(1)
				case err != nil: // nobody listens
					time.Sleep(2 * time.Millisecond)
				case code == "AA":
					l.acked.Add(1)
					l.links[k] = append(l.links[k], id)
					time.Sleep(l.pause)
				default:
					l.refused.Add(1)
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	return func() (int, error) {
		cancel()
		wait.Wait()
		if err := failed.Load(); err != nil {
			return 0, *err
		}
		return int(unknown.Load()), nil
	}
}
