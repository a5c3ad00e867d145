package investigate

import (
	"fmt"
	"path/filepath"
	"strings"

	"chaperone"
	"chaperone/incident"
	"chaperone/inventory"
	"chaperone/page"
	"chaperone/patient"
)

// timeline tells the stages in order, the gaps too.
func (t *text) timeline() {
	if len(t.Story.Steps) == 0 {
		return
	}
	t.Line("")
	zone, _ := t.Site().Begin.In(t.zone).Zone()
	if later, _ := t.Site().End.In(t.zone).Zone(); later != zone {
		zone += " and " + later
	}
	t.Line("THE STORY (times in %s)", zone)
	for _, s := range t.Story.Steps {
		if !s.Found {
			t.Wrap(page.Cell("  "+string(s.Stage), 13), "- no evidence: "+s.Because+".")
			continue
		}
		at := "time unknown"
		if !s.First.IsZero() {
			at = t.moment(s.First)
		}
		if s.Stage == incident.Offered && !s.First.IsZero() {
			at = t.day(s.First)
		}
		t.Wrap(page.Cell("  "+string(s.Stage), 13), at+"  "+t.who(s)+page.Clean(s.Says, 300))
		t.Wrap(page.Cell("", 13), fmt.Sprintf("%s: %s%s.", s.Belief, s.Because, t.proof(s)))
	}
}

// who says who acted on which systems.
func (t *text) who(s incident.Step) string {
	out := ""
	if len(s.By) > 0 {
		out = t.hosts(s.By, 3)
	}
	if at := s.At; len(at) > 0 {
		if out != "" {
			out += " → "
		}
		out += t.hosts(at, 3)
	}
	if s.Account != "" {
		out += " as " + page.Clean(s.Account, 30)
	}
	if out != "" {
		out += ": "
	}
	return out
}

// maxProofs bounds the places that are named for a stage.
const maxProofs = 3

// proof names where the evidence of a stage is.
func (t *text) proof(s incident.Step) string {
	var parts []string
	techniques := []string{}
	for i, f := range s.Findings {
		if i < maxProofs {
			parts = append(parts, t.place(f.Evidence))
		}
		if f.Technique != "" && !strings.Contains(strings.Join(techniques, " "), f.Technique) {
			techniques = append(techniques, f.Technique)
		}
	}
	if len(s.Findings) > maxProofs {
		parts = append(parts, fmt.Sprintf("%d more", len(s.Findings)-maxProofs))
	}
	out := ""
	if len(parts) > 0 {
		out = "; see " + strings.Join(parts, ", ")
	}
	if len(techniques) > 0 {
		out += "; ATT&CK " + strings.Join(techniques, " ")
	}
	return out
}

// place points at evidence.
func (t *text) place(e chaperone.Evidence) string {
	file := page.Clean(t.within(e.File), 50)
	if e.Record > 0 {
		return fmt.Sprintf("%s record %d", file, e.Record)
	}
	return fmt.Sprintf("%s packet %d", file, e.Packet)
}

// patients says whose systems lost how many, and over which ways.
func (t *text) patients() {
	if len(t.Story.Taken.Sources) > 0 {
		t.Line("")
		t.Line("WHAT WAS TAKEN (by system and way)")
		for i, s := range t.Story.Taken.Sources {
			if i == maxRows {
				t.Line("  and %s more (--json has all)", page.Count(len(t.Story.Taken.Sources)-i, "way"))
				break
			}
			to := t.host(s.To.Addr)
			if s.To.Claimed != "" {
				to += " as " + page.Clean(s.To.Claimed, 16)
			}
			t.Wrap(fmt.Sprintf("%9s  ", page.Number(s.Patients)), fmt.Sprintf("%s → %s: %s %s, %s, %s to %s", t.host(s.From.Addr), to,
				strings.ToUpper(string(s.Protocol)), s.Action, page.Count(s.Records, "record"), t.minute(s.First), t.minute(s.Last)))
		}
	}
	if len(t.Watch.Edges) > 0 {
		t.Line("")
		t.Line("ALL EXCHANGES OF PATIENT RECORDS (patients by edge; what was taken is among them)")
		for i, e := range t.Watch.Edges {
			if i == maxRows {
				t.Line("  and %s more (--json has all)", page.Count(len(t.Watch.Edges)-i, "edge"))
				break
			}
			t.Wrap(fmt.Sprintf("%9s  ", page.Number(e.Patients)), fmt.Sprintf("%s → %s: %s, %s", t.party(e.From), t.party(e.To), strings.ToUpper(string(e.Protocol)), page.Count(e.Messages, "message")))
		}
	}
}

func (t *text) party(p chaperone.Party) string {
	if p.Addr.IsValid() {
		return t.host(p.Addr)
	}
	return page.Clean(p.Claimed, 30)
}

// fix lists what to do first, and what else was found.
func (t *text) fix() {
	if len(t.Watch.Findings) == 0 {
		return
	}
	t.Line("")
	t.Line("WHAT TO FIX FIRST")
	if len(t.Findings) == 0 {
		t.Line("  Nothing that is more than everyday news.")
	}
	for i, f := range t.Findings {
		where := t.party(f.From)
		if !f.From.Addr.IsValid() {
			where = t.party(f.To)
		} else if f.To.Addr.IsValid() {
			where += " → " + t.party(f.To)
		}
		t.Wrap(fmt.Sprintf("  %d. ", i+1), f.Advice)
		t.Wrap("     ", fmt.Sprintf("%s (%s): %s [%s; %s]", f.Severity, f.Why, f.Title, where, t.place(f.Evidence)))
	}
	counts := map[chaperone.Severity]int{}
	for _, f := range t.Watch.Findings {
		counts[f.Severity]++
	}
	var parts []string
	for s := chaperone.Critical; s >= chaperone.Info; s-- {
		if counts[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[s], s))
		}
	}
	t.Wrap("  ", fmt.Sprintf("All findings: %s (--json and --html list them).", strings.Join(parts, ", ")))
}

// systems lists what each system is, as far as that is known.
func (t *text) systems() {
	t.Line("")
	t.Line("SYSTEMS (what they are by what they do)")
	shown, unknown, outside := 0, 0, 0
	for _, s := range t.Watch.Systems {
		switch {
		case s.Role == inventory.Outside:
			outside++
			continue
		case s.Role == inventory.Unknown:
			unknown++
			continue
		}
		if shown++; shown > 2*maxRows {
			continue
		}
		var signs []string
		for _, sign := range s.Signs {
			signs = append(signs, sign.Text)
		}
		t.Wrap(fmt.Sprintf("  %s %s ", page.Cell(t.host(s.Addr), 34), page.Cell(string(s.Role), 12)), fmt.Sprintf("%.0f %% sure: %s", 100*s.Sure, strings.Join(signs, ", ")))
	}
	if shown > 2*maxRows {
		t.Line("  and %s more (--json has all)", page.Count(shown-2*maxRows, "system"))
	}
	t.Wrap("  ", fmt.Sprintf("%s unknown, %s. Own networks (%s): %s.", page.Count(unknown, "system is", "systems are"), page.Count(outside, "outside address", "outside addresses"), t.Site().Why, t.networks()))
}

func (t *text) networks() string {
	var parts []string
	for i, p := range t.Site().Own {
		if i == 12 {
			parts = append(parts, "…")
			break
		}
		parts = append(parts, p.String())
	}
	if len(parts) == 0 {
		return "none known; say which with --inside"
	}
	return strings.Join(parts, " ")
}

// evidence lists the files.
func (t *text) evidence() {
	t.Line("")
	t.Line("THE EVIDENCE (%s; SHA-256 of each in --out and --html)", page.Count(len(t.Files), "file"))
	for i, f := range t.Files {
		if i >= 10*maxRows && f.Problem == "" {
			continue
		}
		says := string(f.Kind)
		if f.Items > 0 {
			says += ", " + items(f)
		}
		if f.Problem != "" {
			says += ": " + page.Clean(f.Problem, 200)
		}
		t.Wrap(fmt.Sprintf("  %8s  ", page.Size(f.Size)), page.Clean(t.within(f.Path), 70)+"  "+says)
	}
	if says := t.Watch.Recorded(); says != "" {
		t.Wrap("  Ledger: ", says)
	}
}

// within gives a path below the folder that holds all of the evidence.
func (r *Report) within(path string) string {
	dir := filepath.Dir(r.Files[0].Path)
	for _, f := range r.Files {
		for dir != "." && dir != string(filepath.Separator) && !strings.HasPrefix(f.Path, dir+string(filepath.Separator)) {
			dir = filepath.Dir(dir)
		}
	}
	if rest, ok := strings.CutPrefix(path, dir+string(filepath.Separator)); ok {
		return rest
	}
	return path
}

// items says how much was read of a file.
func items(f File) string {
	one := map[Kind]string{Capture: "packet", EventLog: "record", Table: "row", Offer: "offer", NameList: "name"}[f.Kind]
	return page.Count(int(f.Items), one)
}

// limits says what the evidence cannot show.
func (t *text) limits() {
	t.Line("")
	t.Line("WHAT THIS EVIDENCE CANNOT SHOW")
	for _, n := range t.Report.Limits() {
		t.Wrap("  - ", n)
	}
}

// rule prints how patients are counted: the rule goes with every answer.
func (t *text) rule() {
	t.Line("")
	t.Line("HOW PATIENTS ARE COUNTED")
	t.Wrap("  ", patient.CountingRule)
}
