package guard

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"chaperone/ledger"
	"chaperone/site"
	"chaperone/wire"
)

// hold keeps a message, and with it the queue behind it, until it is permitted and on record: somebody changes the policy, or
// mends the disk. A client that gives up meanwhile sends it again on another connection: what is held here then ends with it.
//
// What was permitted and is not on record yet, p, is decided again each time, since hours and approvals end. It stays one disclosure,
// since a try that failed may be on record all the same, and is charged once. When another approval permits it than before, it is
// another disclosure, and charged to that approval. A changed site file begins anew.
func (h *hl7Conn) hold(ctx context.Context, f frame, p *passing) error {
	j := h.guard.judge(h.listener.name, h.secured)
	h.guard.log.Warn("held: the queue behind it waits", "listener", h.listener.name, "party", h.from.name())
	r := h.guard.rules.Load()
	if p != nil {
		j.paid = []*use{p.use()}
	}
	tick := time.NewTicker(h.guard.pace.hold)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-h.ended:
			return errClosed
		case <-tick.C:
		}
		if h.leaving.Load() {
			return errDrained
		}
		if err := h.present(); err != nil {
			return err
		}
		if err := h.check(); err != nil {
			return err
		}
		if now := h.guard.rules.Load(); now != r {
			r, p, j.paid = now, nil, nil
		}
		v, m := h.decide(j, f, wire.FromClient)
		if !v.Permit {
			if h.spec().Refuse != site.Hold || v.Reason == ambiguous { // the rules are others now
				return h.refuse(ctx, m, v, f)
			}
			continue
		}
		if anew := (&passing{f, m, v.draft, 0}); p == nil || p.use() != anew.use() {
			p = anew
		}
		if !slices.Contains(j.paid, v.use) {
			j.paid = append(j.paid, v.use)
		}
		if p.draft != nil {
			if err := h.guard.record(ctx, []*draft{p.draft}); err != nil {
				if errors.Is(err, ledger.ErrInvalid) {
					return h.unrecorded(ctx, []passing{*p}, err) // it never will be
				}
				if h.guard.metrics.unrecorded(h.listener.name); errors.Is(err, errUntaken) {
					p = nil // its time is what is wrong with it
				}
				continue
			}
		}
		return h.forward(ctx, []passing{*p})
	}
}

// present reports whether the client is still there, by reading what it sends behind the message that is held, as far as there
// is room for it.
func (h *hl7Conn) present() error {
	h.idle = deadline{} // the socket is told another one
	if err := h.client.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		return err
	}
	err := h.in.ahead()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}
