package guard

import (
	"context"
	"fmt"

	"chaperone/format/hl7"
	"chaperone/site"
)

// unrecorded answers messages that cannot be released because the record does not take them: they may be sent again, unless it never
// will. What releases nothing passes all the same.
func (h *hl7Conn) unrecorded(ctx context.Context, granted []passing, err error) error {
	h.guard.metrics.unrecorded(h.listener.name)
	j := h.guard.judge(h.listener.name, h.secured)
	r := h.guard.rules.Load()
	for i, p := range granted {
		if p.draft == nil {
			if err := h.forward(ctx, granted[i:i+1]); err != nil {
				return err
			}
			continue
		}
		v := j.refuse(r, p.draft.wish, unrecordable(err))
		if (v.Reason == unrecorded || v.Reason == endedApproval) && h.spec().Refuse == site.Hold {
			if err := h.hold(ctx, p.frame, &p, v); err != nil {
				return err
			}
			continue
		}
		if err := h.refuse(ctx, p.message, v, p.frame); err != nil {
			return err
		}
	}
	return nil
}

// refuse tells the client that a message was not let through, as its listener's rule says. Answers to messages before it come
// first, if they come soon.
func (h *hl7Conn) refuse(ctx context.Context, m *message, v verdict, f frame) error {
	spec := h.spec()
	if spec.Refuse == site.Hold && v.Reason != ambiguous && v.Reason != away && v.Reason != impossible {
		return h.hold(ctx, f, nil, v)
	}
	if m == nil || m.word == "" {
		return fmt.Errorf("%w (%s: %s, reference %s)", errProtocol, v.Reason, v.Hint, v.reference)
	}
	if m.content.Ack != "" {
		return nil // an answer is not answered
	}
	if err := h.wait(ctx, 0, h.guard.pace.patience); err != nil && ctx.Err() != nil {
		return err
	}
	answer := refusalTo(m.first, hl7.Refusal{
		Error:  spec.Refuse == site.Fail && v.Reason != impossible || v.Reason == unrecorded || v.Reason == busy || v.Reason == away,
		Sender: ofIdentity(v.Reason), Reason: string(v.Reason), Reference: v.reference, ID: "CHAP" + v.reference, Now: h.guard.now(),
	})
	if answer == nil {
		h.guard.log.Warn("refused, and the sender asked for no answer: it believes that all is well", "listener", h.listener.name, "reference", v.reference)
		return nil
	}
	return h.answer(answer)
}

// refusalTo makes the answer that refuses a message: nil when none was asked for, or when it cannot be made.
func refusalTo(message []byte, r hl7.Refusal) (answer []byte) {
	err := sound(func() error {
		m, err := hl7.Parse(message)
		if err == nil {
			answer = hl7.Refuse(&m, r)
		}
		return err
	})
	if err != nil {
		return nil
	}
	return answer
}

// acknowledgementOf makes an answer to a message that says no more than what somebody else said of it; nil when that is no code.
func acknowledgementOf(message []byte, code string, a hl7.Acceptance) (answer []byte) {
	err := sound(func() error {
		m, err := hl7.Parse(message)
		if err == nil {
			answer = hl7.Acknowledge(&m, code, a)
		}
		return err
	})
	if err != nil {
		return nil
	}
	return answer
}

// answer writes an answer of the guard's own to the client.
func (h *hl7Conn) answer(payload []byte) error { return h.write(&h.down, h.client, framed(payload)) }

func framed(payload []byte) []byte {
	b := make([]byte, 0, len(payload)+3)
	return append(append(append(b, startBlock), payload...), endBlock, carriage)
}
