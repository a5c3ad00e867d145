package guard

import (
	"context"

	"chaperone"
	"chaperone/format/dicom"
	"chaperone/policy"
	"chaperone/wire"
)

// push is a request that brings its own data set: C-STORE in either direction, and N-services. It is held until the data set
// has told whose it is, decided and put on record, and then passed on as it comes.
type push struct {
	d        *dicomConn
	from, to *leg
	op       *operation
	action   policy.Action
	walker   *dicom.Strict
	held     []byte
	offset   int64
	passing  bool
	refused  func() error // answers, behind the data set
}

// newPush begins a request. Without a data set it is decided at once.
func (d *dicomConn) newPush(from *leg, op *operation, action policy.Action) (receiver, error) {
	p := &push{d: d, from: from, to: d.legs[from.dir.Other()], op: op, action: action, offset: from.offset}
	if !op.dataSet {
		if op.field == fieldStore {
			return nil, unexpected("C-STORE without a data set")
		}
		v := d.judge.decide(d.guard.rules.Load(), p.wish(nil), d.guard.now())
		if !v.Permit {
			p.close()
			return d.deny(from, op.command, refusalOf(op.field, v.Reason), comment(v.reference))
		}
		return nil, p.to.send(op.context, true, true, op.raw)
	}
	p.walker = dicom.NewStrict(d.contexts[op.context].accepted, keep)
	return p, nil
}

// keep says which elements are read of a data set.
func keep(t dicom.Tag) bool {
	return dicom.Identifying(t) || t == dicom.SeriesInstanceUID || t == dicom.SOPInstanceUID || t == dicom.AccessionNumber
}

func (p *push) drop() {
	if p.walker != nil {
		p.walker.Close()
	}
}

// close says that the operation is answered, by the guard.
func (p *push) close() {
	if p.from.dir == wire.FromClient {
		p.d.op = nil
	} else {
		p.d.sub = nil
	}
}

func (p *push) take(ctx context.Context, b []byte, last bool) error {
	if p.refused != nil {
		if last {
			return p.refused()
		}
		return nil
	}
	err := p.walker.Write(b)
	if last && err == nil {
		err = p.walker.Finish()
	}
	switch {
	case err != nil && p.passing:
		p.d.judge.refuse(p.d.guard.rules.Load(), p.wish(nil), policy.Decision{Reason: ambiguous, Hint: err.Error()})
		return invalid("data set: " + err.Error())
	case err != nil:
		return p.refuse(p.d.judge.refuse(p.d.guard.rules.Load(), p.wish(nil), policy.Decision{Reason: ambiguous, Hint: err.Error()}), last)
	case p.passing:
		err = p.to.send(p.op.context, false, last, b)
	default:
		p.held = append(p.held, b...)
		err = p.decide(ctx, last)
	}
	if last && p.passing && err == nil {
		p.d.learn(p.walker.Elements, false)
	}
	return err
}

// Groups of a data set by which it has told whose it is: its own number, or the numbers that it had before (0400,0561).
const (
	identityGroup = 0x0010
	historyGroup  = 0x0400
)

// decide decides what is held, if it says enough by now.
func (p *push) decide(ctx context.Context, last bool) error {
	if !last && !p.walker.Passed(identityGroup) {
		return p.tooLong(last)
	}
	elements := p.walker.Elements
	if !last {
		elements = p.walker.Until(identityGroup)
	}
	records := dicom.Records(elements)
	if !known(records) {
		if !last && !p.walker.Passed(historyGroup) {
			return p.tooLong(last)
		}
		records = dicom.Records(p.walker.Elements)
	}
	if p.op.field != fieldStore && !known(records) && records[0].Name.Empty() {
		records = nil // a step, a commitment or a film: it bears no patient
	}
	v := p.judge(records)
	if v.Permit {
		v = p.d.record(ctx, p.wish(records), v)
	}
	p.d.guard.metrics.decided(p.d.listener.name, v.Reason, 0)
	if !v.Permit {
		return p.refuse(v, last)
	}
	p.passing = true
	if err := p.to.send(p.op.context, true, true, p.op.raw); err != nil {
		return err
	}
	err := p.to.send(p.op.context, false, last, p.held)
	p.held = nil
	return err
}

// known reports whether records have a number of any kind.
func known(records []chaperone.Record) bool {
	return len(records[0].Identifiers) > 0 || len(records[0].Alternates) > 0
}

// tooLong refuses a data set that says nothing for too long.
func (p *push) tooLong(last bool) error {
	if len(p.held) <= mostHeld {
		return nil
	}
	return p.refuse(p.d.judge.refuse(p.d.guard.rules.Load(), p.wish(nil), policy.Decision{Reason: ambiguous, Hint: "The data set does not say whose it is within 1 MiB."}), last)
}

// refuse answers in the place of who would have got it, behind the data set.
func (p *push) refuse(v verdict, last bool) error {
	p.held = nil
	p.refused = func() error {
		p.close()
		return p.from.send(p.op.context, true, true, p.op.reply(refusalOf(p.op.field, v.Reason), comment(v.reference)))
	}
	if p.from.dir == wire.FromServer && p.op.field == fieldStore {
		if err := p.d.withhold(v); err != nil {
			return err
		}
	}
	if last {
		return p.refused()
	}
	return nil
}

// wish is what the request asks for.
func (p *push) wish(records []chaperone.Record) *wish {
	d := p.d
	w := &wish{
		action: p.action, word: p.op.word(), detail: d.contexts[p.op.context].abstract, client: &d.from, from: &d.from, to: &d.to, records: records,
		bytes: int64(len(p.held)), offset: p.offset,
	}
	if p.from.dir == wire.FromServer {
		w.from, w.to, w.asked = &d.to, &d.from, p.action == policy.Get
	} else {
		w.claims = []string{d.from.claimed}
	}
	return w
}

// judge decides it: the objects of a retrieval by what the retrieval may bring, anything else by itself.
func (p *push) judge(records []chaperone.Record) verdict {
	d := p.d
	w := p.wish(records)
	d.resolve(w)
	if p.action == policy.Get && !d.op.retrieval.covers(d, records) {
		return d.judge.refuse(d.guard.rules.Load(), w, policy.Decision{Reason: policy.Unresolved, Hint: "The system behind the guard sent a record that the request did not name."})
	}
	return d.judge.decide(d.guard.rules.Load(), w, d.guard.now())
}

// record puts a permission on record. It is none when that fails.
func (d *dicomConn) record(ctx context.Context, w *wish, v verdict) verdict {
	if v.draft == nil {
		return v
	}
	if err := d.guard.record(ctx, []*draft{v.draft}); err != nil {
		d.guard.log.Error("not recorded, so not released", "listener", d.listener.name, "error", err)
		d.guard.metrics.unrecorded(d.listener.name)
		return d.judge.refuse(d.guard.rules.Load(), w, policy.Decision{Reason: unrecorded, Hint: "See chaperone ledger status."})
	}
	return v
}

// refusalOf gives the status of a refusal.
func refusalOf(field uint16, reason policy.Reason) uint16 {
	n := field >= 0x0100 && field < fieldCancel
	switch {
	case reason == ambiguous && n:
		return statusProcessing
	case reason == ambiguous:
		return statusMismatch
	case reason == unrecorded && n:
		return statusProcessing
	case reason == unrecorded && (field == fieldMove || field == fieldGet):
		return statusSubs
	case reason == unrecorded:
		return statusResources
	}
	return statusNotAllowed
}

// newAnswer holds a final answer with a data set until it is decided whole.
func (d *dicomConn) newAnswer(op *operation, c *command) receiver {
	return &collecting{then: func(ctx context.Context, data []byte) error {
		r, client := d.guard.rules.Load(), d.legs[wire.FromClient]
		records, err := readWhole(d.contexts[c.context].accepted, data)
		w := &wish{action: policy.Other, word: op.word(), detail: d.contexts[op.context].abstract, client: &d.from, from: &d.to, to: &d.from, asked: true, bytes: int64(len(data)), offset: d.legs[wire.FromServer].offset}
		if op.field == fieldMove || op.field == fieldGet {
			w.action = op.service.action()
		}
		var v verdict
		if err != nil {
			v = d.judge.refuse(r, w, policy.Decision{Reason: ambiguous, Hint: err.Error()})
		} else {
			if known(records.records) || !records.records[0].Name.Empty() {
				w.records = records.records
			}
			if v = d.judge.decide(r, w, d.guard.now()); v.Permit {
				v = d.record(ctx, w, v)
			}
		}
		if !v.Permit {
			return client.send(c.context, true, true, op.reply(refusalOf(op.field, v.Reason), comment(v.reference)))
		}
		if op.forced(c) {
			return d.endRetrieval(op, c)
		}
		if err := client.send(c.context, true, true, c.raw); err != nil {
			return err
		}
		return client.send(c.context, false, true, data)
	}}
}

// whole is a data set that was read to its end.
type whole struct {
	elements []dicom.Element
	records  []chaperone.Record
}

// readWhole reads keys or a match. Errors: it is not in the strict grammar.
func readWhole(transferSyntax string, data []byte) (whole, error) {
	walker := dicom.NewStrict(transferSyntax, keep)
	defer walker.Close()
	err := walker.Write(data)
	if err == nil {
		err = walker.Finish()
	}
	return whole{walker.Elements, dicom.Records(walker.Elements)}, err
}
