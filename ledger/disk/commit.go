package disk

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"chaperone/ledger"
	"chaperone/ledger/durable"
)

// request is one Record that waits to become durable.
type request struct {
	batch   ledger.Batch
	pairs   int
	receipt ledger.Receipt
	err     error
	fresh   []bool    // of its disclosures: not on record, not purged
	wake    chan bool // true: lead the next group; false: it is done. nil: nobody leads, so this one does
}

// mostPairs bounds a group: what is made durable with one fsync is also held in memory at once.
const mostPairs = 1 << 17

// Record makes a batch durable. Whoever comes while another group is being written waits and is written with the others
// that wait, under one fsync: one of the waiting writers does it for all, so that a lone writer never waits for another
// goroutine. The context is looked at before the batch is queued; after that it ends one way or the other.
func (l *Ledger) Record(ctx context.Context, b ledger.Batch) (ledger.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return ledger.Receipt{}, err
	}
	if err := b.Check(); err != nil {
		return ledger.Receipt{}, err
	}
	if l.readOnly {
		return ledger.Receipt{}, ledger.ErrReadOnly
	}
	return l.enter(b)
}

// enter queues a batch, also one that only the store itself may write.
func (l *Ledger) enter(b ledger.Batch) (ledger.Receipt, error) {
	r := &request{batch: b}
	for i := range b.Disclosures {
		r.pairs += len(b.Disclosures[i].Covered) + 1
	}
	l.queue.Lock()
	l.waiting = append(l.waiting, r)
	if l.leading {
		r.wake = make(chan bool, 1)
	}
	l.leading = true
	l.queue.Unlock()
	if r.wake == nil || <-r.wake {
		l.lead()
	}
	return r.receipt, r.err
}

// lead writes one group, the leader's own request among it, and hands the lead over to the first who came meanwhile.
func (l *Ledger) lead() {
	l.commit.Lock()
	l.gather()
	group := l.next()
	l.write(group)
	l.commit.Unlock()
	l.queue.Lock()
	if len(l.waiting) > 0 {
		l.waiting[0].wake <- true
	} else {
		l.leading = false
	}
	l.queue.Unlock()
	for _, r := range group[1:] { // the first is the leader itself
		r.wake <- false
	}
}

// gather lets others run who are about to come, as long as some do: what is written with the others costs them neither an fsync
// nor a frame. A lone writer waits for nobody.
func (l *Ledger) gather() {
	for before := 1; ; {
		l.queue.Lock()
		n := len(l.waiting)
		l.queue.Unlock()
		if n <= before {
			return
		}
		before = n
		runtime.Gosched()
	}
}

// next takes the requests of the next group.
func (l *Ledger) next() []*request {
	l.queue.Lock()
	defer l.queue.Unlock()
	n, pairs := 0, 0
	for n < len(l.waiting) && (n == 0 || pairs+l.waiting[n].pairs <= mostPairs) {
		pairs += l.waiting[n].pairs
		n++
	}
	group := append([]*request(nil), l.waiting[:n]...)
	rest := copy(l.waiting, l.waiting[n:])
	clear(l.waiting[rest:])
	l.waiting = l.waiting[:rest]
	return group
}

// write makes a group durable, or says why not to each of its requests.
func (l *Ledger) write(group []*request) {
	err := l.usable()
	if err == nil {
		if err = l.catchUp(); err == nil && l.reserve.used() {
			err = fmt.Errorf("%w: what was kept free is in use, so that only refusals, findings and notes are still recorded; make room", ledger.ErrFull)
		}
	}
	if errors.Is(err, ledger.ErrFull) {
		if group = urgent(group, err); len(group) == 0 {
			return
		}
		err = l.withReserve(l.catchUp)
	}
	if err == nil {
		var frames []*frame
		if frames, err = l.intake(group); err == nil {
			l.stuck = append(l.stuck, frames...)
			if err = l.flushStuck(); errors.Is(err, ledger.ErrFull) && anyUrgent(group) {
				err = l.withReserve(l.flushStuck)
			}
		}
	}
	if err != nil {
		for _, r := range group {
			r.receipt, r.err = ledger.Receipt{}, err
		}
		for _, f := range l.stuck {
			f.refused = true
		}
	}
}

// catchUp writes the frames that found no room, whose disclosures nobody was given, and says so on record: they are counted
// there like those that somebody got.
func (l *Ledger) catchUp() error {
	if err := l.flushStuck(); err != nil || l.late == 0 {
		return err
	}
	frames, err := l.intake([]*request{{batch: ledger.Batch{Notes: []ledger.Note{{Kind: ledger.Remark, At: l.now(), Text: fmt.Sprintf(lateWords, l.late)}}}}})
	if err != nil {
		return err
	}
	l.late = 0
	l.stuck = append(l.stuck, frames...)
	return l.flushStuck()
}

const lateWords = "%d of the disclosures before this note were never made: the disk was full, whoever asked was refused, and they came on record when there was room"

// usable says whether anything may be written.
func (l *Ledger) usable() error {
	switch {
	case l.closed:
		return ledger.ErrClosed
	case l.fenced != nil:
		return fmt.Errorf("%w (%v)", ledger.ErrFenced, l.fenced)
	}
	return nil
}

// isUrgent reports whether a request releases nothing: refusals, findings and notes, for which the reserve is kept.
func (r *request) isUrgent() bool { return len(r.batch.Disclosures) == 0 }

func anyUrgent(group []*request) bool { return slices.ContainsFunc(group, (*request).isUrgent) }

// urgent gives the urgent requests of a group, and the error to the others.
func urgent(group []*request, err error) []*request {
	var list []*request
	for _, r := range group {
		if r.isUrgent() {
			list = append(list, r)
		} else {
			r.err = err
		}
	}
	return list
}

// flushStuck writes the frames that wait. Each has its own fsync, so that only the last frame of the record can be torn; a
// group nearly always is one frame. When the disk is full the rest waits: its numbers are given out already, so it has to
// be the next that is written, acknowledged or not.
func (l *Ledger) flushStuck() error {
	for len(l.stuck) > 0 {
		f := l.stuck[0]
		if err := l.append(f); err != nil {
			return err
		}
		l.publish(f)
		if f.refused {
			l.late += uint64(f.header.Disclosures)
		}
		l.stuck = l.stuck[1:]
	}
	l.stuck = nil
	return nil
}

// append writes one frame and waits until it is on disk.
func (l *Ledger) append(f *frame) error {
	day := ledger.DayOf(f.header.Written)
	if day != l.segmentDay {
		l.writer.Roll()
	}
	at, err := l.writer.Append(f.bytes)
	if err != nil {
		return l.failed(err)
	}
	l.segmentDay = day
	if err := l.writer.Sync(); err != nil { // what reached the disk cannot be known, and asking again may lie
		return l.fence(err)
	}
	f.place.Segment, f.place.Offset = at.Segment, at.Offset
	return nil
}

// failed makes the best of a write that failed: a full disk is taken back to where it was, everything else is final.
func (l *Ledger) failed(err error) error {
	if !durable.NoRoom(err) {
		return l.fence(err)
	}
	if again := l.rewind(); again != nil {
		return l.fence(fmt.Errorf("%w; %v", err, again))
	}
	return fmt.Errorf("%w: %v", ledger.ErrFull, err)
}

// fence ends recording: what is on disk is no longer known.
func (l *Ledger) fence(err error) error {
	l.fenced = err
	return fmt.Errorf("%w (%v)", ledger.ErrFenced, err)
}

// mostKept bounds the frame whose memory is kept for the next.
const mostKept = 1 << 20

// publish tells the others of a frame that is durable.
func (l *Ledger) publish(f *frame) {
	if cap(f.bytes) <= mostKept {
		l.builder, l.sealed = f.builder, f.bytes
	}
	f.builder, f.bytes = nil, nil
	l.batches++
	l.recorded[f.day] = true
	l.log.Append(&f.leaf)
	if f.others {
		l.dictionary.Lock()
		l.dictionary.others = append(l.dictionary.others, f.place)
		l.dictionary.Unlock()
	}
	l.end = l.writer.At()
	l.durable.Store(l.batches)
	if l.pending.add(f) {
		_ = l.withReserve(l.over) // it stays, and the next question says it
	}
}
