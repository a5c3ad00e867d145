package guard

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"chaperone"
	"chaperone/policy"
)

// newReference gives a number that somebody may ask about: 12 hexadecimal digits. What is refused again within a minute has those
// that follow, so that the one finding that counts them is found by each of them. A finding keeps it as a number: as a text, each
// would stay in the record's dictionary for good.
func newReference() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[2:])                     // it never fails (crypto/rand)
	return binary.BigEndian.Uint64(b[:])>>1 + 1 // with room behind it
}

func referenceOf(n uint64) string { return fmt.Sprintf("%012x", n) }

// ground says where and by what a refusal was decided, as the finding of it keeps it. Nothing that came is in it.
func (f *refusal) ground() string {
	text := "guard " + f.listener + policyMark + f.decision.Version
	action := actionMark
	if asks(f.action) {
		action = askedMark
	}
	for _, part := range []struct{ mark, text string }{{action, string(f.action)}, {grantMark, f.decision.Grant}, {budgetMark, f.decision.Budget}} {
		if part.text != "" {
			text += part.mark + part.text
		}
	}
	return text
}

const (
	policyMark = ", policy "
	actionMark = ", action "
	askedMark  = ", asked for " // an action that asks, by From: with actionMark, which older guards wrote of all, From and To follow the data
	grantMark  = ", grant "
	budgetMark = ", budget "
)

// Refused is what is on record of a refusal.
type Refused struct {
	chaperone.Finding
	Reason            policy.Reason
	Listener, Version string
	Action            policy.Action // of the first; "" for a connection
	Grant, Budget     string        // the grant that came nearest; the budget that was spent
	Number            int           // which of the finding's Count it is, from 1
	Uncounted         bool          // it is not on record itself: one of its kind, shortly before it, is
	asked             bool          // askedMark
}

// ErrNoReference is what ReadReference says of a text that is none.
var ErrNoReference = errors.New("guard: a reference has 12 hexadecimal digits")

// ReadReference reads a reference as an answer, the log or a screen has it: CHAP0123456789ab in MSH-10, ref 0123456789ab in ERR-7,
// CHAP ref=0123456789ab in DICOM, 0123456789ab.
func ReadReference(text string) (uint64, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	text = strings.TrimSpace(strings.TrimPrefix(text, "chap"))
	if rest, ok := strings.CutPrefix(text, "ref"); ok && rest != "" && strings.ContainsAny(rest[:1], " =") {
		text = strings.TrimSpace(rest[1:])
	}
	n, err := strconv.ParseUint(text, 16, 64)
	if err != nil || len(text) != 12 {
		return 0, ErrNoReference
	}
	return n, nil
}

// repeatsWithin is how far behind a refusal's reference another may lie to be taken for a repetition that is not counted yet.
const repeatsWithin = 4096

// FindRefusal looks for a reference in findings, which each gives one after the other. It is false when nothing is known of it.
func FindRefusal(ctx context.Context, reference uint64, findings func(context.Context, func(chaperone.Finding) error) error) (r Refused, ok bool, err error) {
	err = findings(ctx, func(f chaperone.Finding) error {
		first := f.Evidence.Record
		if first == 0 || reference < first || ok && !r.Uncounted {
			return nil
		}
		reason, refused := ruledOut(f.Rule)
		if !refused {
			return nil
		}
		behind := reference - first
		counted := behind < uint64(max(f.Count, 1))
		if !counted && (behind >= repeatsWithin || ok && r.Evidence.Record >= first) {
			return nil
		}
		if r, ok = readGround(f.Evidence.File); ok {
			r.Finding, r.Reason, r.Number, r.Uncounted = f, reason, int(behind)+1, !counted
		}
		return nil
	})
	return r, ok && err == nil, err
}

// ruledOut gives the reason that a finding's rule has, false when it is about nothing that was refused.
func ruledOut(rule string) (policy.Reason, bool) {
	for _, before := range []string{RefusedRule, ObservedRule} {
		if reason, ok := strings.CutPrefix(rule, before); ok {
			return policy.Reason(reason), true
		}
	}
	return "", false
}

// readGround reads what ground wrote. No name of a site file has a comma in it.
func readGround(text string) (r Refused, ok bool) {
	text, ok = strings.CutPrefix(text, "guard ")
	if !ok {
		return r, false
	}
	if r.Listener, text, ok = strings.Cut(text, policyMark); !ok {
		return r, false
	}
	text, r.Budget, _ = strings.Cut(text, budgetMark)
	text, r.Grant, _ = strings.Cut(text, grantMark)
	version, action, asked := strings.Cut(text, askedMark)
	if !asked {
		version, action, _ = strings.Cut(text, actionMark)
	}
	r.Version, r.Action, r.asked = version, policy.Action(action), asked
	return r, true
}

// Who gives who acted. Where an older guard wrote the finding, that is to whom the data would have flowed, and of a C-MOVE it is not
// on record.
func (r *Refused) Who() chaperone.Party {
	switch {
	case r.asked || !asks(r.Action):
		return r.From
	case r.Action == policy.Move:
		return chaperone.Party{}
	}
	return r.To
}

// Other is the other side than Who, of a C-MOVE its destination; it is empty for one that the site file does not have.
func (r *Refused) Other() chaperone.Party {
	if r.asked || !asks(r.Action) || r.Action == policy.Move {
		return r.To
	}
	return r.From
}

// Observed reports whether it passed all the same, because the listener only observes.
func (r *Refused) Observed() bool { return strings.HasPrefix(r.Rule, ObservedRule) }
