package guard

import (
	"crypto/rand"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/patient"
	"chaperone/policy"
	"chaperone/policy/budget"
)

// verdict is what becomes of a wish.
type verdict struct {
	policy.Decision
	reference string // of a refusal: what log, record and answer call it
	draft     *draft // of a permission that releases something: it has to be on record first
	use       *use   // the approval that it rests on, if it does
}

// draft is a release that is decided and charged, and not on record yet.
type draft struct {
	disclosure ledger.Disclosure
	wish       *wish // that it was made of, for the refusal when it does not get on record
	merges     []ledger.Merge
	use        *use
	numbers    []ledger.Number // of the use, or of later: who is released because of it
	later      []budget.Keyed  // of broken glass, and of what only was observed: the budgets that count them when they are released
	usual      func()          // of broken glass: looks then whether that is more than usual
	counted    bool            // with what was done by the use: it is on record
	since      time.Time       // the use has to have held then; zero: now
}

// judge decides what the messages of one connection ask for. It is for one goroutine.
type judge struct {
	guard      *Guard
	listener   string
	tokens     *patient.Tokenizer
	before     before   // the message that is decided
	label      [24]byte // ids of disclosures come of it: random, and the number of the disclosure behind that
	seq        uint64
	mutual     bool
	observes   bool     // what it refuses passes all the same
	unsaid     bool     // no answer bears the reference of what it refuses: the log does not need each
	held       *refusal // what it refused last, of a message that is held and asked for again and again: nobody was told; nil when it is none
	last       precedent
	cited      struct{ version, grant, file string } // the evidence before
	paid       []*use                                // the grounds on which the patients of what it decides were charged; none: not yet
	protection chaperone.Protection
}

func (g *Guard) judge(listener string, mutual bool) *judge {
	j := &judge{guard: g, listener: listener, tokens: g.tokens.Clone(), mutual: mutual, protection: chaperone.InClear}
	if mutual {
		j.protection = chaperone.MutualTLS
	}
	_, _ = rand.Read(j.label[:16]) // it never fails (crypto/rand)
	return j
}

// Reasons of refusals that are found out here; the others are those of policy and identity.
const (
	unknown    policy.Reason = "identity-unknown"
	ambiguous  policy.Reason = "ambiguous"
	malformed  policy.Reason = "malformed"
	unrecorded policy.Reason = "not-recorded"
	impossible policy.Reason = "not-recordable"
	handshake  policy.Reason = "identity-handshake"
	unasked    policy.Reason = "unasked"
	tooMany    policy.Reason = "more-than-asked"
	control    policy.Reason = "control" // of a permission: it carries no record
)

// decide says whether a wish is granted, and charges the budgets when it is. What it grants may be released when record has
// returned without an error.
func (j *judge) decide(r *rules, w *wish, now time.Time) verdict {
	w = w.in(r)
	var refused policy.Decision
	for i, u := range j.guard.passes(w.client.party, j.needsApproval(w), now) {
		decision, d := j.attempt(r, w, u, now, now)
		if decision.Permit {
			return verdict{Decision: decision, draft: d, use: u}
		}
		if i == 0 || decision.Reason == spentApproval {
			refused = decision
		}
	}
	return j.refuse(r, w, refused)
}

// attempt decides a wish by the grants and an approval, as they were at a time; nil: by the grants alone. What it is charged with, and the
// record, have the time that is now.
func (j *judge) attempt(r *rules, w *wish, u *use, at, now time.Time) (policy.Decision, *draft) {
	terms, plain := termsOf(r, w, at)
	terms.patients, terms.unidentified = j.last.terms.patients, j.last.terms.unidentified
	known := plain && u == nil && j.last.stands(&terms)
	if !known {
		if reason, hint := w.identity(r.site, u.glass(), at); reason != "" {
			return policy.Decision{Reason: reason, Hint: hint}, nil
		}
	}
	who, covered := j.covered(w)
	if w.most > 0 && persons(covered)+who.unidentified > w.most {
		return policy.Decision{Reason: tooMany, Hint: "A query that names patients by number is answered with those."}, nil
	}
	if w.echo != nil {
		return j.echo(r, w, who, covered, now)
	}
	decision, keys := j.last.decision, j.last.keys
	if !known || terms.patients != len(covered) || terms.unidentified != who.unidentified {
		if decision, keys = j.ask(r, w, u, len(covered), who.unidentified, at); !decision.Permit {
			return decision, nil
		}
		if terms.patients, terms.unidentified = len(covered), who.unidentified; plain && u == nil {
			j.last = precedent{terms, decision, keys}
		}
	}
	if len(w.records)+len(w.known)+len(w.merges)+w.unseen == 0 {
		return decision, nil
	}
	numbers, err := j.guard.ledger.Resolve(covered)
	if err != nil {
		return policy.Decision{Reason: unrecorded, Hint: "The ledger takes nothing: see chaperone ledger status."}, nil
	}
	charged, later := j.owed(keys, u)
	if len(charged) > 0 {
		if over := j.guard.charge(charged, numbers, who.unidentified, now); over != nil {
			decision.Permit, decision.Budget = false, w.exceeded(over, &decision, u)
			decision.Reason, decision.Hint = u.over(over)
			return decision, nil
		}
	}
	d := j.draft(r, w, &decision, now)
	if len(later) > 0 {
		asked := *w
		d.usual = func() { j.guard.watchHabit(r, &asked, now) }
	} else if len(j.paid) == 0 {
		j.guard.watchHabit(r, w, now)
	}
	d.disclosure.Covered, d.disclosure.Unidentified, d.merges = covered, who.unidentified, who.merges
	if u != nil {
		d.use, d.numbers, d.later = u, numbers, later
	}
	return decision, d
}

// ask asks the policy, and gives the budgets that its permission is charged to.
func (j *judge) ask(r *rules, w *wish, u *use, patients, unidentified int, now time.Time) (policy.Decision, []budget.Keyed) {
	request := w.request(r, j, now)
	request.Patients, request.Unidentified = patients, unidentified
	u.put(&request)
	decision := r.policy.Decide(&request)
	if decision.Permit && u == nil && w.action == policy.Connect && !j.mutual {
		decision = policy.Decision{Reason: policy.ApprovalMissing, Hint: "Without a certificate, a connection that nobody reads has to be approved."}
	}
	if !decision.Permit {
		return decision, nil
	}
	decision.Grant = u.grant(decision.Grant)
	return decision, u.keys(r.keys(w, decision.Limits), siteKey(r.site))
}

// echo decides an answer to a message that was no query: it may name again whom that message brought, and nobody else. Where the
// message brought nobody, what the answer says again is of somebody unknown.
func (j *judge) echo(r *rules, w *wish, who who, covered []ledger.Covered, now time.Time) (policy.Decision, *draft) {
	foreign := who.unidentified > 0 && !w.again
	for i := range covered {
		for _, token := range tokensOf(&covered[i]) {
			foreign = foreign || !w.echo[token]
		}
	}
	if foreign {
		return policy.Decision{Reason: unasked, Hint: "The answer to a message names others than the message did."}, nil
	}
	numbers, err := j.guard.ledger.Resolve(covered)
	if err != nil {
		return policy.Decision{Reason: unrecorded, Hint: "The ledger takes nothing: see chaperone ledger status."}, nil
	}
	keys := r.keys(w, budget.Limits{})
	for i := range keys {
		keys[i].Limits = budget.Limits{} // it tells its sender nothing, and counts as it will when it is loaded from the record
	}
	if over := j.guard.charge(keys, numbers, who.unidentified, now); over != nil {
		return policy.Decision{Reason: policy.BudgetReason(over), Budget: over.String()}, nil
	}
	decision := policy.Decision{Permit: true, Reason: policy.Granted, Grant: "none, an answer to its sender", Version: r.site.Version}
	d := j.draft(r, w, &decision, now)
	d.disclosure.Covered, d.disclosure.Unidentified, d.merges = covered, who.unidentified, who.merges
	return decision, d
}

// who is what a wish says of whose records it is about, beside Covered.
type who struct {
	unidentified int
	merges       []ledger.Merge
}

// covered turns records into tokens: the rule of package patient.
func (j *judge) covered(w *wish) (out who, all []ledger.Covered) {
	for _, record := range w.records {
		i := j.tokens.Identify(record)
		if len(i.Numbers) == 0 {
			if token, ok := j.tokens.Alternate(record); ok {
				i.Numbers = append(i.Numbers, token)
			}
		}
		if len(i.Numbers) == 0 && !i.Weak() {
			out.unidentified++
			continue
		}
		all = append(all, ledger.Covered{Numbers: i.Numbers, Demographic: i.Demographic})
	}
	all = append(all, w.known...)
	for _, m := range w.merges {
		merge := ledger.Merge{Survivor: j.all(m.Survivor), Prior: j.all(m.Prior), Undo: m.Undo, At: j.guard.now()}
		for i := range merge.Prior { // each is disclosed, and whether they are one person is not said
			all = append(all, ledger.Covered{Numbers: merge.Prior[i : i+1]})
		}
		if merges(w.from.party) {
			out.merges = append(out.merges, merge)
		}
	}
	return out, all
}

func (j *judge) all(ids []chaperone.Identifier) []chaperone.PatientToken {
	tokens := make([]chaperone.PatientToken, len(ids))
	for i, id := range ids {
		tokens[i] = j.tokens.Token(id)
	}
	return tokens
}

// refuse makes a refusal of a wish, and has it noted.
func (j *judge) refuse(r *rules, w *wish, d policy.Decision) verdict {
	d.Permit = false
	if d.Version == "" {
		d.Version = r.site.Version
	}
	v := verdict{Decision: d}
	from, to, aim := w.acts()
	f := refusal{
		listener: j.listener, word: w.word, action: w.action, decision: d, said: !j.unsaid, from: from, to: to, aim: aim,
		offset: w.offset, at: j.guard.now(), observed: j.observes,
	}
	if j.held != nil {
		*j.held = f
	} else {
		v.reference = j.guard.refused.note(f)
	}
	return v
}
