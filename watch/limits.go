package watch

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"chaperone"
)

// limits says what the capture cannot show: an answer that hides its holes is half an answer.
func (p *Report) limits(r *Result) {
	var notes []string
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
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
		note("connections to %s more, encrypted or not decoded (--json has all systems)", count(hidden-10, "server"))
	}
	if r.LostBytes > 0 {
		note("%s missing from %s: the capture lost them", size(r.LostBytes), count(r.Connections.Gaps, "connection"))
	}
	if n := r.Connections.OneSided; n > 0 {
		note("%s seen in one direction only", count(n, "connection"))
	}
	if n := r.Counters.Malformed; n > 0 {
		note("%s outside the rules of the protocol: read as far as possible", count(int(n), "message or part", "messages or parts"))
	}
	if d := r.Decode; d.Damaged+d.FragmentsDropped > 0 {
		note("%s damaged or incomplete", count(int(d.Damaged+d.FragmentsDropped), "packet"))
	}
	if d := r.Decode; d.AmbiguousFragments > 0 {
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

// party names a side in at most n characters: by the operator's name, else by claim and address.
func (p *Report) party(a chaperone.Party, n int) string {
	if name := p.Names.Of(a.Addr); name != "" {
		return clean(name, n)
	}
	address := ""
	if a.Addr != (netip.Addr{}) {
		address = a.Addr.String()
	}
	room := n - len([]rune(address)) - 1
	if a.Claimed == "" || room < 3 && address != "" {
		return clean(address, n)
	}
	if address == "" {
		return clean(a.Claimed, n)
	}
	return clean(a.Claimed, room) + " " + address
}

func (p *Report) moment(t time.Time) string { return t.In(p.Zone).Format("2006-01-02 15:04:05") }

// clean makes text from the wire safe for a terminal, and short.
func clean(s string, n int) string {
	out := []rune(strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7F && r < 0xA0 || r == 0xFFFD || r >= 0x200B && r <= 0x200F || r >= 0x2028 && r <= 0x202E || r >= 0x2066 && r <= 0x2069 {
			return '?'
		}
		return r
	}, s))
	if len(out) > n {
		out = append(out[:n-1], '…')
	}
	return string(out)
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
