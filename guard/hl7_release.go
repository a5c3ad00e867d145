package guard

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// release puts what is granted on record, and then passes it on, or keeps it while nobody is there to pass it on to.
func (h *hl7Conn) release(ctx context.Context, granted []passing) error {
	if len(granted) == 0 {
		return nil
	}
	if h.kept != nil && h.mustKeep(ctx) {
		return h.keep(ctx, granted)
	}
	return h.releaseNow(ctx, granted)
}

// releaseNow puts what is granted on record, and then passes it on to the system behind the guard.
func (h *hl7Conn) releaseNow(ctx context.Context, granted []passing) error {
	var drafts []*draft
	entered := 0
	for _, p := range granted {
		if p.draft != nil {
			drafts = append(drafts, p.draft)
		}
		entered += p.entered
	}
	began := time.Now()
	err := h.guard.record(ctx, drafts)
	h.guard.room.leave(entered)
	if byOne(err) && len(granted) > 1 {
		for i := range granted {
			granted[i].entered = 0 // it has left
			if err := h.releaseNow(ctx, granted[i:i+1]); err != nil {
				return err
			}
		}
		return nil
	}
	if err != nil {
		return h.unrecorded(ctx, granted, err)
	}
	h.guard.metrics.recorded(time.Since(began))
	return h.forward(ctx, granted)
}

// forward passes on what may pass.
func (h *hl7Conn) forward(ctx context.Context, granted []passing) error {
	if h.kept != nil {
		return h.each(ctx, granted)
	}
	return h.passOn(ctx, granted)
}

// passOn writes to the system behind the guard, when that does not owe too many answers.
func (h *hl7Conn) passOn(ctx context.Context, granted []passing) error {
	limits := &h.spec().Limits
	if err := h.wait(ctx, max(0, limits.Pending-len(granted)), limits.Idle); err != nil {
		return err
	}
	if err := h.check(); err != nil { // waiting may have taken long
		return err
	}
	expected := 0
	for i := range granted {
		if p := &granted[i]; p.message != nil {
			h.remember(p.message, false, p.draft)
			if p.message.awaited {
				expected++
			}
		}
	}
	h.mu.Lock()
	h.unanswered += expected
	h.mu.Unlock()
	if err := h.writeUp(granted); err != nil {
		return fmt.Errorf("%w: %w", errClosed, err)
	}
	return nil
}

// writeUp writes frames, which lie behind each other in memory unless something between them was refused.
func (h *hl7Conn) writeUp(granted []passing) error {
	for len(granted) > 0 {
		n, b := 1, granted[0].raw
		for n < len(granted) && granted[n].offset == granted[0].offset+int64(len(b)) && cap(b) >= len(b)+len(granted[n].raw) {
			b = b[:len(b)+len(granted[n].raw)]
			n++
		}
		if err := h.write(&h.up, h.upstream, b); err != nil {
			return err
		}
		granted = granted[n:]
	}
	return nil
}

// wait returns when at most most messages are unanswered, or too much time has passed.
func (h *hl7Conn) wait(ctx context.Context, most int, patience time.Duration) error {
	h.mu.Lock()
	if h.unanswered <= most {
		h.mu.Unlock()
		return nil
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for h.unanswered > most {
		moved := h.moved
		h.mu.Unlock()
		select {
		case <-moved:
		case <-h.ended:
			return errClosed
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return errors.New("the system behind it does not answer")
		}
		h.mu.Lock()
	}
	h.mu.Unlock()
	return nil
}

// answered counts answers that were passed on.
func (h *hl7Conn) answered(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unanswered = max(0, h.unanswered-n)
	h.counted++
	close(h.moved)
	h.moved = make(chan struct{})
}
