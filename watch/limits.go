package watch

import (
	"fmt"
	"time"

	"github.com/mattn/go-runewidth"

	"chaperone"
	"chaperone/page"
	"chaperone/patient"
)

// limits says what the capture cannot show: an answer that hides its holes is half an answer.
func (p *Report) limits(r *Result) {
	p.Line("")
	p.Line("WHAT THIS CAPTURE CANNOT SHOW")
	for _, n := range append(r.unread(), r.Limits(p.Names)...) {
		p.Wrap("  - ", n)
	}
}

// Limits says what the captures cannot show, a sentence each, files that were not read apart.
func (r *Result) Limits(names Names) []string {
	var notes []string
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if r.Filter != "" {
		note("messages that the filter leaves out (%s); the packets and connections above are of everything", r.Filter)
	}
	hidden := 0
	for _, h := range r.Hidden {
		if hidden++; hidden > 10 {
			continue
		}
		what := "in protocols this program does not decode"
		if h.Encrypted {
			what = "encrypted"
		}
		name := h.Server.String()
		if n := names.Of(h.Server.Addr()); n != "" {
			name = page.Clean(n, 30) + " (" + name + ")"
		}
		note("%s to %s, %s: %s", page.Count(h.Connections, "connection"), name, what, page.Size(h.Bytes))
	}
	if hidden > 10 {
		note("connections to %s more, encrypted or not decoded (--json has all)", page.Count(hidden-10, "server"))
	}
	if lost := r.LostBytes - r.CutBytes; lost > 0 {
		note("%s missing from %s: the capture lost them", page.Size(lost), page.Count(r.Connections.Gaps, "connection"))
	}
	if n := r.Connections.OneSided; n > 0 {
		note("%s seen in one direction only", page.Count(n, "connection"))
	}
	if n := r.Counters.Malformed; n > 0 {
		note("%s outside the rules of the protocol: read as far as possible", page.Count(int(n), "message or part", "messages or parts"))
	}
	d := r.Decode
	if d.UnknownLink > 0 {
		note("%s of a kind of network, or in a tunnel, that this program does not read", page.Count(int(d.UnknownLink), "packet"))
	}
	if d.OtherTransport > 0 {
		note("%s of other transports than TCP (UDP, …): not looked into", page.Count(int(d.OtherTransport), "packet"))
	}
	if n := d.Damaged + d.FragmentsDropped + d.FragmentsHeld; n > 0 {
		note("%s damaged or incomplete", page.Count(int(n), "packet"))
	}
	if r.CutBytes > 0 {
		note("%s were not recorded: the capture was made with a short snap length; record whole packets (tcpdump -s 0)", page.Size(r.CutBytes))
	}
	if r.GivenUp > 0 {
		note("%s given up for lack of room", page.Count(int(r.GivenUp), "connection"))
	}
	if d.AmbiguousFragments > 0 {
		note("%s with overlaps that differ: the first copy was read", page.Count(int(d.AmbiguousFragments), "IP fragment"))
	}
	note("what passed before the capture began, after it ended, or on a path that was not tapped")
	return notes
}

// unread says which files were not read, or not whole.
func (r *Result) unread() []string {
	var notes []string
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	for _, f := range r.Files {
		if f.Err != nil {
			note("%s", page.Clean(f.Err.Error(), 200))
		}
	}
	for i, s := range r.Skipped {
		if i == 5 {
			note("%s more skipped, which are no captures", page.Count(len(r.Skipped)-i, "file"))
			break
		}
		note("skipped, not a capture: %s", page.Clean(s, 70))
	}
	return notes
}

// rule prints how patients are counted: the rule goes with every answer.
func (p *Report) rule(r *Result) {
	if r.Counters.Disclosures == 0 {
		return
	}
	p.Line("")
	p.Line("HOW PATIENTS ARE COUNTED")
	p.Wrap("  ", patient.CountingRule)
}

// party names a side in at most n columns: by the operator's name, else by claim and address. A long address is shortened
// in the middle; the list of systems has it whole.
func (p *Report) party(a chaperone.Party, n int) string {
	if name := p.Names.Of(a.Addr); name != "" {
		return page.Clean(name, n)
	}
	if !a.Addr.IsValid() {
		return page.Clean(a.Claimed, n)
	}
	address := a.Addr.String()
	if a.Claimed == "" {
		return page.Middle(address, n)
	}
	room := max(n-len(address)-1, min(n/2-1, runewidth.StringWidth(a.Claimed)))
	claimed := page.Clean(a.Claimed, room)
	return claimed + " " + page.Middle(address, n-runewidth.StringWidth(claimed)-1)
}

func (p *Report) moment(t time.Time) string { return t.In(p.Zone).Format("2006-01-02 15:04:05") }
