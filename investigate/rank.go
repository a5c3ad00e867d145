package investigate

import (
	"cmp"
	"slices"

	"chaperone"
	"chaperone/detect"
)

// Ranked is a finding that should be fixed, with the reason for its place.
type Ranked struct {
	chaperone.Finding
	Why string
}

// most is how many things to fix are named first: a longer list is not begun.
const most = 5

// Why something is among what to fix.
const (
	whyUsed = "the intruder used it"
	whyWeak = "it weakens this site"
)

// holes orders the rules by what closing them would have stopped, the way in first.
var holes = []string{detect.GuessedIn, detect.RDPExposed, detect.DeviceActs, detect.StoreSweep, detect.WholeFile, detect.Volume, detect.NewParty, detect.PatientSurge,
	detect.ThirdParty, detect.InClear, detect.NewAccount, detect.NewService, detect.LogCleared, detect.RDPGuessed, detect.UnknownAE, detect.FanOut}

// rank gives what to fix first: the holes that the story went through, then what is most severe.
func rank(r *Report) []Ranked {
	used := map[string]bool{}
	for _, step := range r.Story.Steps {
		for _, f := range step.Findings {
			used[f.Rule] = true
		}
	}
	if r.Story.Entry.IsValid() {
		for _, f := range r.Watch.Findings {
			if f.Rule == detect.RDPExposed && f.To.Addr == r.Story.Entry {
				used[detect.RDPExposed] = true
			}
		}
	}
	var list []Ranked
	seen := map[string]bool{}
	for _, f := range r.Watch.Findings { // the most severe first
		if seen[f.Rule] || f.Severity == chaperone.Info || f.Severity == chaperone.Low && !used[f.Rule] {
			continue
		}
		seen[f.Rule] = true
		why := whyWeak
		if used[f.Rule] {
			why = whyUsed
		}
		list = append(list, Ranked{f, why})
	}
	place := func(rule string) int {
		if i := slices.Index(holes, rule); i >= 0 {
			return i
		}
		return len(holes)
	}
	slices.SortStableFunc(list, func(a, b Ranked) int {
		if used[a.Rule] != used[b.Rule] {
			if used[a.Rule] {
				return -1
			}
			return 1
		}
		if !used[a.Rule] && a.Severity != b.Severity {
			return cmp.Compare(b.Severity, a.Severity)
		}
		return cmp.Compare(place(a.Rule), place(b.Rule))
	})
	return list[:min(most, len(list))]
}
