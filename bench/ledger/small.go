package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"chaperone/ledger"
)

// smallBatch is how many disclosures a small commit has.
const smallBatch = 5

// commit makes one small batch durable. first is the number of its first event.
type commit func(ctx context.Context, first int) error

// contest lets so many writers commit for a while, at least once, each with a commit of its own, and gives commits a second.
func contest(ctx context.Context, o options, next *atomic.Int64, commits []commit) (rate float64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var done atomic.Int64
	var wait sync.WaitGroup
	began := time.Now()
	for _, c := range commits {
		wait.Go(func() {
			for n := 0; (n == 0 || time.Since(began) < o.Small) && ctx.Err() == nil; n++ {
				if err := c(ctx, int(next.Add(smallBatch))-smallBatch); err != nil {
					cancel(err)
					return
				}
				done.Add(1)
			}
		})
	}
	wait.Wait()
	return float64(done.Load()) / time.Since(began).Seconds(), context.Cause(ctx)
}

// many is how many writers there are in the second contest.
const many = 64

// small measures small commits: one writer, then many; and fdatasync by itself with as many bytes as one commit wrote.
func small(ctx context.Context, o options) (results, error) {
	l, err := open(ctx, o, false)
	if err != nil {
		return nil, err
	}
	var next atomic.Int64
	next.Store(int64(o.events()))
	before, err := l.Status()
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	one, err := contest(ctx, o, &next, commits(l, o, 1))
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	after, err := l.Status()
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	bytes := int((after.RecordBytes - before.RecordBytes) * smallBatch / (next.Load() - int64(o.events())))
	times, err := fdatasyncs(o, bytes)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	all, err := contest(ctx, o, &next, commits(l, o, many))
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	sum := 0.0
	for _, t := range times {
		sum += t
	}
	alone := float64(len(times)) / (sum / 1000) // a second
	slices.Sort(times)
	return results{
		"small 1": one * smallBatch, "small 64": all * smallBatch, "small 1 share": one / alone,
		"small bytes": float64(bytes), "fdatasync": alone, "fdatasync p50": at(times, 0.5), "fdatasync p99": at(times, 0.99),
	}, l.Close()
}

func commits(l ledger.Store, o options, n int) []commit {
	var list []commit
	for range n {
		b := &batches{o: o}
		list = append(list, func(ctx context.Context, first int) error {
			_, err := l.Record(ctx, b.make(first, smallBatch))
			return err
		})
	}
	return list
}

// fdatasyncs appends so many bytes and waits for the disk, for as long as a contest takes, and gives the milliseconds of each.
func fdatasyncs(o options, bytes int) ([]float64, error) {
	f, err := os.OpenFile(filepath.Join(o.Dir, "fdatasync"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	b := make([]byte, bytes)
	var times []float64
	for began := time.Now(); len(times) == 0 || time.Since(began) < o.Small; {
		each := time.Now()
		_, err := f.Write(b)
		if err == nil {
			err = fdatasync(f)
		}
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		times = append(times, milliseconds(time.Since(each)))
	}
	return times, f.Close()
}
