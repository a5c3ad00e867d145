package investigate

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"chaperone"
	"chaperone/incident"
	"chaperone/inventory"
	"chaperone/page"
	"chaperone/watch"
)

// maxTable bounds a table of the page; --json has all.
const maxTable = 200

// table is a list with a caption. Its first column names the row.
type table struct {
	ID, Caption string
	Heads       []head
	Rows        [][]cell
	More        string // what is left out, "" when it is whole
}

// head is the heading of a column.
type head struct {
	Text  string
	Class string // of its cells too: "num", "mono", or "whole", which is not wrapped
}

// Short reports whether a table should stay on one page of paper.
func (t *table) Short() bool { return len(t.Rows) <= 12 }

// cell is text with what belongs to it in small print.
type cell struct{ Text, Small string }

// tabulate makes a table of at most maxTable rows.
func tabulate[T any](id, caption string, heads []head, list []T, row func(T) []cell) *table {
	t := &table{ID: id, Caption: caption, Heads: heads}
	for _, x := range list[:min(len(list), maxTable)] {
		t.Rows = append(t.Rows, row(x))
	}
	if more := len(list) - len(t.Rows); more > 0 {
		t.More = fmt.Sprintf("and %s more; --json has all", page.Number(more))
	}
	return t
}

// todo is one of the things to fix first.
type todo struct{ Severity, Why, Advice, Title, Where, Place string }

// tables fills everything that is a list.
func (t *text) tables(s *sheet) {
	taken, edges := t.Story.Taken, t.Watch.Edges
	if len(taken.Sources) > 0 {
		s.Ways = tabulate("ways", "What was taken, by system and way", []head{{"From", ""}, {"To", ""}, {"How", "whole"}, {"Patients", "num"}, {"Records", "num"}, {"When", "whole"}, {"Evidence", ""}}, taken.Sources, t.way)
	}
	if len(taken.Files) > 0 {
		s.Files = tabulate("files", "Database files that were copied", []head{{"File", ""}, {"From", ""}, {"By", ""}, {"Size", "num"}, {"Read", "num"}, {"When", "whole"}, {"Evidence", ""}}, taken.Files, t.copied)
	}
	caption := "All exchanges of patient records that were seen"
	if s.Theft {
		caption += "; what was taken is among them"
	}
	s.Edges = tabulate("edges", caption,
		[]head{{"From", ""}, {"To", ""}, {"Protocol", "whole"}, {"Patients", "num"}, {"Records", "num"}, {"Messages", "num"}, {"When", "whole"}}, edges, t.edge)
	for _, f := range t.Findings {
		s.First = append(s.First, todo{f.Severity.String(), safe(f.Why, 200), safe(f.Advice, 400), safe(f.Title, 400), safe(t.where(f.Finding), 200), t.shownAt(f.Evidence)})
	}
	advised := map[string]bool{} // the same advice is given once
	finding := func(f chaperone.Finding) []cell {
		row := t.finding(f)
		if advised[f.Advice] {
			row[1].Small = ""
		}
		advised[f.Advice] = true
		return row
	}
	s.Findings = tabulate("all-findings", "Findings, the most severe first", []head{{"Severity", ""}, {"What was seen", ""}, {"Systems", ""}, {"When", "whole"}, {"How often", "num"}, {"Evidence", ""}, {"Rule", ""}}, t.Watch.Findings, finding)
	var seen []inventory.System
	seen, s.Silent = t.telling()
	s.Systems = tabulate("all-systems", "Systems that were seen: those with a known role first, the outside last",
		[]head{{"System", ""}, {"Role", "whole"}, {"Signs", ""}, {"Calls itself, runs", ""}, {"Connections", "num"}, {"Seen", "whole"}}, seen, t.system)
	s.Evidence = tabulate("files-read", "Files that were read", []head{{"File", ""}, {"What it is", ""}, {"Size", "num"}, {"SHA-256", "mono"}, {"Problem", ""}}, t.Files, evidence)
}

func (t *text) way(s incident.Source) []cell {
	patients := cell{Text: page.Number(s.Patients)}
	if s.Unidentified > 0 {
		patients.Small = "and " + page.Count(s.Unidentified, "record") + " naming nobody"
	}
	return []cell{t.side(s.From), t.side(s.To), {strings.ToUpper(string(s.Protocol)), safe(s.Action, 40)}, patients,
		{Text: page.Number(s.Records)}, t.stretch(s.First, s.Last), {Text: t.shownAt(s.Evidence)}}
}

func (t *text) copied(f incident.File) []cell {
	return []cell{{Text: safe(f.Name, 160)}, t.at(f.At), t.at(f.By), {Text: page.Size(f.Size)}, {Text: page.Size(f.Read)}, {Text: t.moment(f.Time)}, {Text: t.shownAt(f.Evidence)}}
}

func (t *text) edge(e watch.Edge) []cell {
	patients := cell{Text: page.Number(e.Patients)}
	switch {
	case e.Unseen > 0:
		patients.Small = "and " + page.Count(e.Unseen, "record") + " counted from the answer only"
	case e.Unidentified > 0:
		patients.Small = "and " + page.Count(e.Unidentified, "record") + " naming nobody"
	}
	how := map[chaperone.Protection]string{chaperone.InClear: "in the clear", chaperone.TLS: "TLS", chaperone.MutualTLS: "mutual TLS"}[e.Protection]
	return []cell{t.side(e.From), t.side(e.To), {strings.ToUpper(string(e.Protocol)), how}, patients,
		{Text: page.Number(e.Records)}, {Text: page.Number(e.Messages)}, t.stretch(e.First, e.Last)}
}

func (t *text) finding(f chaperone.Finding) []cell {
	return []cell{{Text: f.Severity.String()}, {safe(f.Title, 400), safe(f.Advice, 400)}, {Text: safe(t.where(f), 200)}, t.stretch(f.First, f.Last),
		{Text: page.Number(max(f.Count, 1))}, {Text: t.shownAt(f.Evidence)}, {safe(f.Rule, 60), safe(f.Technique, 20)}}
}

func (t *text) system(s inventory.System) []cell {
	role := cell{Text: cmp.Or(string(s.Role), "unknown")}
	if s.Role != inventory.Unknown && s.Role != inventory.Outside {
		role.Small = fmt.Sprintf("%.0f %% sure", 100*s.Sure)
	}
	var signs, calls, runs []string
	for _, x := range s.Signs {
		signs = append(signs, x.Text)
	}
	for _, c := range s.Claimed {
		calls = append(calls, safe(c, 40))
	}
	for _, n := range s.Names {
		calls = append(calls, safe(n.Text, 40)+" ("+safe(n.From, 30)+")")
	}
	for _, n := range s.Software {
		runs = append(runs, safe(n.Text, 60))
	}
	if len(signs) == 0 {
		for _, d := range s.Does {
			signs = append(signs, string(d))
		}
	}
	return []cell{t.at(s.Addr), role, {Text: brief(signs, 6)}, {brief(calls, 4), brief(runs, 4)},
		{Text: page.Number(s.Connections)}, t.stretch(s.First, s.Last)}
}

func evidence(f File) []cell {
	what := cell{Text: string(f.Kind)}
	if f.Items > 0 {
		what.Small = items(f)
	}
	sum := f.SHA256
	if sum == "" {
		sum = "not read to its end"
	}
	return []cell{{Text: safe(f.Path, 300)}, what, {Text: page.Size(f.Size)}, {Text: sum}, {Text: safe(f.Problem, 300)}}
}

// side names one side of an exchange.
func (t *text) side(p chaperone.Party) cell {
	if !p.Addr.IsValid() {
		return cell{safe(cmp.Or(p.Claimed, "unknown"), 60), "its address was not seen"}
	}
	c := t.at(p.Addr)
	if p.Claimed != "" && safe(p.Claimed, 40) != c.Text {
		c.Small = strings.TrimSpace(c.Small + " as " + safe(p.Claimed, 40))
	}
	return c
}

// at names a system with its address.
func (t *text) at(a netip.Addr) cell {
	n := t.known(a)
	if n.Name == "" {
		return cell{Text: n.Addr}
	}
	return cell{n.Name, n.Addr}
}

// stretch gives a stretch of time on two lines.
func (t *text) stretch(first, last time.Time) cell {
	from, to, _ := strings.Cut(t.between(first, last), " to ")
	if to != "" {
		to = "to " + to
	}
	return cell{from, to}
}

// where names the systems of a finding.
func (t *text) where(f chaperone.Finding) string {
	var sides []string
	for _, p := range []chaperone.Party{f.From, f.To} {
		if p.Addr.IsValid() || p.Claimed != "" {
			sides = append(sides, t.party(p))
		}
	}
	return strings.Join(sides, " → ")
}

// brief joins the first n of a list.
func brief(parts []string, n int) string {
	if more := len(parts) - n; more > 0 {
		return strings.Join(parts[:n], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(parts, ", ")
}

// telling gives the systems of which there is something to say, in the order of their roles: known ones, unknown ones,
// the outside. Half of the internet knocks at a public address: who did nothing else, and has no part in the story, is
// only counted.
func (t *text) telling() (all []inventory.System, silent int) {
	acted := slices.Clone(t.Story.Intruder)
	for _, s := range t.Story.Steps {
		acted = append(append(acted, s.By...), s.At...)
	}
	for _, s := range t.Watch.Systems {
		if s.Role == inventory.Outside && len(s.Names)+len(s.Claimed)+len(s.Software)+len(s.Does) == 0 && t.Site().Name(s.Addr) == "" && !slices.Contains(acted, s.Addr) {
			silent++
			continue
		}
		all = append(all, s)
	}
	class := map[inventory.Role]int{inventory.Unknown: 1, inventory.Outside: 2}
	slices.SortStableFunc(all, func(a, b inventory.System) int {
		return cmp.Or(cmp.Compare(class[a.Role], class[b.Role]), cmp.Compare(a.Role, b.Role))
	})
	return all, silent
}
