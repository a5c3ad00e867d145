package watch

import (
	"fmt"
	"io"
	"strings"
	"time"

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

// wrap writes text with a hanging indent.
func (p *Report) wrap(indent, text string) {
	line := indent
	for _, word := range strings.Fields(text) {
		if len([]rune(line))+len([]rune(word)) > width && strings.TrimSpace(line) != "" {
			p.line("%s", line)
			line = strings.Repeat(" ", len([]rune(indent)))
		}
		line += word + " "
	}
	p.line("%s", line)
}

// head says in a few lines what was read and what it comes to.
func (p *Report) head(r *Result) {
	p.line("%s, %s to %s (%s)", count(len(r.Files), "capture file"), p.moment(r.First), p.moment(r.Last), span(r.Last.Sub(r.First)))
	c := r.Connections
	p.line("%s, %s, %s: %d with HL7 or DICOM, %d encrypted, %d other, %d without content",
		count(int(r.Packets), "packet"), size(r.Bytes), count(c.Total, "connection"), c.Decoded, c.Encrypted, c.Other, c.Silent)
	p.line("")
	if r.Counters.Disclosures == 0 {
		p.line("No patient records were seen.")
		return
	}
	clear := 0
	for _, e := range r.Edges {
		if e.Protection == chaperone.InClear {
			clear += e.Messages
		}
	}
	p.line("PATIENTS: %s passed in %s, %s of them readable by anyone on the network.", people(r.Patients.Patients),
		count(int(r.Counters.Disclosures), "message"), share(clear, int(r.Counters.Disclosures)))
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
	p.line("%8s  %-22s %-22s %-15s %7s %8s  %s", "patients", "from", "to", "how", "messages", "bytes", "from-to")
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
			patients += fmt.Sprintf("+%d?", e.Unidentified)
		}
		p.line("%8s  %-22s %-22s %-15s %8s %8s  %s-%s", patients, p.party(e.From, 22), p.party(e.To, 22), how(e),
			number(e.Messages), bytes, e.First.In(p.Zone).Format("15:04"), e.Last.In(p.Zone).Format("15:04"))
	}
	for _, e := range r.Edges {
		if e.Unidentified > 0 {
			p.line("          +n?: n more records that name nobody")
			break
		}
	}
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
			line := fmt.Sprintf("  %-24s %-28s %-10s %-3s %s - %s", clean(strings.Join(ids, " "), 24), clean(strings.ReplaceAll(name, "^", " "), 28),
				clean(birth, 10), clean(sex, 3), p.party(d.From, 13), p.party(d.To, 13))
			if !shown[line] {
				shown[line] = true
				p.line("%s", line)
			}
		}
	}
}

func (p *Report) findings(r *Result) {
	if len(r.Findings) == 0 {
		return
	}
	p.line("")
	p.line("WHAT NEEDS ATTENTION")
	for i, f := range r.Findings {
		if i == maxRows {
			p.line("  and %s more (--json has all)", count(len(r.Findings)-i, "finding"))
			break
		}
		where := p.party(f.From, 30)
		if f.To.Addr.IsValid() || f.To.Claimed != "" {
			where += " to " + p.party(f.To, 30)
		}
		p.wrap(fmt.Sprintf("  %-8s ", strings.ToUpper(f.Severity.String())), f.Title)
		p.line("           %s, %s, first %s (%s, packet %d)", where, times(f.Count), p.moment(f.First), clean(f.Evidence.File, 40), f.Evidence.Packet)
		if i+1 == len(r.Findings) || r.Findings[i+1].Rule != f.Rule { // the advice is the same for all of a rule
			p.wrap("           -> ", f.Advice)
		}
	}
}

func (p *Report) systems(r *Result) {
	p.line("")
	p.line("SYSTEMS SEEN")
	p.line("  %-22s %-20s %-22s %s", "address", "name", "calls itself", "does")
	shown := 0
	for _, s := range r.Systems {
		if len(s.Does) == 0 && len(s.Claimed) == 0 {
			continue
		}
		if shown++; shown > maxRows {
			continue
		}
		var does []string
		for _, d := range s.Does {
			does = append(does, string(d))
		}
		p.line("  %-22s %-20s %-22s %s", s.Addr, clean(p.Names.Of(s.Addr), 20), clean(strings.Join(s.Claimed, " "), 22), clean(strings.Join(does, ", "), 32))
	}
	if shown > maxRows {
		p.line("  and %s more (--json has all)", count(shown-maxRows, "system"))
	}
	if quiet := len(r.Systems) - shown; quiet > 0 {
		p.line("  and %s without HL7 or DICOM that could be read", count(quiet, "address", "addresses"))
	}
}
