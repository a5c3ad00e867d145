package guard

import (
	"context"
	"slices"
	"strings"

	"chaperone"
	"chaperone/format/dicom"
	"chaperone/ledger"
	"chaperone/policy"
	"chaperone/site"
	"chaperone/wire"
)

// retrieval is whose records a C-GET or C-MOVE may bring: found out before it is passed on.
type retrieval struct {
	owners   []owner
	studies  map[chaperone.PatientToken]bool // of the owners
	complete bool                            // nobody else can be among them
}

func (t *retrieval) add(o owner) {
	if !slices.ContainsFunc(t.owners, func(have owner) bool { return have.number == o.number && have.is(o) }) {
		t.owners = append(t.owners, o)
	}
}

// known reports whether somebody is among those whose records may come, whoever gave the number.
func (t *retrieval) known(o owner) bool { return slices.ContainsFunc(t.owners, o.is) }

func (t *retrieval) covered() []ledger.Covered {
	all := make([]ledger.Covered, 0, len(t.owners))
	for _, o := range t.owners {
		all = append(all, o.covered())
	}
	return all
}

// covers reports whether an object of the retrieval is of somebody who was found out. A retrieval that was permitted although
// not everybody was known brings anybody: each is decided by itself.
func (t *retrieval) covers(d *dicomConn, records []chaperone.Record) bool {
	if !t.complete {
		return true
	}
	for _, r := range records {
		o, ok := d.ownerOf(r)
		switch {
		case ok && !t.known(o):
			return false
		case !ok && !t.studies[d.study(chaperone.StudyUID, r.Study)]:
			return false
		}
	}
	return true
}

// retrieve decides a C-GET or C-MOVE when its keys are there: whose records it would bring is found out first.
func (d *dicomConn) retrieve(_ context.Context, op *operation) (receiver, error) {
	if !op.dataSet {
		return nil, unexpected("retrieval without keys")
	}
	offset := d.legs[wire.FromClient].offset
	return &collecting{then: func(ctx context.Context, data []byte) error {
		v := d.judgeRetrieval(ctx, op, data, offset)
		d.guard.metrics.decided(d.listener.name, v.Reason, 0)
		if !v.Permit {
			status := d.refusalTo(&d.from, op.field, v.Reason)
			if op.field == fieldMove && (v.Reason == policy.Destination || v.Reason == policy.DestinationUnknown) {
				status = statusDestination
			}
			d.op = nil
			return d.legs[wire.FromClient].send(op.context, true, true, op.reply(status, comment(v.reference)))
		}
		server := d.legs[wire.FromServer]
		if err := server.send(op.context, true, true, op.raw); err != nil {
			return err
		}
		return server.send(op.context, false, true, data)
	}}, nil
}

func (d *dicomConn) judgeRetrieval(ctx context.Context, op *operation, data []byte, offset int64) verdict {
	r := d.guard.rules.Load()
	w := &wish{
		action: op.service.action(), word: op.word(), detail: d.contexts[op.context].abstract, client: &d.from, from: &d.to, to: &d.from, asked: true,
		claims: []string{d.from.claimed}, bytes: int64(len(data)), offset: offset,
	}
	if op.field == fieldMove {
		if w.to = destination(r.site, d.listener.name, op.destination); w.to == nil {
			w.to = &side{claimed: op.destination}
		}
	}
	keys, err := readWhole(d.contexts[op.context].accepted, data)
	if err != nil {
		return d.judge.refuse(r, w, policy.Decision{Reason: ambiguous, Hint: err.Error()})
	}
	if w.to.party == nil && op.field == fieldMove {
		return d.judge.refuse(r, w, policy.Decision{Reason: policy.DestinationUnknown, Hint: "The listener has no such destination in the site file; the log has the title."})
	}
	op.retrieval = d.whose(ctx, keys.elements)
	w.everybody, w.unresolved, w.known = !dicom.NamesAnybody(keys.elements), !op.retrieval.complete, op.retrieval.covered()
	v := d.judge.decide(r, w, d.guard.now())
	if v.Permit {
		v = d.record(ctx, w, v)
	}
	return v
}

// destination gives the party to which a C-MOVE would send; nil when the site file has none of that AE title. How it is reached
// only the archive knows, so the record has its title alone, as the site file spells it: where capitals do not matter, one title has
// thousands of spellings.
func destination(s *site.Site, listener, title string) *side {
	l := s.Listener(listener)
	p := s.Destination(l, title)
	if p == nil {
		return nil
	}
	for spelled := range l.Destinations {
		if strings.EqualFold(spelled, title) && s.Destination(l, spelled) == p && (spelled == title || s.IgnoreCase) {
			title = spelled
			break
		}
	}
	return &side{party: p, claimed: title}
}

// destination gives the party of a destination on record, of whatever listener.
func (r *rules) destination(title string) *site.Party {
	for i := range r.site.Listeners {
		if p := r.site.Destination(&r.site.Listeners[i], title); p != nil {
			return p
		}
	}
	return nil
}

// whose finds out whose records the keys of a retrieval bring (PS3.4 section C.4.2.1.4): from what the archive has said, else by
// asking it. Archives differ in which keys they look at, so that everybody counts whom any of them leads to.
func (d *dicomConn) whose(ctx context.Context, keys []dicom.Element) *retrieval {
	t := &retrieval{studies: map[chaperone.PatientToken]bool{}, complete: true}
	patient := text(keys, dicom.PatientID)
	people, err := peopleIn(keys)
	if err != nil {
		t.complete = false
		return t
	}
	named, byNumber := d.ownerOf(people[0])
	byNumber = byNumber && exact(patient)
	studies, ok1 := list(text(keys, dicom.StudyInstanceUID))
	series, ok2 := list(text(keys, dicom.SeriesInstanceUID))
	objects, ok3 := list(text(keys, dicom.SOPInstanceUID))
	if !ok1 || !ok2 || !ok3 || len(studies) == 0 {
		q := inquiry{level: "STUDY", patient: patient, name: text(keys, dicom.PatientName), accession: text(keys, dicom.AccessionNumber), study: text(keys, dicom.StudyInstanceUID), into: t}
		asked := d.inquire(ctx, q)
		if byNumber && len(t.owners) == 0 {
			t.add(named) // the archive does not answer, or has nothing: who is named is named
			asked = asked || q.name.Empty() && q.accession.Empty() && q.study.Empty()
		}
		t.complete = asked && len(series)+len(objects) == 0 && ok2 && ok3
		return t
	}
	t.complete = d.ownersOf(ctx, t, studies)
	if byNumber {
		t.add(named)
	}
	t.complete = t.complete && d.within(ctx, t, studies, series, objects)
	return t
}

// ownersOf adds whose studies are: all that the archive does not yet have told in one inquiry, and those one by one that an archive
// leaves out which does not know lists. It reports whether each has an owner.
func (d *dicomConn) ownersOf(ctx context.Context, t *retrieval, studies []chaperone.PHI) bool {
	missing := studies[:0:0]
	for _, uid := range studies {
		token := d.study(chaperone.StudyUID, uid)
		if o, ok := d.guard.studies.owner(token, true); ok {
			t.add(o)
			t.studies[token] = true
			continue
		}
		missing = append(missing, uid)
	}
	ask := func(uids []chaperone.PHI) bool {
		return d.inquire(ctx, inquiry{level: "STUDY", study: oneKey(uids), into: t})
	}
	left := func() []chaperone.PHI {
		return slices.DeleteFunc(missing, func(uid chaperone.PHI) bool { return t.studies[d.study(chaperone.StudyUID, uid)] })
	}
	if len(missing) > 0 && !ask(missing) {
		return false
	}
	missing = left()
	if len(missing) == 0 || len(studies) == 1 || len(missing) > mostSingly {
		return len(missing) == 0
	}
	for _, uid := range missing {
		if !ask([]chaperone.PHI{uid}) {
			return false
		}
	}
	return len(left()) == 0
}

// mostSingly bounds the inquiries for single studies of a list.
const mostSingly = 16

// exact reports whether a patient's number is one value and no wildcard.
func exact(key chaperone.PHI) bool {
	value := key.Reveal() // looked at, not shown
	return dicom.Single(value) && !strings.Contains(value, `\`)
}

// within makes sure that series and objects are of the studies that are named with them: an archive may look at the last key
// alone.
func (d *dicomConn) within(ctx context.Context, t *retrieval, studies, series, objects []chaperone.PHI) bool {
	if len(objects) == 0 {
		unknown := series[:0:0]
		for _, uid := range series {
			o, ok := d.guard.studies.owner(d.study(seriesUID, uid), true)
			if !ok {
				unknown = append(unknown, uid)
				continue
			}
			t.add(o)
		}
		return len(unknown) == 0 || d.inquire(ctx, inquiry{level: "SERIES", study: studies[0], series: oneKey(unknown), expect: len(unknown), only: len(studies) == 1})
	}
	return len(studies) == 1 && len(series) <= 1 && d.inquire(ctx, inquiry{level: "IMAGE", study: studies[0], series: oneKey(series), object: oneKey(objects), expect: len(objects), only: true})
}

// list gives the values of a key that is a list of UIDs; ok says that none of them is a wildcard.
func list(key chaperone.PHI) (uids []chaperone.PHI, ok bool) {
	if key.Empty() {
		return nil, true
	}
	for one := range strings.SplitSeq(key.Reveal(), `\`) { // split here, and hidden again at once
		one = strings.Trim(one, " \x00")
		if one == "" || strings.Trim(one, "0123456789.") != "" || len(uids) == mostKeys {
			return nil, false
		}
		uids = append(uids, chaperone.NewPHI(one))
	}
	return uids, true
}

// mostKeys bounds the UIDs of one key.
const mostKeys = 1024

// oneKey makes a key of several UIDs again.
func oneKey(uids []chaperone.PHI) chaperone.PHI {
	var b strings.Builder
	for i, uid := range uids {
		if i > 0 {
			b.WriteByte('\\')
		}
		b.WriteString(uid.Reveal()) // into a key, hidden again at once
	}
	return chaperone.NewPHI(b.String())
}

// withhold refuses one object of a C-GET to the system behind the guard.
func (d *dicomConn) withhold(v verdict) error {
	if d.op == nil {
		return nil
	}
	return d.keepBack(d.op, v)
}

// forced reports whether a final answer would hide that something was held back: success, with a warning about something else or
// without, or a cancellation that the client did not ask for.
func (op *operation) forced(c *command) bool {
	return op.withheld > 0 && (c.status == statusSuccess || warnsOnly(c.status) || c.status == statusCancelled)
}

// endRetrieval ends a C-GET of which something was held back.
func (d *dicomConn) endRetrieval(op *operation, c *command) error {
	n := c.counts
	n[2] = max(n[2], uint16(min(op.withheld, 0xFFFF)))
	return d.legs[wire.FromClient].send(c.context, true, true, op.reply(statusSubs, comment(op.reference), n[0], n[1], n[2], n[3]))
}
