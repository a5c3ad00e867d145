package guard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"chaperone/format/hl7"
	"chaperone/policy"
	"chaperone/site"
	"chaperone/wire"
	"chaperone/wire/mllp"
)

// hl7Conn is a connection of HL7 v2 over MLLP. Each direction has a goroutine of its own.
type hl7Conn struct {
	*conn
	mu         sync.Mutex
	unanswered int               // messages that were passed on
	moved      chan struct{}     // closed when unanswered gets less
	asked      map[string][]byte // queries that were passed on, by control ID: they are answered from here when the answer is refused
	order      []string          // of asked, the oldest first
	down       sync.Mutex        // of writing to the client
}

// serveHL7 passes messages on, each when it is decided and on record.
func (c *conn) serveHL7(ctx context.Context) error {
	h := &hl7Conn{conn: c, moved: make(chan struct{}), asked: map[string][]byte{}}
	back := make(chan error, 1)
	go func() {
		err := h.answers(ctx)
		c.close(err)
		back <- err
	}()
	err := h.messages(ctx)
	if err == io.EOF {
		err = h.finish(ctx, back)
	}
	c.close(err)
	if other := <-back; errors.Is(err, errClosed) {
		err = other
	}
	return err
}

var errClosed = errors.New("the other side is gone")

// finish lets the answers come that are still owed when the client has sent its last message.
func (h *hl7Conn) finish(ctx context.Context, back <-chan error) error {
	if err := h.wait(ctx, 0, h.spec().Limits.InMessage); err != nil {
		return nil
	}
	return nil
}

// messages passes on what the client sends.
func (h *hl7Conn) messages(ctx context.Context) error {
	spec := h.spec()
	j := h.guard.judge(h.listener.name, h.secured)
	in := frames{from: h.client, limit: int(spec.Limits.Message)}
	var began time.Time
	first := true
	before := func(begun bool) error {
		spec = h.spec()
		limits := &spec.Limits
		switch {
		case begun:
			if began.IsZero() {
				began = time.Now()
			}
			return h.client.SetReadDeadline(began.Add(limits.InMessage))
		case h.leaving.Load():
			return io.EOF
		case first:
			return h.client.SetReadDeadline(time.Now().Add(limits.FirstByte))
		}
		return h.client.SetReadDeadline(time.Now().Add(limits.Idle))
	}
	for {
		list, err := in.next(before)
		if errors.Is(err, os.ErrDeadlineExceeded) && h.leaving.Load() {
			if in.within() && time.Since(began) < spec.Limits.InMessage {
				continue // it was woken in the middle of a message
			}
			return io.EOF
		}
		if err != nil {
			return h.broken(err)
		}
		began, first = time.Time{}, false
		if err := h.check(); err != nil {
			return err
		}
		if err := h.pass(ctx, j, list); err != nil {
			return err
		}
	}
}

// broken notes bytes that are no HL7, once: the connection ends with them.
func (h *hl7Conn) broken(err error) error {
	if errors.Is(err, io.EOF) || quiet(err) {
		return err
	}
	h.guard.malformed(h.listener.name)
	return fmt.Errorf("%w (%v)", errProtocol, err)
}

// pass decides some messages of the client, and passes on what is permitted, in their order.
func (h *hl7Conn) pass(ctx context.Context, j *judge, list []frame) error {
	var granted []frame
	var drafts []*draft
	flush := func() error {
		err := h.release(ctx, j, granted, drafts)
		granted, drafts = granted[:0], drafts[:0]
		return err
	}
	for _, f := range list {
		began := time.Now()
		v, m := h.decide(j, f, wire.FromClient)
		h.guard.metrics.decided(h.listener.name, v.Reason, time.Since(began))
		if !v.Permit {
			if err := flush(); err != nil {
				return err
			}
			if err := h.refuse(ctx, m, v, f); err != nil {
				return err
			}
			continue
		}
		granted = append(granted, f)
		if v.draft != nil {
			drafts = append(drafts, v.draft)
		}
		if m != nil && m.query {
			h.remember(m, f)
		}
	}
	return flush()
}

// release puts what is granted on record, and then passes it on.
func (h *hl7Conn) release(ctx context.Context, j *judge, granted []frame, drafts []*draft) error {
	if len(granted) == 0 {
		return nil
	}
	began := time.Now()
	if err := h.guard.record(ctx, drafts); err != nil {
		return h.unrecorded(ctx, j, granted, err)
	}
	h.guard.metrics.recorded(time.Since(began))
	if err := h.wait(ctx, max(0, h.spec().Limits.Pending-len(granted)), h.spec().Limits.Idle); err != nil {
		return err
	}
	expected := 0
	for _, f := range granted {
		expected += answersTo(f.payload)
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
func (h *hl7Conn) writeUp(granted []frame) error {
	for len(granted) > 0 {
		n, b := 1, granted[0].raw
		for n < len(granted) && granted[n].offset == granted[0].offset+int64(len(b)) && cap(b) >= len(b)+len(granted[n].raw) {
			b = b[:len(b)+len(granted[n].raw)]
			n++
		}
		if _, err := h.upstream.Write(b); err != nil {
			return err
		}
		granted = granted[n:]
	}
	return nil
}

// unrecorded answers messages that cannot be released because the record does not take them: they may be sent again.
func (h *hl7Conn) unrecorded(ctx context.Context, j *judge, granted []frame, err error) error {
	h.guard.log.Error("not recorded, so not released", "listener", h.listener.name, "error", err)
	h.guard.metrics.unrecorded(h.listener.name)
	r := h.guard.rules.Load()
	for _, f := range granted {
		m := h.parse(f.payload)
		v := j.refuse(r, &wish{word: m.word, client: &h.from, from: &h.from, to: &h.to, records: m.content.Records, offset: f.offset},
			policy.Decision{Reason: unrecorded, Hint: "See chaperone ledger status."})
		if err := h.refuse(ctx, m, v, f); err != nil {
			return err
		}
	}
	return nil
}

// message is what is read of a frame. Of several messages in one frame it is all of them together: they are decided as one.
type message struct {
	first   hl7.Message
	content hl7.Content
	word    string
	role    wire.Role
	query   bool
	err     error // it cannot be read in one way
}

// parse reads a frame.
func (h *hl7Conn) parse(payload []byte) *message {
	m := &message{err: hl7.Strict(payload)}
	parts, more := hl7.Split(payload)
	if more && m.err == nil {
		m.err = errors.New("more messages in a frame than are read")
	}
	for i, raw := range parts {
		one, err := hl7.Parse(raw)
		if err == nil && one.Odd != "" {
			err = errors.New(one.Odd)
		}
		if err != nil {
			m.err = errors.Join(m.err, err)
			continue
		}
		content := one.Read()
		if i == 0 || m.word == "" {
			m.first, m.content, m.word, m.role = one, content, mllp.Action(content), mllp.RoleOf(content)
		} else {
			m.content.Records = append(m.content.Records, content.Records...)
			m.content.Merges = append(m.content.Merges, content.Merges...)
			if content.From != m.content.From || content.To != m.content.To || mllp.RoleOf(content) != m.role {
				m.err = errors.Join(m.err, errors.New("messages of several kinds in one frame"))
			}
		}
	}
	m.query = m.role == wire.Query
	if len(parts) == 0 && m.err == nil {
		m.err = errors.New("no message in a frame")
	}
	return m
}

// Commit acknowledgements of MLLP release 2 are one byte, and carry nothing.
const (
	commitACK = 0x06
	commitNAK = 0x15
)

func isCommit(payload []byte) bool {
	return len(payload) == 1 && (payload[0] == commitACK || payload[0] == commitNAK)
}

// decide judges one frame of a direction.
func (h *hl7Conn) decide(j *judge, f frame, d wire.Dir) (verdict, *message) {
	if isCommit(f.payload) {
		return verdict{Decision: policy.Decision{Permit: true, Reason: control}}, nil
	}
	m := h.parse(f.payload)
	w := &wish{
		action: policy.Send, word: m.word, detail: m.word, client: &h.from, from: &h.from, to: &h.to,
		records: m.content.Records, merges: m.content.Merges, bytes: int64(len(f.raw)), offset: f.offset,
	}
	if d == wire.FromServer {
		w.from, w.to = &h.to, &h.from
	}
	r := h.guard.rules.Load()
	from, to := *w.from, *w.to
	from.claimed, to.claimed = m.content.From, m.content.To
	w.from, w.to = &from, &to
	if m.err != nil {
		if d == wire.FromServer && harmless(f.payload) {
			return verdict{Decision: policy.Decision{Permit: true, Reason: control}}, m
		}
		return j.refuse(r, w, policy.Decision{Reason: ambiguous, Hint: m.err.Error()}), m
	}
	bears := len(w.records)+len(w.merges) > 0
	switch {
	case m.role == wire.Control && !bears:
		return verdict{Decision: policy.Decision{Permit: true, Reason: control}}, m
	case d == wire.FromServer:
		w.action, w.asked = policy.Ask, true // an answer, or what comes unasked: it is the client that gets it
	case m.query:
		w.action, w.asked, w.from, w.to = policy.Ask, true, &to, &from
		w.everybody = !namesSomebody(&m.first)
		w.claims = []string{m.content.From}
	default:
		w.claims = []string{m.content.From}
	}
	return j.decide(r, w, h.guard.now()), m
}

// harmless reports whether an answer of an old system, which is not in the strict grammar, can bear no patient: nothing in it
// looks like a segment that might.
func harmless(payload []byte) bool {
	const most = 4 << 10
	if len(payload) > most {
		return false
	}
	upper := bytes.ToUpper(payload)
	for _, name := range []string{"PID", "MRG", "PD1", "NK1", "GT1", "IN1", "IN2", "OBX", "PV1", "OBR", "ORC", "NTE", "QRF", "DSP"} {
		if bytes.Contains(upper, []byte(name)) {
			return false
		}
	}
	return true
}

// namesSomebody reports whether a query says who is asked for: an identifier, or a name without a wildcard (HL7 v2.5 chapter 5,
// QPD-3 and QRD-8).
func namesSomebody(m *hl7.Message) bool {
	for _, s := range m.Segments {
		switch {
		case s.Is("QPD"):
			field := s.Field(3)
			for i := range field.Repetitions() {
				one := field.Repetition(i)
				name, value := string(one.Component(1)), string(one.Component(2))
				switch {
				case !strings.HasPrefix(name, "@"): // a CX: PIX queries (Q23)
					value = name
				case strings.HasPrefix(name, "@PID.3"), strings.HasPrefix(name, "@PID.18"):
				case strings.HasPrefix(name, "@PID.5") && len(value) > 1: // one letter is nobody's name
				default:
					continue
				}
				if specific(value) {
					return true
				}
			}
		case s.Is("QRD"):
			if specific(string(s.Field(8).Component(1))) {
				return true
			}
		}
	}
	return false
}

func specific(value string) bool {
	return value != "" && value != `""` && !strings.ContainsAny(value, "*?%")
}

// refuse tells the client that a message was not let through, as its listener's rule says. Answers to messages before it come
// first, if they come soon.
func (h *hl7Conn) refuse(ctx context.Context, m *message, v verdict, f frame) error {
	spec := h.spec()
	if spec.Refuse == site.Hold && v.Reason != ambiguous {
		return h.hold(ctx, f)
	}
	if m == nil || m.word == "" {
		return fmt.Errorf("%w (%s)", errProtocol, v.Reason)
	}
	const patience = 10 * time.Second
	if err := h.wait(ctx, 0, patience); err != nil && ctx.Err() != nil {
		return err
	}
	answer := hl7.Refuse(&m.first, hl7.Refusal{
		Error:  spec.Refuse == site.Fail || v.Reason == unrecorded,
		Reason: string(v.Reason), Reference: v.reference, ID: "CHAP" + v.reference, Now: h.guard.now(),
	})
	if answer == nil {
		h.guard.log.Warn("refused, and the sender asked for no answer: it believes that all is well", "listener", h.listener.name, "reference", v.reference)
		return nil
	}
	return h.answer(answer)
}

// answer writes an answer of the guard's own to the client.
func (h *hl7Conn) answer(payload []byte) error {
	b := make([]byte, 0, len(payload)+3)
	b = append(append(append(b, startBlock), payload...), endBlock, carriage)
	return h.writeDown(b)
}

func (h *hl7Conn) writeDown(b []byte) error {
	h.down.Lock()
	defer h.down.Unlock()
	if err := h.client.SetWriteDeadline(time.Now().Add(h.spec().Limits.InMessage)); err != nil {
		return err
	}
	_, err := h.client.Write(b)
	return err
}

// holding is how often a message that is held is decided again.
const holding = 5 * time.Second

// hold keeps a message, and with it the queue behind it, until it is permitted: somebody changes the policy, or approves.
func (h *hl7Conn) hold(ctx context.Context, f frame) error {
	j := h.guard.judge(h.listener.name, h.secured)
	tick := time.NewTicker(holding)
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
		v, m := h.decide(j, f, wire.FromClient)
		if !v.Permit {
			continue
		}
		if m.query {
			h.remember(m, f)
		}
		var drafts []*draft
		if v.draft != nil {
			drafts = append(drafts, v.draft)
		}
		return h.release(ctx, j, []frame{f}, drafts)
	}
}

// answersTo tells how many answers a message will have, as far as its sender asks for them: none, or one that has to come
// before another message is refused.
func answersTo(payload []byte) int {
	if isCommit(payload) {
		return 0
	}
	m, err := hl7.Parse(payload)
	if err != nil {
		return 0
	}
	header, _ := m.Header()
	accept, application := string(header.Field(15).Component(1)), string(header.Field(16).Component(1))
	if mllp.RoleOf(m.Read()) == wire.Control || accept == "NE" && (application == "NE" || application == "") {
		return 0
	}
	return 1
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
	close(h.moved)
	h.moved = make(chan struct{})
}

// mostAsked bounds the queries that are remembered.
const mostAsked = 64

// remember keeps a query: if its answer is refused, the client gets one from here.
func (h *hl7Conn) remember(m *message, f frame) {
	h.mu.Lock()
	defer h.mu.Unlock()
	id := m.content.ControlID
	if h.asked[id] == nil {
		h.order = append(h.order, id)
	}
	h.asked[id] = bytes.Clone(f.payload)
	if len(h.order) > mostAsked {
		delete(h.asked, h.order[0])
		h.order = h.order[1:]
	}
}

// query gives back a query by the control ID that an answer names.
func (h *hl7Conn) query(id string) *message {
	h.mu.Lock()
	payload := h.asked[id]
	h.mu.Unlock()
	if payload == nil {
		return nil
	}
	return h.parse(payload)
}

// answers passes on what the system behind the guard sends.
func (h *hl7Conn) answers(ctx context.Context) error {
	j := h.guard.judge(h.listener.name, h.secured)
	in := frames{from: h.upstream, limit: int(h.spec().Limits.Message)}
	for {
		list, err := in.next(func(bool) error { return nil })
		if err != nil {
			if errors.Is(err, io.EOF) || quiet(err) {
				return errClosed
			}
			return fmt.Errorf("the system behind it: %w", err)
		}
		for _, f := range list {
			if err := h.back(ctx, j, f); err != nil {
				return err
			}
		}
	}
}

// back decides one frame of the system behind the guard, and passes it on or answers in its place.
func (h *hl7Conn) back(ctx context.Context, j *judge, f frame) error {
	v, m := h.decide(j, f, wire.FromServer)
	if v.Permit && v.draft != nil {
		if err := h.guard.record(ctx, []*draft{v.draft}); err != nil {
			h.guard.log.Error("not recorded, so not released", "listener", h.listener.name, "error", err)
			h.guard.metrics.unrecorded(h.listener.name)
			v.Permit, v.Reason = false, unrecorded
		}
	}
	if v.Permit {
		err := h.writeDown(f.raw)
		if m != nil {
			h.answered(1)
		}
		return err
	}
	h.guard.metrics.decided(h.listener.name, v.Reason, 0)
	query := h.query(m.content.AckFor)
	if query == nil {
		return fmt.Errorf("%w: an answer to nothing that was asked", errRefused)
	}
	answer := hl7.Refuse(&query.first, hl7.Refusal{Error: v.Reason == unrecorded, Reason: string(v.Reason), Reference: v.reference, ID: "CHAP" + v.reference, Now: h.guard.now()})
	h.answered(1)
	if answer == nil {
		return nil
	}
	return h.answer(answer)
}
