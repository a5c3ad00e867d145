package index

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"chaperone/ledger"
)

// write makes runs of a frozen buffer, and unites those of days that it did not touch. It is started by freeze.
func (x *Index) write(b *buffer) {
	defer x.work.Done()
	x.change.Lock()
	defer x.change.Unlock()
	days, shares := b.shares()
	runs, err := x.pack(b, days, shares)
	if errors.Is(err, ErrLater) {
		x.mu.Lock()
		x.later = err
		x.idle.Broadcast()
		x.mu.Unlock()
		return
	}
	if err == nil {
		err = x.publish(append(slices.Clone(x.state.runs), runs...), b)
	}
	if err == nil {
		err = x.tidy(shares)
	}
	if !errors.Is(err, ErrLater) { // several runs answer as well as one, only not as fast
		x.fail(err)
	}
}

// fail ends all writing and asking after an error.
func (x *Index) fail(err error) {
	if err == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err == nil {
		x.err = err
	}
	x.idle.Broadcast()
}

// pack writes a buffer's runs into tables, and has Pebble take all of them at once.
func (x *Index) pack(b *buffer, days []ledger.Day, shares map[ledger.Day]*share) ([]run, error) {
	defer x.tables.drop()
	var runs []run
	for _, day := range days {
		if x.lastRun == math.MaxUint32 {
			return nil, errors.New("index: no number is left for another run: make the index anew")
		}
		x.lastRun++
		r, err := x.packer.pack(b, day, shares[day], x.lastRun, &x.tables)
		if err != nil {
			return nil, err
		}
		runs = append(runs, r)
	}
	return runs, x.taken(func() error { return x.db.Ingest(context.Background(), x.tables.paths) })
}

// taken has Pebble take tables in or out.
func (x *Index) taken(change func() error) error {
	if err := x.watch.guard(change); err != nil {
		return fmt.Errorf("index: writing tables: %w", err)
	}
	return nil
}

// publish makes runs the latest state. written is the buffer that is among them now, or nil.
func (x *Index) publish(runs []run, written *buffer) error {
	slices.SortFunc(runs, compareRuns)
	next, err := newState(x.db, runs)
	if err != nil {
		return err
	}
	x.mu.Lock()
	last := x.state
	x.state = next
	if written != nil {
		x.frozen = nil
		if written.views == 0 {
			written.reset()
			x.spare = written
		}
		x.idle.Broadcast()
	}
	x.mu.Unlock()
	return x.release(last)
}

// release gives a state back. The last one to do so lets go of the files that only it had.
func (x *Index) release(s *state) error {
	x.mu.Lock()
	s.refs--
	last := s.refs == 0
	x.mu.Unlock()
	if last && !x.watch.lost.Load() {
		return s.close()
	}
	return nil
}

// tidy unites runs after a buffer was written: of a day that it touched when there are many, of others that are waiting in
// any case.
func (x *Index) tidy(touched map[ledger.Day]*share) error {
	for day := range touched {
		x.warm[day] = true
		if len(x.state.of(day)) >= x.patience {
			if err := x.unite(day); err != nil {
				return err
			}
		}
	}
	for day := range x.warm {
		if touched[day] != nil {
			continue
		}
		if err := x.unite(day); err != nil {
			return err
		}
		delete(x.warm, day)
	}
	return nil
}

// settle unites what is waiting.
func (x *Index) settle() error {
	x.change.Lock()
	defer x.change.Unlock()
	err := x.tidy(nil)
	if errors.Is(err, ErrLater) {
		return nil
	}
	x.fail(err)
	return err
}

// worthwhile leaves out the first runs as long as one is much larger than all after it: each row is rewritten a few times
// at most, and a day has few runs.
func worthwhile(runs []run) []run {
	const much = 4
	sum := uint64(0)
	for _, r := range runs {
		sum += r.size
	}
	for len(runs) > 0 {
		if sum -= runs[0].size; runs[0].size <= much*sum {
			break
		}
		runs = runs[1:]
	}
	return runs
}

// unite makes one run of the latest ones of a day.
func (x *Index) unite(day ledger.Day) error {
	runs := worthwhile(x.state.of(day))
	if len(runs) < 2 {
		return nil
	}
	defer x.tables.drop()
	united, err := x.merge(runs)
	if err != nil {
		return err
	}
	if err := x.takeOut(day, runs[0].number); err != nil {
		return err
	}
	span := pebble.KeyRange{
		Start: appendRun(nil, day, runs[0].number),
		End:   appendRun(nil, day, runs[len(runs)-1].number+1),
	}
	err = x.taken(func() error {
		_, err := x.db.IngestAndExcise(context.Background(), x.tables.paths, nil, nil, span)
		return err
	})
	if err != nil {
		return err
	}
	var all []run
	for _, r := range x.state.runs {
		if r.day != day || r.number < runs[0].number {
			all = append(all, r)
		}
	}
	return x.publish(append(all, united), nil)
}

func appendRun(b []byte, day ledger.Day, number uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, uint32(day)), number)
}

// takeOut notes the tables of a day's runs from one number on: they are about to be taken out.
func (x *Index) takeOut(day ledger.Day, from uint32) error {
	var numbers []uint64
	err := x.each(func(t pebble.SSTableInfo) error {
		key := t.Smallest.UserKey
		if ledger.Day(binary.BigEndian.Uint32(key)) == day && binary.BigEndian.Uint32(key[4:]) >= from {
			numbers = append(numbers, uint64(t.FileNum))
		}
		return nil
	})
	x.watch.await(day, numbers)
	return err
}

// has reports whether a buffer has something of a day.
func (b *buffer) has(day ledger.Day) bool {
	for way := range b.last {
		if way.day == day {
			return true
		}
	}
	return slices.ContainsFunc(b.places, func(p Place) bool { return p.Day == day })
}

// flushDay writes what is in memory if some of it is of a day: purging other days must go on when a disk is full.
func (x *Index) flushDay(day ledger.Day) error {
	x.mu.Lock()
	err := x.writable()
	there := x.active.has(day) || x.frozen != nil && x.frozen.has(day)
	x.mu.Unlock()
	if err == nil && there {
		err = x.Flush()
	}
	return err
}

// Purge removes all rows of a day, also those in memory. When it returns the files that held them are deleted, unless there
// are views: then as soon as the last of those that were open before is closed.
func (x *Index) Purge(day ledger.Day) error {
	if err := x.flushDay(day); err != nil {
		return err
	}
	x.change.Lock()
	defer x.change.Unlock()
	if len(x.state.of(day)) == 0 {
		return nil
	}
	err := x.takeOut(day, 0)
	if err == nil {
		span := pebble.KeyRange{Start: appendRun(nil, day, 0), End: appendRun(nil, day+1, 0)}
		err = x.taken(func() error { return x.db.Excise(context.Background(), span) })
	}
	if err == nil {
		delete(x.warm, day)
		err = x.publish(slices.DeleteFunc(slices.Clone(x.state.runs), func(r run) bool { return r.day == day }), nil)
	}
	x.fail(err)
	if err != nil {
		return err
	}
	x.mu.Lock()
	held := x.viewers > 0
	x.filters.forget(day)
	x.mu.Unlock()
	if held {
		return nil
	}
	if err := x.watch.wait(day); err != nil {
		return fmt.Errorf("index: deleting %s: %w", day, err)
	}
	return nil
}
