package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"chaperone/format"
)

// hl7Conn is a connection of HL7 v2 over MLLP. Each direction has a goroutine of its own.
type hl7Conn struct {
	*conn
	in         frames // what the client sends
	mu         sync.Mutex
	unanswered int           // messages that were passed on
	counted    int           // answers, so far
	moved      chan struct{} // closed when unanswered gets less
	asked      asked
	kept       *spooled // nil: its listener keeps nothing
	down, up   outlet   // of writing to the client, and to the system behind the guard
	idle       deadline // of reading from the client, between messages
}

// serveHL7 passes messages on, each when it is decided and on record.
func (c *conn) serveHL7(ctx context.Context) error {
	h := &hl7Conn{conn: c, moved: make(chan struct{})}
	h.in = frames{from: h.client, limit: int(h.spec().Limits.Message), large: &h.guard.large}
	defer h.in.end()
	back := make(chan error, 1)
	go func() {
		err := h.answers(ctx)
		c.close(err)
		back <- err
	}()
	err := h.messages(ctx)
	if err == io.EOF {
		h.finish(ctx)
		err = nil
	}
	c.close(err)
	if other := <-back; errors.Is(err, errClosed) {
		err = other
	}
	return err
}

var errClosed = errors.New("the other side is gone")

// finish lets the answers come that are still owed when the client has sent its last message.
func (h *hl7Conn) finish(ctx context.Context) {
	_ = h.wait(ctx, 0, h.spec().Limits.InMessage) // what has not come by then does not come
	if h.leaving.Load() {
		linger(h.client) // what is not answered it sends again
	}
}

// messages passes on what the client sends.
func (h *hl7Conn) messages(ctx context.Context) error {
	spec := h.spec()
	j := h.guard.judge(h.listener.name, h.secured)
	var began time.Time
	first := true
	before := func(begun bool) error {
		spec = h.spec()
		limits := &spec.Limits
		switch {
		case begun:
			if began.IsZero() {
				began = time.Now()
				h.owing.begin(began)
			}
			h.idle = deadline{}
			return h.client.SetReadDeadline(began.Add(limits.InMessage))
		case h.leaving.Load():
			return io.EOF
		}
		limit := limits.Idle
		if first {
			limit = limits.FirstByte
		}
		if at, ok := h.idle.renew(limit); ok {
			if err := h.client.SetReadDeadline(at); err != nil {
				return err
			}
		}
		if !h.leaving.Load() {
			return nil
		}
		return io.EOF // drain may have set its deadline before this one
	}
	for {
		list, err := h.in.next(before)
		if errors.Is(err, os.ErrDeadlineExceeded) && h.leaving.Load() {
			if h.in.within() && time.Since(began) < spec.Limits.InMessage {
				continue // it was woken in the middle of a message
			}
			return io.EOF
		}
		if err != nil {
			return h.gone(err, first)
		}
		h.owing.done()
		began, first = time.Time{}, false
		if err := h.check(); err != nil {
			return err
		}
		if err := h.pass(ctx, j, list); err != nil {
			return err
		}
	}
}

// gone says what it means that no frame of the client can be read any more: it may go between messages, and be idle there.
func (h *hl7Conn) gone(err error, first bool) error {
	within := h.in.within()
	switch {
	case errors.Is(err, format.ErrMalformed), errors.Is(err, format.ErrLimit):
		return h.broken(err)
	case errors.Is(err, errLarge):
		h.guard.metrics.shed(h.listener.name)
		h.refused(busy, "Other clients are in the middle of large messages: this one may be sent again.")
		return err
	case errors.Is(err, os.ErrDeadlineExceeded) && (first || within):
		return h.silent()
	case errors.Is(err, io.EOF), quiet(err):
		return err
	case within:
		return h.broken(fmt.Errorf("mllp: the connection breaks inside the frame at offset %d", h.in.offset))
	}
	return fmt.Errorf("%w: %w", errClosed, err)
}

// passing is a message that may pass once it is on record.
type passing struct {
	frame
	message *message
	draft   *draft // nil: it releases nothing
	entered int    // how many places it has in the room of those that wait
}

// use gives the approval that it rests on, nil if none.
func (p *passing) use() *use {
	if p.draft == nil {
		return nil
	}
	return p.draft.use
}

// pass decides some messages of the client, and passes on what is permitted, in their order.
func (h *hl7Conn) pass(ctx context.Context, j *judge, list []frame) error {
	var granted []passing
	flush := func() error {
		err := h.release(ctx, granted)
		granted = granted[:0]
		return err
	}
	for _, f := range list {
		began := time.Now()
		v, m, entered := h.admit(j, f)
		h.guard.metrics.decided(h.listener.name, v.Reason, time.Since(began))
		if !v.Permit {
			h.guard.room.leave(entered)
			if err := flush(); err != nil {
				return err
			}
			if err := h.refuse(ctx, m, v, f); err != nil {
				return err
			}
			continue
		}
		granted = append(granted, passing{f, m, v.draft, entered})
		if len(granted) >= h.spec().Limits.Pending {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}
