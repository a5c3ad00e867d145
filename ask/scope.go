package ask

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"chaperone"
	"chaperone/ledger"
	"chaperone/page"
	"chaperone/patient"
)

// report is an answer being written for people.
type report struct {
	Style
	page.Writer
}

// Scope writes for people how many patients the disclosures reached that a query means. With Query.Detail it goes on by day,
// by protocol and by edge. The error is of out.
func Scope(out io.Writer, q ledger.Query, s ledger.Scope, style Style) error {
	p := report{Style: style, Writer: page.Writer{Out: out}}
	p.Wrap("", p.question(q))
	p.Line("")
	p.total(s)
	p.days(s.Days)
	p.protocols(s.Protocols)
	p.edges(s.Edges)
	p.foot(q, s)
	if s.Disclosures > 0 {
		p.section("HOW PATIENTS ARE COUNTED", []string{patient.CountingRule})
	}
	return p.Err
}

// Foot writes for people what a list of disclosures rests on, as Scope does for a count. With a table it goes to its foot; into
// a CSV it does not belong.
func Foot(out io.Writer, q ledger.Query, s ledger.Scope, style Style) error {
	p := report{Style: style, Writer: page.Writer{Out: out}}
	p.foot(q, s)
	return p.Err
}

func (p *report) foot(q ledger.Query, s ledger.Scope) {
	p.section("HOW MUCH OF THE PERIOD WAS WATCHED", p.watched(q, s))
	p.section("WHAT CAN BE PROVEN", proven(s.Seal))
}

// section writes sentences under a heading.
func (p *report) section(heading string, sentences []string) {
	p.Line("")
	p.Line("%s", heading)
	for _, s := range sentences {
		p.Wrap("  - ", s)
	}
}

// total says in a few lines what it comes to.
func (p *report) total(s ledger.Scope) {
	if s.Disclosures == 0 {
		p.Wrap("", "PATIENTS: none. No such disclosure is on record.")
		return
	}
	p.Wrap("PATIENTS: ", fmt.Sprintf("%s passed in %s.", page.People(s.Patients), page.Count(int(s.Disclosures), "disclosure")))
	var notes []string
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if s.Min != s.Max {
		note("at least %s and at most %s, however one counts", page.Number(s.Min), page.Number(s.Max))
	}
	if s.Weak > 0 {
		note("%s known by name only", page.Number(s.Weak))
	}
	if s.Unmerged != s.Patients {
		note("%s without the merges on record", page.Number(s.Unmerged))
	}
	if s.Unidentified > 0 {
		note("%s more that name nobody", page.Count(int(s.Unidentified), "record"))
	}
	if len(notes) > 0 {
		p.Wrap("          ", strings.Join(notes, "; ")+".")
	}
	objects := ""
	if s.Objects > 0 {
		objects = " (" + page.Count(int(s.Objects), "DICOM object") + ")"
	}
	p.Wrap("", fmt.Sprintf("%s%s, %s of messages; first %s, last %s (%s)", page.Count(int(s.Records), "record"), objects, page.Size(s.Bytes),
		p.moment(s.First), p.moment(s.Last), p.zoneName(s.First, s.Last)))
}

// row writes one line of a table of counts.
func (p *report) row(what string, width int, c ledger.Counts) {
	p.Line("%8s %9s %9s %9s  %s", persons(c.Patients, c.Unidentified), page.Number(int(c.Disclosures)), page.Number(int(c.Records)), page.Size(c.Bytes), page.Cell(what, width))
}

func (p *report) heading(title, what string) {
	p.Line("")
	p.Line("%s", title)
	p.Line("%8s %9s %9s %9s  %s", "patients", "disclosed", "records", "bytes", what)
}

// persons gives a number of patients in at most eight columns, with the records that name nobody: 12+3?
func persons(patients int, unidentified int64) string {
	text := page.Number(patients)
	if unidentified > 0 {
		text += "+" + brief(unidentified) + "?"
	}
	if len(text) > 8 && unidentified > 0 {
		text = brief(int64(patients)) + "+" + brief(unidentified) + "?"
	}
	return text
}

// brief gives a number in at most four characters.
func brief(n int64) string {
	for _, unit := range []string{"", "k", "M", "G", "T"} {
		if n < 1000 {
			return fmt.Sprintf("%d%s", n, unit)
		}
		n /= 1000
	}
	return fmt.Sprintf("%dP", n)
}

func (p *report) days(list []ledger.DayCounts) {
	if len(list) == 0 {
		return
	}
	p.heading("BY DAY (UTC; patients of several days are counted on each)", "day")
	for i, d := range list {
		if p.enough(i, len(list), "day") {
			break
		}
		p.row(d.Day.String(), 0, d.Counts)
	}
}

func (p *report) protocols(list []ledger.ProtocolCounts) {
	if len(list) == 0 {
		return
	}
	p.heading("BY PROTOCOL", "protocol")
	for i, d := range list {
		if p.enough(i, len(list), "protocol") {
			break
		}
		p.row(strings.ToUpper(page.Clean(string(d.Protocol), 20)), 0, d.Counts)
	}
}

func (p *report) edges(list []ledger.EdgeCounts) {
	if len(list) == 0 {
		return
	}
	const width = 29
	p.heading("WHO GAVE WHOSE RECORDS TO WHOM (most patients first)", page.Cell("from", width)+" to")
	for i, e := range mostFirst(list) {
		if p.enough(i, len(list), "pair") {
			break
		}
		p.row(page.Cell(p.party(e.From, width), width)+" "+p.party(e.To, width), 0, e.Counts)
	}
}

// mostFirst orders edges by their patients.
func mostFirst(list []ledger.EdgeCounts) []ledger.EdgeCounts {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b ledger.EdgeCounts) int {
		return cmp.Or(cmp.Compare(b.Patients, a.Patients), cmp.Compare(b.Disclosures, a.Disclosures), compareParty(a.From, b.From), compareParty(a.To, b.To))
	})
	return list
}

func compareParty(a, b chaperone.Party) int {
	return cmp.Or(a.Addr.Compare(b.Addr), strings.Compare(a.Claimed, b.Claimed), strings.Compare(a.Proven, b.Proven), cmp.Compare(a.Port, b.Port))
}

// enough ends a long list.
func (p *report) enough(i, n int, one string) bool {
	if i == maxRows {
		p.Line("         and %s more (--json has all)", page.Count(n-i, one))
	}
	return i == maxRows
}
