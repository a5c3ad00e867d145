package index

import (
	"cmp"
	"fmt"
	"math"

	"chaperone/ledger"
)

// Batch tells where a batch is in the record. It comes before the Adds of its disclosures, batches in ascending order. One
// that is known, or has no disclosures, is passed over.
func (x *Index) Batch(p Place) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.writable(); err != nil {
		return err
	}
	if p.Count == 0 || p.First+uint64(p.Count) <= x.past {
		return nil
	}
	if err := x.room(x.pairs, fullEvents); err != nil {
		return err
	}
	x.active.places = append(x.active.places, p)
	x.past = p.First + uint64(p.Count)
	return nil
}

// Add takes in one disclosure, later in number than all before. It keeps nothing of the event's memory. It may wait until
// earlier ones are written.
func (x *Index) Add(e Event) error {
	micros := e.Time.UnixMicro()
	if micros < 0 || micros/dayMicros > math.MaxUint32 || e.Records < 0 || e.Unidentified < 0 || e.Objects < 0 || e.Bytes < 0 {
		return fmt.Errorf("index: disclosure %d has a time or a count that cannot be", e.Seq)
	}
	if e.Way > maxValue || e.Seq > maxValue>>hourBits {
		return fmt.Errorf("index: disclosure %d or its way %d is one too many", e.Seq, e.Way.Number())
	}
	for i := 1; i < len(e.Numbers); i++ {
		if e.Numbers[i-1] >= e.Numbers[i] {
			return fmt.Errorf("index: disclosure %d has numbers out of order", e.Seq)
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.writable(); err != nil {
		return err
	}
	if e.Seq < x.next {
		return fmt.Errorf("index: disclosure %d comes after %d", e.Seq, x.next-1)
	}
	// Twice as many: a batch should not be spread over two runs.
	if err := x.room(2*x.pairs, 2*fullEvents); err != nil {
		return err
	}
	x.active.add(&e, micros)
	x.filters.add(ledger.Day(micros/dayMicros), &e.ID)
	x.next = e.Seq + 1
	return nil
}

// room makes place for another event, if need be by having the buffer written.
func (x *Index) room(pairs, events int) (err error) {
	if len(x.active.numbers) >= pairs || len(x.active.events) >= events {
		err = x.freeze()
	}
	x.refused = err
	return err
}

// freeze has the buffer written. It waits for the one before.
func (x *Index) freeze() error {
	if err := x.written(); err != nil {
		return err
	}
	x.frozen, x.active, x.spare = x.active, x.spare, nil
	if x.active == nil {
		x.active = newBuffer()
	}
	x.begun()
	return nil
}

// begun has the frozen buffer written.
func (x *Index) begun() {
	x.later = nil
	x.work.Add(1)
	go x.write(x.frozen)
}

// written waits until the frozen buffer is written. One that could not be is tried again.
func (x *Index) written() error {
	if x.later != nil && x.err == nil {
		x.begun()
	}
	for x.frozen != nil && x.err == nil && x.later == nil {
		x.idle.Wait()
	}
	return cmp.Or(x.err, x.later)
}

// writable tells why nothing can be added.
func (x *Index) writable() error {
	if x.err == nil && x.readOnly {
		return ledger.ErrReadOnly
	}
	return x.err
}

// Flush writes what is in memory, and waits for it.
func (x *Index) Flush() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.writable(); err != nil {
		return err
	}
	if !x.active.empty() {
		if err := x.freeze(); err != nil {
			return err
		}
	}
	return x.written()
}
