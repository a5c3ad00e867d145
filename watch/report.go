package watch

import (
	"fmt"
	"io"
	"strings"
	"time"

	"chaperone"
	"chaperone/exchange"
	"chaperone/page"
)

// maxRows bounds a list in the report; --json has all.
const maxRows = 40

// Report writes a result for people. Times are in the zone of zone.
type Report struct {
	Names  Names
	Zone   *time.Location
	People []exchange.Disclosed // with names, when they were asked for
	page.Writer
}

// Write writes the report.
func (p *Report) Write(out io.Writer, r *Result) error {
	p.Out = out
	p.head(r)
	p.recorded(r)
	p.edges(r)
	p.people(r)
	p.findings(r)
	p.systems(r)
	p.limits(r)
	p.rule(r)
	return p.Err
}

// head says in a few lines what was read and what it comes to.
func (p *Report) head(r *Result) {
	zone, _ := r.First.In(p.Zone).Zone()
	p.Line("%s, %s to %s %s (%s)", page.Count(len(r.Files), "capture file"), p.moment(r.First), p.moment(r.Last), zone, page.Span(r.Last.Sub(r.First)))
	c := r.Connections
	p.Wrap("", fmt.Sprintf("%s, %s, %s: %s with HL7 or DICOM, %s encrypted, %s other, %s empty", page.Count(int(r.Packets), "packet"), page.Size(r.Bytes),
		page.Count(c.Total, "connection"), page.Number(c.Decoded), page.Number(c.Encrypted), page.Number(c.Other), page.Number(c.Silent)))
	p.Line("")
	if r.Counters.Disclosures == 0 {
		p.Wrap("", "No patient records were seen in what could be read and was counted.")
		return
	}
	clear := 0
	for _, e := range r.Edges {
		if e.Protection == chaperone.InClear {
			clear += e.Messages
		}
	}
	p.Wrap("PATIENTS: ", fmt.Sprintf("%s passed in %s, %s of them readable by anyone on the network.", page.People(r.Patients.Patients),
		page.Count(int(r.Counters.Disclosures), "message"), page.Share(clear, int(r.Counters.Disclosures))))
	var notes []string
	if r.Patients.Min != r.Patients.Max {
		notes = append(notes, fmt.Sprintf("at least %s and at most %s, however one counts", page.Number(r.Patients.Min), page.Number(r.Patients.Max)))
	}
	if r.Patients.Weak > 0 {
		notes = append(notes, fmt.Sprintf("%s known by name only", page.Number(r.Patients.Weak)))
	}
	if n := int(r.Counters.Unidentified); n > 0 {
		notes = append(notes, fmt.Sprintf("%s more that name nobody", page.Count(n, "record")))
	}
	if len(notes) > 0 {
		p.Wrap("          ", strings.Join(notes, "; ")+".")
	}
}

// recorded says in a line what a ledger took, for those who named one.
func (p *Report) recorded(r *Result) {
	if says := r.Recorded(); says != "" {
		p.Wrap("LEDGER: ", says)
	}
}

// Recorded says what became of the disclosures in the ledger, "" without one. Reading the same evidence again adds nothing.
func (r *Result) Recorded() string {
	if r.Receipt == nil {
		return ""
	}
	says := page.Count(r.Receipt.Recorded, "disclosure") + " recorded; " + page.Number(r.Receipt.Already) + " already on record"
	if n := r.Receipt.Purged; n > 0 {
		says += "; " + page.Number(n) + " of days that were purged, which stay forgotten"
	}
	return says + "."
}

// edges says which system gave whose records to whom.
func (p *Report) edges(r *Result) {
	if len(r.Edges) == 0 {
		return
	}
	p.Line("")
	p.Line("WHO GAVE WHOSE RECORDS TO WHOM (most patients first)")
	p.Line("%8s  %-21s %-21s %-15s %7s %8s  %s", "patients", "from", "to", "how", "messages", "bytes", "from-to")
	for i, e := range r.Edges {
		if i == maxRows {
			p.Line("          and %s more (--json has all)", page.Count(len(r.Edges)-i, "pair"))
			break
		}
		bytes := page.Size(e.Bytes)
		if e.Unseen > 0 && e.Bytes == 0 {
			bytes = "unseen"
		}
		patients := page.Number(e.Patients)
		if e.Unidentified > 0 {
			patients += fmt.Sprintf("+%s?", brief(e.Unidentified))
		}
		if len(patients) > 8 {
			patients = brief(e.Patients) + "+" + brief(e.Unidentified) + "?"
		}
		p.Line("%8s  %s %s %-15s %8s %8s  %s-%s", patients, page.Cell(p.party(e.From, 21), 21), page.Cell(p.party(e.To, 21), 21), how(e),
			page.Number(e.Messages), bytes, p.short(r, e.First), p.short(r, e.Last))
	}
	for _, e := range r.Edges {
		if e.Unidentified > 0 {
			p.Line("          +n?: n more records that name nobody")
			break
		}
	}
}

// brief gives a number in at most four characters.
func brief(n int) string {
	switch {
	case n < 1000:
		return fmt.Sprint(n)
	case n < 1_000_000:
		return fmt.Sprintf("%dk", n/1000)
	}
	return fmt.Sprintf("%dM", n/1_000_000)
}

// short gives the time of day, or the day in a capture of more than one.
func (p *Report) short(r *Result, t time.Time) string {
	if r.Last.Sub(r.First) > 24*time.Hour {
		return t.In(p.Zone).Format("02.01")
	}
	return t.In(p.Zone).Format("15:04")
}

// how names protocol and protection.
func how(e Edge) string {
	protocol := strings.ToUpper(string(e.Protocol))
	switch {
	case e.Unseen > 0 && e.Bytes == 0:
		return protocol + ", unseen"
	case e.Protection == chaperone.InClear:
		return protocol + ", in clear"
	}
	return protocol + ", " + string(e.Protection)
}

// people lists the patients themselves, for those who asked with --reveal.
func (p *Report) people(r *Result) {
	if len(p.People) == 0 {
		return
	}
	p.Line("")
	p.Line("PATIENTS BY NAME (patient data: handle with care)")
	p.Line("  %-24s %-28s %-10s %-3s %s", "number", "name", "born", "sex", "seen from - to")
	shown := map[string]bool{}
	for _, d := range p.People {
		for _, record := range d.People {
			ids, name, birth, sex := Person(record)
			if len(ids) == 0 && name == "" {
				continue
			}
			line := fmt.Sprintf("  %s %s %s %s %s - %s", page.Cell(page.Clean(strings.Join(ids, " "), 24), 24), page.Cell(page.Clean(strings.ReplaceAll(name, "^", " "), 28), 28),
				page.Cell(page.Clean(birth, 10), 10), page.Cell(page.Clean(sex, 3), 3), p.party(d.From, 13), p.party(d.To, 13))
			if !shown[line] {
				shown[line] = true
				p.Line("%s", line)
			}
		}
	}
}

// maxPlaces bounds the systems that are listed under one kind of finding.
const maxPlaces = 8

// findings lists what needs attention, one kind at a time: what it is, where, what to do.
func (p *Report) findings(r *Result) {
	if len(r.Findings) == 0 {
		return
	}
	p.Line("")
	p.Line("WHAT NEEDS ATTENTION")
	byRule := map[string][]chaperone.Finding{}
	var rules []string
	for _, f := range r.Findings {
		if byRule[f.Title] == nil {
			rules = append(rules, f.Title)
		}
		byRule[f.Title] = append(byRule[f.Title], f)
	}
	for _, title := range rules {
		list := byRule[title]
		p.Wrap(fmt.Sprintf("  %-8s ", strings.ToUpper(list[0].Severity.String())), title)
		for i, f := range list {
			if i == maxPlaces {
				p.Line("           and %s more (--json has all)", page.Count(len(list)-i, "place"))
				break
			}
			where := p.party(f.From, 28)
			if f.To.Addr.IsValid() || f.To.Claimed != "" {
				where += " to " + p.party(f.To, 28)
			}
			file := ""
			if len(r.Files) > 1 {
				file = " of " + page.Clean(f.Evidence.File, 60)
			}
			if !f.From.Addr.IsValid() && f.From.Claimed == "" {
				where = p.party(f.To, 28)
			}
			p.Wrap("           ", fmt.Sprintf("%s, %s; first %s, packet %d%s", where, page.Times(f.Count), p.moment(f.First), f.Evidence.Packet, file))
		}
		p.Wrap("           What to do: ", list[0].Advice)
	}
}

func (p *Report) systems(r *Result) {
	p.Line("")
	p.Line("SYSTEMS SEEN")
	shown := 0
	for _, s := range r.Systems {
		if len(s.Does) == 0 && len(s.Claimed) == 0 {
			continue
		}
		if shown++; shown > maxRows {
			continue
		}
		known := strings.Join(s.Claimed, " ")
		if name := p.Names.Of(s.Addr); name != "" && name != known {
			known = name + " (" + known + ")"
		}
		var does []string
		for _, d := range s.Does {
			does = append(does, string(d))
		}
		p.Wrap(fmt.Sprintf("  %-16s %s ", s.Addr, page.Cell(page.Clean(known, 30), 30)), strings.Join(does, ", "))
	}
	if shown > maxRows {
		p.Line("  and %s more (--json has all)", page.Count(shown-maxRows, "system"))
	}
	if quiet := len(r.Systems) - shown; quiet > 0 {
		p.Line("  and %s without HL7 or DICOM that was read and counted", page.Count(quiet, "address", "addresses"))
	}
}
