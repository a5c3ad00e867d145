package investigate

import (
	"fmt"
	"time"

	"chaperone/page"
)

// Limits says what the evidence cannot show, a sentence each: an answer that hides its holes is half an answer.
func (r *Report) Limits() []string {
	var notes []string
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if r.Stopped {
		note("what was not read yet when the run was stopped")
	}
	captures, logs := 0, 0
	for _, f := range r.Files {
		switch f.Kind {
		case Capture:
			captures++
		case EventLog:
			logs++
		}
	}
	if captures == 0 {
		note("anything that passed on the network: there is no capture among the evidence")
	} else {
		notes = append(notes, r.Watch.Limits(r.Names)...)
	}
	if covers := r.Site().End.Sub(r.Site().Begin); covers > 0 && covers < 24*time.Hour {
		note("whether anything in it is new: the evidence covers less than a day")
	} else if covers > 0 {
		note("whether what was seen in the first 24 hours was new then")
	}
	for _, c := range r.Clocks {
		note("the clock of %s differed from that of the captures by %s; its times were set right by that", page.Clean(c.Computer, 40), c.Ahead)
	}
	if logs == 0 {
		note("what happened on the systems themselves: there is no Windows event log among the evidence")
	} else {
		note("what systems did whose event logs are not here; logs were read of %s", page.Count(len(r.computers()), "computer"))
	}
	for _, f := range r.Story.Taken.Files {
		note("whose records are in %s: files of databases are not opened yet", page.Clean(f.Name, 60))
	}
	if len(r.Story.Claims) > 0 {
		note("whether names agree: numbers are compared, so a list of running numbers would match, too")
		note("people in a sample who appear there without the exact number of this site: they are counted as unmatched")
	}
	return notes
}

// computers gives the names of those whose logs were read.
func (r *Report) computers() map[string]bool {
	names := map[string]bool{}
	for _, l := range r.Logs {
		for _, c := range l.Computers {
			names[c] = true
		}
	}
	return names
}
