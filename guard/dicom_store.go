package guard

import (
	"bytes"
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
	looked   bool         // whether the identity group tells
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
	return dicom.Identifying(t) || t == dicom.SeriesInstanceUID || t == dicom.SOPInstanceUID || t == dicom.SOPClassUID || t == dicom.AccessionNumber
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
	err := sound(func() error {
		err := p.walker.Write(b)
		if last && err == nil {
			err = p.walker.Finish()
		}
		return err
	})
	switch {
	case err != nil && p.passing:
		p.d.judge.refuse(p.d.guard.rules.Load(), p.wish(nil), policy.Decision{Reason: ambiguous, Hint: err.Error()})
		return invalid("data set: " + err.Error())
	case err != nil:
		return p.ambiguous(err.Error(), last)
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

// decide decides what is held, if it says enough by now: its own number, or everything up to the numbers that it had before.
func (p *push) decide(ctx context.Context, last bool) error {
	if last || p.walker.Passed(historyGroup) {
		return p.decideBy(ctx, p.walker.Elements, last)
	}
	if !p.looked && p.walker.Passed(identityGroup) {
		p.looked = true
		if elements := p.walker.Until(identityGroup); known(dicom.Records(elements)) {
			return p.decideBy(ctx, elements, last)
		}
	}
	if len(p.held) > mostHeld {
		return p.ambiguous("The data set does not say whose it is within 1 MiB.", last)
	}
	return nil
}

func (p *push) decideBy(ctx context.Context, elements []dicom.Element, last bool) error {
	if class := text(elements, dicom.SOPClassUID).Reveal(); p.op.field == fieldStore && class != "" && class != p.op.class { // compared, not shown
		return p.ambiguous("The data set is of another class than its command says.", last)
	}
	if !plain(elements) {
		return p.ambiguous("A number in the data set has characters in it by which receivers read another one.", last)
	}
	records := dicom.Records(elements)
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

// plain reports whether all receivers read the numbers of a data set alike: some end a value at a NUL, some take the first of
// several values.
func plain(elements []dicom.Element) bool {
	for _, e := range elements {
		switch e.Tag {
		case dicom.PatientID, dicom.IssuerOfPatientID, dicom.StudyInstanceUID, dicom.SeriesInstanceUID:
		default:
			continue
		}
		value, foreign := bytes.TrimRight(e.Value, " \x00"), false
		for _, c := range value {
			foreign = foreign || c == 0x1B || c >= 0x80 // a character set in which a backslash is half a character
			if c < ' ' && c != 0x1B {
				return false
			}
		}
		if !foreign && bytes.IndexByte(value, '\\') >= 0 {
			return false
		}
	}
	return true
}

// ambiguous refuses what can be read in two ways.
func (p *push) ambiguous(hint string, last bool) error {
	return p.refuse(p.d.judge.refuse(p.d.guard.rules.Load(), p.wish(nil), policy.Decision{Reason: ambiguous, Hint: hint}), last)
}

// known reports whether records have a number of any kind.
func known(records []chaperone.Record) bool {
	return len(records[0].Identifiers) > 0 || len(records[0].Alternates) > 0
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
