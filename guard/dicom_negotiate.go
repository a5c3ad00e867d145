package guard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"chaperone/format/dicom"
	"chaperone/identity"
	"chaperone/policy"
	"chaperone/site"
	"chaperone/wire"
)

// rejection is an A-ASSOCIATE-RJ: result, source, reason (PS3.8 table 9-21).
type rejection [3]byte

func (r rejection) Error() string { return fmt.Sprintf("A-ASSOCIATE-RJ %d/%d/%d", r[0], r[1], r[2]) }

func rejectionOf(reason policy.Reason) rejection {
	switch reason {
	case unknown, policy.IdentityTitle, policy.IdentityAddress, policy.Reason(identity.Name):
		return rejection{1, 1, 3} // calling AE title not recognized
	case reasonCalled:
		return rejection{1, 1, 7} // called AE title not recognized
	}
	return rejection{1, 1, 1} // no reason given
}

// notNow rejects for now, by the service provider: temporary congestion.
var notNow = rejection{2, 3, 1}

// reasonCalled refuses an association with somebody who is not behind this listener.
const reasonCalled = policy.Destination

// negotiate decides the client's request, and passes on what of it is permitted.
func (d *dicomConn) negotiate(ctx context.Context, p pdu) error {
	request, err := readAssociation(pduAssociateRQ, p.body)
	if err != nil {
		return err
	}
	if told, err := request.unlike(); err != nil {
		return d.unlike(told, err)
	}
	if d.leaving.Load() {
		return d.reject(notNow)
	}
	if err := d.reachFor(ctx, request); err != nil {
		return err
	}
	d.request = request
	if v := d.associates(p.offset); !v.Permit {
		return d.reject(rejectionOf(v.Reason))
	}
	client, server := d.legs[wire.FromClient], d.legs[wire.FromServer]
	client.most = bounded(request.most)
	if len(d.call.contexts) == 0 { // nothing that the other side could say anything to
		return d.reject(rejection{1, 1, 1})
	}
	d.since = time.Now()
	if err := server.control(pduAssociateRQ, d.call.body(pduAssociateRQ)); err != nil {
		return d.unanswered(err)
	}
	return nil
}

// associates decides the request, and what of it is passed on.
func (d *dicomConn) associates(offset int64) verdict {
	request, r := d.request, d.guard.rules.Load()
	d.from.claimed, d.to.claimed = request.calling(), request.called()
	w := &wish{action: policy.Associate, word: "A-ASSOCIATE", client: &d.from, from: &d.from, to: &d.to, claims: []string{request.calling()}, offset: offset}
	v := d.judge.decide(r, w, d.guard.now())
	if v.Permit && !isCalled(r.site, d.to.in(r).party, request.called()) {
		v = d.judge.refuse(r, w, policy.Decision{Reason: reasonCalled, Hint: "The AE title that was called is not one of the system behind the listener: add it to that party's titles, if it is right."})
	}
	if v.Permit {
		d.tellRejected(r, d.filter(r), offset)
		if len(d.call.contexts) == 0 && slices.ContainsFunc(request.contexts, func(p proposed) bool { return p.result == contextRejected }) {
			v = d.judge.refuse(r, w, policy.Decision{Reason: "no-grant", Hint: "No grant allows any of the services that it proposed."})
		}
	}
	d.guard.metrics.decided(d.listener.name, v.Reason, 0)
	return v
}

// unlike says what a request has that is in the grammar of an association and not in DICOM, and how it is rejected.
func (a *association) unlike() (told rejection, err error) {
	switch {
	case a.head[1]&1 == 0:
		return rejection{1, 2, 2}, errors.New("dicom: a version of the protocol that there is not")
	case a.application != applicationContext:
		return rejection{1, 1, 2}, errors.New("dicom: an application context that is not DICOM's")
	case !goodTitle(a.calling()):
		return rejection{1, 1, 3}, errors.New("dicom: a calling AE title that is none")
	case !goodTitle(a.called()):
		return rejection{1, 1, 7}, errors.New("dicom: a called AE title that is none")
	}
	return told, nil
}

// isCalled reports whether an AE title is one of a party, or of nobody when the party has none.
func isCalled(s *site.Site, p *site.Party, called string) bool {
	bound := s.Title(called)
	if bound == nil || p == nil {
		return bound == nil && (p == nil || len(p.Titles) == 0)
	}
	return bound.Name == p.Name
}

// reject ends an association before there is one.
func (d *dicomConn) reject(r rejection) error {
	if err := d.legs[wire.FromClient].control(pduAssociateRJ, []byte{0, r[0], r[1], r[2]}); err != nil {
		return err
	}
	return errTold
}

// unlike rejects what is in the grammar of an association, and not one that DICOM has.
func (d *dicomConn) unlike(r rejection, why error) error {
	if err := d.reject(r); err != errTold {
		return err
	}
	return d.broken(why)
}

// bounded gives how long a P-DATA-TF may be for a peer that asked for so much.
func bounded(most uint32) int {
	if most == 0 || most > mostPDU {
		return mostPDU
	}
	return max(int(most), leastPDU)
}

// offered is how much the guard asks for itself: what the other side is ready to take, within bounds.
func offered(most uint32) uint32 { return uint32(max(bounded(most), usualPDU)) }

// filter makes the guard's own request: of the client's, the contexts whose services are permitted and whose transfer
// syntaxes can be walked. The others get their results now, and are given back.
func (d *dicomConn) filter(r *rules) (out []rejected) {
	q := d.request
	call := *q
	call.contexts, call.roles, call.most = nil, nil, offered(q.most)
	for i := range q.contexts {
		p := &q.contexts[i]
		scu, scp, why := d.permits(r, p.abstract, q.role(p.abstract))
		if !scu && !scp {
			p.result = contextRejected
			if why.Reason != "" { // else it asks for a role of neither side
				out = append(out, rejected{p.abstract, why})
			}
			continue
		}
		passed := *p
		passed.transfer = slices.DeleteFunc(slices.Clone(p.transfer), func(t string) bool { return !dicom.Walkable(t) })
		if len(passed.transfer) == 0 {
			p.result = contextNoTransfer
			out = append(out, rejected{p.abstract, policy.Decision{Reason: untransferable, Hint: "What is proposed for it is not the standard's, or has its pixels elsewhere: let the device send another one."}})
			continue
		}
		call.contexts = append(call.contexts, passed)
		if asked := q.role(p.abstract); asked != nil && call.role(p.abstract) == nil {
			call.roles = append(call.roles, role{p.abstract, asked.scu & bit(scu), asked.scp & bit(scp)})
		}
	}
	d.call = &call
	return out
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// permits reports in which roles a class may be used, and if in none why: as far as that can be said without knowing whose records
// it will be about.
func (d *dicomConn) permits(r *rules, class string, asked *role) (scu, scp bool, why policy.Decision) {
	s, client, server := serviceOf(class), d.from.in(r), d.to.in(r)
	may := func(a policy.Action, to *side) bool {
		w, now := &wish{action: a, detail: class, client: &client, to: to, later: true}, d.guard.now()
		return slices.ContainsFunc(d.guard.passes(client.party, d.judge.needsApproval(w), now), func(u *use) bool {
			q := w.request(r, d.judge, now)
			u.put(&q)
			got := r.policy.Decide(&q)
			if !got.Permit && why.Reason == "" {
				why = got
			}
			return got.Permit
		})
	}
	switch s {
	case verifying:
		return true, false, why
	case storing:
		scp = asked != nil && asked.scp == 1 && may(policy.Get, &client)
		scu = (asked == nil || asked.scu == 1) && may(policy.Store, &server)
		return scu, scp, why
	case finding, getting:
		scu = may(s.action(), &client)
		return scu, false, why
	case moving:
		for _, name := range d.spec().Destinations {
			if p := r.site.Party(name); p != nil && may(policy.Move, &side{party: p}) {
				return true, false, why
			}
		}
		if why.Reason == "" {
			why = policy.Decision{Reason: policy.DestinationUnknown, Hint: "The listener names no destinations: a C-MOVE has nowhere to bring images."}
		}
		return false, false, why
	}
	scu = may(policy.Other, &server)
	return scu, asked != nil && asked.scp == 1, why
}

// accept takes the answer of the system behind the guard, and gives the client its own.
func (d *dicomConn) accept(body []byte) error {
	d.since = time.Time{} // it has answered
	answer, err := readAssociation(pduAssociateAC, body)
	if err != nil {
		return err
	}
	for i := range answer.contexts {
		p := &answer.contexts[i]
		asked := d.call.context(p.id)
		if asked == nil || p.result == contextAccepted && !slices.Contains(asked.transfer, p.accepted) {
			return invalid("an answer to what was not asked")
		}
	}
	back := *answer
	back.head, back.contexts, back.roles, back.most = d.request.head, nil, nil, offered(answer.most)
	for _, p := range d.request.contexts {
		if asked := d.call.context(p.id); asked != nil {
			p.result = contextNoReason
			if got := answer.context(p.id); got != nil {
				p.result, p.accepted = got.result, got.accepted
				if d.kept != nil && !d.away && serviceOf(p.abstract) == storing {
					d.kept.took.note(d.to.name(), &p)
				}
			}
		}
		if p.result == contextAccepted {
			d.contexts[p.id] = &p
		}
		back.contexts = append(back.contexts, p)
	}
	for _, asked := range d.call.roles {
		if got := answer.role(asked.class); got != nil {
			back.roles = append(back.roles, role{asked.class, asked.scu & got.scu, asked.scp & got.scp})
		}
	}
	if d.kept != nil && !d.away {
		d.kept.gone.back()
	}
	d.legs[wire.FromServer].most = bounded(answer.most)
	return d.legs[wire.FromClient].control(pduAssociateAC, back.body(pduAssociateAC))
}
