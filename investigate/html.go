package investigate

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"chaperone"
	"chaperone/incident"
	"chaperone/page"
	"chaperone/patient"
)

//go:embed html
var pageFiles embed.FS

var pageTemplate = template.Must(template.ParseFS(pageFiles, "html/*"))

// sheet is the page as its templates see it. All text in it has passed safe; html/template escapes it once more for the
// place where it stands.
type sheet struct {
	Title, Lead        string
	Theft              bool // there is a story
	Stopped            bool
	Begin, End, Zone   string // of the evidence
	Patients           figure
	Facts              []fact
	Claims             []claimed
	Axes               []*axis // wide and narrow: style.css shows the one that fits
	Stages             []card
	Maps               []*drawing // wide and narrow, as well
	MapNotes, MapWords []string
	Ways, Files, Edges *table
	First              []todo
	Findings           *table
	Systems            *table
	Networks           string
	Silent             int // outside addresses of which nothing is known, left out of Systems
	Evidence           *table
	Limits             []string
	Rule               string
	Version            string
	Read, Took         string
}

// fact is a line of the summary; each part stays on one line where there is room.
type fact struct {
	Label string
	Text  string
	Parts []string
}

// figure is a number that is to be seen from afar.
type figure struct{ Number, Label, Note string }

// HTML writes the report as one page that needs nothing else: no script, no font, no image from anywhere. It holds no
// patient data: numbers of patients, and what systems call themselves. Times are in the zone of zone.
func (r *Report) HTML(w io.Writer, zone *time.Location) error {
	words := &text{Report: r, zone: zone}
	s := &sheet{
		Theft: len(r.Story.Steps) > 0, Stopped: r.Stopped, Rule: patient.CountingRule, Version: chaperone.Version,
		Zone: words.zones(), Read: words.moment(r.Read), Took: page.Span(r.Took), Networks: words.networks(),
	}
	if site := r.Site(); !site.Begin.IsZero() {
		s.Begin, s.End = words.moment(site.Begin), words.moment(site.End)
	}
	for _, l := range r.Limits() {
		s.Limits = append(s.Limits, safe(l, 600))
	}
	words.top(s)
	words.stages(s)
	words.drawMaps(s)
	words.tables(s)
	return pageTemplate.ExecuteTemplate(w, "page.html", s)
}

// safe makes text from outside harmless: nothing in it steers, it has at most n columns, and no letter bears more than
// two marks, because a pile of them paints over the lines around it.
func safe(s string, n int) string {
	marks := 0
	return page.Clean(strings.Map(func(r rune) rune {
		if !unicode.IsMark(r) {
			marks = 0
			return r
		}
		if marks++; marks > 2 {
			return -1
		}
		return r
	}, s), n)
}

// top fills the summary.
func (t *text) top(s *sheet) {
	say := func(label, says string) {
		if says != "" {
			s.Facts = append(s.Facts, fact{Label: label, Text: safe(says, 600)})
		}
	}
	for _, c := range t.Story.Claims {
		s.Claims = append(s.Claims, t.claimed(c))
	}
	if !s.Theft {
		s.Title = "No theft is shown by this evidence"
		s.Lead = safe(t.noStory(), 600)
		n := t.Watch.Patients.Patients
		s.Patients = figure{Number: page.Number(n), Label: "patients whose records were seen passing on the network"}
		if n > 0 {
			s.Patients.Note = "an ordinary day has such exchanges too"
		}
		return
	}
	s.Title = "A theft of patient records: what the evidence shows"
	if t.step(incident.Entered) == nil {
		s.Title = "Records were taken: what the evidence shows"
	}
	s.Lead = safe(t.sentence(), 900)
	s.Patients = t.taken()
	if when := t.when(); when != "" {
		s.Facts = append(s.Facts, fact{Label: "When", Parts: strings.Split(when, ", ")})
	}
	say("Way in", t.hole())
	say("From there", t.route())
	say("Where to", t.outside())
	say("How sure", t.sure())
}

// taken says how many patients, and between which bounds.
func (t *text) taken() figure {
	taken := t.Story.Taken
	f := figure{Number: page.Number(taken.Patients.Patients), Label: "patients whose records were taken"}
	if taken.Patients.Patients == 1 {
		f.Label = "patient whose records were taken"
	}
	if taken.Patients.Patients == 0 {
		return figure{Number: "?", Label: "how many patients is not known", Note: "no records that passed to these systems are in the evidence"}
	}
	notes := []string{fmt.Sprintf("at least %s, at most %s as one counts", page.Number(taken.Patients.Min), page.Number(taken.Patients.Max))}
	if n := taken.Patients.Weak; n > 0 {
		notes = append(notes, page.Number(n)+" of them known by name only")
	}
	if n := taken.Unidentified; n > 0 {
		notes = append(notes, "and "+page.Count(n, "record")+" that name nobody")
	}
	switch n := len(taken.Files); {
	case n == 1:
		notes = append(notes, "the patients in the copied database file are not counted")
	case n > 1:
		notes = append(notes, "the patients in the "+page.Number(n)+" copied database files are not counted")
	}
	f.Note = strings.Join(notes, "; ")
	return f
}

// zones says in which zone the times are; two when clocks changed between them.
func (t *text) zones() string {
	at := []time.Time{t.Site().Begin, t.Site().End}
	for _, s := range t.Story.Steps {
		at = append(at, s.First, s.Last)
	}
	at = slices.DeleteFunc(at, time.Time.IsZero)
	if len(at) == 0 {
		at = []time.Time{t.Read}
	}
	var offsets []string
	for _, x := range at {
		o := "UTC" + strings.TrimPrefix(x.In(t.zone).Format("-07:00"), "+00:00")
		if !slices.Contains(offsets, o) {
			offsets = append(offsets, o)
		}
	}
	return strings.Join(offsets, " and ")
}

// between gives a stretch of time; the day is said once.
func (t *text) between(first, last time.Time) string {
	if first.IsZero() {
		return "time unknown"
	}
	from := t.moment(first)
	if !last.After(first) || t.moment(last) == from {
		return from
	}
	to := last.In(t.zone)
	if first.In(t.zone).Format(time.DateOnly) == to.Format(time.DateOnly) {
		return from + " to " + to.Format(time.TimeOnly)
	}
	return from + " to " + t.moment(last)
}
