package disk

import (
	"context"
	"errors"
	"sync"

	"chaperone/ledger"
	"chaperone/ledger/index"
)

// pending is what is durable and not yet in the index. A goroutine carries it over; a question that comes first, or a leader
// that sees too much of it, does so itself.
type pending struct {
	mu       sync.Mutex // guards the fields below; held shortly
	frames   []*frame
	pairs    int
	ids      map[[16]byte]bool // of disclosures in frames
	carrying map[[16]byte]bool // the same, of what is being carried over
	wake     chan struct{}     // to the goroutine, when much waits

	carry sync.Mutex // held by whoever carries over
	err   error      // of the index, under carry: it is of no use until it is made anew
}

// carryPairs is when the goroutine is woken, mostWaiting when the leader waits for it.
const (
	carryPairs  = 1 << 13
	mostWaiting = 1 << 19
)

func newPending() pending {
	return pending{ids: map[[16]byte]bool{}, wake: make(chan struct{}, 1)}
}

func (p *pending) has(id [16]byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ids[id] || p.carrying[id]
}

// add takes a frame that is durable and reports whether too much waits now.
func (p *pending) add(f *frame) (tooMuch bool) {
	p.mu.Lock()
	p.frames = append(p.frames, f)
	for i := range f.events {
		p.pairs += len(f.events[i].Numbers) + 1
		p.ids[f.events[i].ID] = true
	}
	pairs := p.pairs
	p.mu.Unlock()
	if pairs >= carryPairs {
		select {
		case p.wake <- struct{}{}:
		default: // it was told
		}
	}
	return pairs >= mostWaiting
}

// over carries what waits over to the index. What it has no room for now waits on. Any other error stays: the index is
// derived, so recording goes on without it and questions say why they cannot be answered.
func (l *Ledger) over() error {
	p := &l.pending
	p.carry.Lock()
	defer p.carry.Unlock()
	p.mu.Lock()
	frames := p.frames
	p.frames, p.pairs = nil, 0
	p.carrying, p.ids = p.ids, map[[16]byte]bool{}
	p.mu.Unlock()
	for i, f := range frames {
		if p.err != nil {
			break
		}
		err := addFrame(l.index, f.place, f.events)
		if errors.Is(err, index.ErrLater) {
			p.back(frames[i:])
			return err
		}
		p.err = err
	}
	if p.err == nil { // else they are known from here only
		p.mu.Lock()
		p.carrying = nil
		p.mu.Unlock()
	}
	return p.err
}

// back has frames wait again, before those that came meanwhile.
func (p *pending) back(frames []*frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frames = append(frames, p.frames...)
	for _, f := range frames {
		for i := range f.events {
			p.pairs += len(f.events[i].Numbers) + 1
		}
	}
	for id := range p.carrying {
		p.ids[id] = true // also some that are in the index: that they are known is true in any case
	}
	p.carrying = nil
}

// addFrame adds what the index does not have of a frame yet.
func addFrame(x *index.Index, place index.Place, events []index.Event) error {
	if err := x.Batch(place); err != nil {
		return err
	}
	have := x.Next()
	for i := range events {
		if events[i].Seq < have {
			continue
		}
		if err := x.Add(events[i]); err != nil {
			return err
		}
	}
	return nil
}

// carryOver is the goroutine.
func (l *Ledger) carryOver(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.pending.wake:
			_ = l.withRoom(l.over) // it stays, and the next question says it
		}
	}
}

// known reports whether a disclosure is on record.
func (l *Ledger) known(id [16]byte, day ledger.Day) (bool, error) {
	if l.pending.has(id) {
		return true, nil
	}
	_, ok, err := l.index.Find(id, day)
	return ok, err
}
