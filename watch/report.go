package watch

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"chaperone"
	"chaperone/exchange"
)

// width is what a report may use of a line.
const width = 100

// maxRows bounds a list in the report; --json has all.
const maxRows = 40

// Report writes a result for people. Times are in the zone of zone.
type Report struct {
	Names  Names
	Zone   *time.Location
	People []exchange.Disclosed // with names, when they were asked for
	out    io.Writer
	err    error
}

// Write writes the report.
func (p *Report) Write(out io.Writer, r *Result) error {
	p.out = out
	p.head(r)
	p.edges(r)
	p.people(r)
	p.findings(r)
	p.systems(r)
	p.limits(r)
	p.rule(r)
	return p.err
}

func (p *Report) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.out, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	}
}

// wrap writes text with a hanging indent. A word that is too long for a line is cut into several.
func (p *Report) wrap(indent, text string) {
	blank := strings.Repeat(" ", runewidth.StringWidth(indent))
	line, used := indent, len(blank)
	for _, word := range strings.Fields(text) {
		for {
			w := runewidth.StringWidth(word)
			if used+w <= width {
				line, used = line+word+" ", used+w+1
				break
			}
			if used > len(blank) {
				p.line("%s", line)
				line, used = blank, len(blank)
				continue
			}
			part := runewidth.Truncate(word, width-used, "")
			p.line("%s", line+part)
			line, word = blank, word[len(part):]
		}
	}
	p.line("%s", line)
}

// cell fills text up to n columns.
func cell(s string, n int) string { return runewidth.FillRight(s, n) }

// head says in a few lines what was read and what it comes to.
func (p *Report) head(r *Result) {
	zone, _ := r.First.In(p.Zone).Zone()
	p.line("%s, %s to %s %s (%s)", count(len(r.Files), "capture file"), p.moment(r.First), p.moment(r.Last), zone, span(r.Last.Sub(r.First)))
	c := r.Connections
	p.wrap("", fmt.Sprintf("%s, %s, %s: %s with HL7 or DICOM, %s encrypted, %s other, %s empty", count(int(r.Packets), "packet"), size(r.Bytes),
		count(c.Total, "connection"), number(c.Decoded), number(c.Encrypted), number(c.Other), number(c.Silent)))
	p.line("")
	if r.Counters.Disclosures == 0 {
		p.wrap("", "No patient records were seen in what could be read and was counted.")
		return
	}
	clear := 0
	for _, e := range r.Edges {
		if e.Protection == chaperone.InClear {
			clear += e.Messages
		}
	}
	p.wrap("PATIENTS: ", fmt.Sprintf("%s passed in %s, %s of them readable by anyone on the network.", people(r.Patients.Patients),
		count(int(r.Counters.Disclosures), "message"), share(clear, int(r.Counters.Disclosures))))
	var notes []string
	if r.Patients.Min != r.Patients.Max {
		notes = append(notes, fmt.Sprintf("at least %s and at most %s, however one counts", number(r.Patients.Min), number(r.Patients.Max)))
	}
	if r.Patients.Weak > 0 {
		notes = append(notes, fmt.Sprintf("%s known by name only", number(r.Patients.Weak)))
	}
	if n := int(r.Counters.Unidentified); n > 0 {
		notes = append(notes, fmt.Sprintf("%s more that name nobody", count(n, "record")))
	}
	if len(notes) > 0 {
		p.wrap("          ", strings.Join(notes, "; ")+".")
	}
}

// edges says which system gave whose records to whom.
func (p *Report) edges(r *Result) {
	if len(r.Edges) == 0 {
		return
	}
	p.line("")
	p.line("WHO GAVE WHOSE RECORDS TO WHOM (most patients first)")
	p.line("%8s  %-21s %-21s %-15s %7s %8s  %s", "patients", "from", "to", "how", "messages", "bytes", "from-to")
	for i, e := range r.Edges {
		if i == maxRows {
			p.line("          and %s more (--json has all)", count(len(r.Edges)-i, "pair"))
			break
		}
		bytes := size(e.Bytes)
		if e.Unseen > 0 && e.Bytes == 0 {
			bytes = "unseen"
		}
		patients := number(e.Patients)
		if e.Unidentified > 0 {
			patients += fmt.Sprintf("+%s?", brief(e.Unidentified))
		}
		if len(patients) > 8 {
			patients = brief(e.Patients) + "+" + brief(e.Unidentified) + "?"
		}
		p.line("%8s  %s %s %-15s %8s %8s  %s-%s", patients, cell(p.party(e.From, 21), 21), cell(p.party(e.To, 21), 21), how(e),
			number(e.Messages), bytes, p.short(r, e.First), p.short(r, e.Last))
	}
	for _, e := range r.Edges {
		if e.Unidentified > 0 {
			p.line("          +n?: n more records that name nobody")
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
	p.line("")
	p.line("PATIENTS BY NAME (patient data: handle with care)")
	p.line("  %-24s %-28s %-10s %-3s %s", "number", "name", "born", "sex", "seen from - to")
	shown := map[string]bool{}
	for _, d := range p.People {
		for _, record := range d.People {
			ids, name, birth, sex := Person(record)
			if len(ids) == 0 && name == "" {
				continue
			}
			line := fmt.Sprintf("  %s %s %s %s %s - %s", cell(clean(strings.Join(ids, " "), 24), 24), cell(clean(strings.ReplaceAll(name, "^", " "), 28), 28),
				cell(clean(birth, 10), 10), cell(clean(sex, 3), 3), p.party(d.From, 13), p.party(d.To, 13))
			if !shown[line] {
				shown[line] = true
				p.line("%s", line)
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
	p.line("")
	p.line("WHAT NEEDS ATTENTION")
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
		p.wrap(fmt.Sprintf("  %-8s ", strings.ToUpper(list[0].Severity.String())), title)
		for i, f := range list {
			if i == maxPlaces {
				p.line("           and %s more (--json has all)", count(len(list)-i, "place"))
				break
			}
			where := p.party(f.From, 28)
			if f.To.Addr.IsValid() || f.To.Claimed != "" {
				where += " to " + p.party(f.To, 28)
			}
			file := ""
			if len(r.Files) > 1 {
				file = " of " + clean(f.Evidence.File, 60)
			}
			p.wrap("           ", fmt.Sprintf("%s, %s; first %s, packet %d%s", where, times(f.Count), p.moment(f.First), f.Evidence.Packet, file))
		}
		p.wrap("           What to do: ", list[0].Advice)
	}
}

func (p *Report) systems(r *Result) {
	p.line("")
	p.line("SYSTEMS SEEN")
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
		p.wrap(fmt.Sprintf("  %-16s %s ", s.Addr, cell(clean(known, 30), 30)), strings.Join(does, ", "))
	}
	if shown > maxRows {
		p.line("  and %s more (--json has all)", count(shown-maxRows, "system"))
	}
	if quiet := len(r.Systems) - shown; quiet > 0 {
		p.line("  and %s without HL7 or DICOM that was read and counted", count(quiet, "address", "addresses"))
	}
}
