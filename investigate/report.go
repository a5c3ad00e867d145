package investigate

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"chaperone/incident"
	"chaperone/inventory"
	"chaperone/page"
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
	if r.Stopped {
		t.Wrap("", "STOPPED BEFORE THE END: what follows covers only what was read until then. Numbers can only grow.")
		t.Line("")
	}
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
	if c := inventory.Computer(a); c != "" {
		return page.Clean(c, 40)
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

// day gives a time without the hour where none was said: offers often have a date only.
func (t *text) day(at time.Time) string {
	if at.Equal(at.UTC().Truncate(24 * time.Hour)) {
		return at.UTC().Format(time.DateOnly)
	}
	return t.minute(at)
}

func (t *text) minute(at time.Time) string { return at.In(t.zone).Format("2006-01-02 15:04") }
