package guard

import (
	"context"

	"chaperone/policy"
	"chaperone/wire"
)

// incoming is the message that one side is sending. One at a time: fragments of two may not be mixed, because receivers differ
// in what they make of that.
type incoming struct {
	begun   bool
	context byte
	command []byte
	data    receiver // of the data set, nil before it begins
	progress
}

// receiver takes a data set piece by piece.
type receiver interface {
	take(ctx context.Context, b []byte, last bool) error
	drop() // nothing more comes
}

func (m *incoming) drop() {
	if m.data != nil {
		m.data.drop()
	}
	if cap(m.command) > mostCommand {
		m.command = nil
	}
	*m = incoming{command: m.command[:0]}
}

// fragment takes a piece of a message.
func (d *dicomConn) fragment(ctx context.Context, from *leg, f fragment) error {
	m := &from.message
	if d.contexts[f.context] == nil {
		return invalid("presentation context that was not accepted")
	}
	if m.begun && f.context != m.context || f.command != (m.data == nil) {
		return unexpected("fragments of two messages are mixed")
	}
	m.begun, m.context = true, f.context
	m.came += len(f.data)
	if m.data != nil {
		err := m.data.take(ctx, f.data, f.last)
		if f.last && err == nil {
			m.drop()
		}
		return err
	}
	most := mostCommand
	if from.dir == wire.FromServer && d.op != nil && d.op.retrieval != nil {
		most += mostFailed
	}
	if len(m.command)+len(f.data) > most {
		return invalid("command set that is too long")
	}
	m.command = append(m.command, f.data...)
	if !f.last {
		return nil
	}
	set, err := readCommand(f.context, append([]byte(nil), m.command...))
	if err != nil {
		return err
	}
	data, err := d.command(ctx, from, set)
	if err != nil || !set.dataSet {
		m.drop()
		return err
	}
	m.progress = progress{} // a time of its own
	m.data = data
	return nil
}

// command acts on a whole command set. It says what takes the data set, when there will be one.
func (d *dicomConn) command(ctx context.Context, from *leg, c *command) (receiver, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	if from.dir == wire.FromServer {
		d.bounded(c)
	}
	switch {
	case c.answer() && from.dir == wire.FromServer:
		return d.answered(ctx, c)
	case c.answer():
		return d.answeredSub(c)
	case from.dir == wire.FromServer:
		return d.asksClient(ctx, c)
	}
	return d.asks(ctx, c)
}

// asks acts on a request of the client. There is one at a time, as no window of asynchronous operations was negotiated
// (PS3.7 annex D.3.3.3).
func (d *dicomConn) asks(ctx context.Context, c *command) (receiver, error) {
	if c.field == fieldCancel {
		if d.op == nil || d.op.id != c.id || c.dataSet {
			return d.swallow(c, nil), nil // it came too late
		}
		return nil, d.legs[wire.FromServer].send(c.context, true, true, c.raw)
	}
	if d.op != nil {
		return nil, unexpected("request before the last one was answered")
	}
	if d.leaving.Load() {
		return nil, errDrained
	}
	context := d.contexts[c.context]
	op := &operation{command: c, service: serviceOf(context.abstract)}
	if words[c.field] == "" || !op.service.carries(c.field) {
		return d.deny(d.legs[wire.FromClient], c, statusUnrecognised, "")
	}
	if op.service < normalized && c.class != context.abstract { // N-services may name a class of a meta class (PS3.4 section H.3)
		return nil, invalid("class of a command that is not its context's")
	}
	d.op = op
	switch c.field {
	case fieldStore:
		return d.newPush(d.legs[wire.FromClient], op, policy.Store)
	case fieldFind:
		return d.find(ctx, op)
	case fieldMove, fieldGet:
		return d.retrieve(ctx, op)
	case fieldEcho:
		if c.dataSet {
			return nil, unexpected("C-ECHO with a data set")
		}
		return nil, d.legs[wire.FromServer].send(c.context, true, true, c.raw)
	}
	return d.newPush(d.legs[wire.FromClient], op, policy.Other)
}

// asksClient acts on a request of the system behind the guard: the objects of a C-GET, and reports of events.
func (d *dicomConn) asksClient(ctx context.Context, c *command) (receiver, error) {
	server := d.legs[wire.FromServer]
	if d.sub != nil {
		return nil, unexpected("request before the last one was answered")
	}
	context := d.contexts[c.context]
	sub := &operation{command: c, service: serviceOf(context.abstract)}
	if !sub.service.carries(c.field) || c.field != fieldStore && c.field != fieldEventReport {
		return d.deny(server, c, statusUnrecognised, "")
	}
	if sub.service == storing && c.class != context.abstract {
		return nil, invalid("class of a command that is not its context's")
	}
	asked := d.call.role(context.abstract)
	if c.field == fieldStore && (asked == nil || asked.scp == 0 || d.op == nil || d.op.retrieval == nil || d.op.field != fieldGet) {
		return d.deny(server, c, statusUnrecognised, "")
	}
	d.sub = sub
	if c.field == fieldStore {
		return d.newPush(server, sub, policy.Get)
	}
	return d.newPush(server, sub, policy.Other)
}

// answered acts on an answer of the system behind the guard to what the client asked.
func (d *dicomConn) answered(ctx context.Context, c *command) (receiver, error) {
	op := d.op
	if op == nil || c.field != op.field|answerBit || c.id != op.id || c.context != op.context {
		return nil, unexpected("answer to what was not asked")
	}
	more := pending(c.status)
	if more && op.field != fieldFind && (op.field != fieldMove && op.field != fieldGet || c.dataSet) {
		return nil, unexpected("more is to come of what has one answer, or no data set")
	}
	if !more {
		d.op = nil
		if op.field == fieldGet {
			d.footings.over()
		}
	}
	switch {
	case op.field == fieldFind:
		return d.foundOne(ctx, op, c)
	case c.dataSet:
		return d.newAnswer(op, c), nil
	case op.forced(c):
		return nil, d.endRetrieval(op, c)
	}
	return nil, d.legs[wire.FromClient].send(c.context, true, true, c.raw)
}

// answeredSub acts on an answer of the client to what the system behind the guard asked.
func (d *dicomConn) answeredSub(c *command) (receiver, error) {
	sub := d.sub
	if sub == nil || c.field != sub.field|answerBit || c.id != sub.id || c.context != sub.context || c.dataSet && sub.field == fieldStore {
		return nil, unexpected("answer to what was not asked")
	}
	d.sub = nil
	server := d.legs[wire.FromServer]
	if c.dataSet {
		return &through{d, server, c}, server.send(c.context, true, true, c.raw)
	}
	return nil, server.send(c.context, true, true, c.raw)
}

// deny answers a command with a failure, behind its data set when it has one.
func (d *dicomConn) deny(to *leg, c *command, status uint16, comment string) (receiver, error) {
	answer := func() error { return to.send(c.context, true, true, c.reply(status, comment)) }
	if !c.dataSet {
		return nil, answer()
	}
	return d.swallow(c, answer), nil
}

// swallowing takes a data set that goes nowhere.
type swallowing struct{ then func() error }

func (d *dicomConn) swallow(c *command, then func() error) receiver {
	if !c.dataSet {
		return nil
	}
	return &swallowing{then}
}

func (s *swallowing) take(_ context.Context, _ []byte, last bool) error {
	if last && s.then != nil {
		return s.then()
	}
	return nil
}

func (s *swallowing) drop() {}

// through passes on a data set that bears nobody: what a client answers to a report.
type through struct {
	d  *dicomConn
	to *leg
	*command
}

func (p *through) take(_ context.Context, b []byte, last bool) error {
	return p.to.send(p.context, false, last, b)
}

func (p *through) drop() {}

// collecting takes a data set that is decided whole: keys, a match.
type collecting struct {
	data []byte
	then func(ctx context.Context, data []byte) error
}

// mostHeld bounds what is held back of one message before it is decided.
const mostHeld = 1 << 20

func (c *collecting) take(ctx context.Context, b []byte, last bool) error {
	if len(c.data)+len(b) > mostHeld {
		return invalid("data set of more than 1 MiB where none is that long")
	}
	c.data = append(c.data, b...)
	if last {
		return c.then(ctx, c.data)
	}
	return nil
}

func (c *collecting) drop() {}

// comment is what an answer of the guard's own says (PS3.7 annex C.4: at most 64 characters), so that somebody can be asked.
func comment(reference string) string { return "CHAP ref=" + reference }
