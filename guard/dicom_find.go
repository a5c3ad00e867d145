package guard

import (
	"context"
	"maps"
	"strings"

	"chaperone"
	"chaperone/format/dicom"
	"chaperone/ledger"
	"chaperone/policy"
	"chaperone/wire"
)

// match is one answer to a C-FIND that is held until it is decided.
type match struct {
	op     *operation
	set    *command
	data   []byte
	offset int64
	draft  *draft // with what it is put on record: other matches may be in it
}

// mostMatches are decided and put on record together.
const mostMatches = 64

// find decides a C-FIND when its keys are there, and passes it on.
func (d *dicomConn) find(_ context.Context, op *operation) (receiver, error) {
	if !op.dataSet {
		return nil, unexpected("C-FIND without keys")
	}
	offset := d.legs[wire.FromClient].offset
	return &collecting{then: func(_ context.Context, data []byte) error {
		r := d.guard.rules.Load()
		keys, err := readWhole(d.contexts[op.context].accepted, data)
		op.everybody, op.most = !dicom.NamesAnybody(keys.elements), mostNamed(keys.elements)
		w := d.query(op, offset)
		w.later = true
		v := verdict{}
		if err != nil {
			v = d.judge.refuse(r, w, policy.Decision{Reason: ambiguous, Hint: err.Error()})
		} else {
			v = d.judge.decide(r, w, d.guard.now())
		}
		d.guard.metrics.decided(d.listener.name, v.Reason, 0)
		if !v.Permit {
			d.op = nil
			return d.legs[wire.FromClient].send(op.context, true, true, op.reply(d.refusalTo(&d.from, op.field, v.Reason), comment(v.reference)))
		}
		server := d.legs[wire.FromServer]
		if err := server.send(op.context, true, true, op.raw); err != nil {
			return err
		}
		return server.send(op.context, false, true, data)
	}}, nil
}

// query is what a C-FIND, or one of its matches, asks for.
func (d *dicomConn) query(op *operation, offset int64) *wish {
	return &wish{
		action: policy.Find, word: op.word(), detail: d.contexts[op.context].abstract, client: &d.from, from: &d.to, to: &d.from, asked: true,
		everybody: op.everybody, claims: []string{d.from.claimed}, offset: offset,
	}
}

// foundOne takes an answer to a C-FIND.
func (d *dicomConn) foundOne(ctx context.Context, op *operation, c *command) (receiver, error) {
	if !c.dataSet {
		if err := d.release(ctx); err != nil {
			return nil, err
		}
		if op.withheld > 0 && !pending(c.status) {
			return nil, d.endFind(op)
		}
		return nil, d.legs[wire.FromClient].send(c.context, true, true, c.raw)
	}
	offset := d.legs[wire.FromServer].offset
	return &collecting{then: func(ctx context.Context, data []byte) error {
		m := match{op: op, set: c, data: data, offset: offset}
		if !pending(c.status) {
			return d.lastOne(ctx, m)
		}
		d.found = append(d.found, m)
		d.waiting += len(data)
		if len(d.found) < mostMatches && d.waiting < mostHeld {
			return nil // until no more is there to be read
		}
		return d.release(ctx)
	}}, nil
}

// lastOne takes a last answer that has a data set, which PS3.7 table 9.1-2 does not know, and Orthanc sends when it was told to
// stop. It is decided like a match.
func (d *dicomConn) lastOne(ctx context.Context, m match) error {
	if err := d.release(ctx); err != nil {
		return err
	}
	if m.op.withheld == 0 {
		d.found = append(d.found, m)
		if err := d.release(ctx); err != nil {
			return err
		}
	}
	if m.op.withheld > 0 {
		return d.endFind(m.op)
	}
	return nil
}

// endFind ends a C-FIND of which something was held back: never in success, because something is missing. When it was for the record alone,
// its client may ask again, and is told so.
func (d *dicomConn) endFind(op *operation) error {
	var reason policy.Reason
	if op.lost {
		reason = unrecorded
	}
	return d.legs[wire.FromClient].send(op.context, true, true, op.reply(d.refusalTo(&d.from, op.field, reason), comment(op.reference)))
}

// release decides the matches that are held, puts those that are granted on record together, and passes them on.
func (d *dicomConn) release(ctx context.Context) error {
	if len(d.found) == 0 {
		return nil
	}
	list := d.found
	d.found, d.waiting = d.found[:0], 0
	var drafts []*draft
	granted := list[:0:0]
	for _, m := range list {
		v := d.judgeMatch(ctx, m)
		d.guard.metrics.decided(d.listener.name, v.Reason, 0)
		if !v.Permit {
			if err := d.keepBack(m.op, v); err != nil {
				return err
			}
			continue
		}
		drafts, m.draft = join(drafts, v.draft)
		granted = append(granted, m)
	}
	var failed map[*draft]verdict
	if len(drafts) > 0 {
		failed = d.recordMatches(ctx, d.query(granted[0].op, granted[0].offset), drafts)
	}
	client := d.legs[wire.FromClient]
	for _, m := range granted {
		if v, ok := failed[m.draft]; ok {
			if err := d.keepBack(m.op, v); err != nil {
				return err
			}
			continue
		}
		if err := client.send(m.set.context, true, true, m.set.raw); err != nil {
			return err
		}
		if err := client.send(m.set.context, false, true, m.data); err != nil {
			return err
		}
	}
	return nil
}

// recordMatches puts drafts on record together, or each by itself when one of them may be why that fails. It gives the refusals of
// those that may not pass.
func (d *dicomConn) recordMatches(ctx context.Context, w *wish, drafts []*draft) map[*draft]verdict {
	err := d.guard.record(ctx, drafts)
	if err == nil {
		return nil
	}
	failed := map[*draft]verdict{}
	if byOne(err) && len(drafts) > 1 {
		for i := range drafts {
			maps.Copy(failed, d.recordMatches(ctx, w, drafts[i:i+1]))
		}
		return failed
	}
	v := d.unrecorded(w, err)
	for _, one := range drafts {
		failed[one] = v
	}
	return failed
}

// judgeMatch decides one match by whose it is.
func (d *dicomConn) judgeMatch(ctx context.Context, m match) verdict {
	if m.op.cancelled {
		return verdict{reference: m.op.reference} // the budget is spent: what is still on its way is held back too
	}
	d.judge.unsaid = m.op.withheld > 0 // the answer bears the first one's
	defer func() { d.judge.unsaid = false }()
	r := d.guard.rules.Load()
	w := d.query(m.op, m.offset)
	w.bytes = int64(len(m.data))
	read, err := readWhole(d.contexts[m.set.context].accepted, m.data)
	if err != nil {
		return d.judge.refuse(r, w, policy.Decision{Reason: ambiguous, Hint: err.Error()})
	}
	if !plain(read.elements, read.records) {
		return d.judge.refuse(r, w, policy.Decision{Reason: ambiguous, Hint: "A number in a match has characters in it by which receivers read another one."})
	}
	d.learn(read.elements, true)
	w.records, w.wards = read.records, wardOf(read.elements, read.records)
	d.lookUp(ctx, w)
	if d.others(m.op, w.records) {
		return d.judge.refuse(r, w, policy.Decision{Reason: tooMany, Hint: "A query that names a patient by number, or studies, is answered with those."})
	}
	d.resolve(w)
	return d.judge.decide(r, w, d.guard.now())
}

// keepBack counts what was held back of an operation. When a budget is spent nothing more of it can be granted, and the system
// behind the guard is told to stop.
func (d *dicomConn) keepBack(op *operation, v verdict) error {
	if op.withheld == 0 {
		op.reference, op.lost = v.reference, true
	}
	op.lost = op.lost && v.Reason == unrecorded
	op.withheld++
	if op.cancelled || !strings.HasPrefix(string(v.Reason), "budget") {
		return nil
	}
	op.cancelled = true
	if d.op != op {
		return nil // it has ended
	}
	return d.legs[wire.FromServer].send(op.context, true, true, op.cancel())
}

// join adds a release to those that are put on record together. Those on the same grounds are one: what was done with an approval,
// or behind broken glass, is told by itself. It also gives the one that the release is in.
func join(all []*draft, one *draft) ([]*draft, *draft) {
	if one == nil {
		return all, nil
	}
	for _, have := range all {
		a, b := &have.disclosure, &one.disclosure
		if have.use != one.use || a.Evidence.File != b.Evidence.File {
			continue
		}
		a.Records += b.Records
		a.Bytes += b.Bytes
		a.Unidentified += b.Unidentified
		have.numbers = append(have.numbers, one.numbers...)
		for _, c := range b.Covered {
			if last := len(a.Covered) - 1; last < 0 || !same(a.Covered[last], c) { // many matches may be of one patient
				a.Covered = append(a.Covered, c)
			}
		}
		return all, have
	}
	return append(all, one), one
}

func same(a, b ledger.Covered) bool {
	if a.Demographic != b.Demographic || len(a.Numbers) != len(b.Numbers) {
		return false
	}
	for i := range a.Numbers {
		if a.Numbers[i] != b.Numbers[i] {
			return false
		}
	}
	return true
}

// mostInquiries bounds what is asked on behalf of one connection beside what it retrieves.
const mostInquiries = 64

// lookUp asks the system behind the guard whose the studies of records are that do not say it, once for each.
func (d *dicomConn) lookUp(ctx context.Context, w *wish) {
	for _, r := range w.records {
		if _, ok := d.ownerOf(r); ok || r.Study.Empty() {
			continue
		}
		token := d.study(chaperone.StudyUID, r.Study)
		if _, ok := d.guard.studies.owner(token, false); ok || d.asked[token] {
			continue
		}
		if len(d.asked) < mostInquiries {
			d.asked[token] = true
			d.inquire(ctx, inquiry{level: "STUDY", study: r.Study})
		}
	}
}
