package guard

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/policy"
)

// draft makes the disclosure of a wish. Nobody has answered yet, and what became of it is not waited for: the record comes
// before the release.
func (j *judge) draft(r *rules, w *wish, decision *policy.Decision, now time.Time) *draft {
	j.seq++
	binary.BigEndian.PutUint64(j.label[16:], j.seq)
	d := &draft{wish: w, disclosure: ledger.Disclosure{Disclosure: chaperone.Disclosure{
		ID:   j.tokens.Digest("chaperone/guarded/v1", j.label[:]),
		Time: now, Protocol: protocolOf(w.action), Action: w.word, From: w.from.record(), To: w.to.record(),
		Records: len(w.records) + len(w.known), Bytes: w.bytes, Protection: j.protection, Outcome: chaperone.Unknown,
		Evidence: chaperone.Evidence{File: j.evidence(decision), Offset: w.offset},
	}}}
	if w.asked {
		by := w.client.record()
		d.disclosure.RequestedBy = &by
	}
	return d
}

// evidence is that of a listener for a decision, which nearly always is by the grant of the one before.
func (j *judge) evidence(d *policy.Decision) string {
	if c := &j.cited; c.file == "" || c.version != d.Version || c.grant != d.Grant {
		c.version, c.grant, c.file = d.Version, d.Grant, evidence(j.listener, d)
	}
	return j.cited.file
}

// evidence is where a reader of the record finds who decided, and by what.
func evidence(listener string, d *policy.Decision) string {
	return "guard " + listener + ", policy " + d.Version + ", grant " + d.Grant
}

func protocolOf(a policy.Action) chaperone.Protocol {
	switch a {
	case policy.Send, policy.Ask:
		return chaperone.HL7
	case policy.Connect:
		return "tcp"
	}
	return chaperone.DICOM
}

var errUntaken = errors.New("not everything was taken: a day of it was purged, or the clock is wrong")

// unrecordable gives the reason of a refusal whose record failed: whether it may be tried again.
func unrecordable(err error) policy.Decision {
	switch {
	case errors.Is(err, ledger.ErrInvalid):
		return policy.Decision{Reason: impossible, Hint: "It names more patients than a record can: it has to be sent in parts."}
	case errors.Is(err, errUnapproved):
		return policy.Decision{Reason: endedApproval, Hint: "What permitted it ended before it was on record. Sent again it is decided anew."}
	}
	return policy.Decision{Reason: unrecorded, Hint: "See chaperone ledger status."}
}

// byOne reports whether a record that failed may be the fault of one of its drafts: which of them it is shows when each is alone.
func byOne(err error) bool { return errors.Is(err, ledger.ErrInvalid) || errors.Is(err, errUnapproved) }

// record makes drafts durable: what they release may leave when it returns without an error. The approvals that they rest on have
// to hold before the write, so that nothing goes on record by one that is over, and still behind it, because a write may take long:
// what is on record by then does not leave. So the record has too many at worst, by one write, and never too few.
func (g *Guard) record(ctx context.Context, drafts []*draft) error {
	defer begun(drafts)() // before they are looked at: so the receipt of an approval waits for whatever is written because of it
	if err := g.stand(drafts); err != nil {
		return err
	}
	if err := g.enterDrafts(ctx, drafts); err != nil {
		return err
	}
	if err := g.stand(drafts); err != nil {
		return err
	}
	g.countLater(drafts)
	return nil
}

// countLater counts what leaves now, or has left, in the budgets that it was not asked of: what broken glass released, and what passed
// a listener that only observes and would have been refused.
func (g *Guard) countLater(drafts []*draft) {
	for _, d := range drafts {
		if len(d.later) == 0 {
			continue
		}
		hour := g.book.Latest().Unix() / 3600
		for _, k := range d.later {
			g.book.Load(k.Key, hour, patientsOf(d.numbers), unknownIn(d.disclosure.Unidentified, d.disclosure.Action, d.disclosure.To))
		}
		d.later = nil
		if d.usual != nil {
			d.usual()
		}
	}
}

// begun says of drafts that they are being put on record, until what it gives is called.
func begun(drafts []*draft) (over func()) {
	add := func(n int64) {
		for _, d := range drafts {
			if d.use != nil {
				d.use.writing.Add(n)
			}
		}
	}
	add(1)
	return func() { add(-1) }
}

// stand says whether all approvals that drafts rest on are in force.
func (g *Guard) stand(drafts []*draft) error {
	for _, d := range drafts {
		if d.use != nil && !d.since.IsZero() && g.approvals.register.Held(d.use.ID, d.since) {
			continue
		}
		if err := g.inForce(d.use); err != nil {
			return err
		}
	}
	return nil
}

// enterDrafts makes drafts durable, whatever they rest on: also what has passed already.
func (g *Guard) enterDrafts(ctx context.Context, drafts []*draft) error {
	if len(drafts) == 0 {
		return nil
	}
	var b ledger.Batch
	for _, d := range drafts {
		b.Disclosures = append(b.Disclosures, d.disclosure)
		b.Merges = append(b.Merges, d.merges...)
	}
	receipt, err := g.ledger.Record(ctx, b)
	if errors.Is(err, ledger.ErrInvalid) { // nothing is wrong with the ledger, and it is a refusal
		return err
	}
	if err != nil {
		why := err.Error()
		if was := g.ill.Swap(&why); was == nil || *was != why { // told once: senders try again and again
			g.log.Error("not recorded, so not released", "error", err)
		}
		return err
	}
	if g.ill.Load() != nil && g.ill.Swap(nil) != nil {
		g.log.Info("releases are recorded again")
	}
	if receipt.Recorded+receipt.Already != len(drafts) { // already: it was tried before, and got there all the same
		g.log.Error("not recorded, so not released", "error", errUntaken)
		return errUntaken
	}
	for _, d := range drafts {
		if d.use != nil && !d.counted {
			d.counted = true
			hour := g.book.Latest().Unix() / 3600
			g.count(d.use, hour, d.numbers, d.disclosure.Unidentified, d.disclosure.Bytes)
		}
	}
	return nil
}
