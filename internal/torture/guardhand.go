package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// handOver has a guard under load hand its socket over to the next one again and again, as a service manager does that holds the
// socket (sd_listen_fds(3)): no connection is reset or turned away, and what was acknowledged has reached the engine. A client whose
// connection was closed comes again.
func handOver(ctx context.Context, o options) error {
	g, err := newGuarded(ctx, o.dir)
	if err != nil {
		return err
	}
	defer g.engine.Close()
	held, err := net.Listen("tcp", g.address)
	if err != nil {
		return err
	}
	defer held.Close()
	if g.socket, err = held.(*net.TCPListener).File(); err != nil {
		return err
	}
	defer g.socket.Close()
	if err := g.start(ctx); err != nil {
		return err
	}
	load, cancel := context.WithCancel(ctx)
	defer cancel()
	var wait sync.WaitGroup
	var passed, again, reset, wrong atomic.Int64
	var longest atomic.Int64
	for k := range guardSenders {
		wait.Go(func() {
			s := &sender{address: g.address, from: feeder}
			defer s.close()
			for i := 0; load.Err() == nil; i++ {
				id := fmt.Sprintf("n%d-%d", k, i)
				began := time.Now()
				code, err := s.send(id, id)
				for errors.Is(err, errNoAnswer) && time.Since(began) < patience {
					if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNREFUSED) {
						reset.Add(1)
					}
					again.Add(1)
					code, err = s.send(id, id)
				}
				if err != nil || code != "AA" {
					wrong.Add(1)
					return
				}
				passed.Add(1)
				if took := int64(time.Since(began)); took > longest.Load() {
					longest.Store(took) // nearly: the figure is for people
				}
			}
		})
	}
	for range o.n {
		await(10*guardSenders, &passed, &wrong)
		if err := errors.Join(g.stop(), g.start(ctx)); err != nil {
			return err
		}
	}
	await(guardSenders, &passed, &wrong)
	cancel()
	wait.Wait()
	if err := g.stop(); err != nil {
		return err
	}
	if wrong.Load() > 0 || reset.Load() > 0 {
		return broken("%d clients were refused, and %d connections reset, in %d hand-overs: %s", wrong.Load(), reset.Load(), o.n, tail(g))
	}
	if got := int64(len(g.engine.got)); got != passed.Load() {
		return broken("%d messages were acknowledged, the engine got %d", passed.Load(), got)
	}
	fmt.Fprintf(o.stdout, "handover: %d hand-overs, %d messages passed, 0 resets, 0 lost; %d were sent again because their connection was closed; the longest took %v\n",
		o.n, passed.Load(), again.Load(), time.Duration(longest.Load()).Round(time.Millisecond))
	return nil
}
