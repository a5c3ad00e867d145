package ask

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"chaperone/ledger"
	"chaperone/page"
)

// span is a part of a period.
type span struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
}

// unwatched gives the parts of a period that no run says it covers, and apart from them those that are a mere pause between two runs: they
// count as watched, so that captures that were read together and one after the other give the same. How long nobody watched is measured
// from run to run, whatever the period has of it: at its ends there is a pause only where a run lies near behind them. Where the period is
// open it is taken from the first to the last moment of the runs.
func unwatched(q ledger.Query, s ledger.Scope) (gaps, pauses []span) {
	if len(s.Seen) == 0 {
		if !q.From.IsZero() && q.From.Before(q.Until) {
			gaps = []span{{q.From.UTC(), q.Until.UTC()}}
		}
		return gaps, nil // of an open period nobody knows of which time
	}
	runs := slices.Concat(s.Seen, s.Near)
	slices.SortFunc(runs, func(a, b ledger.Seen) int { return cmp.Or(a.From.Compare(b.From), a.Until.Compare(b.Until)) })
	tell := func(list *[]span, from, until time.Time) { // what lies in the period
		if from.Before(q.From) {
			from = q.From
		}
		if !q.Until.IsZero() && q.Until.Before(until) {
			until = q.Until
		}
		if from.Before(until) {
			*list = append(*list, span{from.UTC(), until.UTC()})
		}
	}
	at := runs[0].From
	if !q.From.IsZero() {
		tell(&gaps, q.From, at)
	}
	for _, r := range runs {
		if r.From.Sub(at) > ledger.Pause {
			tell(&gaps, at, r.From)
		} else {
			tell(&pauses, at, r.From)
		}
		if r.Until.After(at) {
			at = r.Until
		}
	}
	if !q.Until.IsZero() {
		tell(&gaps, at, q.Until)
	}
	return gaps, pauses
}

// goesOn reports whether a part that nobody is known to have watched lies behind all runs and is no longer than a guard may run
// without saying so.
func goesOn(gap span, q ledger.Query, s ledger.Scope) bool {
	return gap.Until.Equal(q.Until) && gap.Until.Sub(gap.From) <= ledger.CoverageEvery && slices.ContainsFunc(s.Seen, func(r ledger.Seen) bool { return r.Until.Equal(gap.From) })
}

// sumOf adds up how long parts of a period are.
func sumOf(parts []span) (sum time.Duration) {
	for _, p := range parts {
		sum += p.Until.Sub(p.From)
	}
	return sum
}

// maxGaps bounds the gaps that a report names.
const maxGaps = 8

// watched says in sentences what an answer does not cover.
func (s Style) watched(q ledger.Query, scope ledger.Scope) []string {
	var notes []string
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if len(scope.Seen) == 0 {
		note("No run on record says that it watched any of this period: what is missing cannot be known.")
	} else {
		sum := total(scope.Seen)
		note("%s watched at least a part of it, %s to %s (%s). The numbers that follow are of the whole runs.",
			page.Count(len(scope.Seen), "run"), s.moment(sum.From), s.moment(sum.Until), s.zoneName(sum.From, sum.Until))
		note("%s: %s decoded, %s encrypted or of unknown content, %s without medical traffic.", page.Count(int(sum.Flows), "connection"), page.Number(int(sum.Decoded)),
			page.Number(int(sum.Hidden)), page.Number(int(max(0, sum.Flows-sum.Decoded-sum.Hidden))))
		if sum.LostBytes > 0 {
			note("%s were lost on the way to this program.", page.Size(sum.LostBytes))
		}
		if sum.Malformed > 0 {
			note("%s outside the rules of the protocol: read as far as possible.", page.Count(int(sum.Malformed), "message or part", "messages or parts"))
		}
	}
	gaps, pauses := unwatched(q, scope)
	if len(scope.Seen) == 0 {
		gaps = nil // that is said already
	}
	for _, gap := range gaps[:min(len(gaps), maxGaps)] {
		if goesOn(gap, q, scope) {
			note("No run on record says that it watched from %s until %s (%s): a guard that runs says so every %s, and when it ends.",
				s.moment(gap.From), s.moment(gap.Until), page.Span(gap.Until.Sub(gap.From)), page.Span(ledger.CoverageEvery))
			continue
		}
		note("Nobody watched from %s until %s (%s).", s.moment(gap.From), s.moment(gap.Until), page.Span(gap.Until.Sub(gap.From)))
	}
	if len(gaps) > maxGaps {
		note("Nobody watched in %s more either (--json has all).", page.Count(len(gaps)-maxGaps, "gap"))
	}
	if n := len(pauses); n > 0 {
		note("%s: %s in all.", page.Count(n, "pause of up to a minute between runs counts as watched", "pauses of up to a minute between runs count as watched"), page.Span(sumOf(pauses)))
	}
	if n := len(scope.Purged); n > 0 {
		var days []string
		for i, d := range scope.Purged {
			if i == maxGaps {
				days = append(days, "…")
				break
			}
			days = append(days, d.String())
		}
		note("%s purged, and none of what was on record there is in the numbers: %s.", page.Count(n, "day was", "days were"), strings.Join(days, ", "))
	}
	return notes
}

// total adds runs up, from the first moment to the last.
func total(runs []ledger.Seen) (sum ledger.Seen) {
	for i, r := range runs {
		if i == 0 {
			sum = r
		} else {
			sum.Add(r)
		}
	}
	return sum
}

// proven says in sentences what a seal is worth.
func proven(s ledger.Seal) (notes []string) {
	switch {
	case s.Batches == 0 && s.Later > 0:
		return []string{"Nothing: " + page.Count(int(s.Later), "batch on record is", "batches on record are") + " not under a signed checkpoint yet: this answer leaves out what is in them."}
	case s.Batches == 0:
		return []string{"Nothing is on record, so nothing can be proven."}
	case s.Sealed == 0:
		return []string{"Nothing: no signed checkpoint covers any of this record."}
	}
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	note("%s of %s under a signed checkpoint: none of them can be changed or left out without that showing to whoever has an earlier checkpoint.",
		page.Number(int(s.Sealed)), page.Count(int(s.Batches), "batch on record is", "batches on record are"))
	if late := s.Batches - min(s.Batches, s.Sealed); late > 0 {
		note("%s not sealed yet.", page.Count(int(late), "batch is", "batches are"))
	}
	defer func() { // it comes last
		if s.Later > 0 {
			note("%s after that checkpoint: this answer leaves out what is in them.", page.Count(int(s.Later), "batch was recorded", "batches were recorded"))
		}
	}()
	if s.Witnesses == 0 {
		note("No witness outside is asked: somebody who rewrites the whole record with its signing key is noticed by nobody who has no earlier checkpoint.")
		return notes
	}
	switch unseen := s.Batches - min(s.Batches, s.Witnessed); {
	case s.Witnessed == 0:
		note("So far %s seen any of it (%s of %s needed): until then it can be rewritten, and nobody outside has to notice.",
			ledger.TooFew(s.Needed), page.Number(s.Needed), page.Count(s.Witnesses, "witness", "witnesses"))
	case unseen > 0:
		note("At least %s of %s seen %s of them. The latest %s: %s seen them, and somebody in control of this machine could still hide them.",
			page.Number(s.Needed), page.Count(s.Witnesses, "witness has", "witnesses have"), page.Number(int(s.Witnessed)), page.Number(int(unseen)), ledger.TooFew(s.Needed))
	default:
		note("At least %s of %s seen all of them: nobody here can rewrite them unnoticed.", page.Number(s.Needed), page.Count(s.Witnesses, "witness has", "witnesses have"))
	}
	return notes
}
