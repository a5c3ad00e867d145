package guard

import (
	"context"
	"slices"
	"strconv"

	"chaperone"
	"chaperone/format/dicom"
	"chaperone/guard/spool"
	"chaperone/policy"
	"chaperone/site"
	"chaperone/wire"
)

// record puts a permission on record. It is none when that fails.
func (d *dicomConn) record(ctx context.Context, w *wish, v verdict) verdict {
	if v.draft == nil {
		return v
	}
	if d.away {
		if hint := d.kept.room(w.bytes, []spool.Entry{{To: d.to.name()}}); hint != "" { // nothing of what is not kept is on record, as far as that can be known by now
			return d.judge.refuse(d.guard.rules.Load(), w, policy.Decision{Reason: away, Hint: hint})
		}
		file := &v.draft.disclosure.Evidence.File
		*file = spooledEvidence(*file)
	}
	if err := d.guard.record(ctx, []*draft{v.draft}); err != nil {
		return d.unrecorded(w, err)
	}
	return v
}

// unrecorded refuses what the record does not take.
func (d *dicomConn) unrecorded(w *wish, err error) verdict {
	d.guard.metrics.unrecorded(d.listener.name)
	return d.judge.refuse(d.guard.rules.Load(), w, unrecordable(err))
}

// refusalOf gives the status of a refusal.
func refusalOf(field uint16, reason policy.Reason) uint16 {
	n := normalizes(field)
	switch {
	case reason == ambiguous && n:
		return statusProcessing
	case reason == ambiguous:
		return statusMismatch
	case reason == unrecorded && n:
		return statusProcessing
	case reason == unrecorded && (field == fieldMove || field == fieldGet):
		return statusSubs
	case reason == unrecorded, reason == away:
		return statusResources
	}
	return statusNotAllowed
}

// refusalTo gives the status of a refusal to a side: what is not permitted is said as its party's software understands it.
func (d *dicomConn) refusalTo(to *side, field uint16, reason policy.Reason) uint16 {
	status := refusalOf(field, reason)
	p := to.partyIn(d.guard.rules.Load())
	if status != statusNotAllowed || p == nil {
		return status
	}
	own := map[uint16]site.Status{fieldStore: p.Refuse.Store, fieldFind: p.Refuse.Find, fieldGet: p.Refuse.Get, fieldMove: p.Refuse.Move}[field]
	if n, err := strconv.ParseUint(string(own), 16, 16); err == nil {
		return uint16(n)
	}
	return status
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
			w.records = slices.DeleteFunc(records.records, nobody)
			w.wards = wardOf(records.elements, w.records)
			if v = d.judge.decide(r, w, d.guard.now()); v.Permit {
				v = d.record(ctx, w, v)
			}
		}
		if !v.Permit {
			return client.send(c.context, true, true, op.reply(d.refusalTo(&d.from, op.field, v.Reason), comment(v.reference)))
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
func readWhole(transferSyntax string, data []byte) (read whole, err error) {
	err = sound(func() error {
		walker := dicom.NewStrict(transferSyntax, keep)
		defer walker.Close()
		err := walker.Write(data)
		if err == nil {
			err = walker.Finish()
		}
		read = whole{walker.Elements, dicom.People(walker.Elements)}
		return err
	})
	return read, err
}
