package policy

import (
	"iter"
	"sync/atomic"
	"time"

	cedar "github.com/cedar-policy/cedar-go"
)

// judge asks Cedar. Making a record costs more than judging by it: so the facts of a request are one record, kept for each
// combination of them that occurs, that of each grant is made once, and other attributes are made only if an own file
// mentions them.
type judge struct {
	policies policies
	entities cedar.EntityMap
	asked    map[string]bool // the attributes that an own file mentions
	permits  bool            // an own file permits something
	shipped  bool            // there is no own file: facts and grant are all that is looked at
	requests *[1 << facts]atomic.Pointer[cedar.Record]
}

// policies are all that judge, in the order in which their refusals are given as reasons: own ones first.
type policies []policy

type policy struct {
	id     cedar.PolicyID
	cedar  *cedar.Policy
	own    bool
	advice string // of an own one: where it stands, and what its @hint says
}

// All is the order in which Cedar evaluates them.
func (p policies) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) {
		for i := range p {
			if !yield(p[i].id, p[i].cedar) {
				return
			}
		}
	}
}

func (p policies) find(id cedar.PolicyID) *policy {
	for i := range p {
		if p[i].id == id {
			return &p[i]
		}
	}
	return &policy{id: id}
}

// principal is how Cedar knows a party; fact is how it knows a grant.
type principal struct{ uid cedar.EntityUID }

func principalOf(p *Party) principal {
	return principal{cedar.NewEntityUID("Party", cedar.String(p.Name))}
}

type fact struct{ record cedar.Value }

func factOf(g *Grant) fact {
	return fact{cedar.NewRecord(cedar.RecordMap{
		"name": cedar.String(g.Name), "whose": cedar.String(g.Whose),
		"outside": cedar.Boolean(g.Outside), "approval": cedar.Boolean(g.Approval),
	})}
}

// entitiesOf are the parties with their roles and groups, and the actions with their protocols.
func entitiesOf(parties []Party) cedar.EntityMap {
	m := cedar.EntityMap{}
	add := func(uid cedar.EntityUID, parents []cedar.EntityUID, attributes cedar.RecordMap) {
		m[uid] = cedar.Entity{UID: uid, Parents: cedar.NewEntityUIDSet(parents...), Attributes: cedar.NewRecord(attributes)}
	}
	for _, p := range append([]Party{{}}, parties...) { // the nameless one is a receiver who is not known
		parents := []cedar.EntityUID{cedar.NewEntityUID("Role", cedar.String(p.Role))}
		for _, group := range p.Groups {
			parents = append(parents, cedar.NewEntityUID("Group", cedar.String(group)))
		}
		add(principalOf(&p).uid, parents, cedar.RecordMap{"role": cedar.String(p.Role)})
	}
	for _, a := range Actions() {
		add(actionUID(a), []cedar.EntityUID{actionUID(Action(a.protocol()))}, nil)
	}
	return m
}

func actionUID(a Action) cedar.EntityUID { return cedar.NewEntityUID("Action", cedar.String(a)) }

// The facts of a request, as bits and by the names of the schema.
const (
	proven = 1 << iota
	destinationKnown
	outside
	everybody
	unresolved
	ownWards
	withinHours
	approvalNeeded
	approved
	breakGlass
	facts = iota
)

var factNames = [facts]cedar.String{
	"proven", "destinationKnown", "outside", "everybody", "unresolved", "ownWards", "withinHours", "approvalNeeded",
	"approved", "breakGlass",
}

// request gives the record of some facts.
func (j *judge) request(bits int) cedar.Record {
	if r := j.requests[bits].Load(); r != nil {
		return *r
	}
	m := make(cedar.RecordMap, facts)
	for i, name := range factNames {
		m[name] = cedar.Boolean(bits>>i&1 == 1)
	}
	r := cedar.NewRecord(m)
	j.requests[bits].Store(&r)
	return r
}

// question is what is put before the judge.
type question struct {
	request  *Request
	from, to principal
	facts    int
	local    time.Time // by the clocks of the site
	site     string
}

// context is what the policies see of a request. When no own file asks for more than facts and grant, the one that was made
// for the last request by this grant will mostly do.
func (j *judge) context(q *question, grant *row) cedar.Record {
	if grant == nil || len(j.asked) > 0 {
		return j.newContext(q, grant)
	}
	last := grant.last.Load()
	if last == nil || last.facts != q.facts {
		last = &made{facts: q.facts, context: j.newContext(q, grant)}
		grant.last.Store(last)
	}
	return last.context
}

// made is a context, the facts that it says, and what the shipped policies say of it.
type made struct {
	facts   int
	context cedar.Record
	verdict *verdict // nil: they were not asked, or are not alone
}

func (j *judge) newContext(q *question, grant *row) cedar.Record {
	m := make(cedar.RecordMap, 2+len(j.asked))
	m["request"] = j.request(q.facts)
	if grant != nil {
		m["grant"] = grant.facts.record
	}
	r := q.request
	for name := range j.asked {
		switch name {
		case "patients":
			m["patients"] = cedar.Long(r.Patients)
		case "unidentified":
			m["unidentified"] = cedar.Long(r.Unidentified)
		case "detail":
			m["detail"] = cedar.String(r.Detail)
		case "listener":
			m["listener"] = cedar.String(r.Listener)
		case "site":
			m["site"] = cedar.String(q.site)
		case "wards":
			wards := make([]cedar.Value, len(r.Wards))
			for i, ward := range r.Wards {
				wards[i] = cedar.String(ward)
			}
			m["wards"] = cedar.NewSet(wards...)
		case "hour":
			m["hour"] = cedar.Long(q.local.Hour())
		case "weekday":
			m["weekday"] = cedar.Long((q.local.Weekday()+6)%7 + 1) // from Monday
		}
	}
	return cedar.NewRecord(m)
}

// verdict is what the judge says of a request by one grant.
type verdict struct {
	permit bool
	reason Reason
	by     *policy // the own policy that decided
	faults int     // how many policies refuse it
}

// decide judges a request by a grant, or by none. What is shipped says of the same facts and grant always the same.
func (j *judge) decide(q *question, grant *row) verdict {
	if !j.shipped || grant == nil {
		return j.ask(q, grant)
	}
	last := grant.last.Load()
	if last == nil || last.verdict == nil || last.facts != q.facts {
		v := j.ask(q, grant)
		last = &made{q.facts, j.context(q, grant), &v}
		grant.last.Store(last)
	}
	return *last.verdict
}

// ask has Cedar judge.
func (j *judge) ask(q *question, grant *row) verdict {
	answer, why := cedar.Authorize(j.policies, j.entities, cedar.Request{
		Principal: q.from.uid, Action: actionUID(q.request.Action), Resource: q.to.uid, Context: j.context(q, grant),
	})
	switch {
	case len(why.Errors) > 0:
		// an error in a forbid would otherwise be an allow
		return verdict{reason: PolicyError, by: j.policies.find(why.Errors[0].PolicyID)}
	case len(why.Reasons) == 0:
		return verdict{reason: NoGrant}
	}
	by := j.policies.find(why.Reasons[0].PolicyID)
	switch {
	case answer == cedar.Allow && grant != nil:
		return verdict{permit: true, reason: Granted}
	case answer == cedar.Allow:
		return verdict{permit: true, reason: OwnPermit, by: by}
	case by.own:
		return verdict{reason: Forbidden, by: by, faults: len(why.Reasons)}
	}
	return verdict{reason: Reason(by.id), faults: len(why.Reasons)}
}
