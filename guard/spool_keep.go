package guard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"chaperone/format/hl7"
	"chaperone/guard/spool"
	"chaperone/policy"
	"chaperone/wire"
)

// mustKeep reports whether a push has to go into the spool. When nothing waits there, it first tries to reach the system behind.
func (h *hl7Conn) mustKeep(ctx context.Context) bool {
	if h.isAway() && h.kept.empty() {
		h.dialAgain(ctx)
	}
	return h.isAway() || !h.kept.empty() || h.kept.ill.Load() != nil
}

func (p *passing) push() bool { return p.message != nil && p.message.role == wire.Push }

// keep puts pushes on record and into the spool, and deals with what is no push, in the order in which they came.
func (h *hl7Conn) keep(ctx context.Context, granted []passing) error {
	for len(granted) > 0 {
		n := 0
		for n < len(granted) && granted[n].push() {
			n++
		}
		var err error
		switch {
		case n > 0:
			err = h.keepPushes(ctx, granted[:n])
		case h.isAway():
			n = 1
			h.guard.room.leave(granted[0].entered)
			err = h.turnAway(ctx, &granted[0], "Send it again when the system behind the listener is back.")
		default:
			n = 1
			err = h.releaseNow(ctx, granted[:1])
		}
		granted = granted[n:]
		if err != nil {
			for i := range granted { // they wait for nothing any more
				h.guard.room.leave(granted[i].entered)
			}
			return err
		}
	}
	return nil
}

// keepPushes puts pushes on record, then into the spool, and then acknowledges them.
func (h *hl7Conn) keepPushes(ctx context.Context, list []passing) error {
	entries := make([]spool.Entry, len(list))
	var drafts []*draft
	entered := 0
	for i := range list {
		entries[i] = h.entry(&list[i])
		entered += list[i].entered
		if d := list[i].draft; d != nil {
			d.disclosure.Evidence.File = spooledEvidence(d.disclosure.Evidence.File)
			drafts = append(drafts, d)
		}
	}
	hint := h.kept.room(0, entries)
	if hint == "" {
		began := time.Now()
		err := h.guard.record(ctx, drafts)
		h.guard.room.leave(entered)
		if byOne(err) && len(list) > 1 { // as releaseNow does
			for i := range list {
				list[i].entered = 0
				if err := h.keepPushes(ctx, list[i:i+1]); err != nil {
					return err
				}
			}
			return nil
		}
		if err != nil {
			return h.unrecorded(ctx, list, err)
		}
		h.guard.metrics.recorded(time.Since(began))
		if err := h.wait(ctx, 0, h.guard.pace.patience); err != nil && ctx.Err() != nil { // answers to messages before them
			return err
		}
		h.put(entries)
		return nil
	}
	h.guard.room.leave(entered)
	for i := range list {
		if err := h.turnAway(ctx, &list[i], hint); err != nil {
			return err
		}
	}
	return nil
}

// spooledMark says in the evidence of a disclosure that its message was kept before it was delivered.
const spooledMark = ", spooled"

func spooledEvidence(file string) string {
	if strings.Contains(file, spooledMark+", grant ") { // it was tried together with others before
		return file
	}
	return strings.Replace(file, ", grant ", spooledMark+", grant ", 1)
}

// put puts messages that are on record into the spool and acknowledges them, or says that they are to be sent again. One that is kept and
// cannot be read here is not acknowledged: it is delivered, and comes a second time.
func (h *hl7Conn) put(entries []spool.Entry) {
	hint := h.kept.keep(entries)
	for i := range entries {
		_, payload, _ := bytes.Cut(entries[i].Message, []byte{startBlock})
		parts, _ := hl7.Split(bytes.TrimSuffix(payload, []byte{endBlock, carriage}))
		for _, part := range parts {
			m, err := hl7.Parse(part)
			if err != nil {
				continue
			}
			if hint != "" {
				h.sayAway(&m, hint)
				continue
			}
			if answer := hl7.Accept(&m, hl7.Acceptance{ID: "CHAP" + referenceOf(newReference()), Now: h.guard.now()}); answer != nil {
				h.tell(answer)
			}
		}
	}
}

// tell writes an answer to a message that is dealt with: who does not get it sends the message again, and it is kept or was not acknowledged.
// But the connection is over: nothing can be written behind half of an answer.
func (h *hl7Conn) tell(answer []byte) {
	if err := h.answer(answer); err != nil {
		h.close(fmt.Errorf("%w: %w", errClosed, err))
	}
}

// turnAway refuses what is neither passed on nor kept. An answer of the client's has nobody whom it could answer.
func (h *hl7Conn) turnAway(ctx context.Context, p *passing, hint string) error {
	if p.message == nil || p.message.role == wire.Control || p.message.role == wire.Reply {
		return nil
	}
	return h.refuse(ctx, p.message, h.refusal(p.message.word, p.message.query, p.offset, hint), p.frame)
}

// sayAway tells a sender to send a message again, which was passed on or on record already.
func (h *hl7Conn) sayAway(m *hl7.Message, hint string) {
	v := h.refusal("", false, 0, hint)
	if answer := refusalTo(m.Raw, hl7.Refusal{Error: true, Reason: string(away), Reference: v.reference, ID: "CHAP" + v.reference, Now: h.guard.now()}); answer != nil {
		h.tell(answer)
	}
}

func (h *hl7Conn) refusal(word string, query bool, offset int64, hint string) verdict {
	w := &wish{action: policy.Send, word: word, client: &h.from, from: &h.from, to: &h.to, offset: offset}
	if query {
		w.action, w.from, w.to = policy.Ask, w.to, w.from
	}
	return h.guard.judge(h.listener.name, h.secured).refuse(h.guard.rules.Load(), w, policy.Decision{Reason: away, Hint: hint})
}

// entry is what is kept of a message. Its bytes are its own.
func (h *hl7Conn) entry(p *passing) spool.Entry {
	e := spool.Entry{Came: h.guard.now(), From: h.from.name(), To: h.to.name(), Word: p.message.word, Awaited: p.message.awaited, Message: bytes.Clone(p.raw)}
	parts, _ := hl7.Split(p.payload)
	for _, part := range parts {
		line, _, _ := bytes.Cut(part, []byte{carriage})
		if f := bytes.Split(line, []byte("|")); len(f) > 9 { // MSH-10; the strict grammar has the usual separators
			e.IDs = append(e.IDs, string(f[9]))
		}
	}
	return e
}

// each passes on what is on record, one at a time; a push goes into the spool when it has to.
func (h *hl7Conn) each(ctx context.Context, granted []passing) error {
	for i := range granted {
		if err := h.live(ctx, &granted[i]); err != nil {
			return err
		}
	}
	return nil
}

func (h *hl7Conn) live(ctx context.Context, p *passing) error {
	if err := h.wait(ctx, 0, h.spec().Limits.Idle); err != nil {
		return err
	}
	if h.isAway() || p.push() && !h.kept.empty() {
		return h.late(ctx, p)
	}
	if p.push() && p.message.awaited {
		h.owe(h.entry(p))
	}
	err := h.passOn(ctx, []passing{*p})
	if !errors.Is(err, errClosed) {
		return err
	}
	select {
	case <-h.ended:
		return err
	default:
	}
	h.lost(ctx) // what waits for an answer is dealt with there
	<-h.kept.reader
	if p.message != nil && (p.message.awaited || p.message.role == wire.Query) {
		return nil
	}
	return h.late(ctx, p)
}

// late deals with a message that is on record and can no longer be passed on.
func (h *hl7Conn) late(ctx context.Context, p *passing) error {
	if !p.push() {
		return h.turnAway(ctx, p, "Send it again when the system behind the listener is back.")
	}
	h.put([]spool.Entry{h.entry(p)})
	return nil
}
