// Package ask puts questions to a ledger and writes the answers for people and for programs: how many patients, which
// disclosures, and the accounting that a patient may ask for.
//
// An answer says what it rests on: which part of the period was watched, what was purged, what can be proven to whom, and by
// which rule patients are counted. Everything that systems call themselves is text from outside and cannot steer a terminal,
// a script or a spreadsheet.
package ask

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"chaperone"
	"chaperone/ledger"
	"chaperone/page"
)

// Style is how answers look. JSON and CSV have their times in UTC whatever the zone.
type Style struct {
	Names map[netip.Addr]string // what people call systems
	Zone  *time.Location        // of times for people; nil is UTC
}

// maxRows bounds a list in a report; JSON has all.
const maxRows = 40

func (s Style) zone() *time.Location {
	if s.Zone == nil {
		return time.UTC
	}
	return s.Zone
}

func (s Style) moment(t time.Time) string { return t.In(s.zone()).Format("2006-01-02 15:04:05") }

// zoneName says in which zone some times are written: by its name, or, where a machine only knows what its clock shows, by
// how far that is ahead of UTC.
func (s Style) zoneName(times ...time.Time) string {
	if name := s.zone().String(); name != "Local" {
		return name
	}
	var names []string
	for _, t := range times {
		name := t.In(s.zone()).Format("UTC-07:00")
		if name = strings.TrimSuffix(name, "+00:00"); !t.IsZero() && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", then ")
}

// period says from when to when, for a heading.
func (s Style) period(from, until time.Time) string {
	zone := " (" + s.zoneName(from, until) + ")"
	switch {
	case from.IsZero() && until.IsZero():
		return "at any time"
	case until.IsZero():
		return "from " + s.moment(from) + " on" + zone
	case from.IsZero():
		return "before " + s.moment(until) + zone
	}
	return "from " + s.moment(from) + " until " + s.moment(until) + zone
}

// party names a side in at most n columns: by the operator's name, else by what it proved, or only claims, and its address. A long
// address is shortened in the middle.
func (s Style) party(p chaperone.Party, n int) string {
	if name := s.Names[p.Addr.Unmap()]; name != "" {
		return page.Clean(name, n)
	}
	name := cmp.Or(p.ProvenName(), p.Claimed)
	if !p.Addr.IsValid() {
		return page.Clean(name, n)
	}
	address := p.Addr.Unmap().String()
	if name == "" {
		return page.Middle(address, n)
	}
	name = page.Clean(name, max(n-len(address)-1, min(n/2-1, runewidth.StringWidth(name))))
	return name + " " + page.Middle(address, n-runewidth.StringWidth(name)-1)
}

// acted names a side of a finding: by what it proved before all else, as another may stand at an address that has a name; what it calls
// itself is said beside that. It may be the name of whom it is mistaken for.
func (s Style) acted(p chaperone.Party) string {
	name := p.ProvenName()
	if name == "" {
		return s.party(p, 60)
	}
	text := Style{}.party(p, 60)
	var beside []string
	if called := s.Names[p.Addr.Unmap()]; called != "" {
		beside = append(beside, page.Clean(called, 40))
	}
	if p.Claimed != "" && !strings.EqualFold(p.Claimed, name) {
		beside = append(beside, "calls itself "+page.Clean(p.Claimed, 40))
	}
	if len(beside) > 0 {
		text += " (" + strings.Join(beside, ", ") + ")"
	}
	return text
}

// whole names a side with all that is known of it.
func (s Style) whole(p chaperone.Party) string {
	var parts []string
	add := func(format, text string) {
		if text != "" {
			parts = append(parts, fmt.Sprintf(format, page.Clean(text, 200)))
		}
	}
	add("%s", s.Names[p.Addr.Unmap()])
	add("proven by its certificate: %s", p.Proven)
	add("calling itself %s", p.Claimed)
	if p.Addr.IsValid() {
		add("network address %s", p.Addr.Unmap().String())
	}
	if len(parts) == 0 {
		return "not known"
	}
	return strings.Join(parts, ", ")
}

// question says in words which disclosures a query means.
func (s Style) question(q ledger.Query) string {
	words := []string{"Disclosures"}
	matches := func(word string, list []ledger.Match) {
		var names []string
		for i, m := range list {
			if i == 5 {
				names = append(names, fmt.Sprintf("%s more", page.Number(len(list)-i)))
				break
			}
			if m.Prefix.IsValid() {
				names = append(names, m.Prefix.String())
			} else {
				names = append(names, page.Clean(m.Name, 40))
			}
		}
		if len(names) > 0 {
			words = append(words, word, strings.Join(names, " or "))
		}
	}
	if q.Patient != nil {
		words = append(words, "of one patient")
	}
	matches("from", q.Sources)
	matches("to", q.Parties)
	if len(q.Protocols) > 0 {
		var names []string
		for _, p := range q.Protocols {
			names = append(names, strings.ToUpper(page.Clean(string(p), 20)))
		}
		words = append(words, "in", strings.Join(names, " or "))
	}
	return strings.Join(words, " ") + ", " + s.period(q.From, q.Until)
}
