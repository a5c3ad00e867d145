package investigate

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"chaperone/detect"
	"chaperone/incident"
	"chaperone/page"
	"chaperone/patient"
)

// maxRows bounds a list in the report; --json has all.
const maxRows = 20

// text writes a report for people. Times are in the zone of zone.
type text struct {
	*Report
	zone *time.Location
	page.Writer
}

// Write writes the report.
func (r *Report) Write(out io.Writer, zone *time.Location) error {
	t := &text{Report: r, zone: zone, Writer: page.Writer{Out: out}}
	t.summary()
	t.timeline()
	t.patients()
	t.fix()
	t.systems()
	t.evidence()
	t.limits()
	t.rule()
	return t.Err
}

// summary says in ten lines what a board wants to know.
func (t *text) summary() {
	t.Line("WHAT HAPPENED")
	if len(t.Story.Steps) == 0 {
		t.Wrap("  ", "Nothing in this evidence shows a theft of patient records from beginning to end. That is not proof that there was none: the last section says what the evidence cannot show.")
		t.row("Seen", fmt.Sprintf("%s in %s messages, %s to %s", page.People(t.Watch.Patients.Patients), page.Number(int(t.Watch.Counters.Disclosures)),
			t.moment(t.Site().Begin), t.moment(t.Site().End)))
		t.claims()
		return
	}
	t.Wrap("  ", t.sentence())
	t.row("When", t.when())
	t.row("Patients", amount(t.Story.Taken.Patients, t.Story.Taken.Unidentified))
	for _, f := range t.Story.Taken.Files {
		t.row("and", fmt.Sprintf("the database file %s as a whole (%s): the patients in it are not counted here", page.Clean(f.Name, 60), page.Size(f.Size)))
	}
	t.row("From", t.sources())
	t.row("Where to", t.outside())
	t.row("Hole", t.hole())
	t.claims()
	t.row("Sure", t.sure())
}

// row writes a line with a label.
func (t *text) row(label, says string) {
	if says != "" {
		t.Wrap(page.Cell("  "+label, 12), says)
	}
}

// sentence tells the story in one.
func (t *text) sentence() string {
	s := t.Story
	who := "An intruder"
	if len(s.Intruder) > 0 {
		who += " from " + t.hosts(s.Intruder, 2)
	}
	var did []string
	if s.Entry.IsValid() {
		in := "came in at " + t.host(s.Entry)
		if step := t.step(incident.Entered); step != nil && step.Account != "" {
			in += " as " + page.Clean(step.Account, 30)
		}
		did = append(did, in)
	}
	if others := without(s.Reached, s.Entry); len(others) > 0 {
		did = append(did, "acted from "+t.hosts(others, 4))
	}
	if n := s.Taken.Patients.Patients; n > 0 {
		did = append(did, "took "+page.People(n))
	} else if len(s.Taken.Files) > 0 {
		did = append(did, "took "+page.Count(len(s.Taken.Files), "database file"))
	} else {
		did = append(did, "took no patient records that this evidence shows")
	}
	return who + " " + join(did) + "."
}

// when gives the times of the stages that matter most.
func (t *text) when() string {
	var parts []string
	for _, stage := range []incident.Stage{incident.Scanned, incident.Entered, incident.Collected, incident.Left, incident.Offered} {
		if step := t.step(stage); step != nil && !step.First.IsZero() {
			parts = append(parts, string(stage)+" "+t.minute(step.First))
		}
	}
	return strings.Join(parts, ", ")
}

// amount says how many patients, and between which bounds.
func amount(c patient.Counts, unidentified int) string {
	out := page.Number(c.Patients)
	if c.Min != c.Max {
		out += fmt.Sprintf(" (at least %s, at most %s, however one counts)", page.Number(c.Min), page.Number(c.Max))
	}
	if c.Weak > 0 {
		out += fmt.Sprintf("; %s known by name only", page.Number(c.Weak))
	}
	if unidentified > 0 {
		out += fmt.Sprintf("; and %s that name nobody", page.Count(unidentified, "record"))
	}
	return out
}

func (t *text) sources() string {
	var parts []string
	seen := map[string]bool{}
	for _, s := range t.Story.Taken.Sources {
		name := t.host(s.From.Addr)
		if !seen[name] {
			seen[name] = true
			parts = append(parts, fmt.Sprintf("%s (%s)", name, page.Count(s.Patients, "patient")))
		}
	}
	for _, f := range t.Story.Taken.Files {
		if name := t.host(f.At); !seen[name] {
			seen[name] = true
			parts = append(parts, name+" (file)")
		}
	}
	return strings.Join(parts, ", ")
}

func (t *text) outside() string {
	step := t.step(incident.Left)
	if step == nil {
		return "not shown: no transfer to the outside is in this evidence"
	}
	return fmt.Sprintf("%s to %s", page.Size(t.Story.Taken.Outside), t.hosts(step.At, 3))
}

// hole names the way in.
func (t *text) hole() string {
	for _, rule := range []string{detect.RDPExposed, detect.GuessedIn} {
		for _, f := range t.Findings {
			if f.Rule == rule && f.Why == whyUsed {
				if rule == detect.RDPExposed && t.step(incident.Guessed) != nil {
					return f.Title + " A guessed password opened it."
				}
				return f.Title
			}
		}
	}
	return "not shown by this evidence"
}

func (t *text) claims() {
	for _, c := range t.Story.Claims {
		var parts []string
		if c.Claimed > 0 {
			parts = append(parts, page.Number(int(c.Claimed))+" claimed")
		}
		if c.Price != "" {
			parts = append(parts, "for "+page.Clean(c.Price, 40))
		}
		if c.Place != "" {
			parts = append(parts, "at "+page.Clean(c.Place, 40))
		}
		head := strings.Join(parts, " ")
		if c.Dump != "" {
			if head != "" {
				head += "; "
			}
			head += fmt.Sprintf("the sample has %s: %s proven to be of this evidence (%s of them among those taken), %s without a match",
				page.Count(c.Rows, "row"), page.Count(c.Proven, "patient"), page.Number(c.Taken), page.Count(c.Unmatched, "row"))
		}
		t.row("Claimed", head)
	}
}

// sure says what the story rests on.
func (t *text) sure() string {
	grades := map[incident.Belief]int{}
	var gaps []string
	for _, step := range t.Story.Steps {
		if step.Found {
			grades[step.Belief]++
		} else {
			gaps = append(gaps, string(step.Stage))
		}
	}
	var parts []string
	for _, g := range []incident.Belief{incident.Observed, incident.Logged, incident.Inferred} {
		if n := grades[g]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", page.Count(n, "stage"), g))
		}
	}
	out := strings.Join(parts, ", ")
	if len(gaps) > 0 {
		out += "; no evidence of: " + strings.Join(gaps, ", ")
	}
	return out
}

// step gives a stage that was found, else nil.
func (r *Report) step(s incident.Stage) *incident.Step {
	for i := range r.Story.Steps {
		if step := &r.Story.Steps[i]; step.Stage == s && step.Found {
			return step
		}
	}
	return nil
}

// host names a system with its address.
func (t *text) host(a netip.Addr) string {
	if !a.IsValid() {
		return "a system that was not seen"
	}
	if name := t.Site().Name(a); name != "" {
		return fmt.Sprintf("%s (%s)", page.Clean(name, 30), a)
	}
	return a.String()
}

func (t *text) hosts(list []netip.Addr, most int) string {
	var names []string
	for i, a := range list {
		if i == most {
			names = append(names, fmt.Sprintf("%d more", len(list)-most))
			break
		}
		names = append(names, t.host(a))
	}
	return join(names)
}

// join makes a list in words.
func join(parts []string) string {
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	return strings.Join(parts[:len(parts)-1], ", ") + " and " + parts[len(parts)-1]
}

func without(list []netip.Addr, a netip.Addr) []netip.Addr {
	var out []netip.Addr
	for _, x := range list {
		if x != a {
			out = append(out, x)
		}
	}
	return out
}

func (t *text) moment(at time.Time) string { return at.In(t.zone).Format("2006-01-02 15:04:05") }
func (t *text) minute(at time.Time) string { return at.In(t.zone).Format("2006-01-02 15:04") }
