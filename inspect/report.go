package inspect

import (
	"fmt"
	"io"
	"strings"
	"time"

	"chaperone/format/evtx"
	"chaperone/page"
)

// maxRows bounds the lists in the report; --json has all.
const maxRows = 40

// widest is how much of one value the list of events shows.
const widest = 200

// Report writes for people. Times are in Zone.
type Report struct {
	Zone *time.Location
	page.Writer
	some bool
}

// NewReport writes to out.
func NewReport(out io.Writer, zone *time.Location) *Report {
	return &Report{Zone: zone, Writer: page.Writer{Out: out}}
}

// File writes what a file is and what is in it.
func (r *Report) File(f File) {
	if r.some {
		r.Line("")
	}
	r.some = true
	what := page.Clean(f.Path, page.Width) + ": " + f.Format
	if f.Log != nil && f.Log.Header.Present {
		what += ", version " + version(f.Log.Header)
	}
	if f.Size > 0 {
		what += ", " + page.Size(f.Size)
	}
	r.Wrap("", what)
	if f.Advice != "" {
		r.Wrap("  ", page.Printable(f.Advice))
	}
	if f.Log != nil {
		r.log(f.Log)
	}
}

func (r *Report) log(l *Log) {
	if l.Stats.Records == 0 {
		r.Wrap("  ", "No events.")
	} else {
		first, last := r.moment(l.First, "2006-01-02 15:04:05"), r.moment(l.Last, "2006-01-02 15:04:05 MST")
		when := fmt.Sprintf("%s to %s (%s)", first, last, page.Span(l.Last.Sub(l.First)))
		ids := fmt.Sprintf("record ids %d to %d", l.FirstID, l.LastID)
		if l.Stats.Records == 1 {
			when, ids = last, fmt.Sprintf("record id %d", l.FirstID)
		}
		r.Wrap("  ", page.Count(l.Stats.Records, "event")+", "+when)
		if n := l.Missing(); n > 0 {
			ids += fmt.Sprintf(", of which %d are not here (in an exported selection of events that is usual)", n)
		}
		r.Wrap("  ", ids)
		r.names("computer", l.computers(), l.MoreNames > 0)
		r.kinds(l)
	}
	if damage := l.Damage(); len(damage) > 0 {
		r.Line("")
		r.Line("  WHAT THIS LOG CANNOT SHOW")
		for _, text := range damage {
			r.Wrap("  - ", text)
		}
	}
}

func (r *Report) names(what string, names []string, more bool) {
	shown := make([]string, 0, maxRows)
	for _, name := range names[:min(len(names), maxRows)] {
		shown = append(shown, page.Clean(name, 60))
	}
	if len(names) > 1 {
		what += "s"
	}
	text := strings.Join(shown, ", ")
	if len(names) > maxRows || more {
		text += ", and more"
	}
	r.Wrap("  "+what+" ", text)
}

// kinds writes the table of events, the most frequent first.
func (r *Report) kinds(l *Log) {
	r.Line("")
	r.Line("  %9s %6s  %-16s %s", "events", "id", "channel", "what it means")
	all := l.kinds()
	for i, k := range all {
		if i == maxRows {
			r.Line("  %9s and %s more (--json has all)", "", page.Count(len(all)-i, "kind"))
			break
		}
		meaning := k.Meaning()
		if meaning == "" {
			meaning = "-"
		}
		r.Wrap(fmt.Sprintf("  %9s %6d  %s ", page.Number(l.Kinds[k]), k.ID, page.Cell(page.Clean(short(k.Channel), 16), 16)), meaning)
	}
	if l.Others > 0 {
		r.Line("  %9s %6s  of too many other kinds", page.Number(l.Others), "")
	}
}

func version(h evtx.Header) string { return fmt.Sprintf("%d.%d", h.Major, h.Minor) }

// short gives the telling part of a channel's name.
func short(channel string) string {
	channel = strings.TrimSuffix(channel, "/Operational")
	channel = strings.TrimPrefix(channel, "Microsoft-Windows-")
	channel = strings.TrimPrefix(channel, "TerminalServices-")
	return strings.TrimPrefix(channel, "RemoteDesktopServices-")
}

// Event writes one event: when, what, where, and its fields.
func (r *Report) Event(_ string, e *evtx.Record) error {
	r.some = true
	carved := ""
	if e.Carved {
		carved = " carved"
	}
	var b strings.Builder
	for _, f := range e.Data {
		fmt.Fprintf(&b, "%s=%s ", page.Clean(f.Name, 60), page.Clean(f.Value, widest))
	}
	r.Wrap(fmt.Sprintf("%s %5d %s%s ", r.moment(e.Time, "2006-01-02 15:04:05.000"), e.EventID, page.Clean(e.Computer, 30), carved), b.String())
	return r.Err
}

func (r *Report) moment(t time.Time, layout string) string { return t.In(r.Zone).Format(layout) }

// Close ends the report.
func (r *Report) Close() error { return r.Err }
