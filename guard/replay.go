package guard

import (
	"cmp"
	"slices"

	"chaperone/ledger"
	"chaperone/policy"
)

// Replay counts what a site file would have refused of what is on record. Rows are to come in the order of time.
type Replay struct {
	*Trial
	Disclosures int // that were looked at
	Watched     int // of them, those that no guard decided
	refused     map[kind]*refusedKind
	everybody   map[uint32]bool
}

// kind is what is counted together.
type kind struct {
	Party  string
	Action policy.Action
	Reason policy.Reason
}

type refusedKind struct {
	disclosures, unidentified int
	patients                  map[uint32]bool
	hint                      string
}

// Refusal is what would have been refused of one party, for one reason.
type Refusal struct {
	Party        string // as the site file calls it, else its address
	Action       policy.Action
	Reason       policy.Reason
	Disclosures  int
	Patients     int // distinct
	Unidentified int
	Hint         string // of the first
}

// NewReplay begins a count.
func NewReplay(t *Trial) *Replay {
	return &Replay{Trial: t, refused: map[kind]*refusedKind{}, everybody: map[uint32]bool{}}
}

// Row takes a disclosure.
func (r *Replay) Row(row *ledger.Row) {
	r.Disclosures++
	if _, ok := JudgedBy(&row.Evidence); !ok {
		r.Watched++
	}
	q := r.QuestionOf(row)
	a := r.Decide(q)
	if a.Permit {
		return
	}
	k := kind{q.Party, q.Action, a.Reason}
	if k.Party == "" {
		client := &row.From
		if row.RequestedBy != nil {
			client = row.RequestedBy
		}
		k.Party = name(*client)
	}
	have := r.refused[k]
	if have == nil {
		have = &refusedKind{patients: map[uint32]bool{}, hint: a.Hint}
		r.refused[k] = have
	}
	have.disclosures++
	have.unidentified += row.Unidentified
	for _, n := range q.Numbers {
		have.patients[n] = true
		r.everybody[n] = true
	}
}

// Refused gives what would have been refused, most first.
func (r *Replay) Refused() (list []Refusal) {
	for k, have := range r.refused {
		list = append(list, Refusal{k.Party, k.Action, k.Reason, have.disclosures, len(have.patients), have.unidentified, have.hint})
	}
	slices.SortFunc(list, func(a, b Refusal) int {
		return cmp.Or(cmp.Compare(b.Disclosures, a.Disclosures), cmp.Compare(a.Party, b.Party), cmp.Compare(a.Action, b.Action), cmp.Compare(a.Reason, b.Reason))
	})
	return list
}

// Patients counts the distinct patients of whom something would have been refused.
func (r *Replay) Patients() int { return len(r.everybody) }

// ExplainReason says in a sentence what a reason of a guard means.
func ExplainReason(reason policy.Reason) string { return explain(reason) }
