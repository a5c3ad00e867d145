package guard

import (
	"fmt"
	"slices"

	"chaperone/policy"
)

// rejected is a service of a proposed association that was rejected. Its client goes on without it where others pass, and nothing
// that it sends later shows that it had wanted it.
type rejected struct {
	class string // the abstract syntax
	why   policy.Decision
}

// contextWord begins the words of these refusals, the abstract syntax follows.
const contextWord = "presentation context "

// untransferable refuses a presentation context for its transfer syntaxes.
const untransferable policy.Reason = "transfer-syntax"

// tellRejected puts on record and into the log what was rejected, or would be where the listener only observes, once for an association: some
// senders propose all that there is.
func (d *dicomConn) tellRejected(r *rules, list []rejected, offset int64) {
	if len(d.call.contexts) == 0 { // the association itself is refused
		return
	}
	var classes []string
	var why policy.Decision
	for _, one := range list {
		passes := slices.ContainsFunc(d.call.contexts, func(p proposed) bool { return p.abstract == one.class }) // on another context
		if passes || slices.Contains(classes, one.class) {
			continue
		}
		if classes = append(classes, one.class); len(classes) == 1 {
			why = one.why
		}
	}
	if len(classes) == 0 {
		return
	}
	class := classes[0]
	if !isUID([]byte(class)) {
		class = "that is no UID"
	}
	done := "was"
	if d.judge.observes {
		done = "would be"
	}
	which := fmt.Sprintf("The SOP class %s (%s) %s rejected", class, serviceOf(classes[0]).action(), done)
	if n := len(classes) - 1; n > 0 {
		which += fmt.Sprintf(", and %d more that were proposed with it", n)
	}
	why.Hint = which + ": " + why.Hint
	d.guard.metrics.decided(d.listener.name, why.Reason, 0)
	d.judge.refuse(r, &wish{action: policy.Associate, word: contextWord + class, client: &d.from, from: &d.from, to: &d.to, offset: offset}, why)
}
