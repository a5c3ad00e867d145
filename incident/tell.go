package incident

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"chaperone"
	"chaperone/detect"
)

// missing says of each stage what could have shown it.
var missing = map[Stage]string{
	Scanned:   "a capture of the public address in the days before would show who looked for open doors",
	Guessed:   "the security log of the entered system (event 4625) or a capture of its remote desktop would show failed attempts",
	Entered:   "the security log of the entered system (event 4624) or a capture of its remote desktop would show who came in",
	Escalated: "the security log of the entered system (event 4672) would show privileges",
	Persisted: "the system and security logs (events 7045, 4697, 4720) would show services and accounts that were made",
	Moved:     "a capture between the network's segments would show which systems were opened from there",
	Collected: "a capture in front of the archive and the file server would show what was read",
	Left:      "a capture of the line to the outside would show how much left, and where to",
	Offered:   "a copy of the offer and of its sample, put into the folder, would be compared with these patients",
}

// missing says why a stage was not found: the evidence is there and does not show it, or it is not there.
func (c *chain) missing(s Stage) string {
	switch s {
	case Guessed, Entered, Escalated, Persisted:
		if c.entry.IsValid() && slices.Contains(c.Logged, c.entry) {
			return "the logs of " + c.name(c.entry) + " are here, and what they hold does not show it"
		}
	case Scanned, Moved, Collected, Left:
		if c.Captured {
			return "the captures that are here do not show it; " + missing[s]
		}
	}
	return missing[s]
}

// belongs says of each stage why its findings are part of the story.
var belongs = map[Stage]string{
	Scanned:   "the same outside address, before the entry",
	Guessed:   "the same target, and the address that came in or the account that was used",
	Entered:   "a password that was guessed before",
	Escalated: "the same session, by its logon number",
	Persisted: "during the same session, by its logon number or its time",
	Moved:     "opened from a system that the intruder had",
	Collected: "by a system that the intruder had, after it was reached",
	Left:      "from a system that the intruder had, after it was reached",
	Offered:   "the offer was in the folder; its numbers are compared, its author is not known",
}

// story writes down what the chain found.
func (c *chain) story() Story {
	s := Story{Intruder: c.intruder, Entry: c.entry, Reached: c.order, Taken: c.taken, Claims: c.claims()}
	slices.SortFunc(s.Intruder, netip.Addr.Compare)
	for _, stage := range Stages {
		step := Step{Stage: stage, Because: c.missing(stage)}
		if stage == Offered {
			step = offered(s.Claims)
		} else if list := c.used[stage]; len(list) > 0 {
			step = c.step(stage, list)
		} else if stage == Collected && len(c.taken.Sources)+len(c.taken.Files) > 0 {
			step = c.quiet()
		}
		s.Steps = append(s.Steps, step)
	}
	for _, f := range c.used[Left] {
		s.Taken.Outside += f.Bytes
	}
	return s
}

// step sums the findings of a stage up.
func (c *chain) step(stage Stage, list []chaperone.Finding) Step {
	slices.SortStableFunc(list, func(a, b chaperone.Finding) int { return a.First.Compare(b.First) })
	s := Step{Stage: stage, Found: true, First: list[0].First, Belief: Observed, Because: belongs[stage], Findings: list, Says: list[0].Title}
	logged := false
	for _, f := range list {
		if f.Last.After(s.Last) {
			s.Last = f.Last
		}
		s.By = include(s.By, f.From.Addr)
		s.At = include(s.At, f.To.Addr)
		if s.Account == "" {
			s.Account = f.Account
		}
		logged = logged || f.Evidence.Record > 0
		if c.how[f.From.Addr] == Inferred {
			s.Belief = Inferred
		}
	}
	if s.Belief == Observed && logged {
		s.Belief = Logged
	}
	switch stage {
	case Collected:
		if c.taken.Patients.Patients > 0 {
			s.Says = c.collected()
		}
	case Entered:
		c.entrance(&s)
	}
	if stage == Scanned && s.Belief == Inferred {
		s.Because = "the last scan before the guesses that found the door of the entered system open"
	}
	switch stage {
	case Moved:
		s.Says = c.ways(list)
	case Persisted:
		s.Says = together(list)
	}
	return s
}

// entrance says how sure an entry is, and from where.
func (c *chain) entrance(s *Step) {
	first := s.Findings[0]
	switch {
	case first.Rule == detect.LogonNewSource && s.Belief == Inferred:
		s.Because = "the last logon from a new outside address before the first act; nothing else ties it to the rest"
	case first.Rule == detect.LogonNewSource:
		s.Because = "a logon from an outside address that never logged on before, and what its session changed"
	case first.Severity < chaperone.Critical:
		s.Belief = Inferred
		s.Because = "a long session after the attempts; the log of the system would prove it"
	}
	if c.Site.Inside(first.From.Addr) {
		s.Because += "; it came from an inside address, behind which a gateway or a VPN may stand"
	}
	for _, f := range s.Findings {
		if f.Account != s.Account {
			s.Account = "" // two ways in: each finding names its own
		}
	}
}

// quiet makes the step of what was taken without being too much for any detector.
func (c *chain) quiet() Step {
	s := Step{Stage: Collected, Found: true, Belief: Observed, Because: belongs[Collected]}
	seen := func(by, at netip.Addr, first, last time.Time) {
		if s.First.IsZero() || first.Before(s.First) {
			s.First = first
		}
		s.Last = later(s.Last, last)
		s.By, s.At = include(s.By, by), include(s.At, at)
	}
	for _, x := range c.taken.Sources {
		seen(x.By, x.From.Addr, x.First, x.Last)
	}
	for _, f := range c.taken.Files {
		seen(f.By, f.At, f.Time, f.Time)
	}
	s.Says = c.collected()
	return s
}

// collected says what was taken.
func (c *chain) collected() string {
	says := fmt.Sprintf("Records of %d patients were collected", c.taken.Patients.Patients)
	if n := len(c.taken.Files); n > 0 {
		says += fmt.Sprintf(", and %d database %s copied as a whole", n, plural(n, "file was", "files were"))
	}
	return says + "."
}

// together tells several findings of one session in one sentence.
func together(list []chaperone.Finding) string {
	const same = "During the suspicious session "
	var parts []string
	for _, f := range list {
		part := strings.TrimSuffix(strings.TrimPrefix(f.Title, same), ".")
		part = strings.ToLower(part[:1]) + part[1:]
		if !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	return same + strings.Join(parts, "; ") + "."
}

// ways names the ways between systems that the intruder opened.
func (c *chain) ways(list []chaperone.Finding) string {
	const most = 4
	var ways []string
	for _, f := range list {
		if !f.To.Addr.IsValid() {
			continue
		}
		way := c.name(f.From.Addr) + " to " + c.name(f.To.Addr)
		if !slices.Contains(ways, way) {
			ways = append(ways, way)
		}
	}
	if len(ways) == 0 {
		return list[0].Title
	}
	more := ""
	if len(ways) > most {
		more = fmt.Sprintf(" and %d more", len(ways)-most)
		ways = ways[:most]
	}
	return "Systems were opened from one to the next that never were before: " + strings.Join(ways, ", ") + more + "."
}

func (c *chain) name(a netip.Addr) string {
	if n := c.Site.Name(a); n != "" {
		return n
	}
	return a.String()
}

// include adds an address that is not in the list.
func include(list []netip.Addr, a netip.Addr) []netip.Addr {
	if a.IsValid() && !slices.Contains(list, a) {
		return append(list, a)
	}
	return list
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// claims compares each claim's matches with what was taken.
func (c *chain) claims() []Claim {
	claims := slices.Clone(c.Claims)
	taken := map[chaperone.PatientToken]bool{}
	for _, n := range c.taken.nodes {
		taken[c.Census.Person(n)] = true
	}
	for i := range claims {
		claims[i].Taken = 0
		for _, person := range people(c.Census, claims[i].Matches) {
			if slices.ContainsFunc(person, func(t chaperone.PatientToken) bool { return taken[t] }) {
				claims[i].Taken++
			}
		}
	}
	return claims
}

// offered makes the step of the claims.
func offered(claims []Claim) Step {
	s := Step{Stage: Offered, Because: missing[Offered]}
	for _, claim := range claims {
		if claim.Claimed == 0 && claim.Price == "" {
			continue // a table without an offer
		}
		s.Found, s.Belief, s.Because = true, Inferred, belongs[Offered]
		if claim.Proven > 0 {
			s.Because = "numbers in the dump are those of patients in this evidence"
		}
		if s.First.IsZero() || !claim.Posted.IsZero() && claim.Posted.Before(s.First) {
			s.First = claim.Posted
		}
		s.Last = later(s.Last, claim.Posted)
		s.Says = "The records are offered"
		if claim.Place != "" {
			s.Says += " at " + claim.Place
		}
		if claim.Price != "" {
			s.Says += " for " + claim.Price
		}
		s.Says += "."
	}
	return s
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
