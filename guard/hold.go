package guard

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/policy"
	"chaperone/site"
	"chaperone/wire"
)

// hold keeps a message, and with it the queue behind it, until it is permitted and on record: somebody changes the policy, or
// mends the disk. A client that gives up meanwhile sends it again on another connection: what is held here then ends with it.
//
// What was permitted and is not on record yet, p, is decided again each time, since hours and approvals end. It stays one disclosure,
// since a try that failed may be on record all the same, and is charged once. When another approval permits it than before, it is
// another disclosure, and charged to that approval. A changed site file begins anew.
//
// That a queue waits is told when it begins, and when it is for another reason; why is v.
func (h *hl7Conn) hold(ctx context.Context, f frame, p *passing, v verdict) error {
	j := h.guard.judge(h.listener.name, h.secured)
	j.held = &refusal{}
	over := h.waits(v)
	defer over()
	why := v.Reason
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
		v, m := h.decide(j, f, wire.FromClient, h.guard.now())
		if !v.Permit {
			if h.spec().Refuse != site.Hold || v.Reason == ambiguous { // the rules are others now
				v.reference = h.guard.refused.note(*j.held)
				over()
				return h.refuse(ctx, m, v, f)
			}
			if v.Reason != why {
				why = v.Reason
				v.reference = h.guard.refused.note(*j.held)
				h.tellHeld(v)
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
		over()
		return h.forward(ctx, []passing{*p})
	}
}

// waits counts a queue that waits, and has it told. What it gives is called when it waits no more, once or more often.
func (h *hl7Conn) waits(v verdict) func() {
	h.tellHeld(v)
	h.guard.waiting.Add(1)
	h.guard.metrics.waits(h.listener.name, 1)
	return sync.OnceFunc(func() {
		h.guard.waiting.Add(-1)
		h.guard.metrics.waits(h.listener.name, -1)
	})
}

// heldQueue is the word of findings about queues that wait: a party that connects again and again makes few of them.
const heldQueue = "queue that waits"

func (h *hl7Conn) tellHeld(v verdict) {
	h.guard.log.Warn("held: the queue behind it waits", "listener", h.listener.name, "party", h.from.name(), "client", h.from.addr.Addr().String(), "reason", v.Reason, "reference", v.reference)
	h.guard.refused.note(refusal{listener: h.listener.name, word: heldQueue, decision: v.Decision, from: h.from.record(), to: h.to.record(), at: h.guard.now()})
}

// HeldRule is the rule of findings about queues that wait behind a message that is held.
const HeldRule = "guard-queue-waits"

// held makes the finding about a refusal one about a queue that waits because of it.
func held(out *chaperone.Finding, reason policy.Reason) {
	out.Rule, out.Severity = HeldRule, max(out.Severity, chaperone.Medium)
	out.Title = "A queue waits behind a message that is held: " + explain(reason)
	advice := "Permit it in the site file (kill -HUP reads it again), or have its sender take it out of its queue; with refuse: reject in the listener it is answered, and the next ones pass."
	if reason == unrecorded {
		advice = "See chaperone ledger status: it passes by itself when the record takes it."
	}
	if out.Advice != "" && reason != unrecorded {
		advice = out.Advice + " " + advice
	}
	out.Advice = advice
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
