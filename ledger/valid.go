package ledger

import (
	"fmt"
	"time"
	"unicode/utf8"

	"chaperone"
)

// Bounds of a batch. A disclosure's texts are not among them: the stores cut those (see Cut).
const (
	MaxCovered = 1 << 20 // records of one disclosure that say whose they are
	MaxMerged  = 1 << 20 // pairs of identifiers of one merge
	MaxText    = 4096    // bytes of one text
)

// Cut gives at most MaxText bytes of a text, ending with a whole rune where it is UTF-8. Stores keep no more.
func Cut(s string) string {
	if len(s) <= MaxText {
		return s
	}
	end := MaxText
	for end > MaxText-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// The times that microseconds since 1970 and nanoseconds since 1970 can both say. The end is exclusive.
var earliest, latest = time.Unix(0, 0), time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)

// Check says whether a store may record a batch: both stores ask it before anything else. The error wraps ErrInvalid and
// names the part and its place in the batch, never its content.
func (b *Batch) Check() error {
	for i := range b.Disclosures {
		if what := b.Disclosures[i].flaw(); what != "" {
			return fmt.Errorf("%w: disclosure %d: %s", ErrInvalid, i, what)
		}
	}
	for i := range b.Merges {
		if what := b.Merges[i].flaw(); what != "" {
			return fmt.Errorf("%w: merge %d: %s", ErrInvalid, i, what)
		}
	}
	for i := range b.Findings {
		if what := findingFlaw(&b.Findings[i]); what != "" {
			return fmt.Errorf("%w: finding %d: %s", ErrInvalid, i, what)
		}
	}
	for i := range b.Notes {
		if what := b.Notes[i].flaw(); what != "" {
			return fmt.Errorf("%w: note %d: %s", ErrInvalid, i, what)
		}
	}
	return nil
}

func (d *Disclosure) flaw() string {
	switch {
	case d.ID == [16]byte{}:
		return "it has no id" // two of them would be taken for one
	case !sane(d.Time):
		return outOfTime
	case d.Protocol == "" || d.Action == "":
		return "no protocol or no action"
	case d.Unidentified < 0 || d.Records < 0 || d.Bytes < 0:
		return "a negative count"
	case len(d.Covered) > MaxCovered:
		return fmt.Sprintf("it covers %d records, more than %d", len(d.Covered), MaxCovered)
	}
	switch d.Outcome {
	case chaperone.Delivered, chaperone.Refused, chaperone.Unknown, chaperone.Partial:
	default:
		return "an outcome that is none"
	}
	switch d.Protection {
	case "", chaperone.InClear, chaperone.TLS, chaperone.MutualTLS: // none is said of what was not seen
	default:
		return "a protection that is none"
	}
	for i := range d.Covered {
		c := &d.Covered[i]
		if c.Weak() && c.Demographic == (chaperone.PatientToken{}) {
			return fmt.Sprintf("covered %d says nobody", i)
		}
		if empty(c.Numbers) {
			return fmt.Sprintf("covered %d has an empty token", i)
		}
	}
	return evidenceFlaw(&d.Evidence)
}

func (m *Merge) flaw() string {
	switch {
	case !sane(m.At):
		return outOfTime
	case empty(m.Survivor) || empty(m.Prior):
		return "an empty token"
	case len(m.Survivor) > MaxMerged || len(m.Prior) > MaxMerged || int64(len(m.Survivor))*int64(len(m.Prior)) > MaxMerged:
		return fmt.Sprintf("it joins more than %d pairs", MaxMerged)
	}
	return ""
}

func findingFlaw(f *chaperone.Finding) string {
	switch {
	case f.Rule == "":
		return "no rule"
	case f.Severity < chaperone.Info || f.Severity > chaperone.Critical:
		return "a severity that is none"
	case !sane(f.First) || !sane(f.Last):
		return outOfTime
	case f.Count < 0 || f.Bytes < 0:
		return "a negative count"
	}
	return evidenceFlaw(&f.Evidence)
}

func (n *Note) flaw() string {
	switch {
	case n.Kind != Remark && n.Kind != Policy && n.Kind != Coverage:
		return "a kind that is none, or that only the store writes"
	case !sane(n.At):
		return outOfTime
	case n.Day != 0:
		return "a day is for purges"
	case n.Kind != Coverage && n.Seen != Seen{}:
		return "what a run saw is for coverage"
	case n.Kind == Coverage:
		return n.Seen.flaw()
	}
	return ""
}

func (s *Seen) flaw() string {
	switch {
	case !sane(s.From) || !sane(s.Until):
		return outOfTime
	case s.Until.Before(s.From):
		return "it ends before it begins"
	}
	for _, n := range []int64{s.Packets, s.Flows, s.Decoded, s.Hidden, s.LostBytes, s.Malformed} {
		if n < 0 {
			return "a negative count"
		}
	}
	return ""
}

func evidenceFlaw(e *chaperone.Evidence) string {
	if e.Packet < 0 || e.Offset < 0 {
		return "evidence at a negative place"
	}
	return ""
}

const outOfTime = "a time before 1970 or after 2261"

func sane(t time.Time) bool { return !t.Before(earliest) && t.Before(latest) }

func empty(tokens []chaperone.PatientToken) bool {
	for i := range tokens {
		if tokens[i] == (chaperone.PatientToken{}) {
			return true
		}
	}
	return false
}
