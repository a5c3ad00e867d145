package investigate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"chaperone"
	"chaperone/detect"
	"chaperone/incident"
	"chaperone/page"
)

// summary says in ten lines what a board wants to know.
func (t *text) summary() {
	t.Line("WHAT HAPPENED")
	if len(t.Story.Steps) == 0 {
		t.Wrap("  ", t.noStory())
		if t.Watch.Counters.Disclosures == 0 {
			t.row("Seen", "no patient records, in what could be read")
			t.claims()
			return
		}
		t.row("Seen", fmt.Sprintf("%s in %s, %s to %s", page.People(t.Watch.Patients.Patients), page.Count(int(t.Watch.Counters.Disclosures), "message"),
			t.minute(t.Site().Begin), t.minute(t.Site().End)))
		t.claims()
		return
	}
	t.Wrap("  ", t.sentence())
	t.row("Patients", t.amount())
	t.row("When", t.when())
	t.row("Way in", t.hole())
	t.row("Then", t.route())
	t.row("Where to", t.outside())
	t.claims()
	t.row("Sure", t.sure())
}

// row writes a line with a label.
func (t *text) row(label, says string) {
	if says != "" {
		t.Wrap(page.Cell("  "+label, 12), says)
	}
}

// noStory says what it means that there is none.
func (t *text) noStory() string {
	out := "Nothing in this evidence shows a theft of patient records from beginning to end. That is not proof that there was none: the last section says what the evidence cannot show."
	if n := t.Report.Summary().Alerts; n > 0 {
		out += fmt.Sprintf(" But %s of high or critical severity: look at what to fix first.", page.Count(n, "finding is", "findings are"))
	}
	return out
}

// sentence tells the story in one.
func (t *text) sentence() string {
	s := t.Story
	who := "Somebody"
	if step := t.step(incident.Entered); step == nil {
		who = "Somebody, or something, on " + t.hosts(s.Reached, 2)
	} else if slices.ContainsFunc(step.By, func(a netip.Addr) bool { return !t.Site().Inside(a) }) {
		who += " from outside"
	}
	var took []string
	if n := s.Taken.Patients.Patients; n > 0 {
		took = append(took, page.People(n))
	}
	if n := len(s.Taken.Files); n > 0 {
		took = append(took, page.Count(n, "database file"))
	}
	if len(took) == 0 {
		took = append(took, "no patient records that this evidence shows")
	}
	out := who + " took " + join(took) + "."
	if t.step(incident.Entered) == nil {
		out += " Nothing shows who was behind it: if this is your own backup or a planned move, it is no theft."
	}
	return out
}

// amount says how many patients, and between which bounds.
func (t *text) amount() string {
	c := t.Story.Taken.Patients
	if c.Patients == 0 {
		return "not known: no records that passed to these systems are in the evidence"
	}
	out := fmt.Sprintf("%s (at least %s, at most %s)", page.Number(c.Patients), page.Number(c.Min), page.Number(c.Max))
	if t.Watch.LostBytes > t.Watch.CutBytes {
		out += "; more may have passed where the captures have gaps"
	}
	if c.Weak > 0 {
		out += fmt.Sprintf("; %s known by name only", page.Number(c.Weak))
	}
	if n := t.Story.Taken.Unidentified; n > 0 {
		out += fmt.Sprintf("; and %s that name nobody", page.Count(n, "record"))
	}
	if len(t.Story.Taken.Files) > 0 {
		out += "; those in the database file are not counted"
	}
	return out
}

// when gives the times of the stages that matter most; a day is said once.
func (t *text) when() string {
	var parts []string
	day := ""
	for _, stage := range []incident.Stage{incident.Entered, incident.Collected, incident.Left, incident.Offered} {
		step := t.step(stage)
		if step == nil || step.First.IsZero() {
			continue
		}
		at := t.minute(step.First)
		if stage == incident.Offered {
			at = t.day(step.First)
		}
		if at[:10] == day {
			at = at[11:]
		} else {
			day = at[:10]
		}
		parts = append(parts, string(stage)+" "+at)
	}
	return strings.Join(parts, ", ")
}

// route names the systems that were used, and those that were robbed.
func (t *text) route() string {
	var via []string
	for _, a := range without(t.Story.Reached, t.Story.Entry) {
		via = append(via, t.name(a))
	}
	on := "on to "
	if !t.Story.Entry.IsValid() {
		on = "from "
	}
	switch from := t.sources(); {
	case len(via) == 0 && from == "":
		return ""
	case len(via) == 0:
		return "took from " + from
	case from == "":
		return on + join(via)
	default:
		return on + join(via) + "; took from " + from
	}
}

// sources names the systems that were robbed, each once with the most that one way took.
func (t *text) sources() string {
	var from []string
	seen := map[string]bool{}
	for _, s := range t.Story.Taken.Sources {
		if name := t.name(s.From.Addr); !seen[name] {
			seen[name] = true
			from = append(from, fmt.Sprintf("%s (%s)", name, page.Count(s.Patients, "patient")))
		}
	}
	for _, f := range t.Story.Taken.Files {
		from = append(from, fmt.Sprintf("%s (%s, %s)", t.name(f.At), page.Clean(base(f.Name), 30), page.Size(f.Size)))
	}
	return join(from)
}

// base gives the last part of a name on a share.
func base(name string) string { return name[strings.LastIndexByte(name, '\\')+1:] }

// name names a system in a word.
func (t *text) name(a netip.Addr) string {
	if name := t.Site().Name(a); name != "" {
		return page.Clean(name, 30)
	}
	return a.String()
}

func (t *text) outside() string {
	step := t.step(incident.Left)
	if step == nil {
		return "not shown: no large transfer to the outside by these systems was found"
	}
	return fmt.Sprintf("%s to %s", page.Size(t.Story.Taken.Outside), t.hosts(step.At, 3))
}

// hole names the way in.
func (t *text) hole() string {
	if !t.Story.Entry.IsValid() {
		return "not shown by this evidence"
	}
	out := t.host(t.Story.Entry)
	for _, f := range t.Watch.Findings {
		if f.Rule == detect.RDPExposed && f.To.Addr == t.Story.Entry {
			out += ": its remote desktop answers the outside"
			if f.Severity >= chaperone.High {
				out += " without network level authentication"
			}
			break
		}
	}
	step := t.step(incident.Entered)
	if step == nil {
		return out
	}
	account := ""
	if step.Account != "" {
		account = " of " + page.Clean(step.Account, 30)
	}
	for _, f := range step.Findings {
		switch {
		case f.Rule == detect.GuessedIn && f.Severity == chaperone.Critical:
			return out + "; a guessed password" + account
		case f.Rule == detect.GuessedIn:
			return out + "; probably a guessed password" + account
		}
	}
	return out + "; a logon" + account + " from an address that never logged on before"
}

// claims sets what is claimed beside what is proven.
func (t *text) claims() {
	for _, c := range t.Story.Claims {
		if c.Claimed > 0 || c.Price != "" {
			says := page.Number(int(c.Claimed))
			if c.Claimed == 0 {
				says = "no number"
			}
			if c.Price != "" {
				says += ", for " + page.Clean(c.Price, 40)
			}
			if c.Place != "" {
				says += ", at " + page.Clean(c.Place, 40)
			}
			t.row("Claimed", says)
		}
		if c.Dump != "" && t.Watch.Patients.Patients == 0 {
			t.row("Proven", fmt.Sprintf("nothing: there are no patients in this evidence to compare the sample's %s with", page.Count(c.Rows, "row")))
		} else if c.Dump != "" {
			t.row("Proven", fmt.Sprintf("%s by exact number in %s (%s of those taken); %s match nobody",
				page.Count(c.Proven, "patient"), page.Count(c.Rows, "sample row"), page.Number(c.Taken), page.Number(c.Unmatched)))
		}
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
