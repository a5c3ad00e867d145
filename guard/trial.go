package guard

import (
	"net/netip"
	"strings"
	"time"

	"chaperone"
	"chaperone/approval"
	"chaperone/ledger"
	"chaperone/policy"
	"chaperone/policy/budget"
	"chaperone/site"
)

// Trial decides by a site file as a guard would, without a connection and without a record: for cases that an operator writes
// down, and for what is on record already. Its budgets begin empty. It is for one goroutine.
type Trial struct {
	rules   *rules
	book    *budget.Book
	numbers map[ledger.PatientID]uint32
}

// Question is what a party might ask for. What the site file says of parties is filled in.
type Question struct {
	policy.Request
	Claim    string   // what the party calls itself; "": nothing
	Approval string   // the id of the approval or break-glass that it rested on
	Numbers  []uint32 // the patients; as many as Request.Patients
}

// Answer is what a guard would have said.
type Answer struct {
	policy.Decision
	Budgets []budget.Keyed // that it would count in
}

// NewTrial begins at a time. Error: the policy of the site file is not good.
func NewTrial(s *site.Site, at time.Time) (*Trial, error) {
	r, err := newRules(s)
	if err != nil {
		return nil, err
	}
	return &Trial{rules: r, book: budget.New(at), numbers: map[ledger.PatientID]uint32{}}, nil
}

// Decide answers a question, and charges the budgets when it is permitted.
func (t *Trial) Decide(q *Question) (a Answer) {
	s := t.rules.site
	client := &side{party: s.Party(q.Party)}
	w := &wish{action: q.Action, detail: q.Detail, client: client, from: client, to: &side{party: s.Party(q.To)}, asked: asks(q.Action)}
	if q.Claim != "" {
		w.claims = []string{q.Claim}
	}
	var u *use
	if q.BreakGlass {
		u = &use{Approval: approval.Approval{ID: q.Approval, Kind: approval.BreakGlass, Patients: approval.MostGlassPatients}}
	}
	if p := client.party; p != nil && !q.MutualTLS && onlyShared(s, p) { // the guard would not know it
		client.party, client.addr = nil, netip.AddrPortFrom(p.Addresses[0].Addr(), 0)
	}
	if reason, hint := w.identity(s, q.BreakGlass, q.At); reason != "" {
		return Answer{Decision: policy.Decision{Reason: reason, Hint: hint, Version: s.Version}}
	}
	request := q.Request
	request.Site = s.Name
	a.Decision = t.rules.policy.Decide(&request)
	a.Budgets = u.keys(t.rules.keys(w, a.Limits), siteKey(s))
	if !a.Permit || q.Patients+q.Unidentified == 0 {
		return a
	}
	t.book.Advance(q.At)
	if over := t.book.Charge(q.At, a.Budgets, q.Numbers, q.Unidentified); over != nil {
		a.Permit, a.Decision.Budget = false, w.exceeded(over, &a.Decision, u)
		a.Reason, a.Hint = u.over(over)
	}
	return a
}

// asks reports whether data flows back to whoever acts.
func asks(a policy.Action) bool {
	switch a {
	case policy.Ask, policy.Find, policy.Get, policy.Move:
		return true
	}
	return false
}

// Judged says where a disclosure on record was decided.
type Judged struct {
	Listener, Version, Grant string
	Approval                 string // its id, "" without one
}

// JudgedBy reads what the guard wrote into the evidence of a disclosure; false when no guard decided it.
func JudgedBy(e *chaperone.Evidence) (j Judged, ok bool) {
	rest, ok := strings.CutPrefix(e.File, "guard ")
	if !ok {
		return j, false
	}
	listener, rest, ok := strings.Cut(rest, ", policy ")
	if !ok {
		return j, false
	}
	version, grant, ok := strings.Cut(rest, ", grant ")
	version = strings.TrimSuffix(version, spooledMark)
	return Judged{listener, version, grant, approvalOf(e.File)}, ok
}

// QuestionOf turns a disclosure on record into the question that it was. What the record does not know (the class of DICOM
// objects, the type of some HL7 queries, wards, whether a query named somebody) is not in it. Of what no guard decided, it is taken that each party would
// prove who it is.
func (t *Trial) QuestionOf(row *ledger.Row) *Question {
	client, receiver := &row.From, &row.To
	q := &Question{Request: policy.Request{
		Action: actionOnRecord(row), At: row.Time, Patients: row.Persons, Unidentified: unknownIn(row.Unidentified, row.Action, row.To), MutualTLS: true}}
	if row.RequestedBy != nil {
		client = row.RequestedBy
	}
	if row.Protocol == chaperone.HL7 {
		if q.Detail = row.Action; row.RequestedBy != nil {
			q.Detail = questionTo(row.Action)
		}
	}
	if j, ok := JudgedBy(&row.Evidence); ok {
		q.Listener, q.MutualTLS, q.Approval = j.Listener, row.Protection == chaperone.MutualTLS, j.Approval
		q.BreakGlass = j.Approval != "" && strings.HasPrefix(j.Grant, string(approval.BreakGlass)+" ")
		q.Approved = j.Approval != "" && !q.BreakGlass
	}
	if p := t.rules.party(*client); p != nil {
		q.Party, q.Claim = p.Name, client.Claimed
	}
	if p := t.rules.party(*receiver); p != nil {
		q.To = p.Name
	}
	if l := t.rules.site.Listener(q.Listener); l != nil && row.RequestedBy == nil {
		q.To = l.Upstream.Party // its address may be that of this machine
	}
	for _, id := range row.People {
		if t.numbers[id] == 0 {
			t.numbers[id] = uint32(len(t.numbers) + 1)
		}
		q.Numbers = append(q.Numbers, t.numbers[id])
	}
	return q
}

// questionTo says which query an answer answers, as the record has the answer's type alone: of RSP the trigger events of both have
// one number (HL7 v2.5.1 section 5.3.1.2), of the older queries they are the standard's (sections 3.3.19 and 7.6). "" for others.
func questionTo(answer string) string {
	if number, ok := strings.CutPrefix(answer, "RSP^K"); ok {
		return "QBP^Q" + number
	}
	return map[string]string{"ADR^A19": "QRY^A19", "ORF^R04": "QRY^R02"}[answer]
}

// actionOnRecord is what policy calls a disclosure on record.
func actionOnRecord(row *ledger.Row) policy.Action {
	asked := row.RequestedBy != nil
	switch {
	case row.Protocol == chaperone.HL7 && asked:
		return policy.Ask
	case row.Protocol == chaperone.HL7:
		return policy.Send
	case row.Action == "C-FIND":
		return policy.Find
	case row.Action == "C-GET":
		return policy.Get
	case row.Action == "C-MOVE", row.Action == "C-STORE" && asked: // a C-MOVE is on record where it delivers
		return policy.Move
	case row.Action == "C-STORE":
		return policy.Store
	}
	return policy.Other
}
