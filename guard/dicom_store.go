package guard

import (
	"context"
	"slices"

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
	read     int // elements by which it was decided
	charged  map[chaperone.PatientToken]bool
	footing  footing      // by what it was decided
	refused  func() error // answers, behind the data set
}

// newPush begins a request. Without a data set it is decided at once.
func (d *dicomConn) newPush(from *leg, op *operation, action policy.Action) (receiver, error) {
	p := &push{d: d, from: from, to: d.legs[from.dir.Other()], op: op, action: action, offset: from.offset}
	if !op.dataSet {
		if op.field == fieldStore {
			return nil, unexpected("C-STORE without a data set")
		}
		var v verdict
		if op.amiss != "" {
			v = d.judge.refuse(d.guard.rules.Load(), p.wish(nil), policy.Decision{Reason: ambiguous, Hint: op.amiss})
		} else {
			v = d.judge.decide(d.guard.rules.Load(), p.wish(nil), d.guard.now())
		}
		if !v.Permit {
			p.close()
			return d.deny(from, op.command, d.refusalTo(p.sender(), op.field, v.Reason), comment(v.reference))
		}
		return nil, p.to.send(op.context, true, true, op.raw)
	}
	p.walker = dicom.NewStrict(d.contexts[op.context].accepted, keep)
	p.held, d.room = d.room[:0], nil
	return p, nil
}

// keep says which elements are read of a data set.
func keep(t dicom.Tag) bool {
	return dicom.Identifying(t) || t == dicom.SeriesInstanceUID || t == dicom.SOPInstanceUID || t == dicom.SOPClassUID || t == dicom.AccessionNumber || t == dicom.PatientLocation
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
		return p.tooLate(err.Error())
	case err != nil:
		return p.ambiguous(err.Error(), last)
	case !p.passing:
		p.held = append(p.held, b...)
		err = p.decide(ctx, last)
	case p.walker.Inside():
		p.held = append(p.held, b...) // half a number may be anybody's
	case p.another():
		return p.tooLate("somebody else behind what has passed")
	default:
		err = p.pass(b, last)
	}
	if last && p.passing && err == nil {
		p.d.learn(p.walker.Elements, false)
	}
	return err
}

// pass passes on what was held, and then b.
func (p *push) pass(b []byte, last bool) error {
	if whole := p.d.whole; len(p.held) == 0 && whole != nil && len(whole.raw)-6 <= p.to.most { // as it came
		return p.to.later(p.d.batched, whole)
	}
	if len(p.held) == 0 {
		return p.to.send(p.op.context, false, last, b)
	}
	b, p.held = append(p.held, b...), nil
	err := p.to.send(p.op.context, false, last, b)
	if cap(b) <= mostRoom {
		p.d.room = b
	}
	return err
}

// mostRoom bounds the memory that a connection keeps for the next request.
const mostRoom = 256 << 10

// tooLate ends the association: what is wrong was found behind what has passed.
func (p *push) tooLate(hint string) error {
	p.d.guard.metrics.decided(p.d.listener.name, ambiguous, 0)
	p.d.judge.refuse(p.d.guard.rules.Load(), p.wish(nil), policy.Decision{Reason: ambiguous, Hint: hint})
	return invalid("data set: " + hint)
}

// Groups of a data set behind which it tells of itself nothing more: whose it is, and what numbers it had before (0400,0561).
const (
	identityGroup = 0x0010
	historyGroup  = 0x0400
)

// decide decides what is held, if it says enough by now: everybody up to the numbers that it had before, or, when that is long,
// whose it is.
func (p *push) decide(ctx context.Context, last bool) error {
	if p.walker.Inside() {
		return nil // it is not long
	}
	long := len(p.held) > mostHeld
	own := false
	if long && p.walker.Passed(identityGroup) {
		people, err := peopleIn(p.walker.Elements)
		own = err == nil && len(people[0].Identifiers) > 0
	}
	switch {
	case last || own || p.walker.Passed(historyGroup):
		return p.decideBy(ctx, p.walker.Elements, last)
	case long:
		return p.ambiguous("The data set does not say whose it is within 1 MiB.", last)
	}
	return nil
}

func (p *push) decideBy(ctx context.Context, elements []dicom.Element, last bool) error {
	if p.op.amiss != "" {
		return p.ambiguous(p.op.amiss, last)
	}
	if uid := text(elements, dicom.SOPInstanceUID).Reveal(); p.brings() && !isUID([]byte(p.op.instance)) && uid != p.op.instance { // compared, not shown
		return p.ambiguous("The data set does not bear the instance that its command says, which is no UID.", last)
	}
	if class := text(elements, dicom.SOPClassUID).Reveal(); p.op.field == fieldStore && class != "" && class != p.op.class { // compared, not shown
		return p.ambiguous("The data set is of another class than its command says.", last)
	}
	if p.op.field == fieldStore && p.walker.Swapped() {
		return p.ambiguous("The data set begins as one in big endian does.", last)
	}
	records, err := peopleIn(elements)
	if err != nil {
		return p.ambiguous(err.Error(), last)
	}
	if !plain(elements, records) {
		return p.ambiguous("A number in the data set has characters in it by which receivers read another one.", last)
	}
	p.read, p.charged = len(elements), map[chaperone.PatientToken]bool{}
	for _, r := range records {
		p.charged[p.token(r)] = true
	}
	if p.op.field != fieldStore {
		records = slices.DeleteFunc(records, nobody) // a step, a commitment or a film may bear no patient
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
	p.stands(v)
	if err := p.to.send(p.op.context, true, true, p.op.raw); err != nil {
		return err
	}
	return p.pass(nil, last)
}

// ambiguous refuses what can be read in two ways.
func (p *push) ambiguous(hint string, last bool) error {
	p.d.guard.metrics.decided(p.d.listener.name, ambiguous, 0)
	return p.refuse(p.d.judge.refuse(p.d.guard.rules.Load(), p.wish(nil), policy.Decision{Reason: ambiguous, Hint: hint}), last)
}

// refuse answers in the place of who would have got it, behind the data set.
func (p *push) refuse(v verdict, last bool) error {
	p.held = nil
	p.refused = func() error {
		p.close()
		return p.from.send(p.op.context, true, true, p.op.reply(p.d.refusalTo(p.sender(), p.op.field, v.Reason), comment(v.reference)))
	}
	if p.brings() {
		if err := p.d.withhold(v); err != nil {
			return err
		}
	}
	if last {
		return p.refused()
	}
	return nil
}

// brings reports whether it is an object of a C-GET.
func (p *push) brings() bool { return p.from.dir == wire.FromServer && p.op.field == fieldStore }

// sender is whose request it is.
func (p *push) sender() *side {
	if p.from.dir == wire.FromServer {
		return &p.d.to
	}
	return &p.d.from
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
	w.wards = wardOf(p.walker.Elements, records)
	d.resolve(w)
	if p.action == policy.Get && !d.op.retrieval.covers(d, records) {
		w.action = policy.Store // it is the archive that sends it
		return d.judge.refuse(d.guard.rules.Load(), w, policy.Decision{Reason: policy.Unresolved, Hint: "The system behind the guard sent a record that the request did not name."})
	}
	now := d.guard.now()
	if f := p.rests(); f != nil {
		if v := d.judge.decideOn(f, w, now); v.Permit {
			p.footing = *f
			return v
		}
		d.footings.leave(f.study)
	}
	p.footing = footing{rules: d.guard.rules.Load(), at: now}
	return d.judge.decide(p.footing.rules, w, now)
}
