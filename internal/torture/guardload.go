package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// reloadGuard has a guard under load read its site file again and again, a bad one now and then: no connection ends, and no
// message is lost or refused.
func reloadGuard(ctx context.Context, o options) error {
	g, err := newGuarded(ctx, o.dir)
	if err != nil {
		return err
	}
	defer g.engine.Close()
	if err := errors.Join(g.start(ctx), g.ready()); err != nil {
		return err
	}
	load, cancel := context.WithCancel(ctx)
	defer cancel()
	var wait sync.WaitGroup
	var passed, wrong atomic.Int64
	for k := range guardSenders {
		wait.Go(func() {
			s := &sender{address: g.address, from: feeder}
			defer s.close()
			for i := 0; load.Err() == nil; i++ {
				id := fmt.Sprintf("n%d-%d", k, i)
				if code, err := s.send(id, id); err != nil || code != "AA" {
					wrong.Add(1)
					return
				}
				passed.Add(1)
			}
		})
	}
	r := rand.New(rand.NewPCG(o.seed, 12))
	bad := 0
	for i := range o.n {
		extra := fmt.Sprintf("# version %d\n", i)
		if r.IntN(10) < 3 {
			bad++
			extra = []string{"nonsense: 1\n", "grants: []\n", "\x00", "cedar: [nowhere.cedar]\n"}[r.IntN(4)]
		}
		if err := g.configure(extra); err != nil {
			return err
		}
		if err := g.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			return broken("the guard is gone: %w: %s", err, tail(g))
		}
		time.Sleep(time.Duration(r.IntN(10)) * time.Millisecond)
	}
	await(guardSenders, &passed, &wrong)
	cancel()
	wait.Wait()
	if err := g.stop(); err != nil {
		return err
	}
	took, refused := strings.Count(g.stderr.String(), "msg=reloaded"), strings.Count(g.stderr.String(), "was not taken")
	if wrong.Load() > 0 {
		return broken("%d clients were cut off or refused in %d reloads: %s", wrong.Load(), o.n, tail(g))
	}
	if got := len(g.engine.got); got != int(passed.Load()) {
		return broken("%d messages were acknowledged, the engine got %d", passed.Load(), got)
	}
	if took == 0 || refused == 0 {
		return broken("%d files were taken and %d refused: the run shows nothing", took, refused)
	}
	fmt.Fprintf(o.stdout, "reload: %d SIGHUPs, %d of bad files (%d taken, %d refused; signals that come together are one), %d messages passed, 0 resets, 0 lost\n",
		o.n, bad, took, refused, passed.Load())
	return nil
}

// await waits until so many more have passed, something is wrong, or nothing happens.
func await(more int64, passed, wrong *atomic.Int64) {
	last := passed.Load()
	for end := time.Now().Add(patience); passed.Load() < last+more && time.Now().Before(end) && wrong.Load() == 0; {
		time.Sleep(time.Millisecond)
	}
}

func tail(g *guarded) string {
	s := g.stderr.String()
	return s[max(0, len(s)-2000):]
}

// slowLoris has very many clients send one byte at a time while honest ones work: those hardly notice.
func slowLoris(ctx context.Context, o options) error {
	return slow(ctx, o, "loris", func(int) int { return 12000 })
}

// crowd has more of them than the listener takes: honest ones get in all the same.
func crowd(ctx context.Context, o options) error {
	return slow(ctx, o, "crowd", func(n int) int { return max(100, n/2) })
}

// slow runs slow clients and honest ones against a listener that takes so many connections.
func slow(ctx context.Context, o options, name string, places func(n int) int) error {
	limit, err := descriptors()
	if err != nil {
		return err
	}
	n := min(o.n, (limit-500)/2) // a slow client has two sockets here: its own, and one at the engine
	g, err := newGuarded(ctx, o.dir)
	if err != nil {
		return err
	}
	defer g.engine.Close()
	g.limits = fmt.Sprintf("{connections: %d, per_address: 100, first_byte: 10s, in_message: 60s}", places(n))
	if err := errors.Join(g.configure(""), g.start(ctx), g.ready()); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	honest := func(d time.Duration) (sent, passed int64, p99 time.Duration) {
		var ok, all atomic.Int64
		var mu sync.Mutex
		var took []time.Duration
		end := time.Now().Add(d)
		var wait sync.WaitGroup
		for k := range guardSenders {
			wait.Go(func() {
				s := &sender{address: g.address, from: feeder}
				defer s.close()
				for i := 0; time.Now().Before(end); i++ {
					id := fmt.Sprintf("h%d-%d-%d", k, i, end.UnixNano())
					began := time.Now()
					code, err := s.send(id, fmt.Sprint("h", i%100))
					all.Add(1)
					if err == nil && code == "AA" {
						ok.Add(1)
						mu.Lock()
						took = append(took, time.Since(began))
						mu.Unlock()
					}
					if i%20 == 19 {
						s.close() // others come and go, too
					}
				}
			})
		}
		wait.Wait()
		return all.Load(), ok.Load(), percentile(took, 99)
	}
	alone, _, before := honest(3 * time.Second)
	var open atomic.Int64
	var wait sync.WaitGroup
	for i := range n {
		from := fmt.Sprintf("127.1.%d.%d", i/90/250, 1+i/90%250) // 90 of each address
		wait.Go(func() {
			for ctx.Err() == nil {
				d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
				c, err := d.DialContext(ctx, "tcp", g.address)
				if err != nil {
					select {
					case <-ctx.Done():
					case <-time.After(100 * time.Millisecond):
					}
					continue
				}
				open.Add(1)
				for _, b := range []byte("\x0bMSH|^~\\&|LAB|NORTH") {
					if _, err := c.Write([]byte{b}); err != nil {
						break
					}
					select {
					case <-ctx.Done():
					case <-time.After(2 * time.Second):
						continue
					}
					break
				}
				open.Add(-1)
				_ = c.Close()
			}
		})
	}
	for end := time.Now().Add(patience); open.Load() < int64(min(n, places(n)))*9/10 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	slow := open.Load()
	sent, passed, after := honest(10 * time.Second)
	cancel()
	wait.Wait()
	if err := g.stop(); err != nil {
		return err
	}
	if passed*100 < sent*95 || passed == 0 {
		return broken("beside %d slow clients %d of %d honest messages passed", slow, passed, sent)
	}
	fmt.Fprintf(o.stdout, "%s: %d slow clients (%d asked for; the limit of descriptors is %d), %d of %d honest messages passed, p99 %v (alone %v, %d in 3 s)\n",
		name, slow, o.n, limit, passed, sent, after.Round(time.Millisecond), before.Round(time.Millisecond), alone)
	return nil
}

func percentile(all []time.Duration, p int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(len(all)-1, len(all)*p/100)]
}

// overload sends three times what a guard can carry: what it takes it takes nearly as fast as before, and the rest it refuses at
// once. All that passed is on record.
func overload(ctx context.Context, o options) error {
	g, err := newGuarded(ctx, o.dir)
	if err != nil {
		return err
	}
	defer g.engine.Close()
	g.limits = "{connections: 5000, per_address: 5000}"
	if err := errors.Join(g.configure(""), g.start(ctx), g.ready()); err != nil {
		return err
	}
	const clients = 600 // more than may wait
	span := time.Duration(o.n) * time.Second
	var first error // why one of a run had no answer
	// run sends at a rate from all clients, as fast as it can at 0, and gives how long it took to take and to refuse.
	run := func(name string, clients int, rate float64) (taken, refused []time.Duration, failed int64) {
		var mu sync.Mutex
		var bad atomic.Int64
		var wait sync.WaitGroup
		first = nil
		start := time.Now()
		for k := range clients {
			wait.Go(func() {
				s := &sender{address: g.address, from: feeder}
				defer s.close()
				for i := 0; time.Since(start) < span; i++ {
					if rate > 0 {
						time.Sleep(time.Until(start.Add(time.Duration(float64(i*clients+k) / rate * float64(time.Second)))))
					}
					id := fmt.Sprintf("%s%d-%d", name, k, i)
					began := time.Now()
					code, err := s.send(id, fmt.Sprint("p", k%50))
					took := time.Since(began)
					mu.Lock()
					switch {
					case err != nil:
						bad.Add(1)
						first = cmp.Or(first, err)
					case code == "AA":
						taken = append(taken, took)
					default:
						refused = append(refused, took)
					}
					mu.Unlock()
				}
			})
		}
		wait.Wait()
		return taken, refused, bad.Load()
	}
	full, _, _ := run("c", 64, 0)
	capacity := float64(len(full)) / span.Seconds()
	usual, _, _ := run("u", clients, capacity) // what it can carry, from as many
	taken, refused, failed := run("o", clients, 3*capacity)
	if err := g.stop(); err != nil {
		return err
	}
	usualP99, p99, no := percentile(usual, 99), percentile(taken, 99), percentile(refused, 99)
	fmt.Fprintf(o.stdout, "overload: carries %.0f/s from 64 clients; at that rate from %d clients p99 %v; at three times %d taken with p99 %v, %d refused with p99 %v, %d without an answer\n",
		capacity, clients, usualP99.Round(time.Millisecond), len(taken), p99.Round(time.Millisecond), len(refused), no.Round(time.Millisecond), failed)
	switch {
	case failed > 0:
		return broken("%d messages had no answer, one of them by %w: %s", failed, first, tail(g))
	case p99 > 10*max(usualP99, 100*time.Millisecond): // the machine is shared: ten times what is promised
		return broken("what was taken took %v", p99)
	case no > 10*time.Second:
		return broken("what was refused took %v", no)
	}
	return nil
}
