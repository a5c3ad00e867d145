package investigate

import (
	"net/netip"
	"time"

	"chaperone"
	"chaperone/incident"
	"chaperone/inventory"
	"chaperone/watch"
)

// Lines gives what comes behind disclosures, systems and findings in JSON Lines: the stages of the story, the claims, and
// the summary last. Times are UTC.
func (r *Report) Lines() []any {
	var lines []any
	for _, s := range r.Story.Steps {
		lines = append(lines, r.stage(s))
	}
	for _, c := range r.Story.Claims {
		lines = append(lines, claimLine{
			Kind: "claim", Post: c.Evidence.File, Posted: moment(c.Posted), Place: c.Place, Price: c.Price, Claimed: c.Claimed,
			Dump: c.Dump, Rows: c.Rows, Proven: c.Proven, Taken: c.Taken, Unmatched: c.Unmatched,
		})
	}
	return append(lines, r.Summary())
}

type stageLine struct {
	Kind     string           `json:"kind"`
	Stage    incident.Stage   `json:"stage"`
	Found    bool             `json:"found"`
	First    *time.Time       `json:"first,omitempty"`
	Last     *time.Time       `json:"last,omitempty"`
	By       []system         `json:"by"`
	At       []system         `json:"at"`
	Account  string           `json:"account,omitempty"`
	Says     string           `json:"says,omitempty"`
	Belief   incident.Belief  `json:"belief,omitempty"`
	Because  string           `json:"because"` // of a gap: what could have shown it
	Findings []findingInStage `json:"findings"`
}

type system struct {
	Addr string `json:"addr"`
	Name string `json:"name,omitempty"`
}

type findingInStage struct {
	Rule      string             `json:"rule"`
	Severity  chaperone.Severity `json:"severity"`
	Technique string             `json:"technique,omitempty"`
	First     time.Time          `json:"first"`
	Evidence  chaperone.Evidence `json:"evidence"`
}

type claimLine struct {
	Kind      string     `json:"kind"`
	Post      string     `json:"post,omitempty"`
	Posted    *time.Time `json:"posted,omitempty"`
	Place     string     `json:"place,omitempty"`
	Price     string     `json:"price,omitempty"`
	Claimed   int64      `json:"claimed"`
	Dump      string     `json:"dump,omitempty"`
	Rows      int        `json:"rows"`
	Proven    int        `json:"proven"`
	Taken     int        `json:"taken"`
	Unmatched int        `json:"unmatched"`
}

// Summary is the last JSON line of a run.
type Summary struct {
	watch.Summary
	Alerts           int              `json:"alerts"` // findings of severity high or critical
	Stages           []incident.Stage `json:"stages"` // that were found, in order; empty when there is no story
	Intruder         []string         `json:"intruder"`
	Entry            string           `json:"entry,omitempty"`
	Reached          []string         `json:"reached"` // systems that the intruder acted from
	PatientsTaken    int              `json:"patients_taken"`
	PatientsTakenMin int              `json:"patients_taken_min"`
	PatientsTakenMax int              `json:"patients_taken_max"`
	RecordsTaken     int              `json:"records_taken"`
	FilesTaken       []string         `json:"files_taken"`
	BytesOutside     int64            `json:"bytes_outside"`
	Claimed          int64            `json:"claimed"` // the largest claim
	Proven           int              `json:"proven"`  // the most that one claim's sample proves
	Unmatched        int              `json:"unmatched"`
	EvidenceFiles    []fileLine       `json:"evidence"`
	Own              []string         `json:"own_networks"`
	Stopped          bool             `json:"stopped"`
	Limits           []string         `json:"limits"`
}

type fileLine struct {
	Path    string `json:"path"`
	Kind    Kind   `json:"format"`
	Size    int64  `json:"size"`
	SHA256  string `json:"sha256,omitempty"`
	Items   int64  `json:"items"`
	Problem string `json:"problem,omitempty"`
}

// Summary gives the numbers of a report.
func (r *Report) Summary() Summary {
	t := r.Story.Taken
	s := Summary{
		Summary: r.Watch.Summary(), Stages: []incident.Stage{}, Intruder: addresses(r.Story.Intruder), Reached: addresses(r.Story.Reached),
		PatientsTaken: t.Patients.Patients, PatientsTakenMin: t.Patients.Min, PatientsTakenMax: t.Patients.Max, RecordsTaken: t.Records,
		BytesOutside: t.Outside, FilesTaken: []string{}, EvidenceFiles: []fileLine{}, Own: []string{}, Stopped: r.Stopped, Limits: r.Limits(),
	}
	for _, f := range r.Watch.Findings {
		if f.Severity >= chaperone.High {
			s.Alerts++
		}
	}
	for _, step := range r.Story.Steps {
		if step.Found {
			s.Stages = append(s.Stages, step.Stage)
		}
	}
	if r.Story.Entry.IsValid() {
		s.Entry = inventory.Show(r.Story.Entry)
	}
	for _, f := range t.Files {
		s.FilesTaken = append(s.FilesTaken, f.Name)
	}
	for _, c := range r.Story.Claims {
		s.Claimed = max(s.Claimed, c.Claimed)
		if c.Proven >= s.Proven {
			s.Proven, s.Unmatched = c.Proven, c.Unmatched
		}
	}
	for _, f := range r.Files {
		s.EvidenceFiles = append(s.EvidenceFiles, fileLine(f))
	}
	for _, p := range r.Site().Own {
		s.Own = append(s.Own, p.String())
	}
	return s
}

func (r *Report) stage(s incident.Step) stageLine {
	line := stageLine{
		Kind: "stage", Stage: s.Stage, Found: s.Found, First: moment(s.First), Last: moment(s.Last), By: r.named(s.By), At: r.named(s.At),
		Account: s.Account, Says: s.Says, Belief: s.Belief, Because: s.Because, Findings: []findingInStage{},
	}
	for _, f := range s.Findings {
		line.Findings = append(line.Findings, findingInStage{f.Rule, f.Severity, f.Technique, f.First.UTC(), f.Evidence})
	}
	return line
}

func (r *Report) named(list []netip.Addr) []system {
	out := make([]system, 0, len(list))
	for _, a := range list {
		out = append(out, system{inventory.Show(a), r.Site().Name(a)})
	}
	return out
}

func addresses(list []netip.Addr) []string {
	out := make([]string, 0, len(list))
	for _, a := range list {
		out = append(out, inventory.Show(a))
	}
	return out
}

// moment gives a time in UTC, nil for none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
