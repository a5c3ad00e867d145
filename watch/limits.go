package watch

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/mattn/go-runewidth"

	"chaperone"
)

// limits says what the capture cannot show: an answer that hides its holes is half an answer.
func (p *Report) limits(r *Result) {
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
		if n := p.Names.Of(h.Server.Addr()); n != "" {
			name = clean(n, 30) + " (" + name + ")"
		}
		note("%s to %s, %s: %s", count(h.Connections, "connection"), name, what, size(h.Bytes))
	}
	if hidden > 10 {
		note("connections to %s more, encrypted or not decoded (--json has all)", count(hidden-10, "server"))
	}
	if lost := r.LostBytes - r.CutBytes; lost > 0 {
		note("%s missing from %s: the capture lost them", size(lost), count(r.Connections.Gaps, "connection"))
	}
	if n := r.Connections.OneSided; n > 0 {
		note("%s seen in one direction only", count(n, "connection"))
	}
	if n := r.Counters.Malformed; n > 0 {
		note("%s outside the rules of the protocol: read as far as possible", count(int(n), "message or part", "messages or parts"))
	}
	d := r.Decode
	if d.UnknownLink > 0 {
		note("%s of a kind of network, or in a tunnel, that this program does not read", count(int(d.UnknownLink), "packet"))
	}
	if d.OtherTransport > 0 {
		note("%s of other transports than TCP (UDP, …): not looked into", count(int(d.OtherTransport), "packet"))
	}
	if n := d.Damaged + d.FragmentsDropped + d.FragmentsHeld; n > 0 {
		note("%s damaged or incomplete", count(int(n), "packet"))
	}
	if r.CutBytes > 0 {
		note("%s were not recorded: the capture was made with a short snap length; record whole packets (tcpdump -s 0)", size(r.CutBytes))
	}
	if r.GivenUp > 0 {
		note("%s given up for lack of room", count(int(r.GivenUp), "connection"))
	}
	if d.AmbiguousFragments > 0 {
		note("%s with overlaps that differ: the first copy was read", count(int(d.AmbiguousFragments), "IP fragment"))
	}
	for _, f := range r.Files {
		if f.Err != nil {
			note("%s", clean(f.Err.Error(), 200))
		}
	}
	for i, s := range r.Skipped {
		if i == 5 {
			note("%s more skipped, which are no captures", count(len(r.Skipped)-i, "file"))
			break
		}
		note("skipped, not a capture: %s", clean(s, 70))
	}
	note("what passed before the capture began, after it ended, or on a path that was not tapped")
	p.line("")
	p.line("WHAT THIS CAPTURE CANNOT SHOW")
	for _, n := range notes {
		p.wrap("  - ", n)
	}
}

// rule prints how patients are counted: the rule goes with every answer.
func (p *Report) rule(r *Result) {
	if r.Counters.Disclosures == 0 {
		return
	}
	p.line("")
	p.line("HOW PATIENTS ARE COUNTED")
	p.wrap("  ", "One patient is one identifier: number and issuing authority. All numbers in one HL7 PID-3 are one person. HL7 and "+
		"DICOM numbers stay apart. Without any number, name with birth date and sex counts as one person (known by name only). "+
		"Merges that were seen are applied. A record without any of these names nobody and is not among the patients. \"At least\" also joins "+
		"equal name, birth date and sex; \"at most\" takes every number for a person of its own.")
}

// party names a side in at most n columns: by the operator's name, else by claim and address. A long address is shortened
// in the middle; the list of systems has it whole.
func (p *Report) party(a chaperone.Party, n int) string {
	if name := p.Names.Of(a.Addr); name != "" {
		return clean(name, n)
	}
	if !a.Addr.IsValid() {
		return clean(a.Claimed, n)
	}
	address := a.Addr.String()
	if a.Claimed == "" {
		return middle(address, n)
	}
	room := max(n-len(address)-1, min(n/2-1, runewidth.StringWidth(a.Claimed)))
	claimed := clean(a.Claimed, room)
	return claimed + " " + middle(address, n-runewidth.StringWidth(claimed)-1)
}

// middle shortens ASCII text in the middle.
func middle(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:(n-1)/2] + "…" + s[len(s)-n/2:]
}

func (p *Report) moment(t time.Time) string { return t.In(p.Zone).Format("2006-01-02 15:04:05") }

// clean makes text from outside safe for a terminal, and at most n columns wide.
func clean(s string, n int) string {
	return runewidth.Truncate(strings.ReplaceAll(Printable(s), "\n", "?"), max(n, 1), "…")
}

// Printable replaces what could steer a terminal; line ends stay.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && steers(r) {
			return '?'
		}
		return r
	}, s)
}

// steers reports whether a character can change what others look like: controls, and those that steer direction and joining.
func steers(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs) || r == unicode.ReplacementChar
}

func count(n int, one string, many ...string) string {
	word := one + "s"
	if len(many) > 0 {
		word = many[0]
	}
	if n == 1 {
		word = one
	}
	return number(n) + " " + word
}

func people(n int) string {
	if n == 1 {
		return "the records of 1 patient"
	}
	return "the records of " + number(n) + " patients"
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return number(n) + " times"
}

func share(part, whole int) string {
	switch part {
	case 0:
		return "none"
	case whole:
		return "all"
	}
	return number(part)
}

// number groups thousands.
func number(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func size(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	v := float64(n)
	for _, u := range units {
		if v < 1000 || u == "TB" {
			if u == "B" || v >= 100 {
				return fmt.Sprintf("%.0f %s", v, u)
			}
			return fmt.Sprintf("%.1f %s", v, u)
		}
		v /= 1000
	}
	return ""
}

func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.1f seconds", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%.0f minutes", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.1f hours", d.Hours())
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}
