package main

import (
	"fmt"
	"slices"
	"strings"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/page"
)

// strangers refuses a name that nobody on record has: "none" would be the answer to a slip of the pen, and read as an
// all-clear. Addresses and subnets are taken as they are: that nothing went there is an answer. What stands in a file is told by its line,
// and not said again: it may be another file than was meant, with patients in it.
func (f *questionFlags) strangers(l *disk.Ledger, q ledger.Query) error {
	givers, receivers := l.Parties()
	for _, side := range []struct {
		flag    string
		asked   []ledger.Match
		parties []chaperone.Party
	}{{"--party", q.Parties, receivers}, {"--source", q.Sources, givers}} {
		// what the operator calls it may stand for several matches: one of them is enough
		byName := slices.ContainsFunc(side.asked, func(m ledger.Match) bool { return m.Prefix.IsValid() })
		for _, m := range side.asked {
			if m.Prefix.IsValid() || slices.ContainsFunc(side.parties, m.Fits) || byName {
				continue
			}
			flag, name := side.flag, page.Clean(m.Name, 60)
			if line := f.lines[m.Name]; line > 0 && side.flag == "--party" {
				flag, name = fmt.Sprintf("%s: line %d", f.partyFile, line), "that"
			}
			return fmt.Errorf("%s: nobody on record is called %s%s; an address or a subnet can be asked for too, and --names brings your own names",
				flag, name, similar(m.Name, side.parties))
		}
	}
	return nil
}

// similar lists some names that look like what was typed, or the first ones.
func similar(name string, parties []chaperone.Party) string {
	var near, all []string
	for _, p := range parties {
		for _, known := range []string{p.Proven, p.Claimed} {
			if known == "" || slices.Contains(all, known) {
				continue
			}
			all = append(all, known)
			if strings.Contains(strings.ToLower(known), strings.ToLower(name)) {
				near = append(near, known)
			}
		}
	}
	if len(near) == 0 {
		near = all
	}
	if len(near) == 0 {
		return ""
	}
	more := ""
	if len(near) > 6 {
		near, more = near[:6], ", …"
	}
	for i := range near {
		near[i] = page.Clean(near[i], 60)
	}
	return "; there are " + strings.Join(near, ", ") + more
}
